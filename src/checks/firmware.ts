import { type CpuSet, formatCpuList } from '../formats/cpu-list.ts';
import type { Facts } from '../probes/facts.ts';
import type { Judgement } from './define.ts';
import { evidence } from './evidence.ts';
import { defineCoreCheck } from './isolated.ts';

const WHY =
  'what runs below the kernel stops all CPUs, isolated ones too, for 10 µs to milliseconds, and is in no statistics of the kernel';

/** Those that are known to ask for one again and again; the others may never do so. */
const FREQUENT = ['dell_smm_hwmon', 'dcdbas'];

/** What takes CPUs away from the kernel itself: system management interrupts, or the hypervisor. */
export const firmwareCheck = defineCoreCheck('firmware', WHY, ({ machine, cpu }, isolated) => {
  if (machine.hypervisor.absent === undefined) return judgeSteal(machine, isolated);
  if (cpu.vendor.absent !== undefined) {
    const sentence = 'no system management interrupts are known of this processor';
    return [{ subject: 'host', result: 'skip', sentence, evidence: [evidence(cpu.vendor)] }];
  }
  return judgeInterrupts(machine);
});

/** Where it is nothing since boot, it may still be something at the open: that is for `check --measure`. */
function judgeSteal({ steal }: Facts['machine'], isolated: CpuSet): Judgement[] {
  if (steal.absent !== undefined) {
    const sentence = 'how often the hypervisor takes CPUs away cannot be read';
    return [{ subject: 'host', result: 'unknown', sentence, evidence: [evidence(steal, undefined, String)] }];
  }
  const robbed = isolated.filter((cpu) => (steal.value[cpu] ?? 0) > 0);
  if (robbed.length === 0) {
    const sentence = 'the hypervisor has taken no isolated CPU away since boot';
    return [
      { subject: 'host', result: 'pass', sentence, evidence: [{ path: steal.from, value: 'steal 0' }] },
    ];
  }
  const most = Math.max(...robbed.map((cpu) => steal.value[cpu] ?? 0));
  return [
    {
      subject: `CPUs ${formatCpuList(robbed)}`,
      result: 'warn',
      sentence: `the hypervisor took them away, one for ${most} ticks since boot`,
      evidence: robbed.slice(0, 5).map((cpu) => ({
        path: `${steal.from} (cpu${cpu})`,
        value: `steal ${steal.value[cpu]}`,
        expected: 'steal 0',
      })),
      remedy: 'pin the virtual CPUs on the machine below, each to a CPU that is isolated there',
    },
  ];
}

/** [G7] The number of them is in MSR 0x34 (Intel SDM, MSR_SMI_COUNT), which is not read for a look at a host. */
function judgeInterrupts({ smiSources }: Facts['machine']): Judgement[] {
  const sources = smiSources.value ?? [];
  const frequent = sources.filter((name) => FREQUENT.includes(name));
  const others = sources.filter((name) => !FREQUENT.includes(name));
  const may = others.length === 0 ? '' : `; ${others.join(', ')} may cause some`;
  const skip: Judgement = {
    subject: 'SMI',
    result: 'skip',
    sentence: `how many system management interrupts there are cannot be known from files${may}`,
    evidence: [evidence(smiSources, undefined, (all) => all.join(', '))],
  };
  return [
    skip,
    ...frequent.map(
      (name): Judgement => ({
        subject: name,
        result: 'warn',
        sentence: 'is loaded: each of its requests is a system management interrupt',
        evidence: [{ path: `/sys/module/${name}`, value: 'loaded', expected: 'not loaded' }],
        remedy: `modprobe -r ${name}, and keep it away with "blacklist ${name}" in /etc/modprobe.d/`,
      }),
    ),
  ];
}
