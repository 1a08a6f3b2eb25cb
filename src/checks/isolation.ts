import { formatCpuList, parseCpuList, subtract } from '../formats/cpu-list.ts';
import { FormatError } from '../formats/format-error.ts';
import { parseCommandLine, valuesOf } from '../formats/kernel-cmdline.ts';
import type { Fact, Facts } from '../probes/facts.ts';
import { defineCheck, type Judgement } from './define.ts';
import { evidence } from './evidence.ts';
import { isolatedCpus, isolationHidden } from './isolated.ts';

const WHY =
  'a poll loop on a CPU that is not isolated is interrupted for tens of microseconds, many times a second';

export const isolationCheck = defineCheck('isolation', WHY, ({ isolation, kernel, cpu }) => {
  const isolated = isolatedCpus(isolation);
  return [
    judgeIsolated(isolation, isolated, kernel),
    ...judgePartitions(isolation),
    ...judgeOnline(isolated, cpu.online),
    ...judgeTicks(isolation, kernel),
    ...judgeRest(isolated, isolation),
    ...judgeCallbacks(isolated, isolation),
    ...judgeExcess(isolated, isolation),
    ...judgeComplaints(kernel),
  ];
});

/** The kernel lists possible CPUs as isolated, also those that are offline. */
function judgeOnline(isolated: readonly number[], online: Fact<string>): Judgement[] {
  if (isolated.length === 0 || online.absent !== undefined) return [];
  const offline = subtract(isolated, parseCpuList(online.value));
  if (offline.length === 0) return [];
  return [
    {
      subject: `CPUs ${formatCpuList(offline)}`,
      result: offline.length === isolated.length ? 'fail' : 'warn',
      sentence: 'isolated, but offline',
      evidence: [evidence(online)],
      remedy: 'echo 1 > /sys/devices/system/cpu/cpuN/online',
    },
  ];
}

/** An isolated CPU without nohz_full keeps its tick, hundreds of times a second, whatever the boot line asks for. */
function judgeRest(isolated: readonly number[], { nohzFull, requested }: Facts['isolation']): Judgement[] {
  if (nohzFull.absent !== undefined && nohzFull.absent !== 'missing') return [];
  const asked = parseCpuList(requested.value?.nohzFull ?? '');
  // What is asked for and not in force is a failure already.
  const ticking = subtract(isolated, [...parseCpuList(nohzFull.value ?? ''), ...asked]);
  if (ticking.length === 0) return [];
  return [
    {
      subject: `CPUs ${formatCpuList(ticking)}`,
      result: 'warn',
      sentence: 'isolated, but not in nohz_full: the tick goes on',
      evidence: [evidence(nohzFull, formatCpuList(isolated))],
      remedy: 'add them to nohz_full= and rcu_nocbs= in the boot line',
    },
  ];
}

/** A callback that an isolated CPU has queued runs there as a software interrupt, unless the CPU is in rcu_nocbs. */
function judgeCallbacks(isolated: readonly number[], isolation: Facts['isolation']): Judgement[] {
  const { rcuNocbs, nohzFull, requested } = isolation;
  if (requested.absent !== undefined) return [];
  // The kernel offloads what is asked for and what is in nohz_full, and no other CPU (kernel/rcu/tree_nocb.h, rcu_init_nohz).
  const covered = [rcuNocbs.value, nohzFull.value, requested.value.rcuNocbs, requested.value.nohzFull];
  const queueing = subtract(
    isolated,
    covered.flatMap((list) => [...parseCpuList(list ?? '')]),
  );
  if (queueing.length === 0) return [];
  return [
    {
      subject: `CPUs ${formatCpuList(queueing)}`,
      result: 'warn',
      sentence: 'isolated, but not in rcu_nocbs: RCU callbacks run there',
      evidence: [evidence(rcuNocbs, formatCpuList(isolated)), evidence(requested, undefined, rcuList)],
      remedy: 'add them to rcu_nocbs= in the boot line',
    },
  ];
}

const rcuList = ({ rcuNocbs }: { rcuNocbs: string }) => `rcu_nocbs=${rcuNocbs}`;

/** nohz_full alone keeps no thread away: with a second one the tick is back (Documentation/timers/no_hz.rst). */
function judgeExcess(isolated: readonly number[], { nohzFull, requested }: Facts['isolation']): Judgement[] {
  // What is asked for and not isolated is a failure already.
  const shared = subtract(parseCpuList(nohzFull.value ?? ''), [
    ...isolated,
    ...parseCpuList(requested.value?.isolcpus ?? ''),
  ]);
  if (isolated.length === 0 || shared.length === 0) return [];
  return [
    {
      subject: `CPUs ${formatCpuList(shared)}`,
      result: 'warn',
      sentence: 'in nohz_full, but not isolated: any thread may run there and bring the tick back',
      evidence: [evidence(nohzFull, formatCpuList(isolated))],
      remedy: 'isolate them too, or take them out of nohz_full= in the boot line',
    },
  ];
}

/** What is asked for in a control group and cannot be had; the kernel says why in the same file. */
function judgePartitions({ partitions }: Facts['isolation']): Judgement[] {
  if (partitions.absent !== undefined && partitions.absent !== 'missing') {
    const sentence = 'whether a partition of CPUs is in force cannot be read';
    return [{ subject: 'cpuset', result: 'unknown', sentence, evidence: [evidence(partitions)] }];
  }
  const invalid = (partitions.value ?? []).filter(({ state }) => /\binvalid\b/.test(state));
  return invalid.map(({ group, cpus, state }) => ({
    subject: group,
    result: 'fail',
    sentence: `its partition of CPUs ${cpus || '(none)'} is not in force: ${state}`,
    evidence: [
      {
        path: `${partitions.from}/${group}/cpuset.cpus.partition`,
        value: state,
        expected: state.split(' ')[0] ?? '',
      },
    ],
    remedy: `take its CPUs out of other groups' cpuset.cpus, and write the state again`,
  }));
}

/** Flags without `domain` leave the CPUs to the scheduler (kernel/sched/isolation.c, housekeeping_isolcpus_setup). */
function judgeFlags(
  { isolated: file, cgroup }: Facts['isolation'],
  isolated: readonly number[],
  { commandLine }: Facts['kernel'],
): Judgement | undefined {
  const [value = ''] = valuesOf(parseCommandLine(commandLine.value ?? ''), 'isolcpus');
  const match = /^((?:[a-z_]+,)+)([\d,:/-]+)$/.exec(value);
  const [, flags = '', list = ''] = match ?? [];
  if (match === null || flags.split(',').includes('domain')) return undefined;
  const left = listed(list).filter((cpu) => !isolated.includes(cpu));
  if (left.length === 0) return undefined;
  return {
    subject: `CPUs ${formatCpuList(left)}`,
    result: 'fail',
    sentence: `isolcpus=${value} lacks the flag domain: the scheduler still places threads there`,
    evidence: [evidence(file, list), evidence(cgroup), evidence(commandLine)],
    remedy: `boot with isolcpus=managed_irq,domain,${list}, or put the CPUs into a cgroup partition`,
  };
}

/** What the probe could not read is unknown already, by the list that `requested` lacks. */
function listed(list: string): readonly number[] {
  try {
    return parseCpuList(list);
  } catch (error) {
    if (error instanceof FormatError) return [];
    throw error;
  }
}

function judgeIsolated(
  isolation: Facts['isolation'],
  isolated: readonly number[],
  kernel: Facts['kernel'],
): Judgement {
  const flags = judgeFlags(isolation, isolated, kernel);
  if (flags !== undefined) return flags;
  const seen = [evidence(isolation.isolated), evidence(isolation.cgroup)];
  if (isolationHidden(isolation))
    return { subject: 'host', result: 'unknown', sentence: 'isolated CPUs cannot be read', evidence: seen };
  const wanted = parseCpuList(isolation.requested.value?.isolcpus ?? '');
  const lost = subtract(wanted, isolated);
  if (lost.length > 0) {
    return {
      subject: `CPUs ${formatCpuList(lost)}`,
      result: 'fail',
      sentence: `isolcpus= asks for ${formatCpuList(wanted)}, but ${formatCpuList(lost)} ${lost.length === 1 ? 'is' : 'are'} not isolated`,
      evidence: [...seen, evidence(isolation.requested, undefined, (lists) => `isolcpus=${lists.isolcpus}`)],
      remedy: 'read the kernel log for "isolcpus" and correct the list in the boot line',
    };
  }
  if (isolated.length > 0) {
    return {
      subject: 'host',
      result: 'pass',
      sentence: `CPUs ${formatCpuList(isolated)} are isolated`,
      evidence: seen,
    };
  }
  return {
    subject: 'host',
    result: 'fail',
    sentence: 'no CPU is isolated',
    evidence: seen.map((item) => ({ ...item, expected: 'the CPUs of the poll loops' })),
    remedy: 'boot with isolcpus=managed_irq,domain,LIST nohz_full=LIST rcu_nocbs=LIST irqaffinity=REST',
  };
}

/** nohz_full and rcu_nocbs: what the boot line asks for must be in force; what it does not ask for is not judged. */
function judgeTicks(isolation: Facts['isolation'], kernel: Facts['kernel']): Judgement[] {
  const asked = isolation.requested.value;
  if (asked === undefined) {
    return [
      {
        subject: 'boot line',
        result: 'unknown',
        sentence: 'what the boot line asks for cannot be read',
        evidence: [evidence(isolation.requested)],
        remedy: 'correct the CPU lists of isolcpus=, nohz_full=, rcu_nocbs= and irqaffinity=',
      },
    ];
  }
  return [
    ...judgeRequested('nohz_full', asked.nohzFull, isolation.nohzFull, noHzRemedy(kernel)),
    // The kernel takes nohz_full CPUs into rcu_nocbs by itself and prints the union.
    ...judgeRequested(
      'rcu_nocbs',
      asked.rcuNocbs,
      offloaded(isolation),
      'use a kernel built with CONFIG_RCU_NOCB_CPU, and correct the list in the boot line',
    ),
  ];
}

/**
 * The kernel offloads the callbacks of nohz_full CPUs too (kernel/rcu/tree_nocb.h, rcu_init_nohz), so that what is in
 * force there answers after the log has lost its line.
 */
function offloaded({ rcuNocbs, nohzFull, requested }: Facts['isolation']): Fact<string> {
  const wanted = parseCpuList(requested.value?.rcuNocbs ?? '');
  const implied = subtract(wanted, parseCpuList(nohzFull.value ?? '')).length === 0;
  return rcuNocbs.absent !== undefined && implied ? nohzFull : rcuNocbs;
}

function judgeRequested(name: string, asked: string, actual: Fact<string>, remedy: string): Judgement[] {
  if (asked === '') return [];
  const wanted = parseCpuList(asked);
  if (actual.absent !== undefined && actual.absent !== 'missing') {
    return [
      {
        subject: name,
        result: 'unknown',
        sentence: `asked for on ${asked}; whether it is in force cannot be read`,
        evidence: [evidence(actual, asked)],
      },
    ];
  }
  // Without the file the kernel was built without the feature; for the kernel log it means that the line is gone.
  if (actual.absent === 'missing' && name === 'rcu_nocbs') {
    return [
      {
        subject: name,
        result: 'unknown',
        sentence: `asked for on ${asked}; the kernel's answer is no longer in its log`,
        evidence: [evidence(actual, asked)],
      },
    ];
  }
  const lost = subtract(wanted, parseCpuList(actual.value ?? ''));
  if (lost.length === 0) {
    return [
      {
        subject: name,
        result: 'pass',
        sentence: `in force on ${asked}`,
        evidence: [evidence(actual, asked)],
      },
    ];
  }
  return [
    {
      subject: name,
      result: 'fail',
      sentence: `asked for on ${asked}, but not in force on ${formatCpuList(lost)}`,
      evidence: [evidence(actual, asked)],
      remedy,
    },
  ];
}

function noHzRemedy(kernel: Facts['kernel']): string {
  return kernel.buildOptions.value?.NO_HZ_FULL === 'n'
    ? 'use a kernel built with CONFIG_NO_HZ_FULL; this one is not'
    : 'take the boot CPU out of the list: the kernel keeps its tick and may drop it without a word';
}

function judgeComplaints(kernel: Facts['kernel']): Judgement[] {
  if (kernel.complaints.absent !== undefined) {
    return [
      {
        subject: 'boot line',
        result: 'warn',
        sentence: "the kernel's complaints about it cannot be read",
        evidence: [evidence(kernel.complaints, 'no complaint')],
        remedy: 'look for unknown parameters and refused lists with: journalctl -k -b',
      },
    ];
  }
  return (kernel.complaints.value ?? []).map((complaint) => ({
    subject: 'boot line',
    result: 'fail',
    sentence: `the kernel complains: ${complaint}`,
    evidence: [{ path: kernel.complaints.from, value: complaint, expected: 'no complaint' }],
    remedy: 'correct or remove that parameter; it is not in force',
  }));
}
