import { isUserspace } from '../formats/nic-drivers.ts';
import type { Fact, PciFunction } from '../probes/facts.ts';
import type { Evidence } from '../report/report.ts';
import type { Judgement } from './define.ts';

/** What was read, or why there is nothing, beside what would have passed. */
export function evidence<T>(
  fact: Fact<T>,
  expected?: string,
  print: (value: T) => string = String,
): Evidence {
  const value = fact.absent === undefined ? print(fact.value) : `(${fact.absent}: ${fact.reason})`;
  return {
    path: fact.from,
    value: value === '' ? '(empty)' : value,
    ...(expected === undefined ? {} : { expected }),
  };
}

/**
 * The functions that leave the kernel, which is what tells a data NIC from a control NIC on a host without a profile.
 * Virtual and physical functions alike.
 */
export function userspaceNics(functions: Fact<PciFunction[]>): PciFunction[] {
  return (functions.value ?? []).filter((nic) => isUserspace(nic.driver.value));
}

/** What is judged of NICs when nobody can tell which there are. */
export function hiddenNics(functions: Fact<PciFunction[]>): Judgement[] {
  if (functions.absent === undefined || functions.absent === 'missing') return [];
  const sentence = 'which NICs there are cannot be read';
  return [{ subject: 'host', result: 'unknown', sentence, evidence: [evidence(functions)] }];
}

/** Those and what a profile names. */
export function dataNics(functions: Fact<PciFunction[]>, named: readonly string[]): PciFunction[] {
  return (functions.value ?? []).filter(
    (nic) => isUserspace(nic.driver.value) || named.includes(nic.address),
  );
}
