import { type CpuSet, formatCpuList, intersect, parseCpuList } from '../formats/cpu-list.ts';
import type { Facts } from '../probes/facts.ts';
import type { Judgement } from './define.ts';
import { evidence } from './evidence.ts';
import { defineCoreCheck } from './isolated.ts';

const WHY =
  'work that may run anywhere runs on an isolated CPU too, and stops its poll loop for microseconds to milliseconds';

/** Whether what is no poll loop is kept to the other CPUs. */
export const housekeepingCheck = defineCoreCheck('housekeeping', WHY, (facts, isolated) => {
  const found = [
    ...judgeWorkqueues(facts.isolation, isolated),
    ...judgeServices(facts.isolation, isolated),
    ...judgeSteering(facts.network, isolated),
  ];
  if (found.length > 0) return found;
  const { workqueues, initAffinity } = facts.isolation;
  return [
    {
      subject: 'host',
      result: 'pass',
      sentence: `kernel work, services and steered packets keep off CPUs ${formatCpuList(isolated)}`,
      evidence: [evidence(workqueues), evidence(initAffinity)],
    },
  ];
});

function judgeWorkqueues({ workqueues }: Facts['isolation'], isolated: CpuSet): Judgement[] {
  const expected = `none of ${formatCpuList(isolated)}`;
  if (workqueues.absent !== undefined) {
    const sentence = 'where unbound kernel work may run cannot be read';
    return [
      { subject: 'workqueues', result: 'unknown', sentence, evidence: [evidence(workqueues, expected)] },
    ];
  }
  const hit = intersect(isolated, parseCpuList(workqueues.value));
  if (hit.length === 0) return [];
  return [
    {
      subject: 'workqueues',
      result: 'fail',
      sentence: `unbound kernel work may run on CPUs ${formatCpuList(hit)}`,
      evidence: [evidence(workqueues, expected)],
      remedy: `write a mask without them to ${workqueues.from}`,
    },
  ];
}

/** What PID 1 may use is what every service and session starts with, unless its unit says otherwise. */
function judgeServices({ initAffinity }: Facts['isolation'], isolated: CpuSet): Judgement[] {
  const expected = `none of ${formatCpuList(isolated)}`;
  if (initAffinity.absent !== undefined) {
    const sentence = 'where services may run cannot be read';
    return [
      { subject: 'services', result: 'unknown', sentence, evidence: [evidence(initAffinity, expected)] },
    ];
  }
  const hit = intersect(isolated, parseCpuList(initAffinity.value));
  if (hit.length === 0) return [];
  return [
    {
      subject: 'services',
      result: 'warn',
      sentence: `what systemd starts may run on CPUs ${formatCpuList(hit)}`,
      evidence: [evidence(initAffinity, expected)],
      remedy: 'set CPUAffinity= in /etc/systemd/system.conf to the other CPUs, and reboot',
    },
  ];
}

/** XPS only says which queue a CPU sends by, and is not judged; RPS brings packets to the CPUs in its mask. */
function judgeSteering({ interfaces }: Facts['network'], isolated: CpuSet): Judgement[] {
  return (interfaces.value ?? []).flatMap(({ name, rps }) => {
    const hit = intersect(isolated, parseCpuList(rps.value ?? ''));
    if (hit.length === 0) return [];
    return [
      {
        subject: name,
        result: 'fail' as const,
        sentence: `RPS sends its packets to CPUs ${formatCpuList(hit)}`,
        evidence: [evidence(rps, `none of ${formatCpuList(isolated)}`)],
        remedy: `write a mask without them to /sys/class/net/${name}/queues/rx-*/rps_cpus`,
      },
    ];
  });
}
