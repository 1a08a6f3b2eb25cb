import { type Duty, judgeServiceAccount } from '../checks/service-account.ts';
import type { Facts, ServiceAccount } from '../probes/facts.ts';
import type { ResolvedNic, ResolvedProfile } from '../profile/resolved.ts';
import type { Profile } from '../profile/schema.ts';
import type { Finding } from '../report/report.ts';
import type { Sight } from './sight.ts';

interface Judged {
  readonly account: ServiceAccount;
  readonly findings: Finding[];
}

interface Asked {
  /** `--user` */
  readonly user: string | undefined;
  readonly service: Profile['service'];
  /** Undefined too where this host cannot give what the profile asks for. */
  readonly resolved: ResolvedProfile | undefined;
}

/** Looks at the host as the account that --user or the profile names would; nothing where neither names one. */
export async function lookAsUser(
  sight: Sight,
  facts: Facts,
  { user, service, resolved }: Asked,
): Promise<Judged | undefined> {
  const named = user ?? service?.user;
  if (named === undefined) return undefined;
  const unit = service?.unit === undefined ? {} : { unit: service.unit };
  const duty: Duty = { user: named, ...unit, ...(resolved && dutyOf(resolved, facts)) };
  const account = await sight.account({ facts, user: named, ...unit });
  return { account, findings: judgeServiceAccount(facts, account, duty) };
}

/** The addresses that leave the kernel for the application: of the NIC, of its virtual functions. */
export function userspaceFunctions({ address, driver, vfs }: ResolvedNic, { pci }: Facts): string[] {
  const functions = pci.networkFunctions.value?.find((nic) => nic.address === address)?.virtualFunctions;
  const bound = (vfs ?? []).filter((vf) => vf.driver !== null);
  return [
    ...(driver === null ? [] : [address]),
    // As the kernel names it while it has no address.
    ...bound.map(({ index }) => functions?.[index] ?? `${address}/virtfn${index}`),
  ];
}

function dutyOf({ nics, hugepages, cores }: ResolvedProfile, facts: Facts): Omit<Duty, 'user' | 'unit'> {
  return {
    nics: nics.flatMap((nic) => userspaceFunctions(nic, facts)),
    ...(hugepages.length === 0 ? {} : { hugepages }),
    ...(cores === undefined ? {} : { isolated: cores.isolated }),
  };
}
