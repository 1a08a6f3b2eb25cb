import type { Facts } from '../probes/facts.ts';
import type { Finding } from '../report/report.ts';

/** A check judges facts and nothing else: no host, no clock. It gives one finding for each subject it judged. */
export interface Check {
  readonly name: string;
  judge(facts: Facts): Finding[];
}

/** A finding before the check has put its name and its reason to it. */
export type Judgement = Omit<Finding, 'check' | 'why'>;

/** `why` is what a failure costs; every finding of the check carries it. */
export function defineCheck(name: string, why: string, judge: (facts: Facts) => Judgement[]): Check {
  return { name, judge: (facts) => judge(facts).map((judgement) => ({ check: name, why, ...judgement })) };
}
