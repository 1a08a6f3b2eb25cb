import type { Facts } from '../probes/facts.ts';
import type { ResolvedProfile } from '../profile/resolved.ts';

export function hugepageArguments(_profile: ResolvedProfile, _facts: Facts): string[] {
  return [];
}
