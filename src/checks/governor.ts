import { formatCpuList, intersect, parseCpuList, subtract } from '../formats/cpu-list.ts';
import { defineCheck } from './define.ts';
import { evidence } from './evidence.ts';
import { isolatedCpus } from './isolation.ts';

const WHY =
  'a CPU that changes its frequency answers the first packets after a pause tens of microseconds late';

export const governorCheck = defineCheck('governor', WHY, ({ power, isolation, machine }) => {
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
  const relevant = policies.value.filter(
    (policy) => isolated.length === 0 || intersect(isolated, parseCpuList(policy.cpus)).length > 0,
  );
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
});

const count = (policies: readonly unknown[]) => `${policies.length} policies`;
