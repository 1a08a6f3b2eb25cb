import { getSystemErrorName } from 'node:util';
import { interruptDelta, parseInterrupts } from '../formats/interrupts.ts';
import { cpuTicks } from '../formats/proc-stat.ts';
import { threadMigrations, threadWaitNs } from '../formats/scheduler.ts';
import type { NamedCounter } from './counter-sources.ts';

/** The account of the polling core: what the kernel and the processor say before and after the measured window. */

const CPU = '/sys/devices/system/cpu';
const FILES = {
  interrupts: () => '/proc/interrupts',
  softirqs: () => '/proc/softirqs',
  stat: () => '/proc/stat',
  schedstat: () => '/proc/thread-self/schedstat',
  sched: () => '/proc/thread-self/sched',
  coreThrottles: (cpu: number) => `${CPU}/cpu${cpu}/thermal_throttle/core_throttle_count`,
  packageThrottles: (cpu: number) => `${CPU}/cpu${cpu}/thermal_throttle/package_throttle_count`,
  frequency: (cpu: number) => `${CPU}/cpu${cpu}/cpufreq/scaling_cur_freq`,
} as const;
const NAMES = Object.keys(FILES) as (keyof typeof FILES)[];

/** What the poll thread reads around its window: read there, no other CPU has to interrupt it for that. */
export function accountFiles(cpu: number): string[] {
  return NAMES.map((name) => FILES[name](cpu));
}

export interface Snapshot {
  /** Texts in the order of accountFiles(), or a negative errno. */
  files: readonly (string | number)[];
  /** Decimal numbers in the order of the counters that were asked for, or a negative errno. */
  counters: readonly (string | number)[];
  /** ru_nivcsw, ru_nvcsw, ru_minflt and ru_majflt of getrusage(RUSAGE_THREAD), on the poll thread. */
  involuntarySwitches: number;
  voluntarySwitches: number;
  minorFaults: number;
  majorFaults: number;
}

interface RowDelta {
  row: string;
  what: string;
  count: number;
}

/** What a counter grew by, or why that is not known. */
type CounterDelta = { from: string; delta: number } | { from: string; absent: string };

export interface CoreAccount {
  involuntarySwitches: number;
  voluntarySwitches: number;
  minorFaults: number;
  majorFaults: number;
  /** The rest is undefined where it could not be read. */
  interrupts?: RowDelta[];
  softirqs?: RowDelta[];
  stealTicks?: number;
  waitNs?: number;
  migrations?: number;
  throttles?: { core?: number; package?: number };
  scalingFrequencyKhz?: number;
  counters: Record<string, CounterDelta>;
}

function rowDeltas(before: string, after: string, cpu: number): RowDelta[] | undefined {
  const from = parseInterrupts(before);
  const to = parseInterrupts(after);
  if (!from.cpus.includes(cpu) || !to.cpus.includes(cpu)) return undefined;
  const what = new Map(to.rows.map((row) => [row.name, row.description]));
  return Object.entries(interruptDelta(from, to, cpu))
    .map(([row, count]) => ({ row, what: what.get(row) ?? '', count }))
    .sort((a, b) => b.count - a.count);
}

function counterDelta(
  from: string,
  before: string | number | undefined,
  after: string | number | undefined,
): CounterDelta {
  if (before === undefined || after === undefined) return { from, absent: 'was not read' };
  for (const value of [before, after])
    if (typeof value === 'number') return { from, absent: getSystemErrorName(value) };
  return { from, delta: Number(BigInt(after) - BigInt(before)) };
}

export function coreAccount(
  before: Snapshot,
  after: Snapshot,
  cpu: number,
  counters: readonly NamedCounter[],
): CoreAccount {
  const text = ({ files }: Snapshot, name: keyof typeof FILES): string => {
    const file = files[NAMES.indexOf(name)];
    return typeof file === 'string' ? file : '';
  };
  const difference = (name: keyof typeof FILES, parse: (text: string) => number | undefined) => {
    const [from, to] = [parse(text(before, name)), parse(text(after, name))];
    return from === undefined || to === undefined ? undefined : to - from;
  };
  const rows = (name: keyof typeof FILES) => rowDeltas(text(before, name), text(after, name), cpu);
  const core = difference('coreThrottles', wholeNumber);
  const ofPackage = difference('packageThrottles', wholeNumber);
  return {
    involuntarySwitches: after.involuntarySwitches - before.involuntarySwitches,
    voluntarySwitches: after.voluntarySwitches - before.voluntarySwitches,
    minorFaults: after.minorFaults - before.minorFaults,
    majorFaults: after.majorFaults - before.majorFaults,
    ...known('interrupts', rows('interrupts')),
    ...known('softirqs', rows('softirqs')),
    ...known(
      'stealTicks',
      difference('stat', (stat) => cpuTicks(stat, cpu)?.steal),
    ),
    ...known('waitNs', difference('schedstat', threadWaitNs)),
    ...known('migrations', difference('sched', threadMigrations)),
    ...known(
      'throttles',
      core === undefined && ofPackage === undefined
        ? undefined
        : { ...known('core', core), ...known('package', ofPackage) },
    ),
    ...known('scalingFrequencyKhz', wholeNumber(text(after, 'frequency'))),
    counters: Object.fromEntries(
      counters.map(({ name, from }, i) => [name, counterDelta(from, before.counters[i], after.counters[i])]),
    ),
  };
}

function known<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}

function wholeNumber(text: string): number | undefined {
  return /^\d+\s*$/.test(text) ? Number(text) : undefined;
}
