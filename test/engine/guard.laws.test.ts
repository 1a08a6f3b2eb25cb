import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { guard } from '../../src/engine/guard.ts';
import type { Change } from '../../src/plan/change.ts';
import { type Wire, type Wiring, wiredFacts } from '../support/wired-host.ts';

const holds: <T>(property: fc.IProperty<T>, parameters?: fc.Parameters<T>) => void = fc.assert;

/** How a stacked link shows what it runs over. */
const LAYERS = [
  'slaves',
  'master alone',
  'parent',
  'parent in netlink alone',
  'tunnel',
  'Open vSwitch',
] as const;

interface Layer {
  readonly kind: (typeof LAYERS)[number];
  /** Which of the links made before; more than there are wrap around. */
  readonly below: readonly number[];
}

interface Topology {
  readonly ports: number;
  readonly layers: readonly Layer[];
  readonly top: number;
  readonly use: 'ssh' | 'ssh over IPv6' | 'address' | 'route' | 'default route' | 'route in a table' | 'NFS';
}

const topology: fc.Arbitrary<Topology> = fc.record({
  ports: fc.integer({ min: 1, max: 5 }),
  layers: fc.array(
    fc.record({
      kind: fc.constantFrom(...LAYERS),
      below: fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 3 }),
    }),
    { maxLength: 7 },
  ),
  top: fc.nat({ max: 20 }),
  use: fc.constantFrom(
    'ssh',
    'ssh over IPv6',
    'address',
    'route',
    'default route',
    'route in a table',
    'NFS',
  ),
});

const address = (port: number) => `0000:0${port + 1}:00.0`;

/** The host, and which functions lie below what is used: found by following the construction itself. */
function build({ ports, layers, top, use }: Topology): { wiring: Wiring; below: readonly string[] } {
  const wires: Wire[] = Array.from({ length: ports }, (_, port) => ({
    name: `eth${port}`,
    pci: address(port),
  }));
  const functions = new Map<string, ReadonlySet<string>>(
    wires.map((wire) => [wire.name, new Set([wire.pci ?? ''])]),
  );
  const wiring = { addresses: [] as string[], routes: [] as string[], sockets: [], mounts: [] as string[] };
  const used = new Set<string>();
  const ovs = new Set<string>();
  const enslaved = new Set<string>();
  layers.forEach(({ kind, below }, index) => {
    const name = `l${index}`;
    const chosen = [...new Set(below.map((n) => wires[n % wires.length]?.name ?? ''))];
    const lowers = /slaves|master|vSwitch/.test(kind)
      ? chosen.filter((lower) => !enslaved.has(lower))
      : chosen.slice(0, 1);
    const [first] = lowers;
    if (first === undefined) return;
    const own = new Set(lowers.flatMap((lower) => [...(functions.get(lower) ?? [])]));
    if (kind === 'slaves' || kind === 'master alone' || kind === 'Open vSwitch') {
      const master = kind === 'Open vSwitch' ? `${name}sys` : name;
      for (const lower of lowers) {
        enslaved.add(lower);
        wires.splice(
          wires.findIndex((wire) => wire.name === lower),
          1,
          {
            ...(wires.find((wire) => wire.name === lower) as Wire),
            master,
          },
        );
      }
      // A host has one datapath here, so that its bridges' own interfaces belong to it.
      if (kind === 'Open vSwitch') {
        if (ovs.size > 0) return;
        ovs.add(name);
        wires.push({ name: master, kind: 'openvswitch', lowers }, { name, kind: 'openvswitch' });
        functions.set(master, own);
      } else wires.push({ name, kind: 'bond', ...(kind === 'slaves' ? { lowers } : {}) });
    } else if (kind === 'parent') wires.push({ name, kind: 'vlan', lowers: [first] });
    else if (kind === 'parent in netlink alone') wires.push({ name, kind: 'ipvlan', lower: first });
    else {
      wiring.addresses.push(`${first} 10.${index}.0.1/24`);
      wiring.routes.push(`10.${index}.0.0/24 dev ${first}`);
      used.add(first);
      wires.push({ name, kind: 'gre', tunnelRemote: `10.${index}.0.9` });
    }
    functions.set(name, own);
  });
  const link = wires[top % wires.length]?.name ?? '';
  used.add(link);
  const sockets = [];
  if (use === 'ssh' || use === 'address') wiring.addresses.push(`${link} 192.0.2.1/24`);
  if (use === 'ssh') sockets.push({ local: '192.0.2.1:22', remote: '192.0.2.7:50000' });
  if (use === 'ssh over IPv6') {
    wiring.addresses.push(`${link} fe80::5/64`);
    sockets.push({ local: '[fe80::5]:22', remote: '[fe80::7]:50000' });
  }
  if (use === 'route') wiring.routes.push(`198.51.100.0/24 dev ${link}`);
  if (use === 'default route') wiring.routes.push(`default via fe80::1 dev ${link}`);
  if (use === 'route in a table') wiring.routes.push(`default dev ${link} table 77`);
  if (use === 'NFS') {
    wiring.routes.push(`203.0.113.0/24 dev ${link}`);
    wiring.mounts.push('x:/ /mnt nfs rw,addr=203.0.113.9 0 0');
  }
  // Every interface that is up has one of these.
  for (const { name } of wires)
    wiring.addresses.push(`${name} fe80::${name.length}:${name.charCodeAt(1)}/64`);
  const below = new Set([...used].flatMap((name) => [...(functions.get(name) ?? [])]));
  return { wiring: { ...wiring, wires, sockets }, below: [...below].sort() };
}

const binding = (target: string): Change => ({
  id: target,
  action: 'driver',
  target,
  before: null,
  after: 'vfio-pci',
  scope: 'runtime',
  effect: 'link-down',
  summary: 'bind to vfio-pci',
  commands: [],
});

test('[B3] whatever is stacked, each function below what is used is refused, and every other one is free', () => {
  let deepest = 0;
  holds(
    fc.property(topology, (plan) => {
      const { wiring, below } = build(plan);
      const all = Array.from({ length: plan.ports }, (_, port) => address(port));
      const changes = all.map(binding);
      const profile = { nics: [], hugepages: [], persistent: false };
      const refusals = guard(wiredFacts(wiring), { changes, notes: [] }, profile, []);
      expect(refusals.map(({ target }) => target).sort()).toEqual(below);
      for (const { reasons } of refusals) {
        for (const reason of reasons) deepest = Math.max(deepest, reason.split(' ← ').length);
      }
    }),
    { numRuns: 400 },
  );
  // The topologies are worth their name.
  expect(deepest).toBeGreaterThan(3);
});
