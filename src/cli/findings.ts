import { judge } from '../checks/index.ts';
import type { ReadHost } from '../host/host.ts';
import type { Facts, ServiceAccount } from '../probes/facts.ts';
import type { Profile } from '../profile/schema.ts';
import type { Finding } from '../report/report.ts';
import { lookAsUser } from './service-account.ts';

interface Judged {
  readonly findings: Finding[];
  /** Where --user or the profile names one. */
  readonly account?: ServiceAccount;
}

/** All that `check` says of a host: what its state alone shows, and what somebody asked for beyond that. */
export function findingsOf(
  host: ReadHost,
  facts: Facts,
  profile: Profile | undefined,
  user: string | undefined,
): Judged {
  const asUser = lookAsUser(host, facts, profile, user);
  return {
    findings: [...judge(facts), ...(asUser?.findings ?? [])],
    ...(asUser === undefined ? {} : { account: asUser.account }),
  };
}
