/**
 * Messages of NETLINK_ROUTE dumps (rtnetlink(7), include/uapi/linux/rtnetlink.h), reduced to what this program asks
 * for. Pure: bytes in, plain objects out, so that a recorded host can hold the answers as JSON.
 */

import { ipv6Text } from './ip-address.ts';

export interface Route {
  readonly family: 'inet' | 'inet6';
  /** `default` or `198.51.100.0/24`. */
  readonly destination: string;
  readonly gateway?: string;
  /** Output interface indexes; several for a multipath route; none for a blackhole. */
  readonly interfaces: readonly number[];
  /** RT_TABLE_*: 254 is main, 255 local, others belong to rules or VRFs. */
  readonly table: number;
  /** RTN_*: `unicast`, `local`, `broadcast`, `blackhole` … */
  readonly type: string;
  readonly priority?: number;
  readonly source?: string;
}

export interface Rule {
  readonly family: 'inet' | 'inet6';
  readonly priority: number;
  readonly table: number;
  readonly from?: string;
  readonly to?: string;
  readonly inputInterface?: string;
  readonly outputInterface?: string;
  readonly mark?: number;
  /** FRA_L3MDEV: for packets of a VRF it leads to the table of that VRF. */
  readonly vrf?: true;
  /** It also depends on what is not kept here (inverted, ports, user, type of service …), or does not lead to a table. */
  readonly conditional?: true;
}

export interface Neighbour {
  readonly family: 'inet' | 'inet6';
  readonly address: string;
  readonly interface: number;
  readonly linkAddress?: string;
  /** NUD_*: `reachable`, `stale`, `failed`, `permanent` … */
  readonly state: string;
}

export interface InterfaceAddress {
  readonly family: 'inet' | 'inet6';
  /** With prefix length: `192.0.2.2/24`. */
  readonly address: string;
  readonly interface: number;
  /** IFA_BROADCAST. */
  readonly broadcast?: string;
}

/** IFLA_VF_INFO of one virtual function, as its physical function has set it. */
export interface VirtualFunction {
  readonly index: number;
  readonly mac: string;
  /** 0 is none. */
  readonly vlan: number;
  readonly trust?: boolean;
  readonly spoofCheck?: boolean;
}

export interface Link {
  readonly index: number;
  readonly name: string;
  /** IFLA_INFO_KIND: `bond`, `vlan`, `bridge`, `veth` …; absent for hardware. */
  readonly kind?: string;
  /** IFLA_PERM_ADDRESS, the address burnt into the hardware (kernel ≥ 5.6). */
  readonly permanentAddress?: string;
  /** IFLA_VFINFO_LIST. */
  readonly virtualFunctions?: readonly VirtualFunction[];
  /** IFLA_LINK: the interface below or the peer, when it is in this network namespace. */
  readonly lower?: number;
  /** IFLA_MASTER. */
  readonly master?: number;
  /** IFLA_XDP_PROG_ID of an attached XDP program. */
  readonly xdpProgram?: number;
  readonly altNames?: readonly string[];
  /** IFLA_VRF_TABLE. */
  readonly vrfTable?: number;
  /** Both ends of a tunnel, where it has a fixed one. */
  readonly tunnelLocal?: string;
  readonly tunnelRemote?: string;
}

/** Virtual functions are told of only when they are asked for; without statistics, which would fill the answer. */
const IFLA_EXT_MASK = 29;
const RTEXT_FILTER_VF = 1 << 0;
const RTEXT_FILTER_SKIP_STATS = 1 << 3;

const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP = 0x300;

export const RTM_GET = { link: 18, address: 22, route: 26, neighbour: 30, rule: 34 } as const;

/** The header of each type: ifinfomsg, ifaddrmsg, rtmsg, ndmsg, fib_rule_hdr. */
const HEADER_BYTES: Readonly<Record<number, number>> = {
  [RTM_GET.link]: 16,
  [RTM_GET.address]: 8,
  [RTM_GET.route]: 12,
  [RTM_GET.neighbour]: 12,
  [RTM_GET.rule]: 12,
};

/**
 * A dump request for all families: struct nlmsghdr, then the type's own header zeroed. Exactly as long as that: of bytes
 * that are left over the kernel complains in its log.
 */
export function dumpRequest(type: number): Uint8Array {
  const own = 16 + (HEADER_BYTES[type] ?? 16);
  const request = new Uint8Array(type === RTM_GET.link ? own + 8 : own);
  const view = new DataView(request.buffer);
  if (type === RTM_GET.link) {
    view.setUint16(own, 8, true);
    view.setUint16(own + 2, IFLA_EXT_MASK, true);
    view.setUint32(own + 4, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS, true);
  }
  view.setUint32(0, request.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, NLM_F_REQUEST | NLM_F_DUMP, true);
  return request;
}

const AF_INET = 2;
const AF_INET6 = 10;
// biome-ignore format: a table in the kernel's own order
const ROUTE_TYPES = [
  'unspec', 'unicast', 'local', 'broadcast', 'anycast', 'multicast', 'blackhole', 'unreachable', 'prohibit', 'throw',
  'nat', 'xresolve',
];
// biome-ignore format: a table
const NEIGHBOUR_STATES: Readonly<Record<number, string>> = {
  0: 'none', 1: 'incomplete', 2: 'reachable', 4: 'stale', 8: 'delay', 16: 'probe', 32: 'failed', 64: 'noarp',
  128: 'permanent',
};

export function decodeRoutes(bytes: Uint8Array): Route[] {
  return messages(bytes, 12).flatMap(({ head, attributes }) => {
    const family = familyName(head.getUint8(0));
    if (family === undefined) return [];
    const at = (type: number) => attributes.get(type);
    const hop = at(9) === undefined ? [] : nextHops(at(9) as DataView);
    const output = u32(at(4));
    const gateway = ipText(family, at(5)) ?? viaText(at(18)) ?? hop.find((h) => h.gateway)?.gateway;
    const priority = u32(at(6));
    const source = ipText(family, at(7));
    const bits = head.getUint8(1);
    return [
      {
        family,
        destination: bits === 0 ? 'default' : `${ipText(family, at(1)) ?? '?'}/${bits}`,
        interfaces: output === undefined ? hop.map((h) => h.interface) : [output],
        table: u32(at(15)) ?? head.getUint8(4),
        type: ROUTE_TYPES[head.getUint8(7)] ?? `${head.getUint8(7)}`,
        ...(gateway === undefined ? {} : { gateway }),
        ...(priority === undefined ? {} : { priority }),
        ...(source === undefined ? {} : { source }),
      },
    ];
  });
}

export function decodeRules(bytes: Uint8Array): Rule[] {
  return messages(bytes, 12).flatMap(({ head, attributes }) => {
    const family = familyName(head.getUint8(0));
    if (family === undefined) return [];
    const to = prefixText(family, attributes.get(1), head.getUint8(1));
    const from = prefixText(family, attributes.get(2), head.getUint8(2));
    const inputInterface = text(attributes.get(3));
    const outputInterface = text(attributes.get(17));
    const mark = u32(attributes.get(10));
    const vrf = (attributes.get(19)?.byteLength ?? 0) > 0 && attributes.get(19)?.getUint8(0) !== 0;
    return [
      {
        family,
        priority: u32(attributes.get(6)) ?? 0,
        table: u32(attributes.get(15)) ?? head.getUint8(4),
        ...(from === undefined ? {} : { from }),
        ...(to === undefined ? {} : { to }),
        ...(inputInterface === undefined ? {} : { inputInterface }),
        ...(outputInterface === undefined ? {} : { outputInterface }),
        ...(mark === undefined ? {} : { mark }),
        ...(vrf ? { vrf } : {}),
        ...(isConditional(head, attributes) ? { conditional: true } : {}),
      },
    ];
  });
}

/** struct fib_rule_hdr and FRA_* (include/uapi/linux/fib_rules.h). */
function isConditional(head: DataView, attributes: ReadonlyMap<number, DataView>): boolean {
  const TO_TABLE = 1;
  const INVERT = 0x2;
  const typeOfService = head.getUint8(3);
  if (typeOfService !== 0 || head.getUint8(7) !== TO_TABLE || (head.getUint32(8, true) & INVERT) !== 0)
    return true;
  // The kernel sends -1 for "suppress nothing" (net/core/fib_rules.c, fib_nl_fill_rule).
  const suppresses = [13, 14].some((type) => (u32(attributes.get(type)) ?? 0xffff_ffff) !== 0xffff_ffff);
  // FRA_TUN_ID, FRA_UID_RANGE, FRA_IP_PROTO and whatever later kernels add; FRA_PROTOCOL only names who made the rule.
  return suppresses || [...attributes.keys()].some((type) => type === 12 || type === 20 || type >= 22);
}

export function decodeNeighbours(bytes: Uint8Array): Neighbour[] {
  return messages(bytes, 12).flatMap(({ head, attributes }) => {
    const family = familyName(head.getUint8(0));
    const address = family && ipText(family, attributes.get(1));
    if (family === undefined || address === undefined) return [];
    const linkAddress = macText(attributes.get(2));
    const state = head.getUint16(8, true);
    return [
      {
        family,
        address,
        interface: head.getInt32(4, true),
        state: NEIGHBOUR_STATES[state] ?? `${state}`,
        ...(linkAddress === undefined ? {} : { linkAddress }),
      },
    ];
  });
}

export function decodeAddresses(bytes: Uint8Array): InterfaceAddress[] {
  return messages(bytes, 8).flatMap(({ head, attributes }) => {
    const family = familyName(head.getUint8(0));
    // IFA_LOCAL is the own address on point-to-point links, where IFA_ADDRESS is the peer's.
    const address = family && ipText(family, attributes.get(2) ?? attributes.get(1));
    if (family === undefined || address === undefined) return [];
    const broadcast = ipText(family, attributes.get(4));
    return [
      {
        family,
        address: `${address}/${head.getUint8(1)}`,
        interface: head.getUint32(4, true),
        ...(broadcast === undefined ? {} : { broadcast }),
      },
    ];
  });
}

export function decodeLinks(bytes: Uint8Array): Link[] {
  return messages(bytes, 16).map(({ head, attributes }) => {
    const info = attributes.get(18) && attributesOf(attributes.get(18) as DataView, 0);
    const kind = info && text(info.get(1));
    const data = info?.get(2) && attributesOf(info.get(2) as DataView, 0);
    const tunnel = data && TUNNELS[kind ?? ''] && tunnelEnds(TUNNELS[kind ?? ''] as TunnelAttributes, data);
    const vrfTable = kind === 'vrf' ? u32(data?.get(1)) : undefined;
    const xdp = attributes.get(43);
    const xdpProgram = xdp && u32(attributesOf(xdp, 0).get(4));
    const permanentAddress = macText(attributes.get(54));
    // With IFLA_LINK_NETNSID the index belongs to another network namespace.
    const lower = attributes.has(37)
      ? undefined
      : u32(attributes.get(5)) || (tunnel?.link ?? u32(attributes.get(5)));
    const master = u32(attributes.get(10));
    const names = attributes.get(52) === undefined ? [] : nameList(attributes.get(52) as DataView);
    return {
      index: head.getInt32(4, true),
      name: text(attributes.get(3)) ?? '',
      ...(kind === undefined ? {} : { kind }),
      ...virtualFunctions(attributes.get(22)),
      ...(permanentAddress === undefined ? {} : { permanentAddress }),
      ...(lower === undefined ? {} : { lower }),
      ...(master === undefined ? {} : { master }),
      ...(xdpProgram === undefined ? {} : { xdpProgram }),
      ...(names.length === 0 ? {} : { altNames: names }),
      ...(vrfTable === undefined ? {} : { vrfTable }),
      ...(tunnel?.local === undefined ? {} : { tunnelLocal: tunnel.local }),
      ...(tunnel?.remote === undefined ? {} : { tunnelRemote: tunnel.remote }),
    };
  });
}

/** IFLA_VFINFO_LIST of struct ifla_vf_mac, ifla_vf_vlan, ifla_vf_spoofchk and ifla_vf_trust, each with the number first. */
function virtualFunctions(list: DataView | undefined): Pick<Link, 'virtualFunctions'> {
  if (list === undefined) return {};
  const found: VirtualFunction[] = [];
  eachAttribute(list, 0, (type, info) => {
    if (type !== 1) return;
    const attributes = attributesOf(info, 0);
    const second = (attribute: number) => {
      const view = attributes.get(attribute);
      return view === undefined || view.byteLength < 8 ? undefined : view.getUint32(4, true);
    };
    const mac = attributes.get(1);
    // Ethernet's six bytes of the 32 that there are.
    if (mac === undefined || mac.byteLength < 10) return;
    const spoofCheck = second(4);
    const trust = second(9);
    found.push({
      index: mac.getUint32(0, true),
      mac: macText(new DataView(mac.buffer, mac.byteOffset + 4, 6)) ?? '',
      vlan: second(2) ?? 0,
      // All ones: the driver has no such setting (net/core/rtnetlink.c, rtnl_fill_vfinfo).
      ...(trust === undefined || trust === 0xffff_ffff ? {} : { trust: trust !== 0 }),
      ...(spoofCheck === undefined || spoofCheck === 0xffff_ffff ? {} : { spoofCheck: spoofCheck !== 0 }),
    });
  });
  return found.length === 0 ? {} : { virtualFunctions: found };
}

/** Attribute numbers in IFLA_INFO_DATA; the second of a pair is IPv6's. */
interface TunnelAttributes {
  readonly link?: number;
  readonly local: readonly number[];
  readonly remote: readonly number[];
}

const GRE: TunnelAttributes = { link: 1, local: [6], remote: [7] };
const IP_TUNNEL: TunnelAttributes = { link: 1, local: [2], remote: [3] };
const VTI: TunnelAttributes = { link: 1, local: [4], remote: [5] };

/** By IFLA_INFO_KIND (include/uapi/linux/if_link.h: IFLA_VXLAN_*, IFLA_GENEVE_*; if_tunnel.h: the others). */
const TUNNELS: Readonly<Record<string, TunnelAttributes>> = {
  vxlan: { link: 3, local: [4, 17], remote: [2, 16] },
  geneve: { local: [], remote: [2, 7] },
  gre: GRE,
  gretap: GRE,
  erspan: GRE,
  ip6gre: GRE,
  ip6gretap: GRE,
  ip6erspan: GRE,
  ipip: IP_TUNNEL,
  sit: IP_TUNNEL,
  ip6tnl: IP_TUNNEL,
  vti: VTI,
  vti6: VTI,
  xfrm: { link: 1, local: [], remote: [] },
};

function tunnelEnds(types: TunnelAttributes, data: ReadonlyMap<number, DataView>) {
  const end = (candidates: readonly number[]) =>
    candidates
      .flatMap((type) => data.get(type) ?? [])
      .flatMap((view) => ipText(view.byteLength === 16 ? 'inet6' : 'inet', view) ?? [])
      .find((address) => address !== '0.0.0.0' && address !== '::');
  return {
    link: types.link === undefined ? undefined : u32(data.get(types.link)),
    local: end(types.local),
    remote: end(types.remote),
  };
}

interface Message {
  readonly head: DataView;
  readonly attributes: ReadonlyMap<number, DataView>;
}

function messages(bytes: Uint8Array, headLength: number): Message[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: Message[] = [];
  for (let at = 0; at + 16 <= view.byteLength; ) {
    const length = view.getUint32(at, true);
    if (length < 16 + headLength || at + length > view.byteLength) break;
    const head = new DataView(view.buffer, view.byteOffset + at + 16, headLength);
    const body = new DataView(view.buffer, view.byteOffset + at + 16, length - 16);
    found.push({ head, attributes: attributesOf(body, headLength) });
    at += align(length);
  }
  return found;
}

function attributesOf(view: DataView, start: number): ReadonlyMap<number, DataView> {
  const map = new Map<number, DataView>();
  eachAttribute(view, start, (type, value) => {
    if (!map.has(type)) map.set(type, value);
  });
  return map;
}

function eachAttribute(view: DataView, start: number, visit: (type: number, value: DataView) => void): void {
  for (let at = start; at + 4 <= view.byteLength; ) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > view.byteLength) break;
    // The top two bits are NLA_F_NESTED and NLA_F_NET_BYTEORDER.
    visit(
      view.getUint16(at + 2, true) & 0x3fff,
      new DataView(view.buffer, view.byteOffset + at + 4, length - 4),
    );
    at += align(length);
  }
}

function nextHops(view: DataView): { interface: number; gateway?: string }[] {
  const hops: { interface: number; gateway?: string }[] = [];
  for (let at = 0; at + 8 <= view.byteLength; ) {
    const length = view.getUint16(at, true);
    if (length < 8 || at + length > view.byteLength) break;
    const body = new DataView(view.buffer, view.byteOffset + at, length);
    const attributes = attributesOf(body, 8);
    const raw = attributes.get(5);
    const gateway = ipText(raw?.byteLength === 16 ? 'inet6' : 'inet', raw) ?? viaText(attributes.get(18));
    hops.push({ interface: view.getInt32(at + 4, true), ...(gateway === undefined ? {} : { gateway }) });
    at += align(length);
  }
  return hops;
}

function nameList(view: DataView): string[] {
  const names: string[] = [];
  eachAttribute(view, 0, (type, value) => {
    const name = type === 53 ? text(value) : undefined;
    if (name !== undefined) names.push(name);
  });
  return names;
}

const align = (length: number) => (length + 3) & ~3;

function familyName(family: number): 'inet' | 'inet6' | undefined {
  return family === AF_INET ? 'inet' : family === AF_INET6 ? 'inet6' : undefined;
}

/** A whole number attribute; one that is cut short is none. */
function u32(view: DataView | undefined): number | undefined {
  return view === undefined || view.byteLength < 4 ? undefined : view.getUint32(0, true);
}

function text(view: DataView | undefined): string | undefined {
  if (view === undefined) return undefined;
  return new TextDecoder()
    .decode(new Uint8Array(view.buffer, view.byteOffset, view.byteLength))
    .replace(/\0.*$/s, '');
}

function macText(view: DataView | undefined): string | undefined {
  if (view === undefined || view.byteLength === 0) return undefined;
  return Array.from({ length: view.byteLength }, (_, i) => hex(view.getUint8(i))).join(':');
}

const hex = (byte: number) => byte.toString(16).padStart(2, '0');

/** struct rtvia: a family and an address of another family than the route's. */
function viaText(view: DataView | undefined): string | undefined {
  if (view === undefined || view.byteLength < 2) return undefined;
  const family = familyName(view.getUint16(0, true));
  return family && ipText(family, new DataView(view.buffer, view.byteOffset + 2, view.byteLength - 2));
}

function prefixText(family: 'inet' | 'inet6', view: DataView | undefined, bits: number): string | undefined {
  const address = ipText(family, view);
  return address === undefined ? undefined : `${address}/${bits}`;
}

function ipText(family: 'inet' | 'inet6', view: DataView | undefined): string | undefined {
  if (view === undefined) return undefined;
  if (family === 'inet') {
    return view.byteLength < 4 ? undefined : [0, 1, 2, 3].map((i) => view.getUint8(i)).join('.');
  }
  return view.byteLength < 16
    ? undefined
    : ipv6Text(Array.from({ length: 8 }, (_, i) => view.getUint16(i * 2)));
}
