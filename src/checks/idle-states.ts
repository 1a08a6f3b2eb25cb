import { type CpuSet, formatCpuList, intersect, parseCpuList, subtract } from '../formats/cpu-list.ts';
import type { Facts } from '../probes/facts.ts';
import type { Judgement } from './define.ts';
import { evidence } from './evidence.ts';
import { defineCoreCheck } from './isolated.ts';

const WHY =
  'a CPU in a deep idle state takes 100 µs and more to wake, and lets the package slow its caches down; a loop that never sleeps is only met by the second';

/** Microseconds: C1 and C1E of Intel and C1 of AMD are within it, what switches clocks and caches off is not. */
const SHALLOW = 10;

export const idleStatesCheck = defineCoreCheck('idle-states', WHY, ({ power, cpu }, isolated) => {
  const { idleStates, idleLimits } = power;
  if (idleStates.absent === 'missing' || idleLimits.absent === 'missing') {
    const sentence = 'the kernel manages no idle states here';
    return [{ subject: 'host', result: 'skip', sentence, evidence: [evidence(power.idleDriver)] }];
  }
  const limits = idleLimits.value ?? [];
  const running =
    cpu.online.value === undefined ? isolated : intersect(isolated, parseCpuList(cpu.online.value));
  const unread = subtract(
    running,
    limits.flatMap(({ cpus }) => [...parseCpuList(cpus)]),
  );
  if (unread.length > 0) {
    const sentence = `how deep CPUs ${formatCpuList(unread)} may sleep cannot be read`;
    return [
      { subject: 'host', result: 'unknown', sentence, evidence: [evidence(idleLimits, undefined, String)] },
    ];
  }
  return [judgeDepth(limits, power, running)];
});

type Limits = NonNullable<Facts['power']['idleLimits']['value']>;

function judgeDepth(limits: Limits, { latencyLimit }: Facts['power'], isolated: CpuSet): Judgement {
  const deep = limits.filter(({ latency }) => latency > SHALLOW);
  const held = latencyLimit.value !== undefined && latencyLimit.value <= SHALLOW;
  const seen = [
    ...(deep.length > 0 ? deep : limits).map(depth),
    evidence(latencyLimit, undefined, microseconds),
  ];
  if (deep.length === 0 || held) {
    return {
      subject: 'host',
      result: 'pass',
      sentence: held
        ? `a process holds every CPU to ${latencyLimit.value} µs of waking up`
        : `CPUs ${formatCpuList(isolated)} sleep no deeper than ${SHALLOW} µs`,
      evidence: seen,
    };
  }
  const cpus = formatCpuList(deep.flatMap((entry) => [...parseCpuList(entry.cpus)]).sort((a, b) => a - b));
  const states = [...new Set(deep.map(({ deepest, latency }) => `${deepest} (${latency} µs)`))].join(', ');
  // The device is root's, so an ordinary user cannot tell.
  const unless =
    latencyLimit.absent === undefined
      ? ''
      : ', unless a process holds /dev/cpu_dma_latency, which only root can see';
  return {
    subject: `CPUs ${cpus}`,
    result: 'warn',
    sentence: `may sleep as deep as ${states}${unless}`,
    evidence: seen,
    remedy: `echo ${SHALLOW} > /sys/devices/system/cpu/cpuN/power/pm_qos_resume_latency_us; a profile with power keeps it`,
  };
}

const microseconds = (value: number) => `${value} µs`;

const depth = ({ cpus, deepest, latency, limit }: Limits[number]) => ({
  path: `/sys/devices/system/cpu/cpu*/cpuidle (CPUs ${cpus})`,
  value: `${deepest}, ${latency} µs, ${limit === null ? 'no limit' : `limit ${limit} µs`}`,
  expected: `${SHALLOW} µs at most`,
});
