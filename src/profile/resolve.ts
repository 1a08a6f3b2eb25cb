import { EXIT, ToolError } from '../host/errors.ts';
import type { Facts, PciFunction } from '../probes/facts.ts';
import { resolveCores } from './cores.ts';
import { resolveHugepages } from './hugepages.ts';
import { identityOf, nameOf, staysOnKernel } from './identity.ts';
import { findNic } from './match.ts';
import type { Report, Unresolved } from './problem.ts';
import type {
  ResolvedNic,
  ResolvedProfile,
  ServiceAccount,
  UserspaceDriver,
  VfSettings,
} from './resolved.ts';
import type { Profile, ProfileNic, ProfileVf } from './schema.ts';
import { resolveSettings } from './settings.ts';
import { nodeOf } from './topology.ts';

export interface Resolution {
  /** Without problems all of the profile; with problems only as much as could be made out. */
  readonly resolved: ResolvedProfile;
  /** What this host cannot give, or what cannot be known of it. */
  readonly problems: readonly Unresolved[];
}

/**
 * Fills every `auto` from the facts of one host, and finds the NICs. Pure. Throws a ToolError that lists everything
 * this host cannot give: PROFILE_UNRESOLVED (exit code 64), or what is refused for safety (exit code 4).
 */
export function resolveProfile(profile: Profile, facts: Facts): ResolvedProfile {
  const { resolved, problems } = resolve(profile, facts);
  if (problems.length > 0) throw failure(problems);
  return resolved;
}

/** The same for who wants to hear of the problems and not to go on. */
export function resolve(profile: Profile, facts: Facts): Resolution {
  const problems: Unresolved[] = [];
  const report: Report = (problem) => void problems.push(problem);
  const found = findNics(profile.nics, facts, report);
  const nics = found.map(({ wanted, nic }) => resolveNic(wanted, nic, facts, report));
  const placed = found.map(({ wanted, nic }, index) => {
    const node = nodeOf(nic, facts);
    return {
      name: wanted.name,
      address: nic.address,
      stack: wanted.stack,
      node,
      guessed: node !== undefined && nic.node.value === undefined,
      leaves: (nics[index]?.driver ?? null) !== null,
    };
  });
  const { boot, service, persistent } = profile;
  // What depends on a NIC that is not there would only be said twice.
  const decided = <T>(wanted: T | 'auto' | undefined) =>
    wanted === 'auto' && found.length < profile.nics.length ? undefined : wanted;
  const hugepages = decided(profile.hugepages);
  const wantedCores = decided(profile.cores);
  const pages = hugepages === undefined ? [] : resolveHugepages(hugepages, placed, facts, persistent, report);
  const chosen = wantedCores && resolveCores(wantedCores, placed, facts, report);
  const { settings, notes } = resolveSettings(profile, chosen?.cores, facts, report);
  const said = [...(chosen?.notes ?? []), ...notes];
  const resolved: ResolvedProfile = {
    nics,
    hugepages: pages,
    ...(chosen === undefined
      ? {}
      : {
          cores: chosen.cores,
          corePlan: chosen.plan,
          moveInterrupts: profile.interrupts !== 'leave',
        }),
    ...(boot === undefined ? {} : { boot }),
    ...(settings.length === 0 ? {} : { settings }),
    ...(said.length === 0 ? {} : { notes: said }),
    ...(service === undefined ? {} : { service: accountOf(service) }),
    persistent,
  };
  return { resolved, problems };
}

function accountOf({ user, group, unit }: NonNullable<Profile['service']>): ServiceAccount {
  return { user, group: group ?? user, ...(unit === undefined ? {} : { unit }) };
}

interface Found {
  readonly wanted: ProfileNic;
  readonly nic: PciFunction;
}

function findNics(nics: Profile['nics'], facts: Facts, report: Report): Found[] {
  const { networkFunctions } = facts.pci;
  if (networkFunctions.absent !== undefined && nics.length > 0) {
    const sentence = `this host's PCI devices cannot be read: ${networkFunctions.reason} (${networkFunctions.from})`;
    report({
      subject: 'nics',
      sentence,
      ...(networkFunctions.absent === 'missing' ? {} : { unknown: true }),
    });
    return [];
  }
  const found: Found[] = [];
  for (const wanted of nics) {
    const result = findNic(wanted.match, networkFunctions.value ?? [], facts);
    if (!('nic' in result)) {
      const { sentence, code, unknown } = result;
      report({
        subject: wanted.name,
        sentence,
        ...(code === undefined ? {} : { refused: code }),
        ...(unknown === undefined ? {} : { unknown }),
      });
      continue;
    }
    const other = found.find(({ nic }) => nic === result.nic);
    if (other !== undefined) {
      report({ subject: wanted.name, sentence: `is ${nameOf(result.nic)}, and so is ${other.wanted.name}` });
    }
    found.push({ wanted, nic: result.nic });
  }
  return found;
}

function resolveNic(wanted: ProfileNic, nic: PciFunction, facts: Facts, report: Report): ResolvedNic {
  const { name, role, stack } = wanted;
  const driver = driverOf(wanted, nic, facts, report);
  const vfs = resolveVfs(wanted, nic, report);
  return {
    name,
    address: nic.address,
    identity: identityOf(nic, facts),
    role,
    stack,
    driver,
    allowNoIommu: wanted['allow-no-iommu'],
    ...(wanted.firmware === undefined ? {} : { firmware: wanted.firmware }),
    ...(vfs === undefined ? {} : { vfs }),
  };
}

function driverOf(
  wanted: ProfileNic,
  nic: PciFunction,
  facts: Facts,
  report: Report,
): UserspaceDriver | null {
  const { driver, stack, vfs, name } = wanted;
  const stays = staysOnKernel(nic);
  if (driver === 'kernel') return null;
  if (driver === 'auto') {
    const own = vfs === undefined || vfs === 0 || (Array.isArray(vfs) && vfs.length === 0);
    return stack === 'dpdk' && own && stays === undefined ? 'vfio-pci' : null;
  }
  const refuse = (sentence: string) =>
    report({ subject: name, refused: 'NIC_STAYS', sentence: `${nameOf(nic)} ${sentence}` });
  if (stays === 'bifurcated') {
    refuse(`must stay on its kernel driver: DPDK works on top of it, not of ${driver}; write "driver: auto"`);
  } else if (stays === 'solarflare' && (facts.stacks.onload.value?.driver ?? null) !== null) {
    refuse('must stay on its kernel driver: Onload, which is loaded, works on top of it');
  }
  if (driver === 'uio_pci_generic' && nic.physicalFunction.value !== undefined) {
    report({
      subject: name,
      sentence: `${nameOf(nic)} is a virtual function, without the legacy interrupt that ${driver} needs`,
    });
  }
  return driver;
}

function resolveVfs(
  { vfs, stack, name }: ProfileNic,
  nic: PciFunction,
  report: Report,
): VfSettings[] | undefined {
  if (vfs === undefined) return undefined;
  const wanted: readonly Partial<ProfileVf>[] = Array.isArray(vfs) ? vfs : [];
  const count = Array.isArray(vfs) ? vfs.length : vfs;
  const refuse = (sentence: string, unknown = false) => {
    report({ subject: name, sentence: `${nameOf(nic)} ${sentence}`, ...(unknown ? { unknown } : {}) });
    return undefined;
  };
  if (nic.physicalFunction.value !== undefined) return refuse('is a virtual function itself');
  const { sriov } = nic;
  if (sriov.absent === 'missing' && count > 0)
    return refuse('has no SR-IOV, or it is turned off in the firmware');
  if (sriov.absent !== undefined && count > 0)
    return refuse(`may have virtual functions, but: ${sriov.reason}`, true);
  const total = sriov.value?.total ?? 0;
  if (count > total) return refuse(`has at most ${total} virtual functions, not ${count}`);
  const bifurcated = staysOnKernel(nic) === 'bifurcated';
  return Array.from({ length: count }, (_, index) => {
    const {
      mac,
      vlan,
      trust,
      'spoof-check': spoofCheck,
      driver = 'auto',
    }: Partial<ProfileVf> = wanted[index] ?? {};
    if (bifurcated && driver !== 'auto' && driver !== 'kernel') {
      const sentence = `${nameOf(nic)}: virtual function ${index} must stay on its kernel driver, as DPDK works on top of it`;
      report({ subject: name, refused: 'NIC_STAYS', sentence });
    }
    return {
      index,
      ...(mac === undefined ? {} : { mac: mac.toLowerCase() }),
      ...(vlan === undefined ? {} : { vlan }),
      ...(trust === undefined ? {} : { trust }),
      ...(spoofCheck === undefined ? {} : { spoofCheck }),
      driver: vfDriver(driver, stack === 'dpdk' && !bifurcated),
    };
  });
}

function vfDriver(wanted: ProfileVf['driver'], bind: boolean): UserspaceDriver | null {
  if (wanted === 'auto') return bind ? 'vfio-pci' : null;
  return wanted === 'kernel' ? null : wanted;
}

function failure(problems: readonly Unresolved[]): ToolError {
  const refused = problems.find((problem) => problem.refused !== undefined)?.refused;
  const code = refused ?? 'PROFILE_UNRESOLVED';
  const details = {
    exitCode: refused === undefined ? EXIT.usage : EXIT.refused,
    hint: '`bypass-setup probe` shows the NICs, nodes and CPUs of this host; docs/profile.md explains the keys',
  };
  const [first] = problems;
  if (first !== undefined && problems.length === 1) {
    return new ToolError(code, first.sentence, { ...details, subject: first.subject });
  }
  const lines = problems.map(({ subject, sentence }) => `\n  ${subject}: ${sentence}`);
  return new ToolError(code, `this host cannot give what is asked for:${lines.join('')}`, {
    ...details,
    subject: 'profile',
  });
}
