import { USERSPACE } from '../formats/nic-drivers.ts';
import { formatBytes, formatSize } from '../formats/size.ts';
import { ToolError } from '../host/errors.ts';
import type { Facts, IommuGroup, PciFunction } from '../probes/facts.ts';
import { interfacesOf, macsOf, nameOf, staysOnKernel } from './identity.ts';
import { resolveProfile } from './resolve.ts';
import type { ResolvedProfile, Stack } from './resolved.ts';
import type { Match, Profile, ProfileNic } from './schema.ts';

/** Ethernet; InfiniBand, Wi-Fi and the like have other sub-classes (PCI Code and ID Assignment Specification). */
const ETHERNET = '0x020000';
/** PCI base class 06; a bridge does not make an IOMMU group less viable (drivers/vfio/vfio_iommu_type1.c). */
const BRIDGE = '0x06';
const isUserspaceDriver = (driver: string) => USERSPACE.some((name) => name === driver);
/** The kernel has no interface of it, so nothing of the host's own can go through it. */
const hasLeftKernel = ({ driver, interfaces }: PciFunction) =>
  isUserspaceDriver(driver.value ?? '') && interfaces.length === 0;

interface SuggestedNic {
  readonly nic: ProfileNic;
  /** Sentences for the comment above it. */
  readonly why: readonly string[];
}

/** A starting profile for a host: what it says, and why. */
export interface Suggestion {
  readonly profile: Profile;
  readonly nics: readonly SuggestedNic[];
  /** Functions that are not listed, with the reason. */
  readonly omitted: readonly string[];
  readonly hugepages: readonly string[];
  readonly cores: readonly string[];
  /** Why `power` and `tunables` are not in it. */
  readonly settings: readonly string[];
}

/** Pure. NICs that carry something, or of which that cannot be known, are control and stay as they are. */
export function suggest(facts: Facts): Suggestion {
  const functions = facts.pci.networkFunctions.value ?? [];
  const listed = functions.filter((nic) => reasonToOmit(nic, functions) === undefined);
  const omitted = sortOut(functions);
  const taken = new Set<string>();
  const nics = listed.map((nic) => suggestNic(nic, labelFor(nic, taken), functions, facts));
  const bare: Profile = { version: 1, nics: nics.map(({ nic }) => nic), persistent: true };
  const pages = attempt({ ...bare, hugepages: 'auto' }, facts);
  const cores = attempt({ ...bare, cores: 'auto' }, facts);
  const settings = attempt({ ...bare, power: 'auto', tunables: 'auto' }, facts);
  const wantsPages = typeof pages !== 'string' && pages.hugepages.length > 0;
  return {
    profile: {
      ...bare,
      ...(wantsPages ? { hugepages: 'auto' as const } : {}),
      ...(typeof cores === 'string' ? {} : { cores: 'auto' as const }),
      ...(typeof settings === 'string' ? {} : { power: 'auto' as const, tunables: 'auto' as const }),
    },
    nics,
    omitted,
    hugepages: typeof pages === 'string' ? [pages] : describePages(pages),
    cores:
      typeof cores === 'string'
        ? [cores]
        : [`now ${cores.cores?.isolated} for poll loops, ${cores.cores?.housekeeping} for the rest`],
    settings: typeof settings === 'string' ? [settings] : [],
  };
}

/** Names that are shown before the rest is counted: a physical function may have hundreds of virtual ones. */
const MOST_NAMES = 4;

/** What is not listed, by reason. */
function sortOut(functions: readonly PciFunction[]): string[] {
  const byReason = new Map<string, string[]>();
  for (const nic of functions) {
    const reason = reasonToOmit(nic, functions);
    if (reason !== undefined) byReason.set(reason, [...(byReason.get(reason) ?? []), nameOf(nic)]);
  }
  return [...byReason].map(([reason, names]) => {
    const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : '';
    return `${names.slice(0, MOST_NAMES).join(', ')}${more}: ${reason}`;
  });
}

function reasonToOmit(nic: PciFunction, functions: readonly PciFunction[]): string | undefined {
  const physical = nic.physicalFunction.value;
  if (physical !== undefined && functions.some(({ address }) => address === physical)) {
    return `virtual functions of ${physical}, set up by its "vfs"`;
  }
  return nic.class === ETHERNET ? undefined : `not Ethernet (PCI class ${nic.class})`;
}

function suggestNic(
  nic: PciFunction,
  name: string,
  functions: readonly PciFunction[],
  facts: Facts,
): SuggestedNic {
  const base = {
    name,
    match: matchFor(nic, functions, facts),
    driver: 'auto' as const,
    'allow-no-iommu': false,
  };
  const seen = describe(nic);
  const keep = (reason: string): SuggestedNic => ({
    nic: { ...base, role: 'control', stack: 'kernel' },
    why: [seen, `${reason}: control, and left as it is`],
  });
  const inUse = reasonToKeep(nic, facts);
  if (inUse !== undefined) return keep(inUse);
  const { why, ...choice } = choose(nic, facts);
  const data: ProfileNic = { ...base, role: 'data', ...choice };
  const result = attempt({ version: 1, nics: [data], persistent: true }, facts);
  return typeof result === 'string'
    ? keep(result)
    : { nic: data, why: [seen, `carries nothing: data; ${why}`] };
}

/** Why a NIC must be left alone; the careful answer wherever something cannot be known. */
function reasonToKeep(nic: PciFunction, facts: Facts): string | undefined {
  const { carried, interfaces } = facts.network;
  const uses = (carried.value ?? []).filter(({ pci }) => pci === nic.address);
  const sure = uses.filter(({ kind, certain }) => kind !== 'unknown' && certain);
  if (sure.length > 0) return `carries ${[...new Set(sure.map(printUse))].join(', ')}`;
  if (uses[0] !== undefined) return `may carry something (${printUse(uses[0])})`;
  if (hasLeftKernel(nic)) return undefined;
  if (carried.absent !== undefined) return `what it carries cannot be known (${carried.reason})`;
  if (carried.value.length === 0)
    return 'no NIC is seen to carry anything, so how this host is reached is not known';
  if (nic.virtualFunctions.length > 0)
    return `has virtual functions that may be in use (${nic.virtualFunctions.length})`;
  const stacked = (interfaces.value ?? []).find(({ name, master, uppers }) => {
    return nic.interfaces.includes(name) && (master !== null || uppers.length > 0);
  });
  if (stacked !== undefined) return `is part of ${stacked.master ?? stacked.uppers.join(', ')}`;
  const neighbour = groupMembers(nic, facts).find(({ address }) =>
    carried.value.some(({ pci }) => pci === address),
  );
  if (neighbour !== undefined)
    return `shares IOMMU group ${nic.iommuGroup.value} with ${neighbour.address}, which carries something`;
  const down = (interfaces.value ?? []).find(({ name }) => nic.interfaces.includes(name));
  return down?.carrier.value === false ? 'carries nothing, but has no link either' : undefined;
}

const printUse = ({ chain, what }: { readonly chain: readonly string[]; readonly what: string }) =>
  chain.length > 1 ? `${what} (${chain.slice(1).join(', ')})` : what;

interface Choice {
  readonly stack: Stack;
  readonly driver?: ProfileNic['driver'];
  readonly 'allow-no-iommu'?: boolean;
  readonly why: string;
}

function choose(nic: PciFunction, facts: Facts): Choice {
  const present = nic.driver.value ?? 'its kernel driver';
  const stays = staysOnKernel(nic);
  const bound = USERSPACE.find((name) => name === present);
  if (stays === 'bifurcated') {
    const instead =
      bound === undefined ? `on top of ${present}` : `on top of its kernel driver, and not of ${present}`;
    return { stack: 'dpdk', why: `bifurcated: DPDK works ${instead}` };
  }
  if (bound !== undefined) {
    const open = bound !== 'vfio-pci' || nic.iommuGroup.absent !== undefined;
    const why = `is on ${bound} already${open ? ', where nothing keeps it from writing to all memory' : ''}`;
    const driver = bound === 'vfio-pci' && stays === undefined ? 'auto' : bound;
    return { stack: 'dpdk', driver, 'allow-no-iommu': open, why };
  }
  if (stays === 'solarflare') {
    return { stack: 'onload', why: `Solarflare: Onload, ef_vi and TCPDirect work on top of ${present}` };
  }
  const obstacle = whyNotVfio(nic, facts);
  if (obstacle === undefined) return { stack: 'dpdk', why: 'to be bound to vfio-pci' };
  return { stack: 'af-xdp', why: `AF_XDP keeps ${present}; not dpdk, because ${obstacle}` };
}

function whyNotVfio(nic: PciFunction, facts: Facts): string | undefined {
  const { iommuGroup } = nic;
  if (iommuGroup.absent === 'missing') return 'no IOMMU protects the memory of this host from it';
  if (iommuGroup.absent !== undefined) return `its IOMMU group cannot be read (${iommuGroup.reason})`;
  const others = groupMembers(nic, facts).filter(({ address, class: code, driver }) => {
    return (
      address !== nic.address && !code.startsWith(BRIDGE) && driver !== null && !isUserspaceDriver(driver)
    );
  });
  if (others.length === 0) return undefined;
  const names = others.map(({ address, driver }) => `${address} (${driver})`).join(', ');
  return `its IOMMU group also holds ${names}`;
}

function groupMembers(nic: PciFunction, { iommu }: Facts): IommuGroup['members'] {
  return (iommu.groups.value ?? []).find(({ id }) => id === nic.iommuGroup.value)?.members ?? [];
}

/** The permanent MAC address goes with the card; the PCI address where that is not known, or not the card's alone. */
function matchFor(nic: PciFunction, functions: readonly PciFunction[], facts: Facts): Match {
  const [mac] = macsOf(nic, facts);
  if (mac === undefined) return { address: nic.address };
  const shared = functions.filter((other) => macsOf(other, facts).includes(mac)).length > 1;
  return shared ? { address: nic.address, mac } : { mac };
}

/** Its interface's name where that can be a label and is not given yet. */
function labelFor(nic: PciFunction, taken: Set<string>): string {
  const [name] = interfacesOf(nic);
  const label =
    name !== undefined && /^[A-Za-z][A-Za-z0-9_.-]*$/.test(name) && !taken.has(name) ? name : nic.address;
  taken.add(label);
  return label;
}

function describe(nic: PciFunction): string {
  const node = nic.node.value === undefined ? 'node not known' : `node ${nic.node.value}`;
  return `${nameOf(nic)}, ${nic.driver.value ?? 'no driver'}, ${node}`;
}

/** What a profile resolves to, or why it does not. */
function attempt(profile: Profile, facts: Facts): ResolvedProfile | string {
  try {
    return resolveProfile(profile, facts);
  } catch (error) {
    // Several problems are lines under a heading; here they go into a sentence.
    if (error instanceof ToolError) return error.message.replace(/:\n\s*/, ': ').replaceAll(/\n\s*/g, '; ');
    throw error;
  }
}

function describePages({ hugepages }: ResolvedProfile): string[] {
  if (hugepages.length === 0) return ['no NIC above needs them'];
  return hugepages.map(
    ({ node, size, count }) =>
      `now ${count} of ${formatSize(size)} on node ${node}, ${formatBytes(size * count)}`,
  );
}
