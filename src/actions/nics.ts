import { BIFURCATED, isUserspace, SOLARFLARE } from '../formats/nic-drivers.ts';
import { iommuToCome } from '../plan/iommu.ts';
import type { PciFunction } from '../probes/facts.ts';
import type { ResolvedNic, UserspaceDriver } from '../profile/resolved.ts';
import type { PlanContext } from './define.ts';
import { refused } from './run.ts';

/** A NIC of the profile together with what the host shows at its address. */
export interface Nic {
  readonly nic: ResolvedNic;
  readonly found: PciFunction;
  /** The driver it shall be on in user space; null for the kernel's own. */
  readonly wanted: UserspaceDriver | null;
}

const onload = ['onload', 'ef-vi', 'tcpdirect'];

/** The NICs of the profile as far as their driver is ours to change; of the others a note says why they stay. */
export function nicsOf({ facts, profile }: PlanContext, note: (sentence: string) => void = () => {}): Nic[] {
  return profile.nics.flatMap((nic) => {
    const found = facts.pci.networkFunctions.value?.find(({ address }) => address === nic.address);
    if (found === undefined) {
      throw refused('NIC_MISSING', nic.address, `no network function is at this address (NIC "${nic.name}")`);
    }
    const driver = kernelDriver(found);
    if (driver !== null && BIFURCATED.includes(driver)) {
      if (nic.driver !== null || nic.stack === 'dpdk') {
        const ready = (facts.stacks.mlx5.value?.uverbs.length ?? 0) > 0;
        const core = ready
          ? 'its RDMA nodes are there'
          : 'it needs rdma-core and its RDMA driver (mlx5_ib, mana_ib), which make /dev/infiniband/uverbs*';
        note(
          `${nic.address} (${driver}): correctly not bound; its poll-mode driver works beside the kernel; ${core}`,
        );
      }
      return [{ nic, found, wanted: null }];
    }
    if (driver !== null && SOLARFLARE.includes(driver)) {
      const present = facts.stacks.onload.value;
      if (onload.includes(nic.stack) || (nic.driver !== null && present !== undefined)) {
        const what =
          present === undefined
            ? 'Onload is not installed yet'
            : `Onload ${present.driver ?? 'is installed'}`;
        note(
          `${nic.address} (${driver}): correctly not bound; Onload, ef_vi and TCPDirect work on top of it; ${what}`,
        );
        return [{ nic, found, wanted: null }];
      }
    }
    return [{ nic, found, wanted: nic.driver }];
  });
}

/** The driver that the kernel itself has or had for it. */
export function kernelDriver(found: PciFunction): string | null {
  const driver = found.driver.value;
  if (driver !== undefined && !isUserspace(driver)) return driver;
  return found.remembered.value?.driver || null;
}

/** Its permanent address, also while no kernel driver has it. */
export function permanentAddress({ nic, found }: Nic, { facts }: PlanContext): string | null {
  const own = facts.network.interfaces.value?.find(({ name }) => found.interfaces.includes(name));
  const address = found.remembered.value?.address || nic.identity.mac;
  return own?.permanentAddress.value ?? address ?? own?.address.value ?? null;
}

/** Those that leave the kernel, or have left it. */
export function userspaceNicsOf(context: PlanContext): Nic[] {
  return nicsOf(context).filter(({ wanted }) => wanted !== null);
}

/**
 * Nothing is bound while there is no IOMMU. Where this profile turns it on with the next boot, the files of `persist` bind
 * the NIC in that boot; virtual functions, which no boot makes, wait for the apply after it.
 */
export function waitsForIommu({ nic, found, wanted }: Nic, { facts, profile }: PlanContext): boolean {
  if (facts.iommu.units.absent !== 'missing' || nic.allowNoIommu) return false;
  const own = wanted === 'vfio-pci' && found.driver.value !== wanted;
  const vfs = (nic.vfs ?? []).some(({ driver }) => driver === 'vfio-pci');
  return (own || vfs) && iommuToCome(facts, profile).nextBoot !== undefined;
}

/** Those that the kernel still has, also where it keeps them until the next boot. */
export function leavingNicsOf(context: PlanContext): Nic[] {
  return userspaceNicsOf(context).filter(({ found, wanted }) => found.driver.value !== wanted);
}

/** The user-space drivers that the plan binds to, for virtual functions too. */
export function wantedDrivers(context: PlanContext): Set<UserspaceDriver> {
  const drivers = nicsOf(context).flatMap(({ nic, found, wanted }) => {
    const bifurcated = BIFURCATED.includes(kernelDriver(found) ?? '');
    return [wanted, ...(bifurcated ? [] : (nic.vfs ?? [])).map((vf) => vf.driver)];
  });
  return new Set(drivers.filter((driver) => driver !== null));
}
