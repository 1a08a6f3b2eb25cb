import { BIFURCATED } from '../formats/nic-drivers.ts';
import type { PciFunction } from '../probes/facts.ts';
import type { VfSettings } from '../profile/resolved.ts';
import type { PlanContext } from './define.ts';
import { kernelDriver, type Nic, nicsOf, waitsForIommu } from './nics.ts';
import { refused } from './run.ts';

/** A virtual function that the profile describes, as it is now if it is there. */
export interface WantedVf {
  readonly physical: Nic;
  readonly settings: VfSettings;
  /** `0000:af:00.0/virtfn3`: the kernel's own path, known before the address is. */
  readonly target: string;
  readonly found: PciFunction | undefined;
}

/** Physical functions of which the profile names virtual ones, that can be made in this boot. */
export function physicalNicsOf(context: PlanContext): Nic[] {
  return withVirtual(context).filter((nic) => !waitsForIommu(nic, context));
}

/** Those of which they can be made only after the next boot. */
export function waitingNicsOf(context: PlanContext): Nic[] {
  return withVirtual(context).filter((nic) => waitsForIommu(nic, context));
}

function withVirtual(context: PlanContext): Nic[] {
  return nicsOf(context).filter(({ nic }) => (nic.vfs?.length ?? 0) > 0);
}

export function wantedVfsOf(context: PlanContext): WantedVf[] {
  const functions = context.facts.pci.networkFunctions.value ?? [];
  return physicalNicsOf(context).flatMap((physical) => {
    const present = physical.found.virtualFunctions;
    const complete = present.length === physical.nic.vfs?.length;
    return (physical.nic.vfs ?? []).map((settings) => ({
      physical,
      settings,
      target: `${physical.found.address}/virtfn${settings.index}`,
      // Of another number of them none stays.
      found: complete ? functions.find(({ address }) => address === present[settings.index]) : undefined,
    }));
  });
}

/** Virtual functions of a bifurcated NIC stay on its driver as the NIC does. */
export function staysWithKernel({ physical }: WantedVf): boolean {
  return BIFURCATED.includes(kernelDriver(physical.found) ?? '');
}

export function refuseIndexes({ found, nic }: Nic): void {
  const indexes = (nic.vfs ?? []).map(({ index }) => index);
  if (indexes.every((index, place) => index === place)) return;
  throw refused(
    'VF_INDEXES',
    found.address,
    `the virtual functions are numbered ${indexes.join(', ')}, not from 0 up`,
  );
}
