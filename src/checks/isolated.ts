import { type CpuSet, parseCpuList, union } from '../formats/cpu-list.ts';
import type { Facts } from '../probes/facts.ts';
import { type Check, defineCheck, type Judgement } from './define.ts';

/** Isolated at boot, or by a cgroup-v2 partition. */
export function isolatedCpus(isolation: Facts['isolation']): CpuSet {
  return union(parseCpuList(isolation.isolated.value ?? ''), parseCpuList(isolation.cgroup.value ?? ''));
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
    const sentence = 'no CPU is isolated, so none can be disturbed';
    return [{ subject: 'host', result: 'skip', sentence, evidence: [] }];
  });
}
