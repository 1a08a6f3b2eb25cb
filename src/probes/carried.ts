import {
  type IpAddress,
  isInside,
  isLinkLocal,
  isLoopback,
  parseIp,
  parsePrefix,
} from '../formats/ip-address.ts';
import type { Link } from '../formats/netlink.ts';
import type { Carried, Connection, Fact, NetworkInterface, NetworkRoute, StoragePeer } from './facts.ts';
import { type Routing, TABLE_LOCAL } from './routing.ts';

/** What the uses of an interface are made of. */
export interface Seen {
  readonly interfaces: readonly NetworkInterface[];
  readonly routes: Fact<readonly NetworkRoute[]>;
  readonly routing: Routing;
  readonly links: readonly Link[];
  readonly connections: Fact<readonly Connection[]>;
  readonly storage: Fact<readonly StoragePeer[]>;
  /** Interfaces on which a program speaks PTP over Ethernet, and those below PPP over Ethernet. */
  readonly precisionTime: readonly string[];
  readonly pppBelow: readonly string[];
  /** How many listen on an interface to what all hosts listen to: itself, and each interface on top that is up. */
  readonly listeners: ReadonlyMap<string, number>;
  /** What the kernel was not asked, each with the reason: then nobody knows what an interface carries. */
  readonly unasked: readonly { readonly what: string; readonly from: string }[];
}

type Kind = Carried['kind'];

/** Where the other end is not written in the link: the keys of WireGuard, the metadata of packets, a daemon. */
// biome-ignore format: a table
const TUNNELS: readonly string[] = [
  'wireguard', 'tun', 'vxlan', 'geneve', 'bareudp', 'gre', 'gretap', 'erspan', 'ip6gre', 'ip6gretap', 'ip6erspan', 'ipip',
  'sit', 'ip6tnl', 'vti', 'vti6', 'xfrm', 'gtp', 'amt', 'ovpn', 'ppp',
];
/** What joins a bridge for somebody else: virtual machines and containers. */
const GUESTS: readonly string[] = ['tun', 'veth', 'macvtap', 'ipvtap'];
export const LISTENERS = '/proc/net/dev_mcast';
/** More routes than these on one interface are counted. */
const ROUTES_NAMED = 8;
const GUESTS_NAMED = 3;

/**
 * What hangs on each PCI function, through any bond, bridge, VLAN, tunnel or other interface stacked above it. One entry
 * for each use and each function that it runs over.
 */
export function carriedBy(seen: Seen): Carried[] {
  const stack = new Stack(seen);
  const found = new Map<string, Carried>();
  const add: Add = (name, kind, what, from, certain = true) => {
    for (const { pci, chain, ...way } of stack.below(name)) {
      const entry = { pci, chain, what, kind, certain: certain && way.certain, from };
      found.set(JSON.stringify([pci, chain, what]), entry);
    }
  };
  addConnections(seen, add);
  for (const entry of seen.interfaces) {
    for (const address of entry.addresses) {
      const ip = parseIp(address.split('/')[0] ?? '');
      if (ip === undefined || (!isLinkLocal(ip) && !isLoopback(ip)))
        add(entry.name, 'address', address, 'RTM_GETADDR');
    }
  }
  addRoutes(seen, add);
  addStorage(seen, add);
  for (const name of seen.precisionTime) add(name, 'clock', 'PTP traffic over Ethernet', '/proc/net/packet');
  for (const entry of seen.interfaces) {
    if (entry.xdpProgram.value !== undefined) {
      add(entry.name, 'xdp', `XDP program ${entry.xdpProgram.value}`, entry.xdpProgram.from);
    }
  }
  addGuests(seen.interfaces, stack, add);
  addUnknowns(seen, stack, add);
  addHidden(seen, stack, add);
  return [...found.values()];
}

type Add = (name: string, kind: Kind, what: string, from: string, certain?: boolean) => void;

function addConnections({ connections, routing }: Seen, add: Add): void {
  for (const connection of connections.value ?? []) {
    const [local, remote] = [parseIp(connection.local), parseIp(connection.remote)];
    // Both ends on this host: nothing leaves it.
    if (remote === undefined || routing.ownersOf(remote).length > 0) continue;
    const ssh = connection.service === 'ssh';
    const direction = connection.incoming ? 'from' : 'to';
    const name = ssh ? 'ssh connection' : `${connection.protocol.toUpperCase()} connection`;
    const port = ssh ? '' : connection.incoming ? ` to port ${connection.port}` : ` port ${connection.port}`;
    // What this host asked for by ssh is a connection like others; what came in may be the operator.
    const kind = ssh && connection.incoming ? 'ssh' : 'connection';
    for (const top of routing.towards(remote, local)) {
      add(top, kind, `${name} ${direction} ${connection.remote}${port}`, connection.from);
    }
  }
}

function addRoutes({ interfaces, routes, routing }: Seen, add: Add): void {
  const networks = new Map(
    interfaces.map(({ name, addresses }) => [
      name,
      addresses.flatMap((address) => parseIp(address.split('/')[0] ?? '') ?? []),
    ]),
  );
  const counted = new Map<string, number>();
  for (const route of routes.value ?? []) {
    if (route.table === TABLE_LOCAL || route.type !== 'unicast') continue;
    const isDefault = route.destination === 'default';
    const prefix = isDefault ? undefined : parsePrefix(route.destination);
    if (prefix !== undefined && isLinkLocal(prefix)) continue;
    const vrf = routing.vrfOfTable(route.table);
    const where =
      route.table === 254 ? '' : vrf === undefined ? ` in table ${route.table}` : ` in VRF ${vrf}`;
    for (const name of route.interfaces) {
      // A connected route says no more than the address it belongs to.
      const own = networks.get(name) ?? [];
      if (
        route.gateway === undefined &&
        prefix !== undefined &&
        own.some((address) => isInside(address, prefix))
      )
        continue;
      if (isDefault) {
        add(name, 'default-route', `default route${where}`, routes.from);
        continue;
      }
      const count = (counted.get(name) ?? 0) + 1;
      counted.set(name, count);
      if (count <= ROUTES_NAMED) add(name, 'route', `route to ${route.destination}${where}`, routes.from);
    }
  }
  for (const [name, count] of counted) {
    if (count > ROUTES_NAMED) add(name, 'route', `${count - ROUTES_NAMED} other routes`, routes.from);
  }
}

function addStorage({ storage, routing }: Seen, add: Add): void {
  for (const { what, peer, local, interface: tied, from } of storage.value ?? []) {
    const [theirs, ours] = [peer, local].map((text) => (text === null ? undefined : parseIp(text)));
    const text = peer === null ? what : `${what} from ${peer}`;
    const certain = tied !== null || theirs !== undefined || ours !== undefined;
    for (const name of reach(routing, tied, theirs, ours)) add(name, 'storage', text, from, certain);
  }
}

function reach(routing: Routing, tied: string | null, peer?: IpAddress, local?: IpAddress): string[] {
  if (tied !== null) return [tied];
  if (peer !== undefined) {
    // A server of this host itself.
    return routing.ownersOf(peer).length > 0 || isLoopback(peer) ? [] : routing.towards(peer, local);
  }
  return local === undefined ? routing.outwards() : routing.ownersOf(local);
}

/** Bridges and Open vSwitch carry frames of others although this host has no address there. */
function addGuests(interfaces: readonly NetworkInterface[], stack: Stack, add: Add): void {
  for (const entry of interfaces) {
    if (entry.kind === 'macvtap' || entry.kind === 'ipvtap') {
      add(entry.name, 'guest', `traffic of ${entry.name}`, `/sys/class/net/${entry.name}`);
    }
    if (entry.kind !== 'bridge' && entry.kind !== 'openvswitch') continue;
    const guests = stack.membersOf(entry.name).filter((name) => stack.isGuest(name));
    if (guests.length === 0) continue;
    const more = guests.length > GUESTS_NAMED ? ` and ${guests.length - GUESTS_NAMED} more` : '';
    const names = `${guests.slice(0, GUESTS_NAMED).join(', ')}${more}`;
    add(entry.name, 'guest', `traffic of ${names}`, `/sys/class/net/${entry.name}`);
  }
}

/** Only a peer in the interface's own network needs neither an address nor a route that would be seen by itself. */
function addUnknowns(
  { interfaces, routes, connections, storage, unasked }: Seen,
  stack: Stack,
  add: Add,
): void {
  const nameless = (routes.value ?? []).find(
    (route) => route.type === 'unicast' && route.interfaces.length === 0 && route.table !== TABLE_LOCAL,
  );
  for (const entry of interfaces) {
    if (entry.pci !== null && stack.membersOf(entry.name).length === 0) {
      for (const { what, from } of unasked) add(entry.name, 'unknown', what, from);
      if (nameless !== undefined) {
        const what = `route to ${nameless.destination}, whose interface the kernel does not name`;
        add(entry.name, 'unknown', what, routes.from);
      }
    }
    if (!entry.addresses.some((address) => /^fe80:/i.test(address))) continue;
    for (const [subject, fact] of [
      ['connections', connections],
      ['storage', storage],
    ] as const) {
      if (fact.absent !== undefined) add(entry.name, 'unknown', `${subject}: ${fact.reason}`, fact.from);
    }
  }
}

/**
 * A VLAN, macvlan or ipvlan that was given to a container has no link in this namespace, but its multicast addresses are
 * counted on the interface below (net/core/dev_addr_lists.c, dev_mc_sync). Bridges and VRFs hand none down.
 */
function addHidden({ interfaces, listeners }: Seen, stack: Stack, add: Add): void {
  for (const { name } of interfaces) {
    const count = listeners.get(name) ?? 0;
    if (count <= 1) continue;
    const seen = stack
      .aboveOf(name)
      .filter(
        (upper) =>
          !['bridge', 'vrf', 'openvswitch'].includes(upper.kind ?? '') && upper.state.value !== 'down',
      );
    // What an interface hands down is counted once more on itself for each one below.
    if (count <= 1 + seen.length + stack.membersOf(name).length) continue;
    add(name, 'unknown', 'an interface on top of it is in another network namespace', LISTENERS);
  }
}

interface Way {
  readonly pci: string;
  /** Lowest first. */
  readonly chain: string[];
  readonly certain: boolean;
}

/** The interfaces, and what each of them runs over. */
class Stack {
  private readonly seen: Seen;
  private readonly byName: ReadonlyMap<string, NetworkInterface>;
  private readonly linkOf: ReadonlyMap<string, Link>;
  private readonly members = new Map<string, string[]>();
  private readonly ways = new Map<string, readonly Way[]>();

  constructor(seen: Seen) {
    this.seen = seen;
    this.byName = new Map(seen.interfaces.map((entry) => [entry.name, entry]));
    this.linkOf = new Map(seen.links.map((link) => [link.name, link]));
    for (const entry of seen.interfaces) {
      for (const upper of [...entry.uppers, ...(entry.master === null ? [] : [entry.master])]) {
        this.members.set(upper, [...(this.members.get(upper) ?? []), entry.name]);
      }
    }
  }

  /** Whether an interface is the near end of a virtual machine or container. */
  isGuest(name: string): boolean {
    return GUESTS.includes(this.byName.get(name)?.kind ?? '');
  }

  aboveOf(name: string): NetworkInterface[] {
    return this.seen.interfaces.filter((entry) => this.membersOf(entry.name).includes(name));
  }

  /** What the kernel says lies below: slaves, ports, the parent of a VLAN. */
  membersOf(name: string): string[] {
    return [...new Set([...(this.byName.get(name)?.lowers ?? []), ...(this.members.get(name) ?? [])])];
  }

  /** Every way from an interface down to a PCI function. */
  below(name: string): readonly Way[] {
    const known = this.ways.get(name);
    if (known !== undefined) return known;
    const ways = this.descend(name, [], true);
    this.ways.set(name, ways);
    return ways;
  }

  private descend(name: string, above: readonly string[], certain: boolean): Way[] {
    // A tunnel whose peer is reached through itself; a ring of interfaces can only come from a damaged recording.
    if (above.includes(name)) return [];
    const chain = [name, ...above];
    const pci = this.byName.get(name)?.pci;
    // The virtual function below a netvsc or failover interface has no interface below it, and is one itself.
    const own = pci ? [{ pci, chain, certain }] : [];
    const below = this.lowersOf(name);
    return [...own, ...below.names.flatMap((lower) => this.descend(lower, chain, certain && below.certain))];
  }

  private lowersOf(name: string): { names: readonly string[]; certain: boolean } {
    const members = this.membersOf(name);
    if (members.length > 0) return { names: members, certain: true };
    const kind = this.byName.get(name)?.kind ?? null;
    if (kind === 'openvswitch') return { names: this.datapaths(), certain: true };
    if (kind === 'ppp' && this.seen.pppBelow.length > 0) return { names: this.seen.pppBelow, certain: true };
    if (kind === null || !TUNNELS.includes(kind)) return { names: [], certain: true };
    const { tunnelRemote, tunnelLocal } = this.linkOf.get(name) ?? {};
    const [remote, local] = [tunnelRemote, tunnelLocal].map((text) =>
      text === undefined ? undefined : parseIp(text),
    );
    const { routing } = this.seen;
    if (remote !== undefined) return { names: routing.towards(remote, local), certain: true };
    const owners = local === undefined ? [] : routing.ownersOf(local);
    return { names: [...new Set([...owners, ...routing.outwards()])], certain: false };
  }

  /**
   * Which port a bridge of Open vSwitch sends by stands in its own database: for the kernel all ports of a datapath
   * belong together (net/openvswitch/vport-netdev.c), and the bridges' own interfaces to none.
   */
  private datapaths(): string[] {
    return this.seen.interfaces
      .filter((entry) => entry.kind === 'openvswitch' && this.membersOf(entry.name).length > 0)
      .map((entry) => entry.name);
  }
}
