import type { ToolError } from '../host/errors.ts';
import type { Plan } from '../plan/change.ts';
import type { Facts } from '../probes/facts.ts';
import type { ResolvedProfile } from '../profile/resolved.ts';

/** A function that must not be touched. */
export interface GuardRefusal {
  /** PCI address of the function that the plan would take; typing it overrides the refusal. */
  readonly target: string;
  readonly reasons: readonly string[];
  readonly error: ToolError;
}

export function guard(
  _facts: Facts,
  _plan: Plan,
  _profile: ResolvedProfile,
  _allowActive: readonly string[],
): GuardRefusal[] {
  return [];
}
