import { type Duty, judgeServiceAccount } from '../checks/service-account.ts';
import type { Facts, ServiceAccount } from '../probes/facts.ts';
import { resolveProfile } from '../profile/resolve.ts';
import type { ResolvedProfile } from '../profile/resolved.ts';
import type { Profile } from '../profile/schema.ts';
import type { Finding } from '../report/report.ts';
import type { Sight } from './sight.ts';

interface Judged {
  readonly account: ServiceAccount;
  readonly findings: Finding[];
}

/** Looks at the host as the account that --user or the profile names would; nothing where neither names one. */
export async function lookAsUser(
  sight: Sight,
  facts: Facts,
  profile: Profile | undefined,
  user: string | undefined,
): Promise<Judged | undefined> {
  const resolved = profile && resolveProfile(profile, facts);
  const named = user ?? resolved?.service?.user;
  if (named === undefined) return undefined;
  const duty: Duty = { user: named, ...(resolved && dutyOf(resolved, facts)) };
  const { unit } = duty;
  const account = await sight.account({ facts, user: named, ...(unit === undefined ? {} : { unit }) });
  return { account, findings: judgeServiceAccount(facts, account, duty) };
}

function dutyOf({ nics, hugepages, cores, service }: ResolvedProfile, { pci }: Facts): Omit<Duty, 'user'> {
  const addresses = nics.flatMap(({ address, driver, vfs }) => {
    const functions = pci.networkFunctions.value?.find((nic) => nic.address === address)?.virtualFunctions;
    const bound = (vfs ?? []).filter((vf) => vf.driver !== null);
    return [
      ...(driver === null ? [] : [address]),
      // As the kernel names it while it has no address.
      ...bound.map(({ index }) => functions?.[index] ?? `${address}/virtfn${index}`),
    ];
  });
  return {
    nics: addresses,
    ...(service?.unit === undefined ? {} : { unit: service.unit }),
    ...(hugepages.length === 0 ? {} : { hugepages }),
    ...(cores === undefined ? {} : { isolated: cores.isolated }),
  };
}
