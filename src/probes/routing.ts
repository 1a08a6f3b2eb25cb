import {
  type IpAddress,
  isInside,
  isLinkLocal,
  leadingBits,
  parseIp,
  parsePrefix,
  sameIp,
} from '../formats/ip-address.ts';
import type { Link } from '../formats/netlink.ts';
import type { Fact, Facts, NetworkInterface, NetworkRoute } from './facts.ts';

type Rule = NonNullable<Facts['network']['rules']['value']>[number];
type Neighbour = NonNullable<Facts['network']['neighbours']['value']>[number];

export const TABLE_LOCAL = 255;

/** Interfaces by the leading bits of where their routes lead, for each length of a prefix that occurs. */
type Table = Map<number, Map<bigint, Set<string>>>;

interface Owner {
  readonly name: string;
  readonly address: IpAddress;
}

/**
 * Which interfaces packets to a peer leave by, as far as it can be known from outside of the socket: where it can not
 * (marks, bound sockets), every interface that comes into question.
 */
export class Routing {
  private readonly tables: Record<'inet' | 'inet6', Map<number, Table>> = {
    inet: new Map(),
    inet6: new Map(),
  };
  private readonly rules: Fact<readonly Rule[]>;
  private readonly neighbours: readonly Neighbour[];
  private readonly owners: readonly Owner[];
  private readonly vrfTables = new Map<string, number>();
  private readonly vrfOf = new Map<string, number>();
  private readonly everywhere = new Set<string>();

  constructor(
    interfaces: readonly NetworkInterface[],
    routes: readonly NetworkRoute[],
    rules: Fact<readonly Rule[]>,
    neighbours: Fact<readonly Neighbour[]>,
    links: readonly Link[],
  ) {
    this.rules = rules;
    this.neighbours = neighbours.value ?? [];
    for (const link of links) if (link.vrfTable !== undefined) this.vrfTables.set(link.name, link.vrfTable);
    for (const entry of interfaces) {
      const table = this.vrfTables.get(entry.name) ?? this.vrfTables.get(entry.master ?? '');
      if (table !== undefined) this.vrfOf.set(entry.name, table);
    }
    this.owners = interfaces.flatMap(({ name, addresses }) =>
      addresses.flatMap((text) => {
        const address = parseIp(text.split('/')[0] ?? '');
        return address === undefined ? [] : [{ name, address }];
      }),
    );
    for (const route of routes) this.add(route);
  }

  /** Interfaces that own an address. */
  ownersOf(address: IpAddress): string[] {
    return this.owners.filter((owner) => sameIp(owner.address, address)).map((owner) => owner.name);
  }

  /** The VRF that looks its routes up in this table. */
  vrfOfTable(table: number): string | undefined {
    return [...this.vrfTables].find(([, own]) => own === table)?.[0];
  }

  /** By what interfaces a peer is reached, and by which it reaches the address at this end. */
  towards(peer: IpAddress, local?: IpAddress): string[] {
    const owners = local === undefined ? [] : this.ownersOf(local);
    const near = this.neighbours
      .filter((entry) => entry.state !== 'failed' && sameTo(entry.address, peer))
      .map((entry) => entry.interface);
    const vrfs = new Set(owners.map((name) => this.vrfOf.get(name)));
    return [...new Set([...owners, ...this.lookUp(peer, local, vrfs), ...(isLinkLocal(peer) ? near : [])])];
  }

  /** Interfaces by which a peer that is not told could be reached. */
  outwards(): string[] {
    return [...this.everywhere];
  }

  private add(route: NetworkRoute): void {
    if (route.type !== 'unicast' || route.table === TABLE_LOCAL) return;
    const prefix =
      route.destination === 'default'
        ? { family: route.family, value: 0n, bits: 0 }
        : parsePrefix(route.destination);
    // fe80::/64 is on every interface and says nothing.
    if (prefix === undefined || isLinkLocal(prefix)) return;
    const tables = this.tables[prefix.family];
    const table = tables.get(route.table) ?? (new Map() as Table);
    const same = table.get(prefix.bits) ?? new Map<bigint, Set<string>>();
    const key = leadingBits(prefix, prefix.bits);
    const names = same.get(key) ?? new Set();
    for (const name of route.interfaces) {
      names.add(name);
      this.everywhere.add(name);
    }
    tables.set(route.table, table.set(prefix.bits, same.set(key, names)));
  }

  /** As fib_rules_lookup does (net/core/fib_rules.c): the first rule that fits and whose table has a route decides. */
  private lookUp(
    peer: IpAddress,
    local: IpAddress | undefined,
    vrfs: ReadonlySet<number | undefined>,
  ): string[] {
    const tables = this.tables[peer.family];
    const rules = this.rules.value?.filter((rule) => rule.family === peer.family);
    if (rules === undefined) return [...tables.values()].flatMap((table) => longest(table, peer));
    const found: string[] = [];
    for (const rule of [...rules].sort((a, b) => a.priority - b.priority)) {
      const fits = this.fits(rule, peer, local);
      if (fits === 'no') continue;
      const candidates = rule.vrf ? [...this.vrfTables.values()] : [rule.table];
      // A socket whose own address is outside of all VRFs, or in one of them, stays there.
      const wanted = candidates.filter((table) => !rule.vrf || vrfs.size === 0 || vrfs.has(table));
      const names = wanted.flatMap((table) => longest(tables.get(table), peer));
      found.push(...names);
      if (names.length > 0 && fits === 'yes' && !rule.vrf) break;
    }
    return found;
  }

  private fits(rule: Rule, peer: IpAddress, local: IpAddress | undefined): 'yes' | 'no' | 'perhaps' {
    // Packets of this host's own come in by lo.
    if (rule.inputInterface !== undefined && rule.inputInterface !== 'lo' && rule.conditional === undefined)
      return 'no';
    const to = rule.to === undefined ? undefined : parsePrefix(rule.to);
    const from = rule.from === undefined ? undefined : parsePrefix(rule.from);
    if (rule.conditional === undefined) {
      if (to !== undefined && !isInside(peer, to)) return 'no';
      if (from !== undefined && local !== undefined && !isInside(local, from)) return 'no';
    }
    const sure =
      rule.conditional === undefined &&
      rule.mark === undefined &&
      rule.outputInterface === undefined &&
      (from === undefined || local !== undefined);
    return sure ? 'yes' : 'perhaps';
  }
}

function sameTo(text: string, address: IpAddress): boolean {
  const other = parseIp(text);
  return other !== undefined && sameIp(other, address);
}

function longest(table: Table | undefined, peer: IpAddress): string[] {
  if (table === undefined) return [];
  const lengths = [...table.keys()].sort((a, b) => b - a);
  for (const bits of lengths) {
    const names = table.get(bits)?.get(leadingBits(peer, bits));
    if (names !== undefined) return [...names];
  }
  return [];
}
