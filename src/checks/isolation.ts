import { formatCpuList, parseCpuList, subtract, union } from '../formats/cpu-list.ts';
import type { Fact, Facts } from '../probes/facts.ts';
import { defineCheck, type Judgement } from './define.ts';
import { evidence } from './evidence.ts';

const WHY =
  'a poll loop on a CPU that is not isolated is interrupted for tens of microseconds, many times a second';

export const isolationCheck = defineCheck('isolation', WHY, ({ isolation, kernel, cpu }) => {
  const isolated = isolatedCpus(isolation);
  return [
    judgeIsolated(isolation, isolated),
    ...judgeOnline(isolated, cpu.online),
    ...judgeTicks(isolation, kernel),
    ...judgeRest(isolated, isolation),
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

/** Isolated at boot, or by a cgroup-v2 partition. */
export function isolatedCpus(isolation: Facts['isolation']): readonly number[] {
  return union(parseCpuList(isolation.isolated.value ?? ''), parseCpuList(isolation.cgroup.value ?? ''));
}

function judgeIsolated(isolation: Facts['isolation'], isolated: readonly number[]): Judgement {
  const seen = [evidence(isolation.isolated), evidence(isolation.cgroup)];
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
  if (isolation.isolated.absent !== undefined && isolation.isolated.absent !== 'missing') {
    return { subject: 'host', result: 'unknown', sentence: 'isolated CPUs cannot be read', evidence: seen };
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
