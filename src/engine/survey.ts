import type { Action } from '../actions/define.ts';
import type { ReadHost } from '../host/host.ts';
import type { Plan } from '../plan/change.ts';
import { planChanges } from '../plan/planner.ts';
import type { Facts } from '../probes/facts.ts';
import { observe } from '../probes/index.ts';
import type { ResolvedProfile } from '../profile/resolved.ts';
import { type GuardRefusal, guard } from './guard.ts';

/** What a profile means for a host now. */
export interface Survey {
  readonly facts: Facts;
  readonly profile: ResolvedProfile;
  readonly plan: Plan;
  readonly refusals: readonly GuardRefusal[];
}

export interface Wish {
  resolve(facts: Facts): ResolvedProfile;
  /** PCI addresses typed to override the guard. */
  readonly allowActive: readonly string[];
}

/** Reads the host and plans. It gets a ReadHost, so it cannot change anything. */
export function survey(host: ReadHost, actions: readonly Action[], wish: Wish): Survey {
  const { facts } = observe(host, () => 0);
  const profile = wish.resolve(facts);
  const plan = planChanges(facts, profile, actions);
  return { facts, profile, plan, refusals: guard(facts, plan, profile, wish.allowActive) };
}
