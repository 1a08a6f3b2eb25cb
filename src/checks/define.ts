import type { Facts } from '../probes/facts.ts';
import type { Finding } from '../report/report.ts';

/** A check judges facts and nothing else: no host, no clock. It gives one finding for each subject it judged. */
export interface Check {
  readonly name: string;
  judge(facts: Facts): Finding[];
}

/** A finding before the check has put its name and its reason to it. `why` is given where the check's own says too little. */
export type Judgement = Omit<Finding, 'check' | 'why'> & { readonly why?: string };

/** `why` is what a failure costs; every finding of the check carries it that has no reason of its own. */
export function defineCheck(name: string, why: string, judge: (facts: Facts) => Judgement[]): Check {
  return { name, judge: (facts) => judge(facts).map((judgement) => ({ check: name, why, ...judgement })) };
}
