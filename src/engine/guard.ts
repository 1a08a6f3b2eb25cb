import type { Plan } from '../plan/change.ts';
import type { Facts } from '../probes/facts.ts';
import type { ResolvedProfile } from '../profile/resolved.ts';

/** A change that would cut this host off, or take away what somebody uses. */
export interface GuardRefusal {
  /** PCI address. */
  readonly target: string;
  readonly sentence: string;
}

export function guard(
  _facts: Facts,
  _plan: Plan,
  _profile: ResolvedProfile,
  _overrides: readonly string[],
): GuardRefusal[] {
  return [];
}
