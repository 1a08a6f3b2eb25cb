import { describe, expect, test } from 'vitest';
import { guard } from '../../src/engine/guard.ts';
import type { Change, Plan } from '../../src/plan/change.ts';
import type { Facts } from '../../src/probes/facts.ts';
import { observe } from '../../src/probes/index.ts';
import type { ResolvedProfile } from '../../src/profile/resolved.ts';
import { factsOf, hostOf, withFiles } from '../support/hosts.ts';
import { type Wire, type Wiring, wiredFacts, wiredHost } from '../support/wired-host.ts';

const A = '0000:03:00.0';
const B = '0000:04:00.0';
const C = '0000:05:00.0';
/** Three ports; what a test stacks on the first must never touch the others. */
const PORTS: readonly Wire[] = [
  { name: 'eth0', pci: A },
  { name: 'eth1', pci: B },
  { name: 'eth2', pci: C },
];
const SSH = { local: '192.0.2.1:22', remote: '198.51.100.7:50000' };
const DEFAULT = 'default via 192.0.2.254 dev';

function binding(target: string, more: Partial<Change> = {}): Change {
  return {
    id: `driver:${target}`,
    action: 'driver',
    target,
    before: 'i40e',
    after: 'vfio-pci',
    scope: 'runtime',
    effect: 'link-down',
    summary: 'bind to vfio-pci (from i40e)',
    commands: [],
    ...more,
  };
}

const planOf = (...changes: Change[]): Plan => ({ changes, notes: [] });
const NO_PROFILE: ResolvedProfile = { nics: [], hugepages: [], persistent: false };

function profileOf(...addresses: string[]): ResolvedProfile {
  const nics = addresses.map((address) => ({
    name: address,
    address,
    identity: { vendor: '0x8086', device: '0x1572', mac: '02:00:5e:00:00:99' },
    role: 'data' as const,
    stack: 'dpdk' as const,
    driver: 'vfio-pci' as const,
    allowNoIommu: false,
  }));
  return { ...NO_PROFILE, nics };
}

/** Why each function may not be bound. */
function refused(facts: Facts, addresses: readonly string[] = [A, B, C], allow: readonly string[] = []) {
  const plan = planOf(...addresses.map((address) => binding(address)));
  return Object.fromEntries(
    guard(facts, plan, profileOf(...addresses), allow).map(({ target, reasons }) => [target, reasons]),
  );
}

const refusedOn = (wiring: Wiring, addresses?: readonly string[]) => refused(wiredFacts(wiring), addresses);

describe('[B1] refuses what carries a route or an ssh connection', () => {
  const wiring: Wiring = {
    wires: PORTS,
    addresses: ['eth0 192.0.2.1/24', 'eth0 fe80::1/64', 'eth1 fe80::2/64'],
    routes: [`${DEFAULT} eth0`, '192.0.2.0/24 dev eth0', 'fe80::/64 dev eth0', 'fe80::/64 dev eth1'],
    sockets: [{ local: '0.0.0.0:22' }, SSH],
  };

  test('[B1] [B17] in the words that the design promises, with exit code 4', () => {
    const [refusal, ...others] = guard(wiredFacts(wiring), planOf(binding(A)), profileOf(A), []);
    expect(others).toEqual([]);
    expect(refusal?.target).toBe(A);
    expect(refusal?.error.exitCode).toBe(4);
    expect(refusal?.error.format()).toBe(
      'error[NIC_CARRIES_SSH] 0000:03:00.0 (eth0): carries the ssh connection from 198.51.100.7; carries the default route; has address 192.0.2.1/24; binding it to vfio-pci would cut this host off\n' +
        'hint: move that to another NIC, or type --allow-active 0000:03:00.0 to do it all the same',
    );
  });

  test('[B1] and lets an interface go that is up with nothing but what the kernel made', () => {
    expect(Object.keys(refusedOn(wiring))).toEqual([A]);
  });

  test.each([
    ['a default route alone', { routes: ['default dev eth0'] }, ['carries the default route']],
    [
      'a route to a network',
      { routes: ['10.0.0.0/8 via 192.0.2.9 dev eth0'] },
      ['carries the route to 10.0.0.0/8'],
    ],
    [
      'a route without gateway or address',
      { routes: ['10.0.0.0/8 dev eth0'] },
      ['carries the route to 10.0.0.0/8'],
    ],
    ['a static multicast route', { routes: ['224.0.0.0/4 dev eth0'] }, ['carries the route to 224.0.0.0/4']],
    ['an address of the operator', { addresses: ['eth0 10.1.2.3/24'] }, ['has address 10.1.2.3/24']],
    ['an IPv6 address', { addresses: ['eth0 2001:db8::5/64'] }, ['has address 2001:db8::5/64']],
  ])('[B1] %s', (_, more, reasons) => {
    expect(refusedOn({ wires: PORTS, ...more })).toEqual({ [A]: reasons });
  });

  test('[B1] a connected route says no more than the address it belongs to', () => {
    expect(
      refusedOn({ wires: PORTS, addresses: ['eth0 10.1.2.3/24'], routes: ['10.1.2.0/24 dev eth0'] }),
    ).toEqual({ [A]: ['has address 10.1.2.3/24'] });
  });

  test('[B1] the routes of the local table are the kernel’s own', () => {
    expect(refusedOn({ wires: PORTS, routes: ['ff00::/8 dev eth0 table 255'] })).toEqual({});
  });

  test('[B1] an ssh connection that this host started is one like others', () => {
    const sockets = [{ local: '192.0.2.1:40000', remote: '198.51.100.7:22' }];
    const facts = wiredFacts({ wires: PORTS, addresses: ['eth0 192.0.2.1/24'], sockets });
    const [refusal] = guard(facts, planOf(binding(A)), profileOf(A), []);
    expect(refusal?.error.code).toBe('NIC_CARRIES_CONNECTION');
    expect(refusal?.reasons[0]).toBe('carries the ssh connection to 198.51.100.7');
  });

  test('[B1] by each of two ways of a route, and by none of a blackhole', () => {
    const routes = ['10.0.0.0/8 dev eth0 dev eth1', '10.9.0.0/16 blackhole'];
    expect(Object.keys(refusedOn({ wires: PORTS, routes }))).toEqual([A, B]);
  });

  test('[B1] an ssh connection on another port is a connection; one between two programs of this host is none', () => {
    const sockets = [
      { local: '0.0.0.0:2222' },
      { local: '192.0.2.1:2222', remote: '198.51.100.7:50000' },
      { local: '192.0.2.1:443', remote: '192.0.2.1:50001' },
      { local: '127.0.0.1:443', remote: '127.0.0.1:50001' },
      { protocol: 'udp' as const, local: '192.0.2.1:40000', remote: '198.51.100.53:53' },
    ];
    expect(refusedOn({ ...wiring, sockets })[A]).toEqual([
      'carries the default route',
      'carries the TCP connection from 198.51.100.7 to port 2222',
      'carries the UDP connection to 198.51.100.53 port 53',
      'has address 192.0.2.1/24',
    ]);
  });

  test('[B1] many routes and connections are counted', () => {
    const routes = Array.from({ length: 20 }, (_, n) => `10.${n}.0.0/16 via 192.0.2.9 dev eth0`);
    const [refusal] = guard(wiredFacts({ wires: PORTS, routes }), planOf(binding(A)), profileOf(A), []);
    expect(refusal?.reasons).toHaveLength(9);
    expect(refusal?.reasons.at(-1)).toBe('carries the 12 other routes');
    expect(refusal?.error.message).toContain('carries the route to 10.2.0.0/16; and 6 more; binding it');
  });
});

describe('[B2] sees both families, policy tables, VRFs and what a tunnel runs over', () => {
  test('[B2] an ssh connection over IPv6 alone', () => {
    const sockets = [{ local: '[2001:db8::1]:22', remote: '[2001:db8:9::7]:50000' }];
    const addresses = ['eth0 2001:db8::1/64', 'eth1 fe80::2/64'];
    const routes = ['default via fe80::fe dev eth0', 'fe80::/64 dev eth0', 'fe80::/64 dev eth1'];
    expect(refusedOn({ wires: PORTS, sockets, addresses, routes })).toEqual({
      [A]: [
        'carries the ssh connection from 2001:db8:9::7',
        'carries the default route',
        'has address 2001:db8::1/64',
      ],
    });
  });

  test('[B2] an IPv4 connection to a socket of IPv6', () => {
    const sockets = [{ local: '[::ffff:192.0.2.1]:22', remote: '[::ffff:198.51.100.7]:50000' }];
    const more = { sockets, addresses: ['eth0 192.0.2.1/24'], routes: [`${DEFAULT} eth0`] };
    expect(refusedOn({ wires: PORTS, ...more })[A]?.[0]).toBe('carries the ssh connection from 198.51.100.7');
  });

  test('[B2] a connection between link-local addresses, where nothing else is configured', () => {
    const sockets = [{ local: '[fe80::1]:22', remote: '[fe80::9]:50000' }];
    const addresses = ['eth0 fe80::1/64', 'eth1 fe80::2/64'];
    expect(refusedOn({ wires: PORTS, sockets, addresses })).toEqual({
      [A]: ['carries the ssh connection from fe80::9'],
    });
  });

  test('[B2] a link-local peer that only the neighbours tell of', () => {
    const sockets = [{ local: '[fe80::77]:5000', remote: '[fe80::9]:179' }];
    const neighbours = [
      { family: 'inet6', address: 'fe80::9', interface: 'eth1', state: 'stale' },
      { family: 'inet6', address: 'fe80::9', interface: 'eth2', state: 'failed' },
    ] as const;
    expect(refusedOn({ wires: PORTS, sockets, neighbours })).toEqual({
      [B]: ['carries the TCP connection to fe80::9 port 179'],
    });
  });

  test('[B2] the longest prefix decides, and the table that a rule leads to', () => {
    const routes = [
      `${DEFAULT} eth0`,
      '198.51.100.0/24 via 192.0.2.9 dev eth1',
      'default via 203.0.113.254 dev eth2 table 100',
    ];
    const connection = (local: string) => [{ local: '0.0.0.0:443' }, { local, remote: '198.51.100.7:50000' }];
    const rules = [
      { family: 'inet', priority: 0, table: 255 },
      { family: 'inet', priority: 1000, table: 100, from: '203.0.113.0/24' },
      { family: 'inet', priority: 32766, table: 254 },
    ] as const;
    const over = (local: string) => {
      const found = refusedOn({ wires: PORTS, routes, rules, sockets: connection(local) });
      return Object.keys(found).filter((address) => found[address]?.some((reason) => reason.includes('TCP')));
    };
    expect(over('10.0.0.1:443')).toEqual([B]);
    expect(over('203.0.113.1:443')).toEqual([C]);
  });

  test('[B2] where a rule depends on what a socket hides, every way is carried', () => {
    const routes = [`${DEFAULT} eth0`, 'default via 203.0.113.254 dev eth2 table 100'];
    const sockets = [{ local: '10.0.0.1:40000', remote: '198.51.100.7:443' }];
    const over = (rule: object, without: Wiring['without'] = []) => {
      const rules = [
        { family: 'inet' as const, priority: 1000, table: 100, ...rule },
        { family: 'inet' as const, priority: 32766, table: 254 },
      ];
      const found = refusedOn({ wires: PORTS, routes, rules, sockets, without });
      return Object.keys(found).filter((address) => found[address]?.some((reason) => reason.includes('TCP')));
    };
    expect(over({ mark: 7 })).toEqual([A, C]);
    expect(over({ outputInterface: 'eth2' })).toEqual([A, C]);
    expect(over({ from: '172.16.0.0/12', conditional: true })).toEqual([A, C]);
    expect(over({ from: '172.16.0.0/12' })).toEqual([A]);
    expect(over({ to: '172.16.0.0/12' })).toEqual([A]);
    expect(over({ inputInterface: 'eth1' })).toEqual([A]);
    expect(over({ inputInterface: 'lo' })).toEqual([C]);
    expect(over({}, ['rules'])).toEqual([A, C]);
  });

  test('[B2] a rule for the own address, where that is not known', () => {
    const rules = [
      { family: 'inet', priority: 1000, table: 100, from: '203.0.113.0/24' },
      { family: 'inet', priority: 32766, table: 254 },
    ] as const;
    const routes = [`${DEFAULT} eth0`, 'default via 203.0.113.254 dev eth2 table 100'];
    const found = refusedOn({ wires: PORTS, routes, rules, mounts: ['s:/ /m nfs rw,addr=198.51.100.7 0 0'] });
    expect(found[A]).toContain('carries the NFS mount /m from 198.51.100.7');
    expect(found[C]).toContain('carries the NFS mount /m from 198.51.100.7');
  });

  test('[B2] a route in a table of its own, and in that of a VRF', () => {
    const wires = [
      { name: 'eth0', pci: A, master: 'blue' },
      { name: 'eth1', pci: B },
      { name: 'eth2', pci: C },
      { name: 'blue', kind: 'vrf', vrfTable: 1001, lowers: ['eth0'] },
    ];
    const routes = [
      'default via 10.0.0.254 dev eth0 table 1001',
      '10.7.0.0/16 via 10.9.0.1 dev eth1 table 100',
    ];
    expect(refusedOn({ wires, routes })).toEqual({
      [A]: ['carries the default route in VRF blue'],
      [B]: ['carries the route to 10.7.0.0/16 in table 100'],
    });
  });

  test('[B2] a connection inside a VRF stays there, and one outside does not enter it', () => {
    const wires = [
      { name: 'eth0', pci: A, master: 'blue' },
      { name: 'eth1', pci: B },
      { name: 'blue', kind: 'vrf', vrfTable: 1001, lowers: ['eth0'] },
    ];
    const rules = [
      { family: 'inet', priority: 0, table: 255 },
      { family: 'inet', priority: 1000, table: 0, vrf: true },
      { family: 'inet', priority: 32766, table: 254 },
    ] as const;
    const routes = ['default via 192.0.2.254 dev eth0 table 1001', 'default via 203.0.113.254 dev eth1'];
    const addresses = ['eth0 192.0.2.1/24', 'eth1 203.0.113.1/24'];
    const over = (local: string) => {
      const sockets = [{ local: '0.0.0.0:22' }, { local, remote: '198.51.100.7:50000' }];
      const found = refusedOn({ wires, rules, routes, addresses, sockets }, [A, B]);
      return Object.keys(found).filter((address) => found[address]?.some((reason) => reason.includes('ssh')));
    };
    expect(over('203.0.113.1:22')).toEqual([B]);
    // The rule may lead to the VRF and else to main: inside of it both are thought of.
    expect(over('192.0.2.1:22')).toContain(A);
  });

  const tunnel = (link: Partial<Wire>): Wiring => ({
    wires: [...PORTS, { name: 'tun9', ...link }],
    addresses: ['tun9 10.8.0.1/24', 'eth1 203.0.113.1/24'],
    routes: ['198.51.100.0/24 via 203.0.113.254 dev eth1'],
  });

  test.each(['vxlan', 'geneve', 'gre', 'ip6gre', 'ipip', 'sit', 'vti'])(
    '[B2] a %s link runs over the way to its other end',
    (kind) => {
      const found = refusedOn(tunnel({ kind, tunnelRemote: '198.51.100.7' }));
      expect(Object.keys(found)).toEqual([B]);
      expect(found[B]).toContain('eth1 ← tun9: has address 10.8.0.1/24');
    },
  );

  test('[B2] over the interface it is tied to, and over the owner of its own end', () => {
    expect(refusedOn(tunnel({ kind: 'gre', lower: 'eth0', tunnelRemote: '198.51.100.7' }))[A]).toEqual([
      'eth0 ← tun9: has address 10.8.0.1/24',
    ]);
    const multicast = tunnel({ kind: 'vxlan', tunnelLocal: '172.16.0.1' });
    expect(refusedOn({ ...multicast, addresses: ['tun9 10.8.0.1/24', 'eth2 172.16.0.1/32'] })[C]).toContain(
      'eth2 ← tun9: may have address 10.8.0.1/24',
    );
  });

  test.each(['wireguard', 'tun', 'bareudp', 'vxlan'])(
    '[B2] a %s link whose other end is not told may run over every way out, and over no other NIC',
    (kind) => {
      const found = refusedOn({
        ...tunnel({ kind }),
        addresses: ['tun9 10.8.0.1/24'],
        routes: [
          `${DEFAULT} eth0`,
          'default via 203.0.113.254 dev eth1 table 9',
          'default dev tun9 table 51820',
        ],
      });
      expect(Object.keys(found)).toEqual([A, B]);
      expect(found[A]).toContain('eth0 ← tun9: may have address 10.8.0.1/24');
      expect(found[B]).toContain('eth1 ← tun9: may have address 10.8.0.1/24');
    },
  );

  test('[B2] a tunnel inside another one, to a peer that is reached through itself', () => {
    const wires = [
      ...PORTS,
      { name: 'wg0', kind: 'wireguard' },
      { name: 'vx', kind: 'vxlan', tunnelRemote: '10.8.0.9' },
    ];
    const found = refusedOn({
      wires,
      addresses: ['vx 10.99.0.1/24'],
      routes: ['10.8.0.0/24 dev wg0', 'default via 192.0.2.254 dev eth2'],
    });
    expect(Object.keys(found)).toEqual([C]);
    expect(found[C]).toContain('eth2 ← wg0 ← vx: may have address 10.99.0.1/24');
  });

  test.each([
    [
      'the kernel speaks',
      '/proc/net/pppoe',
      'Id       Address              Device\n000004D2 02:00:00:00:00:01     eth1\n',
    ],
    [
      'a program speaks',
      '/proc/net/packet',
      'sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n0000000000000000 3      3    8864   3     1 0      0      31\n',
    ],
  ])('[B2] PPP over Ethernet that %s, below which nothing has an address', (_, path, text) => {
    const wires = [...PORTS, { name: 'ppp0', kind: 'ppp' }];
    expect(refusedOn({ wires, files: { [path]: text }, routes: ['default dev ppp0'] })).toEqual({
      [B]: ['eth1 ← ppp0: carries the default route'],
    });
  });
});

describe('[B3] follows what is stacked down to the physical functions', () => {
  const network = (top: string): Partial<Wiring> => ({
    addresses: [`${top} 192.0.2.1/24`],
    routes: [`${DEFAULT} ${top}`, `192.0.2.0/24 dev ${top}`],
    sockets: [{ local: '0.0.0.0:22' }, SSH],
  });

  const STACKS: readonly (readonly [string, readonly Wire[], string, readonly string[]])[] = [
    [
      'bond and VLAN',
      [
        { name: 'eth0', pci: A, master: 'bond0' },
        { name: 'eth1', pci: B, master: 'bond0' },
        { name: 'bond0', kind: 'bond', lowers: ['eth0', 'eth1'] },
        { name: 'bond0.10', kind: 'vlan', lowers: ['bond0'] },
      ],
      'bond0.10',
      ['eth0 ← bond0 ← bond0.10', 'eth1 ← bond0 ← bond0.10'],
    ],
    [
      'team',
      [
        { name: 'eth0', pci: A, master: 'team0' },
        { name: 'eth1', pci: B },
        { name: 'team0', kind: 'team', lowers: ['eth0'] },
      ],
      'team0',
      ['eth0 ← team0'],
    ],
    [
      'bridge over a VLAN',
      [
        { name: 'eth0', pci: A },
        { name: 'eth1', pci: B },
        { name: 'eth0.7', kind: 'vlan', lowers: ['eth0'], master: 'br0' },
        { name: 'br0', kind: 'bridge', lowers: ['eth0.7'] },
      ],
      'br0',
      ['eth0 ← eth0.7 ← br0'],
    ],
    [
      'macvlan',
      [
        { name: 'eth0', pci: A },
        { name: 'eth1', pci: B },
        { name: 'mac0', kind: 'macvlan', lowers: ['eth0'] },
      ],
      'mac0',
      ['eth0 ← mac0'],
    ],
    [
      'ipvlan that sysfs does not link',
      [
        { name: 'eth0', pci: A },
        { name: 'eth1', pci: B },
        { name: 'ipv0', kind: 'ipvlan', lower: 'eth0' },
      ],
      'ipv0',
      ['eth0 ← ipv0'],
    ],
    [
      'a port that only names its master',
      [{ name: 'eth0', pci: A, master: 'eth9' }, { name: 'eth1', pci: B }, { name: 'eth9' }],
      'eth9',
      ['eth0 ← eth9'],
    ],
    [
      'Open vSwitch, whose bridge has no link to its ports',
      [
        { name: 'eth0', pci: A, master: 'ovs-system' },
        { name: 'eth1', pci: B },
        { name: 'ovs-system', kind: 'openvswitch', lowers: ['eth0'] },
        { name: 'br-ex', kind: 'openvswitch' },
      ],
      'br-ex',
      ['eth0 ← ovs-system ← br-ex'],
    ],
  ];

  test.each(STACKS)('[B3] %s', (_, wires, top, chains) => {
    const found = refusedOn({ wires: [...wires, { name: 'eth2', pci: C }], ...network(top) });
    const functions = chains.map(
      (chain) => wires.find((wire) => wire.name === chain.split(' ')[0])?.pci ?? '',
    );
    expect(Object.keys(found)).toEqual(functions);
    functions.forEach((address, index) => {
      expect(found[address]).toEqual([
        `${chains[index]}: carries the ssh connection from 198.51.100.7`,
        `${chains[index]}: carries the default route`,
        `${chains[index]}: has address 192.0.2.1/24`,
      ]);
    });
  });

  test('[B3] a failover interface, which is of one function and has that of another below', () => {
    const wires = [
      { name: 'eth0', pci: A, driver: 'virtio-pci', lowers: ['eth0nsby', 'ens5'] },
      { name: 'eth0nsby', pci: A, driver: 'virtio-pci' },
      { name: 'ens5', pci: B },
      { name: 'eth2', pci: C },
    ];
    expect(refusedOn({ wires, addresses: ['eth0 192.0.2.1/24'] })).toEqual({
      [A]: ['has address 192.0.2.1/24', 'eth0nsby ← eth0: has address 192.0.2.1/24'],
      [B]: ['ens5 ← eth0: has address 192.0.2.1/24'],
    });
  });

  test('[B3] a bond that is not configured is no use, and neither is a bridge of physical ports', () => {
    const wires = [
      { name: 'eth0', pci: A, master: 'bond0' },
      { name: 'eth1', pci: B, master: 'br0' },
      { name: 'bond0', kind: 'bond', lowers: ['eth0'] },
      { name: 'br0', kind: 'bridge', lowers: ['eth1'] },
    ];
    expect(refusedOn({ wires }, [A, B])).toEqual({});
  });

  test('[B3] a bridge for virtual machines, where this host has no address', () => {
    const guests = ['vnet0', 'vnet1', 'vnet2', 'vnet3'].map((name) => ({ name, kind: 'tun', master: 'br0' }));
    const wires = [
      { name: 'eth0', pci: A, master: 'br0' },
      { name: 'eth1', pci: B },
      { name: 'br0', kind: 'bridge', lowers: ['eth0', ...guests.map(({ name }) => name)] },
      ...guests,
      { name: 'macvtap0', kind: 'macvtap', lowers: ['eth2'] },
      { name: 'eth2', pci: C },
    ];
    expect(refusedOn({ wires })).toEqual({
      [A]: ['eth0 ← br0: carries the traffic of vnet0, vnet1, vnet2 and 1 more'],
      [C]: ['eth2 ← macvtap0: carries the traffic of macvtap0'],
    });
  });

  test('[B3] a physical function whose virtual function carries something, and not the other way round', () => {
    const V = '0000:03:02.0';
    const wires = [
      { name: 'eth0', pci: A },
      { name: 'eth0v0', pci: V, virtualOf: A, driver: 'iavf' },
      { name: 'eth1', pci: B },
    ];
    expect(refusedOn({ wires, addresses: ['eth0v0 192.0.2.1/24'] }, [A, V, B])).toEqual({
      [A]: [`its virtual function ${V} (eth0v0): has address 192.0.2.1/24`],
      [V]: ['has address 192.0.2.1/24'],
    });
    expect(refusedOn({ wires, addresses: ['eth0 192.0.2.1/24'] }, [A, V, B])).toEqual({
      [A]: ['has address 192.0.2.1/24'],
    });
  });

  test('[B3] a virtual function on the port of a physical one that is used', () => {
    const V = '0000:03:02.0';
    const wires = [
      { name: 'eth0', pci: A, portId: '02005e000301' },
      { name: 'eth0v0', pci: V, virtualOf: A, driver: 'iavf', portId: '02005e000301' },
    ];
    expect(Object.keys(refusedOn({ wires, addresses: ['eth0 192.0.2.1/24'] }, [A, V]))).toEqual([A]);
  });

  test('[B3] [B5] a physical function whose virtual function a virtual machine holds', () => {
    const V = '0000:03:02.0';
    const wires = [
      { name: 'eth0', pci: A },
      { name: '(given to a guest)', pci: V, virtualOf: A, driver: 'vfio-pci', group: 31 },
      { name: 'eth1', pci: B },
    ];
    const files = { '/proc/77/comm': 'qemu-kvm\n', '/dev/vfio/31': '' };
    const symlinks = { '/proc/77/fd/9': '/dev/vfio/31' };
    expect(refusedOn({ wires, files, symlinks }, [A, B])).toEqual({
      [A]: [`its virtual function ${V}: is held by qemu-kvm[77]`],
    });
  });

  test('[B3] functions that share a port or an IOMMU group; the other port of a card is free', () => {
    const [near, port] = ['0000:03:00.1', '0000:03:00.2'];
    const wires = [
      { name: 'eth0', pci: A, group: 7, portId: '02005e000301' },
      { name: 'eth3', pci: near, group: 8, portId: '02005e000302' },
      { name: 'eth4', pci: port, group: 9, portId: '02005e000301' },
      { name: 'eth1', pci: B, group: 7 },
      { name: 'eth2', pci: C, group: 10 },
    ];
    expect(refusedOn({ wires, addresses: ['eth0 192.0.2.1/24'] }, [A, near, port, B, C])).toEqual({
      [A]: ['has address 192.0.2.1/24'],
      [port]: [`on the same port ${A} (eth0): has address 192.0.2.1/24`],
      [B]: [`in the same IOMMU group 7 ${A} (eth0): has address 192.0.2.1/24`],
    });
  });
});

describe('[B4] sees who keeps data on other machines, and other users of the wire', () => {
  const far = {
    wires: PORTS,
    addresses: ['eth1 10.5.0.2/24'],
    routes: [`${DEFAULT} eth0`, '10.6.0.0/16 via 10.5.0.1 dev eth1'],
  };
  const storageOf = (more: Partial<Wiring>) => {
    const found = refusedOn({ ...far, ...more });
    return Object.fromEntries(
      Object.entries(found).flatMap(([address, reasons]) => {
        const own = reasons.filter((reason) => !/route|address/.test(reason));
        return own.length === 0 ? [] : [[address, own]];
      }),
    );
  };

  test.each([
    [
      'NFS',
      '10.6.0.9:/home /home nfs4 rw,vers=4.2,clientaddr=10.5.0.2,addr=10.6.0.9 0 0',
      'NFS mount /home from 10.6.0.9',
    ],
    ['NFS as root', 'srv:/ / nfs rw,addr=10.6.0.9 0 0', 'NFS mount / from 10.6.0.9'],
    ['CIFS', '//srv/x /mnt/a\\040b cifs rw,addr=10.6.0.9 0 0', 'CIFS mount /mnt/a b from 10.6.0.9'],
    ['CephFS', '10.6.0.9:6789:/ /ceph ceph rw,name=x 0 0', 'Ceph mount /ceph from 10.6.0.9'],
    ['Lustre', '10.6.0.9@tcp:/fs /lustre lustre rw 0 0', 'Lustre mount /lustre from 10.6.0.9'],
  ])('[B4] %s', (_, mount, what) => {
    expect(storageOf({ mounts: [mount] })).toEqual({ [B]: [`carries the ${what}`] });
  });

  test('[B4] NFS from a server in the own network, and from one that the mount does not name', () => {
    expect(
      storageOf({ mounts: ['s:/ /m nfs rw,addr=10.5.0.9 0 0'], routes: ['10.5.0.0/24 dev eth1'] }),
    ).toEqual({
      [B]: ['carries the NFS mount /m from 10.5.0.9'],
    });
    expect(storageOf({ mounts: ['s:/ /m nfs rw 0 0'] })).toEqual({
      [A]: ['may carry the NFS mount /m'],
      [B]: ['may carry the NFS mount /m'],
    });
  });

  test('[B4] iSCSI, by its address or the interface it is tied to', () => {
    const device = '/sys/devices/platform/host7/session1/connection1:0/iscsi_connection/connection1:0';
    const files = {
      [`${device}/address`]: '10.6.0.9\n',
      '/sys/class/iscsi_session/session1/targetname': 'iqn.2001-04.com.example:disk\n',
    };
    const symlinks = { '/sys/class/iscsi_connection/connection1:0': device };
    const what = 'carries the iSCSI target iqn.2001-04.com.example:disk from 10.6.0.9';
    expect(storageOf({ files, symlinks })).toEqual({ [B]: [what] });
    const tied = { ...files, '/sys/class/iscsi_host/host7/netdev': 'eth2\n' };
    expect(storageOf({ files: tied, symlinks })).toEqual({ [C]: [what] });
  });

  test('[B4] NVMe over TCP, and none that is on the PCI bus', () => {
    const controller = (address: string, transport = 'tcp') => ({
      '/sys/class/nvme/nvme3/transport': `${transport}\n`,
      '/sys/class/nvme/nvme3/address': `${address}\n`,
      '/sys/class/nvme/nvme3/subsysnqn': 'nqn.2014-08.org.example\n',
    });
    const what = 'carries the NVMe-TCP subsystem nqn.2014-08.org.example from 10.6.0.9';
    expect(storageOf({ files: controller('traddr=10.6.0.9,trsvcid=4420') })).toEqual({ [B]: [what] });
    expect(storageOf({ files: controller('traddr=10.6.0.9,trsvcid=4420,host_iface=eth2') })).toEqual({
      [C]: [what],
    });
    expect(storageOf({ files: controller('0000:06:00.0', 'pcie') })).toEqual({});
  });

  test('[B4] RBD by its own end, and an nbd client by its connection', () => {
    expect(storageOf({ files: { '/sys/bus/rbd/devices/0/client_addr': '10.5.0.2:0/77\n' } })).toEqual({
      [B]: ['carries the RBD device rbd0'],
    });
    expect(storageOf({ sockets: [{ local: '10.5.0.2:40000', remote: '10.6.0.9:10809' }] })).toEqual({
      [B]: ['carries the TCP connection to 10.6.0.9 port 10809'],
    });
  });

  test('[B4] [J13] the clock that a program keeps, and PTP over Ethernet', () => {
    const wires = [
      { name: 'eth0', pci: A, clock: 'ptp0' },
      { name: 'eth1', pci: B, clock: 'ptp1' },
      ...PORTS.slice(2),
    ];
    const files = {
      '/proc/88/comm': 'phc2sys\n',
      '/proc/net/packet':
        'sk       RefCnt Type Proto  Iface R Rmem   User   Inode\n0000000000000000 3      3    88f7   3     1 0      0      31\n' +
        '0000000000000000 3      3    0003   4     1 0      0      32\n',
    };
    const symlinks = { '/proc/88/fd/5': '/dev/ptp0' };
    expect(refusedOn({ wires, files, symlinks })).toEqual({
      [A]: ['carries the clock /dev/ptp0 of phc2sys[88]'],
      [B]: ['carries the PTP traffic over Ethernet'],
    });
    const [refusal] = guard(wiredFacts({ wires, files, symlinks }), planOf(binding(A)), profileOf(A), []);
    expect(refusal?.error.code).toBe('NIC_CARRIES_CLOCK');
    expect(refusal?.error.message).toContain('binding it to vfio-pci would take that away');
  });

  test('[B4] [J13] nobody is asked about the clock of a hypervisor', () => {
    const clock = '/sys/devices/virtual/ptp/ptp0';
    const host = withFiles(wiredHost({ wires: PORTS, symlinks: { '/sys/class/ptp/ptp0': clock } }), {
      [`${clock}/clock_name`]: 'KVM virtual PTP\n',
      '/proc/88/fd': { denied: 'EACCES' },
    });
    expect(factsOf(host).userspaceIo.holders).toEqual({ value: [], from: '/proc/*/fd' });
  });

  test('[B4] an XDP program', () => {
    expect(refusedOn({ wires: [{ name: 'eth0', pci: A, xdpProgram: 17 }, ...PORTS.slice(1)] })).toEqual({
      [A]: ['runs the XDP program 17'],
    });
  });
});

describe('[J20] what cannot be known is refused', () => {
  test.each(['routes', 'addresses', 'links'] as const)(
    '[J20] without %s, the reason is given',
    (question) => {
      const found = refusedOn({ wires: PORTS, without: [question] });
      expect(Object.keys(found)).toEqual([A, B, C]);
      expect(found[A]?.[0]).toMatch(/^cannot know what it carries: .*the recorded host holds no such answer/);
    },
  );

  test('[J20] what could not be read stands beside what is known', () => {
    const addresses = ['eth0 192.0.2.1/24'];
    expect(refusedOn({ wires: PORTS, addresses, without: ['routes'] })[A]).toEqual([
      'cannot know what it carries: routes: the recorded host holds no such answer (RTM_GETROUTE)',
    ]);
    expect(refusedOn({ wires: PORTS, addresses, without: ['links'] })[A]).toEqual([
      'has address 192.0.2.1/24',
      'cannot know what it carries: links: the recorded host holds no such answer',
    ]);
  });

  test('[J20] routes of /proc tell of the main table alone', () => {
    const files = { '/proc/net/route': 'Iface Destination Gateway Flags RefCnt Use Metric Mask\n' };
    expect(refusedOn({ wires: PORTS, without: ['routes'], files })[B]).toEqual([
      'cannot know what it carries: routes: the recorded host holds no such answer',
    ]);
  });

  test('[J20] a function that has left the kernel needs no table to be free', () => {
    const wires = [{ name: '(in user space)', pci: A, driver: 'vfio-pci' }, ...PORTS.slice(1)];
    expect(Object.keys(refusedOn({ wires, without: ['routes'] }))).toEqual([B, C]);
  });

  test('[J20] an interface that is not seen is in another network namespace', () => {
    const wires = [{ name: '(in a container)', pci: A, driver: 'iavf' }, ...PORTS.slice(1)];
    expect(refusedOn({ wires })).toEqual({
      [A]: [
        'cannot know what it carries: its driver is iavf, but its interface is in another network namespace',
      ],
    });
  });

  test('[J20] more listen on an interface than can be seen on top of it', () => {
    const wires = [
      ...PORTS,
      { name: 'eth1.7', kind: 'vlan', lowers: ['eth1'] },
      { name: 'red', kind: 'vrf', lowers: ['eth2'] },
    ];
    const table = (counts: Record<string, number>) =>
      Object.entries(counts).map(([name, users]) => `2    ${name}     ${users}     0     01005e000001\n`);
    const over = (counts: Record<string, number>) =>
      refusedOn({ wires, files: { '/proc/net/dev_mcast': table(counts).join('') } });
    expect(over({ eth0: 1, eth1: 2, 'eth1.7': 2, eth2: 1 })).toEqual({});
    const elsewhere =
      'cannot know what it carries: an interface on top of it is in another network namespace';
    expect(over({ eth0: 2, eth1: 3, eth2: 2 })).toEqual({
      [A]: [elsewhere],
      [B]: [elsewhere],
      [C]: [elsewhere],
    });
    expect(over({ 'eth1.7': 3 })).toEqual({ [B]: [`eth1 ← eth1.7: ${elsewhere}`] });
  });

  test('[J20] connections that cannot be read matter where an address is that the kernel made', () => {
    const host = wiredHost({ wires: PORTS, addresses: ['eth0 fe80::1/64'] });
    const denied = Object.fromEntries(
      ['tcp', 'tcp6', 'udp', 'udp6'].map((name) => [`/proc/net/${name}`, { denied: 'EACCES' }]),
    );
    expect(refused(factsOf(withFiles(host, denied)))).toEqual({
      [A]: ['cannot know what it carries: connections: EACCES: needs root'],
    });
  });

  test('[J20] a route whose interface the kernel does not name', () => {
    const found = refusedOn({ wires: PORTS, routes: ['10.0.0.0/8 via 192.0.2.9'] });
    expect(Object.keys(found)).toEqual([A, B, C]);
    expect(found[A]).toEqual([
      'cannot know what it carries: route to 10.0.0.0/8, whose interface the kernel does not name',
    ]);
  });

  test('[J20] a clock whose users are hidden', () => {
    const wires = [{ name: 'eth0', pci: A, clock: 'ptp0' }, ...PORTS.slice(1)];
    const host = withFiles(wiredHost({ wires }), { '/proc/88/fd': { denied: 'EACCES' } });
    expect(refused(factsOf(host))).toEqual({
      [A]: ['cannot know what it carries: who uses its clock: 1 processes hide their files: needs root'],
    });
  });

  test('[J20] the words and the way out', () => {
    const [refusal] = guard(
      wiredFacts({ wires: PORTS, without: ['links'] }),
      planOf(binding(A)),
      profileOf(A),
      [],
    );
    expect(refusal?.error.format()).toBe(
      'error[NIC_USE_UNKNOWN] 0000:03:00.0 (eth0): cannot know what it carries: links: the recorded host holds no such answer; binding it to vfio-pci could cut this host off\n' +
        'hint: find out what it carries, or type --allow-active 0000:03:00.0 to do it all the same',
    );
  });
});

test('[J20] where nobody looked, as check does not, a NIC that is up is refused', () => {
  const host = hostOf(wiredHost({ wires: PORTS, addresses: ['eth0 fe80::1/64'], sockets: [SSH] }));
  const { facts } = observe(host, () => 0, { quick: true });
  expect(refused(facts)).toEqual({ [A]: ['cannot know what it carries: connections: nobody looked'] });
});

describe('[B1] which changes are held against it', () => {
  const facts = wiredFacts({ wires: PORTS, addresses: ['eth0 192.0.2.1/24', 'eth1 192.0.2.2/24'] });
  const targets = (plan: Plan, profile = NO_PROFILE, allow: readonly string[] = []) =>
    guard(facts, plan, profile, allow).map(({ target }) => target);

  test('[B1] every change that takes the link of a function down, and each function once', () => {
    expect(targets(planOf(binding(A), binding(A, { id: 'x', action: 'vf-count' }), binding(C)))).toEqual([A]);
    expect(targets(planOf(binding(A, { action: 'driver', effect: 'reboot', scope: 'persistent' })))).toEqual([
      A,
    ]);
    expect(targets(planOf(binding(A, { action: 'vf', effect: 'none' })))).toEqual([]);
    expect(targets(planOf(binding('/sys/kernel/mm/hugepages')))).toEqual([]);
    expect(targets(planOf())).toEqual([]);
  });

  test('[B1] a file that binds it at the next boot', () => {
    const file = (text: string) =>
      binding('/etc/bypass-setup/override', {
        action: 'persist',
        effect: 'none',
        scope: 'persistent',
        after: { text },
      });
    expect(targets(planOf(file(`bind ${B}`)), profileOf(B))).toEqual([B]);
    expect(targets(planOf(file('ATTR{address}=="02:00:5E:00:00:99"')), profileOf(B))).toEqual([B]);
    expect(targets(planOf(file('something else')), profileOf(B))).toEqual([]);
  });

  test('[B1] a NIC that stays on its kernel driver is named by a file without harm', () => {
    const profile = profileOf(B);
    const nics = profile.nics.map((nic) => ({ ...nic, driver: null }));
    const file = binding('/etc/x', { effect: 'none', after: { text: B } });
    expect(targets(planOf(file), { ...profile, nics })).toEqual([]);
  });

  test('[B1] the summary stands where the profile names no driver', () => {
    const change = binding(A, { action: 'vf-count', summary: 'make 4 virtual functions' });
    expect(guard(facts, planOf(change, binding(A)), NO_PROFILE, [])[0]?.error.message).toBe(
      'has address 192.0.2.1/24; “make 4 virtual functions” would take that away',
    );
  });

  test('[B1] only the whole address of that very function overrides', () => {
    const plan = planOf(binding(A), binding(B));
    const useless = [
      '03:00.0',
      '0000:03:00',
      '0000:03:00.*',
      '*',
      'eth0',
      '',
      B,
      ' 0000:03:00.0',
      '0000:03:00.1',
    ];
    for (const typed of useless.filter((text) => text !== B)) {
      expect(targets(plan, NO_PROFILE, [typed]), typed).toEqual([A, B]);
    }
    expect(targets(plan, NO_PROFILE, useless)).toEqual([A]);
    expect(targets(plan, NO_PROFILE, [A])).toEqual([B]);
    expect(targets(plan, NO_PROFILE, [A, B])).toEqual([]);
  });

  test('[B1] what shares a group is overridden by the function that is bound, not by the one that carries', () => {
    const wires = [
      { name: 'eth0', pci: A, group: 7 },
      { name: 'eth1', pci: B, group: 7 },
    ];
    const shared = wiredFacts({ wires, addresses: ['eth0 192.0.2.1/24'] });
    expect(Object.keys(refused(shared, [B], [A]))).toEqual([B]);
    expect(Object.keys(refused(shared, [B], [B]))).toEqual([]);
  });

  test('[B1] a virtual function that the plan itself makes carries nothing', () => {
    expect(targets(planOf(binding('0000:03:02.0')))).toEqual([]);
  });
});
