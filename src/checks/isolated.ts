import { type CpuSet, parseCpuList, union } from '../formats/cpu-list.ts';
import type { Facts } from '../probes/facts.ts';
import { type Check, defineCheck, type Judgement } from './define.ts';
import { evidence } from './evidence.ts';

/** Isolated at boot, or by a cgroup-v2 partition. */
export function isolatedCpus(isolation: Facts['isolation']): CpuSet {
  return union(parseCpuList(isolation.isolated.value ?? ''), parseCpuList(isolation.cgroup.value ?? ''));
}

/** Whether none of them may only mean that nobody could look. A kernel without the file isolates none that way. */
export function isolationHidden(isolation: Facts['isolation']): boolean {
  const { absent } = isolation.isolated;
  return absent !== undefined && absent !== 'missing';
}

/** A check of what may disturb isolated CPUs: without any there is nothing to judge. */
export function defineCoreCheck(
  name: string,
  why: string,
  judge: (facts: Facts, isolated: CpuSet) => Judgement[],
): Check {
  return defineCheck(name, why, (facts) => {
    const isolated = isolatedCpus(facts.isolation);
    if (isolated.length > 0) return judge(facts, isolated);
    if (isolationHidden(facts.isolation)) {
      const sentence = 'which CPUs are isolated cannot be read, so neither is what disturbs them judged';
      return [
        { subject: 'host', result: 'unknown', sentence, evidence: [evidence(facts.isolation.isolated)] },
      ];
    }
    const sentence = 'no CPU is isolated, so none can be disturbed';
    return [{ subject: 'host', result: 'skip', sentence, evidence: [] }];
  });
}
