import type { Facts } from '../probes/facts.ts';
import type { Finding, Verdict } from '../report/report.ts';
import { bootArgumentsCheck } from './boot-arguments.ts';
import { clocksourceCheck } from './clocksource.ts';
import type { Check } from './define.ts';
import { firmwareCheck } from './firmware.ts';
import { governorCheck } from './governor.ts';
import { housekeepingCheck } from './housekeeping.ts';
import { hugepagesCheck } from './hugepages.ts';
import { idleStatesCheck } from './idle-states.ts';
import { interruptsCheck } from './interrupts.ts';
import { iommuCheck } from './iommu.ts';
import { isolationCheck } from './isolation.ts';
import { kernelCheck } from './kernel.ts';
import { kernelWorkCheck } from './kernel-work.ts';
import { memoryChannelsCheck } from './memory-channels.ts';
import { nicDriverCheck } from './nic-driver.ts';
import { pagingCheck } from './paging.ts';
import { pcieCheck } from './pcie.ts';
import { placementCheck } from './placement.ts';
import { servicesCheck } from './services.ts';

/** Every check, in the order a reader wants them: what must exist first, what spoils it last. */
export const CHECKS: readonly Check[] = [
  kernelCheck,
  bootArgumentsCheck,
  iommuCheck,
  nicDriverCheck,
  pcieCheck,
  hugepagesCheck,
  isolationCheck,
  placementCheck,
  interruptsCheck,
  housekeepingCheck,
  kernelWorkCheck,
  governorCheck,
  idleStatesCheck,
  clocksourceCheck,
  pagingCheck,
  servicesCheck,
  firmwareCheck,
  memoryChannelsCheck,
];

export function judge(facts: Facts, named: readonly string[] = []): Finding[] {
  return CHECKS.flatMap((check) => check.judge(facts, named));
}

/** Never greener than the evidence: one failure is "not-ready", one unknown is "cannot-know", and no pass is neither. */
export function verdictOf(findings: readonly Finding[]): Verdict {
  if (findings.some((finding) => finding.result === 'fail')) return 'not-ready';
  if (findings.some((finding) => finding.result === 'unknown')) return 'cannot-know';
  return findings.some((finding) => finding.result === 'pass') ? 'ready' : 'cannot-know';
}
