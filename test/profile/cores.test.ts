import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatCpuList, intersect, parseCpuList, subtract, union } from '../../src/formats/cpu-list.ts';
import type { CpuCore, Facts, PciFunction } from '../../src/probes/facts.ts';
import { resolveCores } from '../../src/profile/cores.ts';
import type { Unresolved } from '../../src/profile/problem.ts';
import type { PlacedNic } from '../../src/profile/topology.ts';
import { renderCoreMap } from '../../src/report/cores-text.ts';
import { absent, factsOf, fixtureHost, known } from '../support/hosts.ts';

const BASE = factsOf(fixtureHost('firecracker-vm'));

interface Topology {
  readonly nodes: number;
  /** Per node. */
  readonly cores: number;
  readonly threads: 1 | 2 | 4;
  /** How siblings are numbered: side by side, or all first ones and then all second ones. */
  readonly numbering: 'beside' | 'apart';
  readonly cachesPerNode: number;
  /** CPUs that are not online. */
  readonly offline: readonly number[];
  readonly hybrid: boolean;
  readonly emptyNode: boolean;
  readonly nics: readonly { readonly node: number; readonly stack: PlacedNic['stack'] }[];
}

const topology: fc.Arbitrary<Topology> = fc.record({
  nodes: fc.constantFrom(1, 1, 2, 4, 8),
  cores: fc.constantFrom(1, 2, 3, 4, 8, 16, 24),
  threads: fc.constantFrom(1, 2, 2, 4),
  numbering: fc.constantFrom('beside', 'apart'),
  cachesPerNode: fc.constantFrom(0, 1, 2, 4),
  offline: fc.array(fc.nat(255), { maxLength: 6 }),
  hybrid: fc.boolean(),
  emptyNode: fc.boolean(),
  nics: fc.array(
    fc.record({
      node: fc.integer({ min: -1, max: 8 }),
      stack: fc.constantFrom<PlacedNic['stack']>('dpdk', 'dpdk', 'af-xdp', 'kernel'),
    }),
    { minLength: 1, maxLength: 4 },
  ),
});

function build(random: Topology): { facts: Facts; nics: PlacedNic[] } {
  const total = random.nodes * random.cores;
  const cores: CpuCore[] = [];
  const caches = new Map<number, number[]>();
  for (let index = 0; index < total; index++) {
    const siblings = [...Array(random.threads).keys()]
      .map((thread) =>
        random.numbering === 'beside' ? index * random.threads + thread : thread * total + index,
      )
      .filter((cpu) => cpu === 0 || !random.offline.includes(cpu));
    if (siblings.length === 0) continue;
    const node = Math.floor(index / random.cores);
    if (random.cachesPerNode > 0) {
      const within = Math.floor(((index % random.cores) * random.cachesPerNode) / random.cores);
      const cache = node * random.cachesPerNode + within;
      caches.set(cache, [...(caches.get(cache) ?? []), ...siblings]);
    }
    const kind = index % random.cores < random.cores / 2 ? 'performance' : 'efficient';
    cores.push({
      cpus: formatCpuList(union([], siblings)),
      package: node,
      core: index,
      node: random.nodes === 1 ? null : node,
      kind: random.hybrid ? kind : null,
    });
  }
  const online = union(
    [],
    cores.flatMap(({ cpus }) => parseCpuList(cpus)),
  );
  const ids = [...Array(random.nodes + (random.emptyNode ? 1 : 0)).keys()];
  const facts: Facts = {
    ...BASE,
    cpu: {
      ...BASE.cpu,
      online: known(formatCpuList(online), 'online'),
      present: known(`0-${total * random.threads - 1}`, 'present'),
      cores: known(cores, 'topology'),
      l3:
        caches.size === 0
          ? absent('missing', 'none', 'cache')
          : known(
              [...caches.values()].map((cpus) => ({ cpus: formatCpuList(union([], cpus)), size: null })),
              'cache',
            ),
    },
    numa: {
      ...BASE.numa,
      nodes: known(
        ids.map((id) => ({
          id,
          cpus: '',
          memory: absent('missing', 'none', 'meminfo'),
          distances: known(
            Object.fromEntries(ids.map((other) => [other, 10 + 11 * Math.abs(id - other)])),
            'distance',
          ),
        })),
        'node',
      ),
    },
    pci: {
      bridges: [],
      networkFunctions: known(
        random.nics.map((nic, index) => functionOf(index, nic.node)),
        'pci',
      ),
    },
  };
  const nics = random.nics.map(({ node, stack }, index): PlacedNic => {
    const home =
      node >= 0 && node < ids.length ? node : random.nodes === 1 && !random.emptyNode ? 0 : undefined;
    return {
      name: `nic${index}`,
      address: `0000:0${index}:00.0`,
      stack,
      node: home,
      guessed: home !== undefined && node < 0,
      leaves: stack === 'dpdk',
    };
  });
  return { facts, nics };
}

const [FUNCTION] = factsOf(fixtureHost('two-socket-smt')).pci.networkFunctions.value ?? [];

function functionOf(index: number, node: number): PciFunction {
  if (FUNCTION === undefined) throw new Error('the recorded host has no network function');
  return {
    ...FUNCTION,
    address: `0000:0${index}:00.0`,
    driver: known('ice', 'driver'),
    interfaces: [`eth${index}`],
    node: node < 0 ? absent('missing', '-1', 'numa_node') : known(node, 'numa_node'),
  };
}

function planOf({ facts, nics }: { facts: Facts; nics: readonly PlacedNic[] }) {
  const problems: Unresolved[] = [];
  const found = resolveCores('auto', nics, facts, (problem) => problems.push(problem));
  return { found, problems };
}

describe('the core plan, over random topologies', () => {
  it('[J10] [F3] [F5] isolates whole cores, never the boot CPU, and leaves enough on each node that interrupts', () => {
    let planned = 0;
    let refused = 0;
    void fc.assert(
      fc.property(topology, (random) => {
        const host = build(random);
        const { found, problems } = planOf(host);
        if (problems.length > 0) {
          refused++;
          expect(problems.every(({ sentence }) => sentence.length > 20)).toBe(true);
          return;
        }
        planned++;
        if (found === undefined) throw new Error('neither a plan nor a reason');
        const { facts, nics } = host;
        const cores = (facts.cpu.cores.value ?? []).map((core) => ({
          ...core,
          list: parseCpuList(core.cpus),
        }));
        const online = parseCpuList(facts.cpu.online.value ?? '');
        const isolated = parseCpuList(found.cores.isolated);
        const housekeeping = parseCpuList(found.cores.housekeeping);
        expect(isolated.length).toBeGreaterThan(0);
        expect(isolated).not.toContain(online[0]);
        expect(subtract(isolated, online)).toEqual([]);
        expect(intersect(isolated, housekeeping)).toEqual([]);
        expect(union(isolated, housekeeping)).toEqual(online);
        const taken = cores.filter(({ list }) => intersect(list, isolated).length > 0);
        // No core is split.
        for (const { list } of taken) expect(subtract(list, isolated)).toEqual([]);
        expect(taken.length).toBeLessThanOrEqual(cores.length / 2);
        expect(cores.length - taken.length).toBeGreaterThanOrEqual(2);
        for (const { kind } of taken) if (random.hybrid) expect(kind).toBe('performance');
        for (const home of new Set(cores.map(({ node }) => node ?? 0))) {
          const own = cores.filter(({ node }) => (node ?? 0) === home);
          const left = own.filter((core) => !taken.includes(core));
          const stays = nics.some(
            ({ leaves }, index) => !leaves && Math.max(0, random.nics[index]?.node ?? 0) === home,
          );
          expect(left.length).toBeGreaterThanOrEqual(stays && own.length >= 4 ? 2 : 1);
        }
        // Each NIC that is polled has cores on its node, or on the nearest where that has none.
        const polled = nics.filter(({ stack }) => stack !== 'kernel');
        expect(taken.length).toBeGreaterThanOrEqual(polled.length);
        for (const { node } of polled) {
          if (cores.some((core) => (core.node ?? 0) === node))
            expect(taken.map((core) => core.node ?? 0)).toContain(node);
        }
        expect(found.plan.reasons.length).toBeGreaterThan(2);
        const marked = found.plan.map.flatMap((entry) => entry.cores.filter(({ use }) => use === 'isolated'));
        expect(marked.map(({ cpus }) => cpus).sort()).toEqual(taken.map(({ cpus }) => cpus).sort());
        const drawn = renderCoreMap(found.cores, found.plan.map, { color: false, width: 80 });
        for (const line of drawn.join('\n').split('\n')) expect(line.length).toBeLessThanOrEqual(80);
      }),
      { numRuns: 2000 },
    );
    expect(planned).toBeGreaterThan(500);
    expect(refused).toBeGreaterThan(200);
  });
});

const HOST: Topology = {
  nodes: 1,
  cores: 8,
  threads: 2,
  numbering: 'apart',
  cachesPerNode: 1,
  offline: [],
  hybrid: false,
  emptyNode: false,
  nics: [{ node: 0, stack: 'dpdk' }],
};

function explained(change: Partial<Topology>): string {
  const { found, problems } = planOf(build({ ...HOST, ...change }));
  const map =
    found === undefined ? [] : renderCoreMap(found.cores, found.plan.map, { color: false, width: 80 });
  return [...problems.map(({ sentence }) => sentence), ...map, ...(found?.plan.reasons ?? [])].join('\n');
}

describe('the core plan of', () => {
  it('[F3] a small host with SMT: siblings go together', () => {
    expect(explained({})).toBe(`Cores: 4-7,12-15 isolated, 0-3,8-11 housekeeping
  node 0 (nic0)  [0,8]b [1,9] [2,10] [3,11] [4,12]* [5,13]* [6,14]* [7,15]*
  * isolated; no mark: housekeeping; b boot CPU, housekeeping
nic0 is on node 0: its poll loops and their memory belong there
node 0 gives [4 12] [5 13] [6 14] [7 15]: they share the L3 cache with what the system keeps, as no other is free
4 of 8 cores are isolated: more than half is never taken unasked
CPU 0 booted the host: the kernel keeps its own timers there, so [0 8] is never isolated
SMT siblings are isolated together: what runs on one takes from the other`);
  });

  it('[J10] several caches: one that the system does not use', () => {
    const text = explained({ cachesPerNode: 4, nodes: 2, nics: [{ node: 1, stack: 'af-xdp' }], threads: 1 });
    expect(text).toContain('  node 1 (nic0)  [8] [9] | [10]* [11]* | [12]* [13]* | [14]* [15]*');
    expect(text).toContain("node 1 keeps [8] [9] for the kernel's own threads and the interrupts of eth0");
    expect(text).toContain('the system uses no L3 cache of theirs');
  });

  it.each<[string, Partial<Topology>, string]>([
    [
      'a hybrid processor',
      { hybrid: true },
      '[4 12] [5 13] [6 14] [7 15] are efficient cores, too slow for poll loops',
    ],
    ['CPUs that are offline', { offline: [15, 3] }, 'CPUs 3,15 are offline and not planned with'],
    ['SMT that is off', { threads: 1 }, 'no core has an SMT sibling that is online'],
    [
      'a NIC without a node on a host with one',
      { nics: [{ node: -1, stack: 'dpdk' }] },
      'the firmware names no node for nic0 (−1); node 0 is the only one there is',
    ],
    [
      'a NIC without a node on a host with two',
      { nodes: 2, nics: [{ node: -1, stack: 'dpdk' }] },
      'the firmware does not say which node nic0 is on; name the CPUs',
    ],
    [
      'a NIC on a node without CPUs',
      { nodes: 2, emptyNode: true, nics: [{ node: 2, stack: 'dpdk' }] },
      'nic0 is on node 2, which has no CPU; node 1 is the nearest',
    ],
    ['eight nodes', { nodes: 8, nics: [{ node: 5, stack: 'dpdk' }] }, 'Cores: 41-47,105-111 isolated'],
    ['one core', { cores: 1 }, '1 core is too few for 1 polled NIC'],
  ])('%s', (_name, change, sentence) => {
    expect(explained(change)).toContain(sentence);
  });

  it('[F3] a list that splits a core, or is far from the NIC, is taken, and what speaks against it is said', () => {
    const { facts, nics } = build({ ...HOST, nodes: 2, nics: [{ node: 1, stack: 'dpdk' }] });
    const wanted = { isolated: '2,18,3', housekeeping: 'auto', isolation: 'boot' } as const;
    const found = resolveCores(wanted, nics, facts, () => {});
    expect(found?.notes).toEqual([
      '[3 19] is isolated in part: what runs on an SMT sibling takes from the poll loop; isolate whole cores',
      'nic0 is on node 1, and no isolated CPU is: every packet crosses between the nodes',
    ]);
  });
});
