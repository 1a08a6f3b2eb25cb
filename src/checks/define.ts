import type { Facts } from '../probes/facts.ts';
import type { Finding } from '../report/report.ts';

/**
 * A check judges facts and nothing else: no host, no clock. It gives one finding for each subject it judged. `named` are
 * the addresses of the NICs of a profile that carry data, which a host does not tell as long as the kernel has them.
 */
export interface Check {
  readonly name: string;
  judge(facts: Facts, named?: readonly string[]): Finding[];
}

/** A finding before the check has put its name and its reason to it. `why` is given where the check's own says too little. */
export type Judgement = Omit<Finding, 'check' | 'why'> & { readonly why?: string };

/** `why` is what a failure costs; every finding of the check carries it that has no reason of its own. */
export function defineCheck(
  name: string,
  why: string,
  judge: (facts: Facts, named: readonly string[]) => Judgement[],
): Check {
  return {
    name,
    judge: (facts, named = []) =>
      judge(facts, named).map((judgement) => ({ check: name, why, ...judgement })),
  };
}
