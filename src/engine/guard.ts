import { EXIT, ToolError } from '../host/errors.ts';
import type { Change, Plan } from '../plan/change.ts';
import type { Carried, Facts, NetworkInterface, PciFunction } from '../probes/facts.ts';
import type { ResolvedProfile } from '../profile/resolved.ts';

/** A function that must not be touched, because something runs over it or nobody can know that nothing does. */
export interface GuardRefusal {
  /** PCI address of the function that the plan would take; typing it overrides the refusal. */
  readonly target: string;
  /** `ens1f0 ← bond0 ← bond0.10: carries the ssh connection from 198.51.100.7`, one for each use. */
  readonly reasons: readonly string[];
  readonly error: ToolError;
}

interface Reason {
  readonly kind: Carried['kind'];
  readonly sentence: string;
}

/** Functions on these have left the kernel's network stack. */
const USER_SPACE = /^(vfio|uio_pci_generic$|igb_uio$|pci-stub$|mlx5_vfio_pci$)/;
const PCI_ADDRESS = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/;
/** What a reader must see first comes first. */
const CODES = {
  ssh: 'NIC_CARRIES_SSH',
  'default-route': 'NIC_CARRIES_ROUTE',
  storage: 'NIC_CARRIES_STORAGE',
  clock: 'NIC_CARRIES_CLOCK',
  connection: 'NIC_CARRIES_CONNECTION',
  route: 'NIC_CARRIES_ROUTE',
  address: 'NIC_CARRIES_ADDRESS',
  guest: 'NIC_CARRIES_GUEST',
  xdp: 'NIC_CARRIES_XDP',
  unknown: 'NIC_USE_UNKNOWN',
} as const satisfies Readonly<Record<Carried['kind'], string>>;
const ORDER = Object.keys(CODES);
/** With these whoever runs this program may lose the host. */
const FATAL: readonly Carried['kind'][] = ['ssh', 'default-route'];
/** More reasons than these are counted in the message. */
const REASONS_NAMED = 3;

/**
 * Every function that the plan would take from the kernel, or whose link it would take down, while the function itself,
 * one of its virtual functions, or one that shares its port or IOMMU group carries something. `allowActive` holds the
 * addresses the operator typed: only the very address of the function that would be taken counts.
 */
export function guard(
  facts: Facts,
  plan: Plan,
  profile: ResolvedProfile,
  allowActive: readonly string[],
): GuardRefusal[] {
  const uses = new Uses(facts);
  return [...takenBy(plan, profile)].flatMap(([address, change]) => {
    if (allowActive.includes(address)) return [];
    const reasons = uses.reasonsAgainst(address);
    return reasons.length === 0 ? [] : [refusal(uses.nameOf(address), address, change, reasons, profile)];
  });
}

/** The functions that a plan disturbs, each with the first change that does it. */
function takenBy(plan: Plan, profile: ResolvedProfile): Map<string, Change> {
  const taken = new Map<string, Change>();
  for (const change of plan.changes) {
    const targets = PCI_ADDRESS.test(change.target) && change.effect !== 'none' ? [change.target] : [];
    // A file that keeps the binding over a reboot names the NICs in it.
    const text = JSON.stringify(change.after).toLowerCase();
    const named = profile.nics.filter(
      ({ address, identity, driver }) =>
        driver !== null &&
        [address, identity.mac, identity.serial].some(
          (id) => id !== undefined && text.includes(id.toLowerCase()),
        ),
    );
    for (const target of [...targets, ...named.map((nic) => nic.address)]) {
      if (!taken.has(target)) taken.set(target, change);
    }
  }
  return taken;
}

function refusal(
  subject: string,
  target: string,
  change: Change,
  reasons: readonly Reason[],
  profile: ResolvedProfile,
): GuardRefusal {
  const sentences = [...new Set(reasons.map((reason) => reason.sentence))];
  const more = sentences.length - REASONS_NAMED;
  const named = `${sentences.slice(0, REASONS_NAMED).join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
  const driver = profile.nics.find((nic) => nic.address === target)?.driver;
  const action = driver ? `binding it to ${driver}` : `“${change.summary}”`;
  const kind = reasons[0]?.kind ?? 'unknown';
  const unknown = kind === 'unknown';
  const loss = unknown
    ? 'could cut this host off'
    : FATAL.includes(kind)
      ? 'would cut this host off'
      : 'would take that away';
  const error = new ToolError(CODES[kind], `${named}; ${action} ${loss}`, {
    subject,
    hint: `${unknown ? 'find out what it carries' : 'move that to another NIC'}, or type --allow-active ${target} to do it all the same`,
    exitCode: EXIT.refused,
  });
  return { target, reasons: sentences, error };
}

/** What the facts say of each PCI function. */
class Uses {
  private readonly facts: Facts;
  private readonly functions: ReadonlyMap<string, PciFunction>;
  private readonly carried = new Map<string, Carried[]>();

  constructor(facts: Facts) {
    this.facts = facts;
    this.functions = new Map((facts.pci.networkFunctions.value ?? []).map((nic) => [nic.address, nic]));
    for (const use of [...(facts.network.carried.value ?? []), ...clockUses(facts)]) {
      this.carried.set(use.pci, [...(this.carried.get(use.pci) ?? []), use]);
    }
  }

  /** `0000:17:00.0 (ens1f0)`. */
  nameOf(address: string): string {
    const name = this.functions.get(address)?.interfaces[0] ?? this.interfacesOf(address)[0]?.name;
    return name === undefined ? address : `${address} (${name})`;
  }

  /** The weightiest first. */
  reasonsAgainst(address: string): Reason[] {
    const nic = this.functions.get(address);
    const mates = [
      ...(nic?.virtualFunctions ?? []).map((mate) => [mate, 'its virtual function'] as const),
      ...this.portMates(address).map((mate) => [mate, 'on the same port'] as const),
      ...this.groupMates(address).map(
        (mate) => [mate, `in the same IOMMU group ${nic?.iommuGroup.value}`] as const,
      ),
    ];
    const found = [
      ...this.ownReasons(address),
      ...mates.flatMap(([mate, relation]) => [
        ...this.ownReasons(mate).map((reason) => ({
          ...reason,
          sentence: `${relation} ${this.nameOf(mate)}: ${reason.sentence}`,
        })),
        ...(relation === 'its virtual function' ? this.holders(mate) : []),
      ]),
    ];
    return found.sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
  }

  private ownReasons(address: string): Reason[] {
    const { carried } = this.facts.network;
    const nic = this.functions.get(address);
    const uses = this.carried.get(address) ?? [];
    const reasons = uses.map(reasonOf);
    if (reasons.length > 0) return reasons;
    if (carried.absent !== undefined && !this.hasLeftTheKernel(address)) {
      return [cannotKnow(`${carried.reason} (${carried.from})`)];
    }
    if (this.facts.pci.networkFunctions.absent !== undefined) {
      return [cannotKnow(`PCI functions: ${this.facts.pci.networkFunctions.reason}`)];
    }
    const driver = nic?.driver;
    // A kernel driver of a network function makes an interface; one that is not seen lives elsewhere.
    if (
      driver?.value !== undefined &&
      !USER_SPACE.test(driver.value) &&
      this.interfacesOf(address).length === 0
    ) {
      return [cannotKnow(`its driver is ${driver.value}, but its interface is in another network namespace`)];
    }
    if (driver?.absent !== undefined && driver.absent !== 'missing') {
      return [cannotKnow(`its driver: ${driver.reason} (${driver.from})`)];
    }
    const { holders } = this.facts.userspaceIo;
    if (
      holders.absent !== undefined &&
      this.interfacesOf(address).some((entry) => entry.ptpClock.value !== undefined)
    ) {
      return [cannotKnow(`who uses its clock: ${holders.reason}`)];
    }
    // A virtual function that the plan itself makes is not there yet, and carries nothing.
    return [];
  }

  private hasLeftTheKernel(address: string): boolean {
    const driver = this.functions.get(address)?.driver;
    if (driver === undefined) return false;
    return driver.absent === 'missing' || (driver.value !== undefined && USER_SPACE.test(driver.value));
  }

  private interfacesOf(address: string): NetworkInterface[] {
    return (this.facts.network.interfaces.value ?? []).filter((entry) => entry.pci === address);
  }

  /** Partitions of one port have its ID in common (net/core/net-sysfs.c, phys_port_id). */
  private portMates(address: string): string[] {
    const ids = this.interfacesOf(address).flatMap((entry) => entry.portId.value ?? []);
    if (ids.length === 0 || this.functions.get(address)?.physicalFunction.value !== undefined) return [];
    return (this.facts.network.interfaces.value ?? []).flatMap((entry) =>
      entry.pci !== null && entry.pci !== address && ids.includes(entry.portId.value ?? '')
        ? [entry.pci]
        : [],
    );
  }

  /** The group belongs to user space as a whole, or not at all. */
  private groupMates(address: string): string[] {
    const group = this.functions.get(address)?.iommuGroup.value;
    if (group === undefined) return [];
    return [...this.functions.values()]
      .filter((nic) => nic.address !== address && nic.iommuGroup.value === group)
      .map((nic) => nic.address);
  }

  private holders(address: string): Reason[] {
    const group = this.functions.get(address)?.iommuGroup.value;
    return (this.facts.userspaceIo.holders.value ?? [])
      .filter(
        ({ path }) =>
          group !== undefined && /^\/dev\/vfio\/(noiommu-)?\d+$/.test(path) && path.endsWith(`/${group}`),
      )
      .map(({ program, pid }) => ({
        kind: 'guest',
        sentence: `its virtual function ${address}: is held by ${program}[${pid}]`,
      }));
  }
}

/** Programs that have the hardware clock of a NIC open: ptp4l, phc2sys, chronyd. */
function clockUses(facts: Facts): Carried[] {
  const holders = facts.userspaceIo.holders.value ?? [];
  return (facts.network.interfaces.value ?? []).flatMap(({ name, pci, ptpClock }) =>
    holders
      .filter(({ path }) => pci !== null && ptpClock.value !== undefined && path === `/dev/${ptpClock.value}`)
      .map(({ program, pid, path }) => ({
        pci: pci ?? '',
        chain: [name],
        what: `clock ${path} of ${program}[${pid}]`,
        kind: 'clock' as const,
        certain: true,
        from: `/proc/${pid}/fd`,
      })),
  );
}

const VERBS = { address: ['has address', 'may have address'], xdp: ['runs the', 'may run the'] } as const;

function reasonOf({ chain, what, kind, certain }: Carried): Reason {
  const way = chain.length > 1 ? `${chain.join(' ← ')}: ` : '';
  if (kind === 'unknown') return { kind, sentence: way + cannotKnow(what).sentence };
  const verbs = kind === 'address' || kind === 'xdp' ? VERBS[kind] : ['carries the', 'may carry the'];
  return { kind, sentence: `${way}${verbs[certain ? 0 : 1]} ${what}` };
}

function cannotKnow(reason: string): Reason {
  return { kind: 'unknown', sentence: `cannot know what it carries: ${reason}` };
}
