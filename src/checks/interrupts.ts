import { formatCpuList, intersect, parseCpuList } from '../formats/cpu-list.ts';
import { defineCheck } from './define.ts';
import { evidence } from './evidence.ts';
import { isolatedCpus } from './isolation.ts';

const WHY = 'an interrupt on the CPU of a poll loop stops it for 1 to 20 µs, at a moment nobody chooses';

/** Enough to see the pattern; the JSON of `probe` has all. */
const SHOWN = 5;

export const interruptsCheck = defineCheck('interrupts', WHY, ({ interrupts, isolation }) => {
  const isolated = isolatedCpus(isolation);
  if (isolated.length === 0) {
    return [
      {
        subject: 'host',
        result: 'skip',
        sentence: 'no CPU is isolated, so none can be disturbed',
        evidence: [],
      },
    ];
  }
  if (interrupts.lines.absent !== undefined || interrupts.lines.value.length === 0) {
    const sentence = 'interrupts cannot be read';
    return [{ subject: 'host', result: 'unknown', sentence, evidence: [evidence(interrupts.lines)] }];
  }
  const where = (list: string | undefined) => intersect(isolated, parseCpuList(list ?? ''));
  const intruders = interrupts.lines.value.filter((line) => where(line.affinity.value).length > 0);
  const hidden = interrupts.lines.value.filter((line) => line.affinity.absent !== undefined);
  if (intruders.length > 0) {
    const hit = formatCpuList(
      [...new Set(intruders.flatMap((line) => where(line.affinity.value)))].sort((a, b) => a - b),
    );
    return [
      {
        subject: `CPUs ${hit}`,
        result: 'fail',
        sentence: `${intruders.length === 1 ? 'an interrupt goes' : `${intruders.length} interrupts go`} there, although isolated`,
        evidence: intruders.slice(0, SHOWN).map((line) => ({
          path: line.affinity.from,
          value: `${line.affinity.value} (${line.description})`,
          expected: `none of ${formatCpuList(isolated)}`,
        })),
        remedy:
          'write a housekeeping list to /proc/irq/*/smp_affinity_list; managed ones need isolcpus=managed_irq',
      },
    ];
  }
  if (hidden.length > 0) {
    return [
      {
        subject: 'host',
        result: 'unknown',
        sentence: `where ${hidden.length} of ${interrupts.lines.value.length} interrupts go cannot be read`,
        evidence: hidden.slice(0, SHOWN).map((line) => evidence(line.affinity)),
        remedy: 'run as root',
      },
    ];
  }
  return [
    {
      subject: 'host',
      result: 'pass',
      sentence: `none of ${interrupts.lines.value.length} interrupts goes to CPUs ${formatCpuList(isolated)}`,
      evidence: [{ path: '/proc/irq/*/effective_affinity_list', value: 'housekeeping CPUs only' }],
    },
  ];
});
