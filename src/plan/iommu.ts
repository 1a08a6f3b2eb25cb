import { lostArguments, mergeArguments } from '../formats/boot-line.ts';
import { parseCommandLine, valuesOf } from '../formats/kernel-cmdline.ts';
import type { Facts } from '../probes/facts.ts';
import type { ResolvedProfile } from '../profile/resolved.ts';
import { bootMemory, iommuArguments, wantedArguments } from './boot-arguments.ts';

/** What a host whose IOMMU is off now will have. */
export type IommuToCome =
  | {
      /** The arguments with which the next boot turns it on. */
      readonly nextBoot: string;
    }
  | { readonly nextBoot?: never; readonly why: string; readonly remedy: string };

/** Whether this profile turns on, with the next boot, the IOMMU that vfio-pci needs; for hosts where it is off. Pure. */
export function iommuToCome(facts: Facts, profile: ResolvedProfile): IommuToCome {
  const { cpu, iommu, kernel, bootLoader, machine, ownFiles } = facts;
  const virtual = machine.hypervisor.value !== undefined;
  const firmware = virtual
    ? 'give this virtual machine a virtual IOMMU'
    : 'turn on VT-d or AMD-Vi in the firmware';
  const argumentsOfOurs = iommuArguments(profile, facts);
  const off = 'the IOMMU is off';
  if (argumentsOfOurs.length === 0) return { why: off, remedy: 'turn it on in the firmware' };
  if (iommu.table.absent === 'missing')
    return { why: `${off}, and the firmware describes none (${iommu.table.reason})`, remedy: firmware };
  const uses = (line: string) => usesIommu(line, cpu.vendor.value);
  const running = kernel.commandLine.value ?? '';
  if (uses(running)) return { why: `${off}, although the boot line leaves it on`, remedy: firmware };
  const needed = lostArguments(running, argumentsOfOurs).join(' ');
  const remedy = `boot with ${needed}`;
  if (!profile.persistent)
    return { why: off, remedy: `${remedy}, which a profile with "persistent: true" writes` };
  const notes: string[] = [];
  const wanted = wantedArguments(facts, profile, (sentence) => void notes.push(sentence));
  if (!uses(mergeArguments(running, wanted))) {
    const note = notes.find((sentence) => argumentsOfOurs.some((text) => sentence.startsWith(text)));
    return { why: `${off}, and ${note ?? 'the boot line of this profile leaves it off'}`, remedy };
  }
  if (bootLoader.loader.absent !== undefined)
    return { why: `${off}, and no boot loader is known here`, remedy };
  const chosen = bootLoader.entries.value?.find(({ isDefault }) => isDefault);
  const memory = bootMemory(ownFiles.files);
  const earlier = memory !== undefined && memory.bootId !== kernel.bootId.value;
  // `boot-arguments` does not write it again: that would never end.
  if (earlier && uses(memory.arguments.join(' ')) && !uses(chosen?.line ?? '')) {
    return {
      why: `${off}: this boot came up without ${needed}, which was written to the boot line before it`,
      remedy: 'find out what else makes the boot entries, and begin anew with "bypass-setup undo"',
    };
  }
  return { nextBoot: needed };
}

/**
 * Intel's unit wants to be turned on, but for kernels that are built otherwise; AMD's is on wherever the firmware describes
 * one (drivers/iommu/intel/iommu.c, intel_iommu_setup; drivers/iommu/amd/init.c, parse_amd_iommu_options). iommu=off keeps
 * either from being looked for (arch/x86/kernel/pci-dma.c, iommu_setup).
 */
function usesIommu(line: string, vendor: string | undefined): boolean {
  const parsed = parseCommandLine(line);
  const words = (key: string) => valuesOf(parsed, key).flatMap((value) => value.split(','));
  if (words('iommu').includes('off')) return false;
  if (vendor !== 'GenuineIntel') return !words('amd_iommu').includes('off');
  return words('intel_iommu').findLast((word) => word === 'on' || word === 'off') === 'on';
}
