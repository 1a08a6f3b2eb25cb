import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ipv6Text } from '../../src/formats/ip-address.ts';
import {
  decodeAddresses,
  decodeLinks,
  decodeNeighbours,
  decodeRoutes,
  decodeRules,
  dumpRequest,
  RTM_GET,
} from '../../src/formats/netlink.ts';
import { holds } from './properties.ts';

/**
 * What Linux 6.18 answered in a network namespace with a veth pair (one end with alternative names, the other in a
 * bridge), point-to-point, multipath, blackhole, `via inet6` and rule-table routes; made with ip(8).
 */
const DUMPS = JSON.parse(readFileSync(new URL('netlink-dumps.json', import.meta.url), 'utf8')) as Record<
  keyof typeof RTM_GET,
  string
>;
const dump = (kind: keyof typeof RTM_GET) => Uint8Array.from(Buffer.from(DUMPS[kind], 'hex'));

const DECODERS = [decodeRoutes, decodeRules, decodeNeighbours, decodeAddresses, decodeLinks] as const;

const u16 = (value: number) => [value & 0xff, (value >> 8) & 0xff];
const u32 = (value: number) => [...u16(value & 0xffff), ...u16(value >>> 16)];
const padded = (bytes: readonly number[]) => [...bytes, ...new Array((4 - (bytes.length % 4)) % 4).fill(0)];
const attribute = (type: number, payload: readonly number[]) =>
  padded([...u16(payload.length + 4), ...u16(type), ...payload]);
const ascii = (text: string) => [...Buffer.from(`${text}\0`)];
function message(type: number, ...parts: readonly (readonly number[])[]): Uint8Array {
  const body = parts.flat();
  return Uint8Array.from([...u32(body.length + 16), ...u16(type), ...u16(2), ...u32(1), ...u32(0), ...body]);
}

describe('a dump recorded from the kernel', () => {
  test('of links', () => {
    expect(decodeLinks(dump('link'))).toEqual([
      { index: 1, name: 'lo' },
      { index: 2, name: 'veth1', kind: 'veth', lower: 3, master: 4 },
      { index: 3, name: 'veth0', kind: 'veth', lower: 2, altNames: ['enp3s0f0np0', 'wan'] },
      { index: 4, name: 'br0', kind: 'bridge' },
    ]);
  });

  test('of addresses: the own one of a point-to-point link, not the peer', () => {
    expect(decodeAddresses(dump('address'))).toEqual([
      { family: 'inet', address: '127.0.0.1/8', interface: 1 },
      { family: 'inet', address: '192.0.2.2/24', interface: 3 },
      { family: 'inet', address: '10.0.0.1/32', interface: 4 },
      { family: 'inet6', address: '::1/128', interface: 1 },
      { family: 'inet6', address: 'fe80::ff:fe00:2/64', interface: 2 },
      { family: 'inet6', address: '2001:db8::2/64', interface: 3 },
      { family: 'inet6', address: 'fe80::ff:fe00:1/64', interface: 3 },
      { family: 'inet6', address: 'fe80::ff:fe00:b/64', interface: 4 },
    ]);
  });

  test('of routes in every table', () => {
    const unicast = { family: 'inet', type: 'unicast', table: 254 };
    const local = { family: 'inet', type: 'local', table: 255 };
    const broadcast = { family: 'inet', type: 'broadcast', table: 255 };
    const six = { family: 'inet6', type: 'unicast', table: 254 };
    const multicast = {
      family: 'inet6',
      type: 'multicast',
      table: 255,
      destination: 'ff00::/8',
      priority: 256,
    };
    expect(decodeRoutes(dump('route'))).toEqual([
      {
        ...unicast,
        destination: 'default',
        interfaces: [3],
        table: 1000,
        gateway: '192.0.2.9',
        source: '192.0.2.2',
      },
      { ...unicast, destination: 'default', interfaces: [3], gateway: '192.0.2.1', priority: 100 },
      { ...unicast, destination: '10.0.0.2/32', interfaces: [4], source: '10.0.0.1' },
      { ...unicast, destination: '192.0.2.0/24', interfaces: [3], source: '192.0.2.2' },
      { ...unicast, destination: '198.51.100.0/24', interfaces: [3, 4], gateway: '192.0.2.1' },
      { ...unicast, destination: '203.0.113.0/24', interfaces: [], type: 'blackhole' },
      { ...unicast, destination: '203.0.113.7/32', interfaces: [3], gateway: '2001:db8::1' },
      { ...local, destination: '10.0.0.1/32', interfaces: [4], source: '10.0.0.1' },
      { ...local, destination: '127.0.0.0/8', interfaces: [1], source: '127.0.0.1' },
      { ...local, destination: '127.0.0.1/32', interfaces: [1], source: '127.0.0.1' },
      { ...broadcast, destination: '127.255.255.255/32', interfaces: [1], source: '127.0.0.1' },
      { ...local, destination: '192.0.2.2/32', interfaces: [3], source: '192.0.2.2' },
      { ...broadcast, destination: '192.0.2.255/32', interfaces: [3], source: '192.0.2.2' },
      { ...six, destination: '2001:db8::/64', interfaces: [3], priority: 256 },
      { ...six, destination: 'fe80::/64', interfaces: [2], priority: 256 },
      { ...six, destination: 'fe80::/64', interfaces: [3], priority: 256 },
      { ...six, destination: 'fe80::/64', interfaces: [4], priority: 256 },
      { ...six, destination: 'default', interfaces: [3], gateway: '2001:db8::1', priority: 1024 },
      { ...local, family: 'inet6', destination: '::1/128', interfaces: [1], priority: 0 },
      { ...local, family: 'inet6', destination: '2001:db8::2/128', interfaces: [3], priority: 0 },
      { ...multicast, interfaces: [2] },
      { ...multicast, interfaces: [3] },
      { ...multicast, interfaces: [4] },
    ]);
  });

  test('of rules', () => {
    expect(decodeRules(dump('rule'))).toEqual([
      { family: 'inet', priority: 0, table: 255 },
      { family: 'inet', priority: 500, table: 1000, from: '192.0.2.2/32', inputInterface: 'veth0', mark: 16 },
      { family: 'inet', priority: 32766, table: 254 },
      { family: 'inet', priority: 32767, table: 253 },
      { family: 'inet6', priority: 0, table: 255 },
      { family: 'inet6', priority: 600, table: 52, to: '2001:db8:1::/48', outputInterface: 'vl100' },
      { family: 'inet6', priority: 32766, table: 254 },
    ]);
  });

  test('of neighbours', () => {
    const igmp = { state: 'noarp', linkAddress: '01:00:5e:00:00:16' };
    const mld = { family: 'inet6', address: 'ff02::16', state: 'noarp', linkAddress: '33:33:00:00:00:16' };
    expect(decodeNeighbours(dump('neighbour'))).toEqual([
      {
        family: 'inet',
        address: '192.0.2.1',
        interface: 3,
        state: 'permanent',
        linkAddress: '02:00:00:00:00:99',
      },
      { family: 'inet', address: '224.0.0.22', interface: 4, ...igmp },
      { ...mld, interface: 4 },
      {
        family: 'inet6',
        address: '2001:db8::1',
        interface: 3,
        state: 'stale',
        linkAddress: '02:00:00:00:00:98',
      },
      { ...mld, interface: 2 },
      { ...mld, interface: 3 },
    ]);
  });

  test.each([
    ['link', decodeLinks],
    ['address', decodeAddresses],
    ['route', decodeRoutes],
    ['rule', decodeRules],
    ['neighbour', decodeNeighbours],
  ] as const)('of %s cut anywhere gives the first of its entries', (kind, decode) => {
    const bytes = dump(kind);
    const whole: readonly unknown[] = decode(bytes);
    holds(
      fc.property(fc.nat(bytes.length), (cut) => {
        const part: readonly unknown[] = decode(bytes.subarray(0, cut));
        expect(part).toEqual(whole.slice(0, part.length));
        expect(part.length < whole.length).toBe(cut < bytes.length);
      }),
      { numRuns: 50 },
    );
  });
});

describe('a message', () => {
  const link = (...attributes: number[][]) =>
    message(16, [0, 0, ...u16(1), ...u32(7), ...u32(0), ...u32(0)], ...attributes);

  test('of a link has its hardware address, XDP program and kind', () => {
    const bytes = link(
      attribute(3, ascii('eth7')),
      attribute(10, u32(9)),
      // IFLA_LINKINFO > IFLA_INFO_KIND, with NLA_F_NESTED set as ip(8) does.
      attribute(18 | 0x8000, attribute(1, ascii('vlan'))),
      attribute(5, u32(3)),
      // IFLA_XDP > IFLA_XDP_ATTACHED, IFLA_XDP_PROG_ID.
      attribute(43, [...attribute(2, [1]), ...attribute(4, u32(42))]),
      attribute(54, [0x3c, 0xfd, 0xfe, 0x00, 0x0a, 0xff]),
    );
    expect(decodeLinks(bytes)).toEqual([
      {
        index: 7,
        name: 'eth7',
        kind: 'vlan',
        lower: 3,
        master: 9,
        xdpProgram: 42,
        permanentAddress: '3c:fd:fe:00:0a:ff',
      },
    ]);
  });

  test('of a physical function has what it set for its virtual ones', () => {
    const mac = [0x02, 0, 0x5e, 0, 0, 7, ...Array(26).fill(0)];
    const first = [
      ...attribute(1, [...u32(0), ...mac]),
      ...attribute(2, [...u32(0), ...u32(7), ...u32(0)]),
      ...attribute(4, [...u32(0), ...u32(1)]),
      ...attribute(9, [...u32(0), ...u32(0)]),
    ];
    // The driver knows neither of the two switches; an entry without an address is none.
    const second = [
      ...attribute(1, [...u32(1), ...mac]),
      ...attribute(4, [...u32(1), ...u32(0xffff_ffff)]),
      ...attribute(9, [1]),
    ];
    const list = [...attribute(1, first), ...attribute(1, second), ...attribute(1, attribute(2, u32(2)))];
    expect(decodeLinks(link(attribute(3, ascii('eth0')), attribute(22, list)))).toEqual([
      {
        index: 7,
        name: 'eth0',
        virtualFunctions: [
          { index: 0, mac: '02:00:5e:00:00:07', vlan: 7, trust: false, spoofCheck: true },
          { index: 1, mac: '02:00:5e:00:00:07', vlan: 0 },
        ],
      },
    ]);
  });

  test('of a link whose peer is in another network namespace names no interface of this one', () => {
    expect(
      decodeLinks(link(attribute(3, ascii('eth0')), attribute(5, u32(2)), attribute(37, u32(0)))),
    ).toEqual([{ index: 7, name: 'eth0' }]);
  });

  test('of a link with attributes too short for their type goes without them', () => {
    const bytes = link(
      attribute(3, ascii('eth0')),
      attribute(5, [1, 2]),
      attribute(10, []),
      attribute(43, attribute(4, [1])),
      attribute(18, [9]),
      attribute(52, [1, 2, 3]),
      attribute(54, []),
    );
    expect(decodeLinks(bytes)).toEqual([{ index: 7, name: 'eth0' }]);
  });

  test('of a route with attributes too short for their type goes without them', () => {
    const route = [2, 24, 0, 0, 254, 3, 0, 1, ...u32(0)];
    const short = [1, 4, 5, 6, 7, 15, 18].flatMap((type) => attribute(type, [1, 2, 3]));
    const expected = { family: 'inet', interfaces: [], table: 254, type: 'unicast' };
    expect(decodeRoutes(message(24, route, short))).toEqual([{ ...expected, destination: '?/24' }]);
    // A next hop shorter than its header, and one that says it has no length.
    expect(decodeRoutes(message(24, route, attribute(9, [0, 0, 0, 0, 0, 0, 0, 0])))).toEqual([
      { ...expected, destination: '?/24' },
    ]);
  });

  test('of a rule, a neighbour or an address with short attributes goes without them', () => {
    const short = [1, 2, 3, 6, 10, 15, 17].flatMap((type) => attribute(type, []));
    const head = [2, 0, 0, 0, 254, 0, 0, 1, ...u32(0)];
    expect(decodeRules(message(32, head, short))).toEqual([
      { family: 'inet', priority: 0, table: 254, inputInterface: '', outputInterface: '' },
    ]);
    expect(decodeNeighbours(message(28, head, short))).toEqual([]);
    expect(decodeAddresses(message(20, [2, 24, 0, 0, ...u32(1)], short))).toEqual([]);
  });

  test('of another address family than IPv4 and IPv6 is left out', () => {
    const head = (family: number) => [family, 0, 0, 0, 254, 0, 0, 1, ...u32(0)];
    // RTNL_FAMILY_IPMR.
    expect(decodeRoutes(message(24, head(128)))).toEqual([]);
    expect(decodeRules(message(32, head(128)))).toEqual([]);
    expect(decodeNeighbours(message(28, head(7), attribute(1, [1, 2, 3, 4])))).toEqual([]);
  });
});

describe('what a tunnel runs over, and the table of a VRF', () => {
  const header = [0, 0, 1, 0, ...u32(7), ...u32(0x1043), ...u32(0)];
  const quad = [198, 51, 100, 7];
  const six = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
  const link = (kind: string, data: readonly number[], ...more: readonly (readonly number[])[]) =>
    decodeLinks(
      message(
        16,
        header,
        attribute(3, ascii('t')),
        attribute(18, [...attribute(1, ascii(kind)), ...attribute(2, data)]),
        ...more,
      ),
    )[0];

  test.each([
    ['vxlan', 2, 4, 3],
    ['gre', 7, 6, 1],
    ['ip6gretap', 7, 6, 1],
    ['ipip', 3, 2, 1],
    ['sit', 3, 2, 1],
    ['vti', 5, 4, 1],
  ])('[B2] %s', (kind, remote, local, lower) => {
    const data = [
      ...attribute(remote, quad),
      ...attribute(local, [192, 0, 2, 1]),
      ...attribute(lower, u32(4)),
    ];
    expect(link(kind, data)).toEqual({
      index: 7,
      name: 't',
      kind,
      lower: 4,
      tunnelLocal: '192.0.2.1',
      tunnelRemote: '198.51.100.7',
    });
  });

  test('[B2] over IPv6, where the attribute may be another one', () => {
    expect(link('vxlan', attribute(16, six))?.tunnelRemote).toBe('2001:db8::9');
    expect(link('geneve', attribute(7, six))?.tunnelRemote).toBe('2001:db8::9');
    expect(link('ip6tnl', attribute(3, six))?.tunnelRemote).toBe('2001:db8::9');
  });

  test('[B2] without a peer, and tied to an interface by the link itself', () => {
    const data = [...attribute(7, [0, 0, 0, 0]), ...attribute(6, [0, 0, 0, 0]), ...attribute(1, u32(0))];
    expect(link('gre', data, attribute(5, u32(9)))).toEqual({ index: 7, name: 't', kind: 'gre', lower: 9 });
    expect(link('gre', data, attribute(5, u32(0)))?.lower).toBe(0);
    // The interface of another network namespace has a number that means nothing here.
    expect(link('gre', data, attribute(5, u32(9)), attribute(37, u32(1)))?.lower).toBeUndefined();
  });

  test('[B2] nothing of the kind in other links', () => {
    expect(link('vrf', attribute(1, u32(1001)))).toEqual({
      index: 7,
      name: 't',
      kind: 'vrf',
      vrfTable: 1001,
    });
    expect(link('vlan', attribute(1, u32(1001)))).toEqual({ index: 7, name: 't', kind: 'vlan' });
  });
});

describe('[B2] a rule that depends on more than its networks', () => {
  const rule = (head: readonly number[], ...attributes: readonly (readonly number[])[]) =>
    decodeRules(message(32, head, attribute(6, u32(9)), ...attributes))[0];
  const head = (tos = 0, action = 1, flags = 0) => [2, 0, 0, tos, 100, 0, 0, action, ...u32(flags)];
  const plain = { family: 'inet', priority: 9, table: 100 };

  test('[B2] one that does not', () => {
    const usual = [attribute(13, u32(0xffff_ffff)), attribute(14, u32(0xffff_ffff)), attribute(21, [4])];
    expect(rule(head(), ...usual)).toEqual(plain);
    expect(rule(head(), attribute(19, [1]))).toEqual({ ...plain, vrf: true });
    expect(rule(head(), attribute(19, [0]))).toEqual(plain);
  });

  test.each([
    ['type of service', head(16), []],
    ['an action that is no table', head(0, 6), []],
    ['inverted', head(0, 1, 2), []],
    ['suppressed prefix lengths, as wg-quick has them', head(), attribute(14, u32(0))],
    ['a tunnel', head(), attribute(12, [0, 0, 0, 0, 0, 0, 0, 1])],
    ['users', head(), attribute(20, [...u32(0), ...u32(9)])],
    ['ports', head(), attribute(24, [22, 0, 22, 0])],
    ['something later', head(), attribute(40, [1])],
  ])('[B2] %s', (_, bytes, more) => {
    expect(rule(bytes, more)).toEqual({ ...plain, conditional: true });
  });
});

test('a request asks for a dump of one kind', () => {
  expect(Buffer.from(dumpRequest(RTM_GET.route)).toString('hex')).toBe(
    `1c000000${'1a00'}${'0103'}${'00'.repeat(20)}`,
  );
  // ifinfomsg, ifaddrmsg, rtmsg, ndmsg, fib_rule_hdr: what is longer makes the kernel complain in its log.
  expect(Object.values(RTM_GET).map((type) => dumpRequest(type).length - 16)).toEqual([24, 8, 12, 12, 12]);
  // Virtual functions without their statistics.
  expect(Buffer.from(dumpRequest(RTM_GET.link).slice(32)).toString('hex')).toBe('08001d0009000000');
});

test('bytes of any kind are decoded without an error, and without a loop that does not end', () => {
  // Real messages with bytes changed come much nearer to the corners than random ones.
  const damaged = fc
    .tuple(
      fc.constantFrom(...(Object.keys(RTM_GET) as (keyof typeof RTM_GET)[])),
      fc.array(fc.tuple(fc.nat(6000), fc.oneof(fc.constantFrom(0, 1, 3, 4, 255), fc.nat(255))), {
        maxLength: 40,
      }),
      fc.nat(3),
    )
    .map(([kind, changes, offset]) => {
      const bytes = dump(kind);
      for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
      return bytes.subarray(offset);
    });
  const attributes = fc
    .array(fc.tuple(fc.nat(60), fc.uint8Array({ maxLength: 12 })), { maxLength: 12 })
    .chain((list) =>
      fc
        .uint8Array({ minLength: 16, maxLength: 16 })
        .map((head) =>
          message(16, [...head], ...list.map(([type, payload]) => attribute(type, [...payload]))),
        ),
    );
  holds(
    fc.property(fc.oneof(damaged, attributes, fc.uint8Array({ maxLength: 300 })), (bytes) => {
      for (const decode of DECODERS) decode(bytes);
    }),
    { numRuns: 400 },
  );
});

test.each([
  [[0, 0, 0, 0, 0, 0, 0, 0], '::'],
  [[0, 0, 0, 0, 0, 0, 0, 1], '::1'],
  [[0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 1], 'fe80::ff:fe00:1'],
  [[1, 0, 0, 0, 0, 0, 0, 0], '1::'],
  // One zero group is not shortened, and of two runs the first of equal length is (RFC 5952, 4.2).
  [[0x2001, 0xdb8, 0, 1, 1, 1, 1, 1], '2001:db8:0:1:1:1:1:1'],
  [[0x2001, 0xdb8, 0, 0, 1, 0, 0, 1], '2001:db8::1:0:0:1'],
  [[0x2001, 0, 0, 1, 0, 0, 0, 1], '2001:0:0:1::1'],
  [[1, 2, 3, 4, 5, 6, 7, 8], '1:2:3:4:5:6:7:8'],
])('%j is written %s', (groups, text) => {
  expect(ipv6Text(groups)).toBe(text);
});
