import type { Note } from '../actions/define.ts';
import { foreignArguments, lostArguments, ownArguments, parseArgument } from '../formats/boot-line.ts';
import { parseCommandLine, sameName } from '../formats/kernel-cmdline.ts';
import { OWN } from '../formats/own-files.ts';
import { dangersOf } from '../formats/settings.ts';
import type { Facts } from '../probes/facts.ts';
import type { ResolvedProfile } from '../profile/resolved.ts';
import { hugepageArguments } from './hugepage-arguments.ts';

/** What was written to the boot line: OWN.bootArguments. */
export interface BootMemory {
  readonly arguments: readonly string[];
  /** Those of them that did not stand there before: a later profile may take them out again. */
  readonly added: readonly string[];
  /** The boot in which it was written: in a later one it must be in force. */
  readonly bootId: string;
  /** Its digest, where it is tried once before it becomes the default. */
  readonly trial?: string;
  /** By kernel release: arguments of which that kernel said that it does not know them. */
  readonly unknown: Readonly<Record<string, readonly string[]>>;
}

/** Without these build options the kernel ignores the argument, or hands it to init. */
const NEEDS: Readonly<Record<string, string>> = {
  isolcpus: 'CPU_ISOLATION',
  nohz_full: 'NO_HZ_FULL',
  rcu_nocbs: 'RCU_NOCB_CPU',
  hugepagesz: 'HUGETLBFS',
  hugepages: 'HUGETLBFS',
  default_hugepagesz: 'HUGETLBFS',
  intel_iommu: 'INTEL_IOMMU',
};

/** The arguments that this profile wants of this kernel, in their order. Pure. */
export function wantedArguments(facts: Facts, profile: ResolvedProfile, note: Note): string[] {
  const extras = profile.boot?.arguments ?? [];
  const parts = [
    ...coreArguments(profile, facts),
    ...hugepageArguments(profile, facts),
    ...iommuArguments(profile, facts),
  ];
  // What the profile writes out is meant.
  const own = parts.filter((text) => !extras.some((extra) => sameKey(extra, text)));
  const wanted = [...own, ...extras];
  if (!profile.persistent) {
    const missing = lostArguments(facts.kernel.commandLine.value ?? '', wanted);
    if (missing.length > 0)
      note(
        `the boot line is left alone, because the profile is not persistent: ${missing.join(' ')}`,
        'unmet',
      );
    return [];
  }
  for (const sentence of dangersOf(extras)) note(sentence);
  const unknown = unknownArguments(facts);
  return wanted.filter((text) => {
    const why = unknownBecause(text, facts, unknown);
    if (why !== undefined) note(`${text} is not written to the boot line: ${why}`, 'unmet');
    return why === undefined;
  });
}

/**
 * Isolation at boot: Documentation/admin-guide/kernel-parameters.txt. `managed_irq` also keeps those interrupts away whose
 * affinity nobody can set. A cgroup partition takes the place of `domain`, which could not be taken back at runtime. Where
 * interrupts are left alone, a `managed_irq` that somebody else wrote is too.
 */
function coreArguments({ cores, moveInterrupts }: ResolvedProfile, facts: Facts): string[] {
  if (cores === undefined) return [];
  const { isolated, housekeeping, isolation } = cores;
  const left = moveInterrupts === false;
  const flags = [
    ...(!left || keepsManaged(facts) ? ['managed_irq'] : []),
    ...(isolation === 'cpuset' ? [] : ['domain']),
  ];
  return [
    ...(flags.length === 0 ? [] : [`isolcpus=${flags.join(',')},${isolated}`]),
    `nohz_full=${isolated}`,
    `rcu_nocbs=${isolated}`,
    ...(left ? [] : [`irqaffinity=${housekeeping}`]),
  ];
}

function keepsManaged(facts: Facts): boolean {
  const ours = bootMemory(facts.ownFiles.files)?.added.some((text) =>
    text.startsWith('isolcpus=managed_irq'),
  );
  return (
    !ours && ownArguments(chosenLine(facts), ['isolcpus=0']).some((text) => text.includes('managed_irq'))
  );
}

/**
 * vfio-pci translates its own devices; `pt` leaves those of kernel drivers untranslated, which they are used to. AMD's
 * unit is on wherever the firmware describes one. Its driver knows no `on`, and says so in the log, but only another
 * value takes the place of `off` (drivers/iommu/amd/init.c, parse_amd_iommu_options).
 */
export function iommuArguments({ nics }: ResolvedProfile, facts: Facts): string[] {
  const protectedByIt = nics.filter(({ allowNoIommu }) => !allowNoIommu);
  const vfio = protectedByIt.some(({ driver, vfs }) =>
    [driver, ...(vfs ?? []).map((vf) => vf.driver)].includes('vfio-pci'),
  );
  if (!vfio) return [];
  const vendor = facts.cpu.vendor.value;
  if (vendor === 'GenuineIntel') return ['intel_iommu=on', 'iommu=pt'];
  if (vendor !== 'AuthenticAMD' && vendor !== 'HygonGenuine') return [];
  const ours = bootMemory(facts.ownFiles.files)?.arguments.includes(AMD_ON) === true;
  const off = [chosenLine(facts), facts.kernel.commandLine.value ?? ''].some((line) =>
    ownArguments(line, [AMD_ON]).some((text) => /[=,]off\b/.test(text)),
  );
  return [...(ours || off ? [AMD_ON] : []), 'iommu=pt'];
}

const AMD_ON = 'amd_iommu=on';

/** What is booted by default, as it is written now; the running line where no loader tells. */
function chosenLine({ bootLoader, kernel }: Facts): string {
  const chosen = bootLoader.entries.value?.find(({ isDefault }) => isDefault);
  return chosen?.line ?? kernel.commandLine.value ?? '';
}

/** Of arguments that may stand more than once none replaces another. */
function sameKey(a: string, b: string): boolean {
  return foreignArguments(a, [b]) === '';
}

/** Of this kernel: what it complains of now, and what it complained of when it was last given them. */
export function unknownArguments({ kernel, ownFiles }: Facts): string[] {
  const memory = bootMemory(ownFiles.files);
  const before = memory?.unknown[kernel.release.value ?? ''] ?? [];
  return [...new Set([...before, ...complainedOf(kernel.complaints.value ?? [])])].sort();
}

/** init/main.c, print_unknown_bootoptions: all in one line, with those that user space may know. */
function complainedOf(complaints: readonly string[]): string[] {
  return complaints.flatMap((line) => {
    const list = /Unknown kernel command line parameters "(.*)", will be passed to user space/.exec(
      line,
    )?.[1];
    return list === undefined ? [] : parseCommandLine(list).parameters.map(({ text }) => text);
  });
}

function unknownBecause(text: string, { kernel }: Facts, unknown: readonly string[]): string | undefined {
  const { name } = parseArgument(text);
  const option = NEEDS[name.replaceAll('-', '_')];
  if (option !== undefined && kernel.buildOptions.value?.[option] === 'n')
    return `the running kernel is built without CONFIG_${option}`;
  const said = unknown.find((other) => sameName(parseArgument(other).name, name));
  return said === undefined ? undefined : `the running kernel said that it does not know ${said}`;
}

/** Undefined where nothing was written, or where what is there makes no sense. */
export function bootMemory(files: Facts['ownFiles']['files']): BootMemory | undefined {
  const text = files[OWN.bootArguments]?.value?.text;
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as Partial<BootMemory>;
    const words = (list: unknown): list is string[] =>
      Array.isArray(list) && list.every((word) => typeof word === 'string');
    if (!words(value.arguments) || !words(value.added) || typeof value.bootId !== 'string') return undefined;
    const unknown = Object.entries(value.unknown ?? {}).filter(([, list]) => words(list));
    return {
      arguments: value.arguments,
      added: value.added,
      bootId: value.bootId,
      ...(typeof value.trial === 'string' ? { trial: value.trial } : {}),
      unknown: Object.fromEntries(unknown),
    };
  } catch {
    return undefined;
  }
}
