import { lostArguments } from '../formats/boot-line.ts';
import { parseCommandLine, valuesOf } from '../formats/kernel-cmdline.ts';
import { isUserspace } from '../formats/nic-drivers.ts';
import { OWN } from '../formats/own-files.ts';
import type { BootMemory } from '../plan/boot-arguments.ts';
import { bootMemory } from '../plan/boot-arguments.ts';
import type { Facts } from '../probes/facts.ts';
import { defineCheck, type Judgement } from './define.ts';
import { evidence } from './evidence.ts';

const WHY =
  'a boot line that is written and not in force, or in force and not written, makes the next boot another host';

/** What was written, what the loader would boot, and what this kernel was started with. Effects have checks of their own. */
export const bootArgumentsCheck = defineCheck('boot-arguments', WHY, (facts) => {
  const memory = bootMemory(facts.ownFiles.files);
  if (memory === undefined || memory.arguments.length === 0) return judgeForeign(facts);
  return [
    judgeRunning(memory, facts),
    ...judgeEntries(memory, facts),
    ...judgeSource(facts),
    ...judgeEffect(memory, facts),
  ];
});

/** Nothing of ours: only whether the next boot will be as this one. */
function judgeForeign({ bootLoader, kernel }: Facts): Judgement[] {
  const skip = (sentence: string): Judgement[] => [
    {
      subject: 'boot line',
      result: 'skip',
      sentence,
      evidence: [evidence(bootLoader.entries, undefined, () => '')],
    },
  ];
  const { entries, loader } = bootLoader;
  if (loader.absent !== undefined) return skip('no boot loader is known here');
  if (entries.absent !== undefined) return skip('what the boot loader will start cannot be read');
  const running = kernel.commandLine.value;
  if (running === undefined) return skip('the boot line of this kernel cannot be read');
  const same = entries.value.some(({ line }) => settings(line) === settings(running));
  const chosen = entries.value.find(({ isDefault }) => isDefault);
  const seen = [evidence(kernel.commandLine), { path: entries.from, value: chosen?.line ?? '(no entry)' }];
  if (same)
    return [
      { subject: 'boot line', result: 'pass', sentence: 'the next boot will have the same', evidence: seen },
    ];
  return [
    {
      subject: 'boot line',
      result: 'warn',
      sentence: 'no boot entry has the boot line of the running kernel',
      evidence: seen,
      remedy: 'reboot, and measure again: what is seen now is not what the next boot will be',
    },
  ];
}

/** What loaders add, and what they cannot know, is no setting. */
function settings(line: string): string {
  const { parameters } = parseCommandLine(line);
  return parameters
    .filter(
      ({ name }) =>
        !/^(BOOT_IMAGE|initrd|snapd_recovery_mode|bypass_setup\.trial)$/.test(name) && !name.startsWith('$'),
    )
    .map(({ text }) => text)
    .sort()
    .join(' ');
}

function judgeRunning(memory: BootMemory, { kernel, bootLoader, ownFiles }: Facts): Judgement {
  const wanted = memory.arguments.join(' ');
  const seen = [evidence(kernel.commandLine, wanted)];
  const running = kernel.commandLine.value;
  const judged = { subject: 'boot line', evidence: seen };
  if (running === undefined)
    return { ...judged, result: 'unknown', sentence: 'what this kernel was started with cannot be read' };
  const lost = lostArguments(running, memory.arguments);
  if (lost.length === 0)
    return { ...judged, result: 'pass', sentence: `this kernel was started with ${wanted}` };
  const list = lost.join(' ');
  if (memory.bootId === kernel.bootId.value)
    return { ...judged, result: 'fail', sentence: `waits for a reboot: ${list}`, remedy: 'reboot' };
  const result = trialResult(ownFiles);
  if (memory.trial !== undefined && result !== 'passed') {
    return {
      ...judged,
      result: 'fail',
      sentence: `was tried at a boot and not kept: ${result ?? 'the host did not come up with it'}`,
      remedy: 'bypass-setup undo, then apply a line that this host comes up with',
    };
  }
  return {
    ...judged,
    result: 'fail',
    sentence: `written before this boot, but the kernel was not started with ${list}`,
    remedy: `see what the loader (${bootLoader.loader.value ?? 'unknown'}) reads: it is not ${bootLoader.entries.from}, or another entry was chosen`,
  };
}

const trialResult = ({ files }: Facts['ownFiles']) => files[OWN.trialResult]?.value?.text.trim();

function judgeEntries(memory: BootMemory, { bootLoader, ownFiles }: Facts): Judgement[] {
  const { entries } = bootLoader;
  const judged = { subject: 'boot entries' };
  if (entries.absent !== undefined) {
    return [
      {
        ...judged,
        result: 'unknown',
        sentence: 'what the next boot will have cannot be read',
        evidence: [evidence(entries)],
        remedy: 'run as root',
      },
    ];
  }
  if (memory.trial !== undefined && trialResult(ownFiles) !== 'passed') return [];
  const deployed = ['rpm-ostree', 'bootc'].includes(bootLoader.loader.value ?? '');
  const managed = entries.value.filter(({ managed, isDefault }) => managed && (isDefault || !deployed));
  const wrong = managed.filter(({ line }) => lostArguments(line, memory.arguments).length > 0);
  if (managed.length > 0 && wrong.length === 0) {
    const sentence = `all ${managed.length} have it`;
    return [
      {
        ...judged,
        result: 'pass',
        sentence,
        evidence: [{ path: entries.from, value: `${managed.length} entries` }],
      },
    ];
  }
  const names = wrong.map(({ id }) => id).join(', ');
  return [
    {
      ...judged,
      result: 'fail',
      sentence: managed.length === 0 ? 'there is none of this system' : `not all have it: ${names}`,
      evidence: (wrong.length === 0 ? entries.value : wrong).map(({ path, line }) => ({
        path,
        value: line,
        expected: memory.arguments.join(' '),
      })),
      remedy: 'bypass-setup undo, and apply again; something else writes these entries',
    },
  ];
}

/** grub-mkconfig writes all entries anew with each kernel, from this file among others. */
function judgeSource({ bootLoader, ownFiles }: Facts): Judgement[] {
  const source = ownFiles.files[OWN.grubDefault];
  if (bootLoader.loader.value !== 'grub-debian' || source?.absent !== 'missing') return [];
  return [
    {
      subject: OWN.grubDefault,
      result: 'fail',
      sentence: 'is gone: the next kernel update writes entries without these arguments',
      evidence: [evidence(source, 'the arguments')],
      remedy: 'bypass-setup undo, and apply again',
    },
  ];
}

/** [E15] What no other check looks at. */
function judgeEffect(memory: BootMemory, { kernel, iommu }: Facts): Judgement[] {
  const line = parseCommandLine(kernel.commandLine.value ?? '');
  const passthrough = valuesOf(line, 'iommu').some((value) => value.split(',').includes('pt'));
  if (!memory.arguments.includes('iommu=pt') || !passthrough || iommu.groups.value === undefined) return [];
  const translated = iommu.groups.value.filter(
    ({ type, members }) =>
      (type.value ?? '').startsWith('DMA') &&
      members.some(({ driver }) => driver !== null && !isUserspace(driver)),
  );
  if (translated.length === 0) return [];
  return [
    {
      subject: 'iommu=pt',
      result: 'warn',
      sentence: `in the boot line, but ${translated.length} groups of kernel drivers are translated`,
      evidence: translated.map(({ id, type }) =>
        evidence(type, 'identity', (text) => `group ${id}: ${text}`),
      ),
      remedy:
        'look for untrusted or hot-pluggable devices, which the kernel always translates, or set the type in sysfs',
    },
  ];
}
