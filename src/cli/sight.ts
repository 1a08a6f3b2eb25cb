import type { ReadHost } from '../host/host.ts';
import { openReadHost } from '../host/node-host.ts';
import type { Look } from '../probes/define.ts';
import type { Facts, ServiceAccount } from '../probes/facts.ts';
import { type Identity, identify } from '../probes/identity.ts';
import { type Observation, observe } from '../probes/index.ts';
import { readServiceAccount } from '../probes/service-account.ts';
import type { Finding } from '../report/report.ts';
import { milliseconds } from './stdio.ts';

export interface AccountQuestion {
  readonly facts: Facts;
  readonly user: string;
  readonly unit?: string;
}

/** How `check` looks at a host: directly, or within a time (timed-sight.ts). */
export interface Sight {
  observe(): Promise<Observation>;
  account(question: AccountQuestion): Promise<ServiceAccount>;
  /** The machine's own names for itself; `patience` in milliseconds. */
  identity(patience: number): Promise<Identity | undefined>;
  /** Milliseconds for what comes after. */
  left(): number;
  /** What could not be looked at. */
  findings(): Finding[];
}

export function directSight(root: string, look: Look): Sight {
  return sightOf(openReadHost(root), look);
}

export function sightOf(host: ReadHost, look: Look): Sight {
  return {
    observe: async () => observe(host, milliseconds, look),
    account: async ({ facts, user, unit }) => readServiceAccount(host, facts, user, unit),
    identity: identify,
    left: () => Number.POSITIVE_INFINITY,
    findings: () => [],
  };
}
