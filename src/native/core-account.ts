import { interruptDelta, parseInterrupts } from '../formats/interrupts.ts';

/** The kernel's account of the polling core: what /proc says before and after the measured window. */

export interface Snapshot {
  /** /proc/interrupts */
  interrupts: string;
  /** /proc/softirqs */
  softirqs: string;
  /** /proc/stat */
  stat: string;
  /** ru_nivcsw and ru_nvcsw of getrusage(RUSAGE_THREAD), on the poll thread. */
  involuntarySwitches: number;
  voluntarySwitches: number;
}

interface RowDelta {
  row: string;
  what: string;
  count: number;
}

export interface CoreAccount {
  involuntarySwitches: number;
  voluntarySwitches: number;
  /** undefined where /proc/interrupts could not be read. */
  interrupts?: RowDelta[];
  softirqs?: RowDelta[];
  stealTicks?: number;
}

function deltas(before: string, after: string, cpu: number): RowDelta[] | undefined {
  const from = parseInterrupts(before);
  const to = parseInterrupts(after);
  if (!from.cpus.includes(cpu) || !to.cpus.includes(cpu)) return undefined;
  const what = new Map(to.rows.map((row) => [row.name, row.description]));
  return Object.entries(interruptDelta(from, to, cpu))
    .map(([row, count]) => ({ row, what: what.get(row) ?? '', count }))
    .sort((a, b) => b.count - a.count);
}

/** Eighth number of the cpuN line, in ticks of 1/USER_HZ (proc_stat(5)). */
function stealTicks(stat: string, cpu: number): number | undefined {
  const fields = stat
    .split('\n')
    .find((line) => line.startsWith(`cpu${cpu} `))
    ?.trim()
    .split(/\s+/);
  const steal = fields?.[8];
  return steal === undefined ? undefined : Number(steal);
}

export function coreAccount(before: Snapshot, after: Snapshot, cpu: number): CoreAccount {
  const interrupts = deltas(before.interrupts, after.interrupts, cpu);
  const softirqs = deltas(before.softirqs, after.softirqs, cpu);
  const from = stealTicks(before.stat, cpu);
  const to = stealTicks(after.stat, cpu);
  return {
    involuntarySwitches: after.involuntarySwitches - before.involuntarySwitches,
    voluntarySwitches: after.voluntarySwitches - before.voluntarySwitches,
    ...(interrupts === undefined ? {} : { interrupts }),
    ...(softirqs === undefined ? {} : { softirqs }),
    ...(from === undefined || to === undefined ? {} : { stealTicks: to - from }),
  };
}
