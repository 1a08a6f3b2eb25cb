import { ACTIONS } from '../actions/index.ts';
import { judge } from '../checks/index.ts';
import { judgePromises } from '../checks/promises.ts';
import type { Look } from '../probes/define.ts';
import type { Facts, ServiceAccount } from '../probes/facts.ts';
import { type Resolution, resolve } from '../profile/resolve.ts';
import type { ResolvedProfile } from '../profile/resolved.ts';
import type { Profile } from '../profile/schema.ts';
import type { Finding } from '../report/report.ts';
import { lookAsUser } from './service-account.ts';
import type { Sight } from './sight.ts';

export interface Asked {
  /** With the name under which `-f` found it. */
  readonly profile?: { readonly file: string; readonly profile: Profile };
  /** `--user` */
  readonly user?: string;
}

interface Judged {
  readonly findings: Finding[];
  /** Where --user or the profile names one. */
  readonly account?: ServiceAccount;
  /** Of the profile. */
  readonly resolution?: Resolution;
}

/** As closely as the findings need it, and no closer: `check` is to be fast. */
export function lookFor({ profile }: Asked): Look {
  return profile === undefined ? { quick: true } : { quick: true, planned: true };
}

/** All that `check` says of a host: what its state alone shows, what a profile promises, what an account may do. */
export async function findingsOf(sight: Sight, facts: Facts, { profile, user }: Asked): Promise<Judged> {
  const resolution = profile && resolve(profile.profile, facts);
  const promised = profile && resolution && { file: profile.file, ...resolution };
  const whole = promised?.problems.length === 0 ? promised.resolved : undefined;
  const asUser = await lookAsUser(sight, facts, { user, service: profile?.profile.service, resolved: whole });
  return {
    findings: [
      ...judge(facts, dataNicsOf(promised?.resolved)),
      ...(promised === undefined ? [] : judgePromises(facts, promised, ACTIONS)),
      ...(asUser?.findings ?? []),
      ...sight.findings(),
    ],
    ...(asUser === undefined ? {} : { account: asUser.account }),
    ...(resolution === undefined ? {} : { resolution }),
  };
}

function dataNicsOf(profile: ResolvedProfile | undefined): string[] {
  return (profile?.nics ?? []).filter(({ role }) => role !== 'control').map(({ address }) => address);
}
