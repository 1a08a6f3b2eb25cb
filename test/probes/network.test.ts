import { describe, expect, test } from 'vitest';
import { absent, factsOf, fixtureHost, known, theValue, withFiles } from '../support/hosts.ts';

const bond = factsOf(fixtureHost('bond-vlan')).network;
const smt = factsOf(fixtureHost('two-socket-smt')).network;
const sparse = factsOf(fixtureHost('offline-sparse')).network;

describe('what would be cut off with each function', () => {
  const byFunction = (address: string) =>
    theValue(bond.carried)
      .filter((use) => use.pci === address)
      .map((use) => [use.chain.join(' < '), use.what]);

  test('through a bond, VLANs and both families', () => {
    const uses = (port: string) => [
      [`${port} < bond0 < bond0.10`, '192.0.2.10/24'],
      [`${port} < bond0 < bond0.20`, '2001:db8:20::10/64'],
      [`${port} < bond0 < bond0.10`, 'default route'],
      [`${port} < bond0 < bond0.20`, 'default route'],
      [`${port} < bond0 < bond0.10`, 'route to 10.2.0.0/16'],
    ];
    expect(byFunction('0000:17:00.0')).toEqual(uses('ens1f0'));
    expect(byFunction('0000:17:00.1')).toEqual(uses('ens1f1'));
  });

  test('through a bridge, and by one way of a route that has two', () => {
    expect(byFunction('0000:31:00.0')).toEqual([
      ['ens2f0 < br0', '198.51.100.3/24'],
      ['ens2f0 < br0', 'route to 10.2.0.0/16'],
    ]);
  });

  test('in a table that only a rule leads to, and in that of a VRF', () => {
    expect(byFunction('0000:31:00.1')).toEqual([['ens2f1', 'route to 10.1.0.0/16 in table 100']]);
    expect(byFunction('0000:4b:00.0')).toEqual([['ens3f0', 'default route in table 1001']]);
  });

  test('through a macvlan, and beneath a tunnel that sysfs does not link', () => {
    expect(byFunction('0000:4b:00.1')).toEqual([['ens3f1 < mac0', '203.0.113.25/24']]);
    expect(byFunction('0000:65:00.0')).toEqual([['ens4f0 < gre1', '10.9.0.1/30']]);
  });

  test('nothing, the management port, and one with an XDP program', () => {
    const eno1 = { pci: '0000:04:00.0', chain: ['eno1'], certain: true };
    expect(byFunction('0000:65:00.1')).toEqual([]);
    expect(theValue(smt.carried)).toEqual([
      { ...eno1, what: 'ssh connection from 198.51.100.7', kind: 'ssh', from: '/proc/net/tcp' },
      { ...eno1, what: '192.0.2.17/24', kind: 'address', from: 'RTM_GETADDR' },
      { ...eno1, what: 'default route', kind: 'default-route', from: 'RTM_GETROUTE' },
      {
        pci: '0000:04:00.1',
        chain: ['eno2'],
        what: 'XDP program 17',
        kind: 'xdp',
        certain: true,
        from: 'RTM_GETLINK',
      },
    ]);
  });

  test('a ring of interfaces, which only a damaged recording has, ends', () => {
    const facts = factsOf(
      withFiles('bond-vlan', {
        '/sys/devices/virtual/net/bond0/lower_bond0.10': { link: '/sys/class/net/bond0.10' },
      }),
    );
    expect(theValue(facts.network.carried).filter((use) => use.pci === '0000:17:00.0')).toHaveLength(5);
  });
});

test('the graph of interfaces, both ways', () => {
  const graph = Object.fromEntries(
    theValue(bond.interfaces).map(({ name, kind, master, uppers, lowers }) => [
      name,
      { kind, master, uppers, lowers },
    ]),
  );
  const hardware = { kind: null, master: null, uppers: [], lowers: [] };
  const virtual = { master: null, uppers: [], lowers: [] };
  expect(graph).toEqual({
    bond0: { ...virtual, kind: 'bond', uppers: ['bond0.10', 'bond0.20'], lowers: ['ens1f0', 'ens1f1'] },
    'bond0.10': { ...virtual, kind: 'vlan', lowers: ['bond0'] },
    'bond0.20': { ...virtual, kind: 'vlan', lowers: ['bond0'] },
    br0: { ...virtual, kind: 'bridge', lowers: ['ens2f0'] },
    ens1f0: { ...hardware, master: 'bond0', uppers: ['bond0'] },
    ens1f1: { ...hardware, master: 'bond0', uppers: ['bond0'] },
    ens2f0: { ...hardware, master: 'br0', uppers: ['br0'] },
    ens2f1: hardware,
    ens3f0: { ...hardware, master: 'vrf-blue', uppers: ['vrf-blue'] },
    ens3f1: { ...hardware, uppers: ['mac0'] },
    ens4f0: hardware,
    ens4f1: hardware,
    gre1: { ...virtual, kind: 'gre', lowers: ['ens4f0'] },
    mac0: { ...virtual, kind: 'macvlan', lowers: ['ens3f1'] },
    // IFLA_LINK 0: tied to nothing. And that of a veth is its peer.
    tunl0: { ...virtual, kind: 'ipip' },
    veth0: { ...virtual, kind: 'veth' },
    'vrf-blue': { ...virtual, kind: 'vrf', lowers: ['ens3f0'] },
  });
});

test('everything about one interface', () => {
  const folder = '/sys/class/net/eno1';
  expect(theValue(smt.interfaces)[0]).toEqual({
    name: 'eno1',
    index: 2,
    kind: null,
    address: known('02:00:5e:00:04:00', `${folder}/address`),
    permanentAddress: known('02:00:5e:00:04:00', 'RTM_GETLINK'),
    pci: '0000:04:00.0',
    driver: known('igb', `${folder}/device/driver`),
    firmware: known('1.63, 0x80000a05', 'ETHTOOL_GDRVINFO'),
    driverVersion: known('6.1.0-28-amd64', 'ETHTOOL_GDRVINFO'),
    state: known('up', `${folder}/operstate`),
    carrier: known(true, `${folder}/carrier`),
    carrierDownCount: known(2, `${folder}/carrier_down_count`),
    mtu: known(1500, `${folder}/mtu`),
    speed: known(1000, `${folder}/speed`),
    uppers: [],
    lowers: [],
    master: null,
    broadcasts: {},
    addresses: ['192.0.2.17/24', 'fe80::5eff:fe00:400/64'],
    queues: known({ rx: 2, tx: 2 }, `${folder}/queues`),
    rps: known('0-3', `${folder}/queues/rx-*/rps_cpus`),
    xps: known('33', `${folder}/queues/tx-*/xps_cpus`),
    deferHardIrqs: known(0, `${folder}/napi_defer_hard_irqs`),
    groFlushTimeout: known(0, `${folder}/gro_flush_timeout`),
    virtualFunctions: absent('missing', 'no virtual function', 'RTM_GETLINK'),
    xdpProgram: absent('missing', 'no XDP program', 'RTM_GETLINK'),
    ptpClock: absent('missing', 'no hardware clock', `${folder}/device/ptp`),
    portId: absent('missing', 'no such file', `${folder}/phys_port_id`),
  });
});

test('an interface that is not up, and one with an XDP program and a clock', () => {
  const byName = new Map(theValue(smt.interfaces).map((entry) => [entry.name, entry]));
  expect(byName.get('eno2')).toMatchObject({
    carrier: absent('missing', 'the interface is not up', '/sys/class/net/eno2/carrier'),
    speed: absent('missing', 'unknown to the driver', '/sys/class/net/eno2/speed'),
    xdpProgram: known(17, 'RTM_GETLINK'),
  });
  expect(byName.get('enp59s0np0')).toMatchObject({
    ptpClock: known('ptp0', '/sys/class/net/enp59s0np0/device/ptp'),
  });
});

test('routes, rules and neighbours name interfaces', () => {
  const main = { family: 'inet', table: 254, type: 'unicast' };
  expect(theValue(bond.routes)).toContainEqual({
    ...main,
    destination: '10.2.0.0/16',
    gateway: '192.0.2.2',
    interfaces: ['bond0.10', 'br0'],
  });
  expect(theValue(bond.routes)).toContainEqual({
    ...main,
    destination: '10.255.0.0/16',
    interfaces: [],
    type: 'blackhole',
  });
  expect(bond.rules).toEqual(
    known(
      [
        { family: 'inet', priority: 0, table: 255 },
        { family: 'inet', priority: 1000, table: 100, from: '10.0.100.0/24', mark: 7 },
        { family: 'inet', priority: 32766, table: 254 },
      ],
      'RTM_GETRULE',
    ),
  );
  expect(bond.neighbours).toEqual(
    known(
      [
        {
          family: 'inet6',
          address: 'fe80::1',
          interface: 'bond0.20',
          state: 'stale',
          linkAddress: '02:00:5e:00:00:01',
        },
      ],
      'RTM_GETNEIGH',
    ),
  );
});

test('where netlink is silent /proc/net tells of the main table', () => {
  const main = { interfaces: ['eth0'], table: 254, type: 'unicast' };
  expect(sparse.routes).toEqual(
    known(
      [
        { ...main, family: 'inet', destination: 'default', gateway: '192.0.2.1', priority: 100 },
        { ...main, family: 'inet', destination: '192.0.2.0/24', priority: 100 },
        { ...main, family: 'inet6', destination: '2001:db8::/64', priority: 256 },
        { ...main, family: 'inet6', destination: 'default', gateway: 'fe80::1', priority: 1024 },
      ],
      '/proc/net/route, /proc/net/ipv6_route (main table)',
    ),
  );
  expect(sparse.neighbours).toEqual(
    known(
      [
        {
          family: 'inet',
          address: '192.0.2.1',
          interface: 'eth0',
          state: 'reachable',
          linkAddress: '02:00:5e:00:00:01',
        },
        { family: 'inet', address: '192.0.2.9', interface: 'eth0', state: 'incomplete' },
      ],
      '/proc/net/arp',
    ),
  );
  const silent = 'the recorded host holds no such answer';
  expect(sparse.rules).toEqual(absent('unsupported', silent, 'RTM_GETRULE'));
  expect(factsOf(fixtureHost('arm64-server')).network.routes).toEqual(
    absent('unsupported', silent, 'RTM_GETROUTE'),
  );
});

test.each([
  ['entries that are none', [null]],
  ['a field of another form', [{ family: 'inet', priority: '0', table: 255 }]],
  ['a field that is missing', [{ family: 'inet', priority: 0 }]],
  ['a number that is none', [{ family: 'inet', priority: 1.5, table: 255 }]],
])('an answer that somebody wrote by hand: %s', (_, answer) => {
  const facts = factsOf(withFiles('bond-vlan', { '/.kernel/rules.json': JSON.stringify({ answer }) }));
  expect(facts.network.rules).toEqual(
    absent('unsupported', 'the recorded answer about rules is garbled', 'RTM_GETRULE'),
  );
});

test('a field of a later version is left out of an answer', () => {
  const answer = [{ family: 'inet', priority: 0, table: 255, protocol: 2 }];
  const facts = factsOf(withFiles('bond-vlan', { '/.kernel/rules.json': JSON.stringify({ answer }) }));
  expect(facts.network.rules).toEqual(known([{ family: 'inet', priority: 0, table: 255 }], 'RTM_GETRULE'));
});
