/** Judges what `check --measure` saw on the CPUs of poll loops. Pure, as every check; its facts are runs of the loop. */
import { type CpuSet, formatCpuList } from '../formats/cpu-list.ts';
import { formatNanoseconds } from '../formats/duration.ts';
import type { ValidateResult } from '../native/messages.ts';
import type { Attribution, Evidence, Finding } from '../report/report.ts';

/** What a run says about its CPU, whatever it drove. */
export type CoreRun = Pick<ValidateResult, 'durationSeconds' | 'clock' | 'gaps' | 'core'>;

export interface MeasuredHost {
  /** From /proc/cpuinfo: `GenuineIntel`. */
  readonly vendor: string | undefined;
  readonly hypervisor: string | undefined;
  /** Whether this program kept off the measured CPUs. */
  readonly apart: boolean;
}

/** As in the documentation of OpenShift's latency tests: cnf-tests, oslat, MAXIMUM_LATENCY=20. */
export const DEFAULT_GAP_LIMIT_NS = 20_000;

/** With nohz_full about one a second is left (Documentation/timers/no_hz.rst); a tick that goes on is 100 or more. */
const EVENTS_PER_SECOND = 10;

/** A loop that is never idle runs at the base frequency or above; the rest is what two readings are apart. */
const BASE_SHARE = 0.97;

const MACHINE_CHECKS = ['MCE', 'MCP', 'THR', 'TRM', 'DFR'];
/** Totals of the whole host, which stand in the first column (arch/x86/kernel/irq.c, arch_show_interrupts). */
const NOT_OF_A_CPU = ['ERR', 'MIS'];
/** Counted among the NMIs as well. */
const PERFORMANCE_NMIS = 'PMI';

const CORE_WHY = 'each gap is a time in which a packet waits; the longest one decides at the worst moment';
const FREQUENCY_WHY =
  'a CPU that is slowed down takes longer for every packet, whatever the governor is called';
const SMI_WHY =
  'in a system management interrupt the firmware stops all CPUs for 10 to 1000 µs, and Linux sees nothing';

const interruptsOf = ({ core }: CoreRun) =>
  core.interrupts?.filter(({ row }) => !NOT_OF_A_CPU.includes(row) && row !== PERFORMANCE_NMIS);
const sum = (rows: readonly { count: number }[] | undefined): number | null =>
  rows === undefined ? null : rows.reduce((total, { count }) => total + count, 0);

export function attributionOf(run: CoreRun, host: MeasuredHost): Attribution {
  const rows = interruptsOf(run);
  const kind = ({ row }: { row: string }) =>
    row === 'NMI' ? 'nmi' : MACHINE_CHECKS.includes(row) ? 'machine-check' : 'interrupt';
  const interrupts = sum(rows?.filter((row) => kind(row) === 'interrupt'));
  const nmis = sum(rows?.filter((row) => kind(row) === 'nmi'));
  const machineChecks = sum(rows?.filter((row) => kind(row) === 'machine-check'));
  const smi = smiCount(run, host);
  const smis = 'count' in smi ? smi.count : null;
  const threads = run.core.involuntarySwitches;
  const stolenTicks = run.core.stealTicks ?? null;
  const over = run.gaps.overLimit?.count ?? 0;
  const events = [interrupts, nmis, machineChecks, threads, stolenTicks, smis].map((count) => count ?? 0);
  return {
    interrupts,
    softirqs: sum(run.core.softirqs),
    threads,
    nmis,
    machineChecks,
    stolenTicks,
    smis,
    // Each event can lengthen one gap at most.
    unexplainedGaps: interrupts === null ? null : Math.max(0, over - events.reduce((a, b) => a + b, 0)),
  };
}

/** Whether the loop on this CPU was left alone, and by what it was not. */
export function judgeCore(run: CoreRun, host: MeasuredHost): Finding {
  const attribution = attributionOf(run, host);
  const { gaps, core, durationSeconds } = run;
  const limitNs = gaps.overLimit?.limitNs ?? DEFAULT_GAP_LIMIT_NS;
  const over = gaps.overLimit?.count ?? 0;
  const heading = { check: 'core', subject: `CPU ${core.cpu}`, why: CORE_WHY, evidence: coreEvidence(run) };
  const longest = `longest gap ${formatNanoseconds(gaps.maxNs)}`;
  const what = happenings(run, attribution, host);
  if (over > 0) {
    const sentence = `${longest}, ${over} over ${formatNanoseconds(limitNs)}; ${what}`;
    if (!host.apart) {
      return {
        ...heading,
        result: 'unknown',
        sentence: `${sentence}; this program itself may have run there, because it could not leave that CPU`,
        remedy: 'install util-linux (taskset), and leave a CPU that is not measured to this program',
      };
    }
    return { ...heading, result: 'fail', sentence, remedy: remedyFor(run, attribution, host) };
  }
  const events = (attribution.interrupts ?? 0) + (attribution.nmis ?? 0) + attribution.threads;
  if (events > EVENTS_PER_SECOND * durationSeconds) {
    return {
      ...heading,
      result: 'warn',
      sentence: `${longest}, but it is not left alone; ${what}`,
      remedy: remedyFor(run, attribution, host),
    };
  }
  return { ...heading, result: 'pass', sentence: `${longest}; ${what}` };
}

const SHOWN = 4;

/** `251 local timer interrupts, 12 TLB shootdowns`: what came to the CPU, then what the kernel did about it later. */
function happenings(run: CoreRun, attribution: Attribution, { hypervisor }: MeasuredHost): string {
  const { core } = run;
  const events = [
    ...(interruptsOf(run) ?? []).map((row) => ({
      count: row.count,
      text: interruptsText(row.count, row),
    })),
    {
      count: core.involuntarySwitches,
      text: numbered(core.involuntarySwitches, 'switch to other threads', 'switches to other threads'),
    },
    {
      count: core.majorFaults,
      text: numbered(core.majorFaults, 'page fault that read a disk', 'page faults that read a disk'),
    },
  ];
  const softirqs = (core.softirqs ?? []).map(({ row, count }) => ({
    count,
    text: numbered(count, `${row} softirq`),
  }));
  const counted = [events, softirqs].flatMap((kind) =>
    kind.filter(({ count }) => count > 0).sort((a, b) => b.count - a.count),
  );
  const rest = counted.length - SHOWN;
  const { stolenTicks, unexplainedGaps, smis } = attribution;
  const below = hypervisor === undefined ? 'firmware or hardware' : 'firmware, hypervisor or hardware';
  const said = [
    ...counted.slice(0, SHOWN).map(({ text }) => text),
    ...(rest > 0 ? [numbered(rest, 'kind more', 'kinds more')] : []),
    ...(smis ? [numbered(smis, 'SMI')] : []),
    ...(stolenTicks
      ? [numbered(stolenTicks, 'tick stolen by the hypervisor', 'ticks stolen by the hypervisor')]
      : []),
    ...(unexplainedGaps
      ? [`${numbered(unexplainedGaps, 'gap')} that nothing counted explains: ${below}`]
      : []),
    ...(core.interrupts === undefined ? ['which interrupts came cannot be read'] : []),
  ];
  return said.length === 0 ? 'nothing interrupted it' : said.join(', ');
}

function numbered(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** A line of a device ends with its action: `PCI-MSI 524288-edge nvme0q0`; the others are plural. */
function interruptsText(count: number, { row, what }: { row: string; what: string }): string {
  if (/^\d+$/.test(row)) {
    const of = what.split(' ').at(-1) || `IRQ ${row}`;
    return numbered(count, `interrupt of ${of}`, `interrupts of ${of}`);
  }
  const many = /^[A-Z][a-z]/.test(what)
    ? `${what[0]?.toLowerCase()}${what.slice(1)}`
    : what || `${row} interrupts`;
  return numbered(count, many.replace(/s$/, ''), many);
}

function remedyFor(run: CoreRun, attribution: Attribution, { hypervisor }: MeasuredHost): string {
  const rows = interruptsOf(run) ?? [];
  const timer = rows.find(({ row }) => row === 'LOC')?.count ?? 0;
  const devices = rows.filter(({ row }) => /^\d+$/.test(row));
  const cpu = run.core.cpu;
  if (attribution.threads > 0 && attribution.threads >= run.durationSeconds)
    return `keep other threads off CPU ${cpu}: isolcpus=domain, or a cgroup partition; look for them with: ps -eLo psr,comm`;
  if (devices.length > 0)
    return `move ${devices.map(({ row }) => `IRQ ${row}`).join(', ')} away: echo HOUSEKEEPING > /proc/irq/N/smp_affinity_list`;
  if (timer > EVENTS_PER_SECOND * run.durationSeconds)
    return `stop the tick: nohz_full=${cpu} rcu_nocbs=${cpu}, one thread on that CPU, and from Linux 6.12 on fair_server/cpu${cpu}/runtime at 0`;
  if (hypervisor !== undefined) return 'pin this virtual CPU to a core of its own on the machine below';
  return 'trace what comes there: rtla osnoise top -c CPU, or rtla hwnoise for firmware and hardware';
}

function coreEvidence({ gaps, core, durationSeconds }: CoreRun): Evidence[] {
  const rows = (all: readonly { row: string; count: number }[]) =>
    all.map(({ row, count }) => `${row} ${count}`).join(', ') || 'none';
  const limit = gaps.overLimit?.limitNs ?? DEFAULT_GAP_LIMIT_NS;
  return [
    {
      path: `poll loop, ${durationSeconds.toFixed(1)} s`,
      value: `p50 ${formatNanoseconds(gaps.p50Ns)}, p99.9 ${formatNanoseconds(gaps.p999Ns)}, max ${formatNanoseconds(gaps.maxNs)}; over 1/10/100 µs: ${gaps.over1us}/${gaps.over10us}/${gaps.over100us}`,
      expected: `max up to ${formatNanoseconds(limit)}`,
    },
    {
      path: '/proc/interrupts',
      value: core.interrupts === undefined ? '(cannot be read)' : rows(core.interrupts),
    },
    {
      path: '/proc/softirqs',
      value: core.softirqs === undefined ? '(cannot be read)' : rows(core.softirqs),
    },
    {
      path: 'getrusage(RUSAGE_THREAD)',
      value: `${core.involuntarySwitches} involuntary and ${core.voluntarySwitches} voluntary switches, ${core.minorFaults} minor and ${core.majorFaults} major faults`,
    },
    ...(core.waitNs === undefined
      ? []
      : [
          {
            path: '/proc/thread-self/schedstat',
            value: `waited ${formatNanoseconds(core.waitNs)} for others`,
          },
        ]),
    ...(core.migrations
      ? [{ path: '/proc/thread-self/sched', value: `moved ${core.migrations} times` }]
      : []),
    ...(core.stealTicks === undefined
      ? []
      : [{ path: '/proc/stat', value: `${core.stealTicks} ticks of steal` }]),
  ];
}

/** How fast the CPUs really ran while the loops were busy. CPUs with the same answer are one finding. */
export function judgeFrequency(runs: readonly CoreRun[], host: MeasuredHost): Finding[] {
  return merged(
    runs.map((run) => ({ cpu: run.core.cpu, ...frequencyOf(run, host) })),
    'frequency',
    FREQUENCY_WHY,
  );
}

type Answer = Pick<Finding, 'result' | 'sentence' | 'evidence' | 'remedy'>;

function frequencyOf({ core, clock }: CoreRun, { hypervisor }: MeasuredHost): Answer {
  const { throttles, scalingFrequencyKhz } = core;
  if ((throttles?.core ?? 0) + (throttles?.package ?? 0) > 0) {
    const value = `core ${throttles?.core ?? 'not known'}, package ${throttles?.package ?? 'not known'}`;
    return {
      result: 'fail',
      sentence: 'was slowed down for heat or power while it was measured',
      evidence: [
        {
          path: `/sys/devices/system/cpu/cpu${core.cpu}/thermal_throttle`,
          value,
          expected: 'no more than before',
        },
      ],
      remedy: 'look after the cooling and the power limits (RAPL, firmware)',
    };
  }
  const aperf = core.counters.aperf;
  const mperf = core.counters.mperf;
  if (aperf && mperf && 'delta' in aperf && 'delta' in mperf && mperf.delta > 0) {
    // Both count while the CPU is not idle, MPERF at the rate of the TSC (Intel SDM 15.2, AMD PPR).
    const share = aperf.delta / mperf.delta;
    const evidence = [
      {
        path: `${aperf.from}, ${mperf.from}`,
        value: `APERF ${aperf.delta}, MPERF ${mperf.delta}`,
        expected: `a ratio of ${BASE_SHARE} or more`,
      },
    ];
    const speeds = `ran at ${gigahertz(share * clock.tscHz)}, ${share < 1 ? 'below' : 'and'} its base frequency ${share < 1 ? 'of' : 'is'} ${gigahertz(clock.tscHz)}`;
    return share < BASE_SHARE
      ? {
          result: 'fail',
          sentence: speeds,
          evidence,
          remedy: 'find what caps it: governor, scaling_max_freq, power limits, firmware',
        }
      : { result: 'pass', sentence: speeds, evidence };
  }
  const why = [aperf, mperf].flatMap((counter) =>
    counter && 'absent' in counter ? [{ path: counter.from, value: `(${counter.absent})` }] : [],
  );
  const estimate =
    scalingFrequencyKhz === undefined
      ? []
      : [
          {
            path: `/sys/devices/system/cpu/cpu${core.cpu}/cpufreq/scaling_cur_freq`,
            value: `${scalingFrequencyKhz} kHz`,
          },
        ];
  const guess =
    scalingFrequencyKhz === undefined
      ? ''
      : `; the kernel's estimate is ${gigahertz(scalingFrequencyKhz * 1000)}`;
  return {
    result: 'unknown',
    sentence: `${hypervisor === undefined ? '' : 'the hypervisor decides the frequency; '}how fast it ran cannot be known: APERF and MPERF cannot be read${guess}`,
    evidence: [...why, ...estimate],
    remedy:
      hypervisor === undefined
        ? 'run it as root with the msr module loaded (modprobe msr)'
        : 'measure on the machine below',
  };
}

const gigahertz = (hz: number): string => `${(hz / 1e9).toFixed(2)} GHz`;

function merged(answers: readonly (Answer & { cpu: number })[], check: string, why: string): Finding[] {
  const groups = new Map<string, (Answer & { cpu: number })[]>();
  for (const answer of answers) {
    const key = `${answer.result} ${answer.sentence}`;
    groups.set(key, [...(groups.get(key) ?? []), answer]);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { cpu: _, ...answer } = first;
    const cpus = group.map(({ cpu }) => cpu).sort((a, b) => a - b);
    return [
      { check, subject: named(cpus), why, ...answer, evidence: group.flatMap(({ evidence }) => evidence) },
    ];
  });
}

export function named(cpus: CpuSet): string {
  return `CPU${cpus.length === 1 ? '' : 's'} ${formatCpuList(cpus)}`;
}

type SmiCount = { count: number; from: string } | { from: string; absent: string; never: boolean };

/** Intel counts them in MSR 0x34; a hypervisor shows those of the virtual machine there (KVM, MSR_SMI_COUNT). */
function smiCount({ core }: CoreRun, { vendor, hypervisor }: MeasuredHost): SmiCount {
  const counter = core.counters.smi;
  const from = counter?.from ?? 'MSR 0x34';
  if (hypervisor !== undefined)
    return { from, absent: 'those of the machine below are hidden from this virtual one', never: false };
  if (vendor !== 'GenuineIntel')
    return { from, absent: `${vendor ?? 'this processor'} counts none where Linux can read it`, never: true };
  if (counter === undefined || 'absent' in counter)
    return { from, absent: counter?.absent ?? 'was not read', never: false };
  return { from, count: counter.delta };
}

/** Whether the firmware took the CPUs away. Every CPU counts each of them, so the largest count is the host's. */
export function judgeSmi(runs: readonly CoreRun[], host: MeasuredHost): Finding[] {
  const [first] = runs;
  if (first === undefined) return [];
  const counts = runs.map((run) => smiCount(run, host));
  const heading = { check: 'smi', subject: 'host', why: SMI_WHY };
  const unread = counts.find((one) => 'absent' in one);
  const seconds = first.durationSeconds.toFixed(0);
  if (unread !== undefined && 'absent' in unread) {
    const worst = Math.max(...runs.map(({ gaps }) => gaps.maxNs));
    const quiet = runs.every(({ gaps }) => (gaps.overLimit?.count ?? 0) === 0);
    const bound = `no gap was longer than ${formatNanoseconds(worst)}, so no SMI was either`;
    const evidence = [{ path: unread.from, value: `(${unread.absent})` }];
    if (unread.never && quiet) {
      return [
        { ...heading, result: 'skip', sentence: `cannot be counted: ${unread.absent}; ${bound}`, evidence },
      ];
    }
    return [
      {
        ...heading,
        result: 'unknown',
        sentence: `how many SMIs came cannot be known: ${unread.absent}`,
        evidence,
        remedy:
          host.hypervisor !== undefined || unread.never
            ? 'count them on the machine itself, or bound them with: rtla hwnoise'
            : 'run it as root; load the msr module if perf has no smi event (modprobe msr)',
      },
    ];
  }
  const count = Math.max(...counts.map((one) => ('count' in one ? one.count : 0)));
  const evidence = counts.map((one) => ({
    path: one.from,
    value: 'count' in one ? `${one.count}` : '?',
    expected: '0',
  }));
  if (count === 0) return [{ ...heading, result: 'pass', sentence: `no SMI in ${seconds} s`, evidence }];
  return [
    {
      ...heading,
      result: 'warn',
      sentence: `${numbered(count, 'SMI')} in ${seconds} s`,
      evidence,
      remedy:
        'turn off in the firmware what raises them: USB legacy support, memory scrubbing, power monitoring',
    },
  ];
}
