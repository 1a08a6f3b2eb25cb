import { type CpuSet, formatCpuList, intersect, parseCpuList, subtract } from '../formats/cpu-list.ts';
import type { Facts } from '../probes/facts.ts';
import { defineCheck, type Judgement } from './define.ts';
import { evidence } from './evidence.ts';
import { isolatedCpus } from './isolated.ts';

const WHY =
  'a CPU that changes its frequency answers the first packets after a pause tens of microseconds late';

export const governorCheck = defineCheck('governor', WHY, (facts) => {
  const { policies } = facts.power;
  const main = judgePolicies(facts);
  const isolated = isolatedCpus(facts.isolation);
  const extras = [
    ...judgePreference(policies, isolated),
    ...judgeFloor(policies, isolated),
    ...judgeLimit(facts.power),
    ...judgeHeat(facts.power),
  ];
  // What holds the frequency up does not, where something else pulls it down.
  return extras.some(({ result }) => result === 'fail')
    ? [...main.filter(({ result }) => result !== 'pass'), ...extras]
    : [...main, ...extras];
});

type Policies = Facts['power']['policies'];

/** Policies of the isolated CPUs; of all where none is isolated. */
function relevantTo(isolated: CpuSet, policies: Policies): NonNullable<Policies['value']> {
  return (policies.value ?? []).filter(
    (policy) => isolated.length === 0 || intersect(isolated, parseCpuList(policy.cpus)).length > 0,
  );
}

/** Where the hardware chooses the frequency itself, this tells it what for (Documentation/admin-guide/pm/intel_pstate.rst). */
function judgePreference(policies: Policies, isolated: CpuSet): Judgement[] {
  const saving = relevantTo(isolated, policies).filter(
    ({ governor, preference }) =>
      governor === 'performance' && preference !== null && !['performance', '0'].includes(preference),
  );
  if (saving.length === 0) return [];
  // The other drivers ask for a frequency, and the preference is a hint among others.
  const chooses = saving.some(({ driver }) => driver === 'intel_pstate' || driver === 'amd-pstate-epp');
  return [
    {
      subject: `CPUs ${saving.map(({ cpus }) => cpus).join(',')}`,
      result: chooses ? 'fail' : 'warn',
      sentence: `the hardware is told to prefer ${[...new Set(saving.map(({ preference }) => preference))].join(', ')}`,
      evidence: saving.map(({ cpus, preference }) => ({
        path: `${POLICY}/energy_performance_preference (CPUs ${cpus})`,
        value: `${preference}`,
        expected: 'performance',
      })),
      remedy: `echo performance > ${POLICY}/energy_performance_preference`,
    },
  ];
}

/** intel_pstate runs at the upper limit under the governor performance, whatever the lower one is. */
function judgeFloor(policies: Policies, isolated: CpuSet): Judgement[] {
  const low = relevantTo(isolated, policies).filter(
    ({ driver, governor, minimum, maximum }) =>
      /^amd-pstate/.test(driver ?? '') &&
      governor === 'performance' &&
      minimum !== null &&
      maximum !== null &&
      minimum < maximum,
  );
  if (low.length === 0) return [];
  return [
    {
      subject: `CPUs ${low.map(({ cpus }) => cpus).join(',')}`,
      result: 'warn',
      sentence: 'the hardware may go below the highest frequency: the lower limit is not raised',
      evidence: low.map(({ cpus, minimum, maximum }) => ({
        path: `${POLICY}/scaling_min_freq (CPUs ${cpus})`,
        value: `${minimum}`,
        expected: `${maximum}`,
      })),
      remedy: 'write scaling_max_freq to scaling_min_freq',
    },
  ];
}

/** A limit for all CPUs beside that of each policy. */
function judgeLimit({ maximumPerformance }: Facts['power']): Judgement[] {
  if (maximumPerformance.value === undefined || maximumPerformance.value >= 100) return [];
  return [
    {
      subject: 'host',
      result: 'fail',
      sentence: `all CPUs are held to ${maximumPerformance.value} % of their highest frequency`,
      evidence: [evidence(maximumPerformance, '100')],
      remedy: `echo 100 > ${maximumPerformance.from}, and find out who lowered it`,
    },
  ];
}

function judgeHeat({ throttled }: Facts['power']): Judgement[] {
  const cpus = Object.keys(throttled.value ?? {}).map(Number);
  if (throttled.absent !== undefined || cpus.length === 0) return [];
  const most = Math.max(...Object.values(throttled.value));
  return [
    {
      subject: `CPUs ${formatCpuList(cpus.sort((a, b) => a - b))}`,
      result: 'warn',
      sentence: `slowed down for heat since boot, one of them ${most} times`,
      evidence: cpus.slice(0, 5).map((cpu) => ({
        path: `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle/core_throttle_count`,
        value: `${throttled.value[cpu]}`,
        expected: '0',
      })),
      remedy: 'look at fans, air flow and the power limits of the firmware; measure the frequency under load',
    },
  ];
}

const POLICY = '/sys/devices/system/cpu/cpufreq/policy*';

function judgePolicies({ power, isolation, machine }: Facts): Judgement[] {
  const { policies } = power;
  if (policies.absent !== undefined) {
    const virtual = machine.hypervisor.value !== undefined;
    return [
      {
        subject: 'host',
        result: 'unknown',
        sentence: virtual ? 'the hypervisor decides the frequency' : 'the firmware decides the frequency',
        evidence: [evidence(policies)],
        remedy: virtual
          ? 'fix the frequency on the machine below'
          : 'let the firmware hand it to the kernel, or fix it there',
      },
    ];
  }
  const isolated = isolatedCpus(isolation);
  const relevant = relevantTo(isolated, policies);
  const slow = relevant.filter((policy) => policy.governor !== null && policy.governor !== 'performance');
  const capped = relevant.filter(
    ({ maximum, hardwareMaximum }) =>
      maximum !== null && hardwareMaximum !== null && maximum < hardwareMaximum,
  );
  const covered = relevant.flatMap((policy) => [...parseCpuList(policy.cpus)]);
  const unread = relevant.some(({ governor, maximum, hardwareMaximum }) =>
    [governor, maximum, hardwareMaximum].includes(null),
  );
  const seen = (what: 'governor' | 'maximum', list: typeof relevant, expected: string) =>
    list.map((policy) => ({
      path: `/sys/devices/system/cpu/cpufreq/policy*/scaling_${what === 'governor' ? 'governor' : 'max_freq'} (CPUs ${policy.cpus})`,
      value: `${policy[what]}`,
      expected,
    }));
  if (slow.length > 0) {
    const cpus = formatCpuList(
      slow.flatMap((policy) => [...parseCpuList(policy.cpus)]).sort((a, b) => a - b),
    );
    return [
      {
        subject: `CPUs ${cpus}`,
        result: 'fail',
        sentence: `the governor is ${[...new Set(slow.map((policy) => policy.governor))].join(', ')}, not performance`,
        evidence: seen('governor', slow, 'performance'),
        remedy: 'echo performance > /sys/devices/system/cpu/cpufreq/policy*/scaling_governor',
      },
    ];
  }
  if (capped.length > 0) {
    return [
      {
        subject: `CPUs ${capped.map((policy) => policy.cpus).join(',')}`,
        result: 'fail',
        sentence: 'the governor is right, but the frequency is capped below what the hardware can do',
        evidence: capped.flatMap((policy) => seen('maximum', [policy], `${policy.hardwareMaximum}`)),
        remedy: 'write cpuinfo_max_freq to scaling_max_freq, and find out who lowered it',
      },
    ];
  }
  if (unread || relevant.length === 0 || subtract(isolated, covered).length > 0) {
    return [
      {
        subject: 'host',
        result: 'unknown',
        sentence: 'governor and frequency limits cannot be read for every CPU that counts',
        evidence:
          relevant.length > 0
            ? seen('governor', relevant, 'performance')
            : [evidence(policies, undefined, count)],
      },
    ];
  }
  return [
    {
      subject: 'host',
      result: 'pass',
      sentence: 'the performance governor holds the frequency up',
      evidence: seen('governor', relevant, 'performance'),
    },
  ];
}

const count = (policies: readonly unknown[]) => `${policies.length} policies`;
