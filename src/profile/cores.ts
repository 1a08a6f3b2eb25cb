import { type CpuSet, formatCpuList, intersect, parseCpuList, subtract, union } from '../formats/cpu-list.ts';
import { isUserspace } from '../formats/nic-drivers.ts';
import type { CpuCore, Facts } from '../probes/facts.ts';
import type { Report } from './problem.ts';
import type { CorePlan, CoreUse, ResolvedProfile } from './resolved.ts';
import type { Profile } from './schema.ts';
import type { PlacedNic } from './topology.ts';

/** The operating system, its interrupts and the supervisor of the application want this much, however small the host. */
const LEAST_HOUSEKEEPING = 2;
/** On a node whose NICs interrupt: one for them and one for the rest, where the node is not tiny. */
const LEAST_WITH_INTERRUPTS = 2;
const TINY_NODE = 4;

interface Core extends CpuCore {
  readonly list: CpuSet;
  readonly home: number;
}

interface Resolved {
  readonly cores: NonNullable<ResolvedProfile['cores']>;
  readonly plan: CorePlan;
  /** What a reader must know although nothing is changed. */
  readonly notes: readonly string[];
}

export function resolveCores(
  wanted: NonNullable<Profile['cores']>,
  nics: readonly PlacedNic[],
  facts: Facts,
  report: Report,
): Resolved | undefined {
  const { cpu } = facts;
  const known = (cpu.cores.value ?? []).map((core) => ({
    ...core,
    list: parseCpuList(core.cpus),
    home: core.node ?? 0,
  }));
  const online =
    cpu.online.value === undefined
      ? union(
          [],
          known.flatMap(({ list }) => list),
        )
      : parseCpuList(cpu.online.value);
  const [boot] = online;
  if (boot === undefined) {
    const sentence = `which CPUs are online cannot be read (${cpu.online.from})`;
    report({ subject: 'cores', sentence, unknown: true });
    return undefined;
  }
  const host: Topology = { cores: known, online, boot, nics, facts };
  const auto = wanted === 'auto' || wanted.isolated === 'auto';
  const choice = auto ? automatic(host, report) : asNamed(String(wanted.isolated), host);
  const { isolated } = choice;
  const named =
    wanted === 'auto' || wanted.housekeeping === 'auto'
      ? undefined
      : parseCpuList(String(wanted.housekeeping));
  const housekeeping = named ?? subtract(online, isolated);
  const offline = subtract(union(isolated, housekeeping), online);
  if (offline.length > 0) {
    const sentence = `CPUs ${formatCpuList(offline)} are not online; this host has ${formatCpuList(online)}`;
    report({ subject: 'cores', sentence });
  }
  // Housekeeping falls back to the CPU that booted, which keeps the tick for all (kernel/sched/isolation.c).
  if (isolated.includes(boot)) {
    report({ subject: 'cores.isolated', sentence: `CPU ${boot} boots the host and cannot be isolated` });
  }
  if (housekeeping.length === 0) {
    report({ subject: 'cores', sentence: 'no CPU is left for housekeeping' });
  }
  const partition = wanted !== 'auto' && wanted.isolation === 'cpuset';
  return {
    cores: {
      isolated: formatCpuList(isolated),
      housekeeping: formatCpuList(housekeeping),
      ...(partition ? { isolation: 'cpuset' } : {}),
    },
    plan: { map: mapOf(isolated, housekeeping, host), reasons: [...choice.reasons, ...always(host)] },
    notes: choice.notes,
  };
}

interface Topology {
  readonly cores: readonly Core[];
  readonly online: CpuSet;
  readonly boot: number;
  readonly nics: readonly PlacedNic[];
  readonly facts: Facts;
}

interface Choice {
  readonly isolated: CpuSet;
  readonly reasons: readonly string[];
  readonly notes: readonly string[];
}

const NO_CHOICE: Choice = { isolated: [], reasons: [], notes: [] };

/**
 * Whole cores on the nodes of the NICs, as many from each node, caches without housekeeping first. At most half of the
 * host's cores; the boot CPU's core stays, and on each node enough for the kernel's own threads and the interrupts there.
 */
function automatic(host: Topology, report: Report): Choice {
  const { cores, nics } = host;
  const refuse = (sentence: string, unknown = false): Choice => {
    report({ subject: 'cores', sentence, ...(unknown ? { unknown } : {}) });
    return NO_CHOICE;
  };
  const polled = nics.filter(({ stack }) => stack !== 'kernel');
  if (polled.length === 0) return refuse('auto needs a NIC whose stack is not kernel; name the CPUs');
  const lost = polled.find(({ node }) => node === undefined);
  if (lost !== undefined)
    return refuse(`the firmware does not say which node ${lost.name} is on; name the CPUs`, true);
  const places = placesOf(polled, host);
  const most = Math.max(0, Math.min(Math.floor(cores.length / 2), cores.length - LEAST_HOUSEKEEPING));
  const nodes = places.map(({ home }) => inNode(home, host));
  const taken: Core[] = [];
  for (let round = 0; nodes.some(({ queue }) => round < queue.length); round++) {
    for (const { queue } of nodes) if (taken.length < most) taken.push(...queue.slice(round, round + 1));
  }
  if (taken.length < polled.length || nodes.some(({ queue }) => queue.length === 0)) {
    return refuse(
      `${cores.length} ${cores.length === 1 ? 'core is' : 'cores are'} too few for ${polled.length} polled ${polled.length === 1 ? 'NIC' : 'NICs'}: ` +
        `${LEAST_HOUSEKEEPING} cores, and one of each node, stay for the system`,
    );
  }
  const isolated = union(
    [],
    taken.flatMap(({ list }) => list),
  );
  const left = nodes.flatMap(({ queue }) => queue).length - taken.length;
  return {
    isolated,
    reasons: [
      ...places.flatMap(({ reasons }) => reasons),
      ...nodes.flatMap(({ reasons }) => reasons),
      ...nodes.flatMap((node) => cacheReasons(node, taken, host)),
      ...(left > 0
        ? [`${taken.length} of ${cores.length} cores are isolated: more than half is never taken unasked`]
        : []),
    ],
    notes: [],
  };
}

interface Place {
  readonly home: number;
  readonly reasons: readonly string[];
}

/** The nodes to take cores from, each with the NICs it is for. A node without CPUs gives way to its nearest. */
function placesOf(polled: readonly PlacedNic[], { cores, facts }: Topology): Place[] {
  const described = facts.numa.nodes.value ?? [];
  const populated = new Set(cores.map(({ home }) => home));
  const places = new Map<number, string[]>();
  const say = (home: number, sentence: string) => places.set(home, [...(places.get(home) ?? []), sentence]);
  for (const { name, node = 0, guessed } of polled) {
    if (guessed) {
      say(node, `the firmware names no node for ${name} (−1); node ${node} is the only one there is`);
    } else if (populated.has(node)) {
      say(node, `${name} is on node ${node}: its poll loops and their memory belong there`);
    } else {
      const distances = described.find(({ id }) => id === node)?.distances.value ?? {};
      const far = (home: number) => distances[home] ?? 255;
      const nearest = [...populated].sort((a, b) => far(a) - far(b) || a - b)[0] ?? 0;
      say(nearest, `${name} is on node ${node}, which has no CPU; node ${nearest} is the nearest`);
    }
  }
  return [...places].map(([home, reasons]) => ({ home, reasons }));
}

interface NodeChoice {
  readonly home: number;
  readonly kept: readonly Core[];
  /** In the order in which they are isolated. */
  readonly queue: readonly Core[];
  readonly reasons: readonly string[];
}

function inNode(home: number, host: Topology): NodeChoice {
  const { facts, boot } = host;
  const own = host.cores.filter((core) => core.home === home).sort(byCpu);
  const hybrid = own.some(({ kind }) => kind === 'performance');
  const slow = hybrid ? own.filter(({ kind }) => kind !== 'performance') : [];
  const interrupting = interruptingNics(home, host);
  const wanted = interrupting.length > 0 && own.length >= TINY_NODE ? LEAST_WITH_INTERRUPTS : 1;
  const caches = (facts.cpu.l3.value ?? []).map(({ cpus }) => parseCpuList(cpus));
  const cacheOf = (core: Core) => caches.findIndex((cpus) => cpus.includes(core.list[0] ?? -1));
  const first = own.filter(({ list }) => list.includes(boot));
  const fast = own.filter((core) => !first.includes(core) && !slow.includes(core));
  // What the system keeps shares a cache, so that the others are whole.
  const [corner = fast[0]] = first;
  const beside = (core: Core) => corner !== undefined && cacheOf(core) === cacheOf(corner);
  const further = [...fast.filter(beside), ...fast.filter((core) => !beside(core))];
  const missing = Math.max(0, wanted - first.length - slow.length);
  const kept = [...first, ...further.slice(0, missing)];
  const usable = further.slice(missing).sort(byCpu);
  const system = new Set([...kept, ...slow].map(cacheOf));
  // A cache is taken whole before the next is begun.
  const last = (cache: number) => usable.findLast((core) => cacheOf(core) === cache);
  const queue = [...usable].sort((a, b) => {
    const [one, other] = [cacheOf(a), cacheOf(b)];
    const free = Number(system.has(one)) - Number(system.has(other));
    if (free !== 0 || one === other) return free || byCpu(b, a);
    return byCpu(last(other) ?? b, last(one) ?? a);
  });
  const what =
    interrupting.length === 0
      ? "the kernel's own threads"
      : `the kernel's own threads and the interrupts of ${someOf(interrupting)}`;
  const plain = kept.filter((core) => !first.includes(core));
  return {
    home,
    kept: [...kept, ...slow],
    queue,
    reasons: [
      ...(plain.length > 0 ? [`node ${home} keeps ${bracketed(plain)} for ${what}`] : []),
      ...(slow.length > 0
        ? [`${bracketed(slow)} are efficient cores, too slow for poll loops: they keep ${what}`]
        : []),
    ],
  };
}

/** Interfaces on a node whose NIC the kernel keeps. */
function interruptingNics(home: number, { facts, nics }: Topology): string[] {
  const leaving = new Set(nics.filter(({ leaves }) => leaves).map(({ address }) => address));
  return (facts.pci.networkFunctions.value ?? []).flatMap(({ address, node, driver, interfaces }) => {
    const kernel = driver.value !== undefined && !isUserspace(driver.value);
    if (!kernel || leaving.has(address) || (node.value ?? 0) !== home) return [];
    return [interfaces[0] ?? address];
  });
}

function cacheReasons(
  { home, kept, queue }: NodeChoice,
  taken: readonly Core[],
  { facts }: Topology,
): string[] {
  const caches = (facts.cpu.l3.value ?? []).map(({ cpus }) => parseCpuList(cpus));
  const cacheOf = (core: Core) => caches.findIndex((cpus) => cpus.includes(core.list[0] ?? -1));
  const own = queue.filter((core) => taken.includes(core));
  if (own.length === 0 || caches.length === 0) return [];
  const given = `node ${home} gives ${bracketed([...own].sort(byCpu))}`;
  const system = new Set([...kept, ...queue.filter((core) => !own.includes(core))].map(cacheOf));
  const shared = own.filter((core) => system.has(cacheOf(core)));
  if (shared.length === 0) return [`${given}: the system uses no L3 cache of theirs`];
  return shared.length === own.length
    ? [`${given}: they share the L3 cache with what the system keeps, as no other is free`]
    : [
        `${given}: of these ${bracketed([...shared].sort(byCpu))} share the L3 cache with what the system keeps`,
      ];
}

/** CPUs that the profile names are taken as they are; what speaks against them is said. */
function asNamed(list: string, { cores, nics, boot }: Topology): Choice {
  const isolated = parseCpuList(list);
  const split = cores.filter((core) => {
    const inside = intersect(core.list, isolated).length;
    return inside > 0 && inside < core.list.length && !isolated.includes(boot);
  });
  const homes = new Set(
    cores.filter((core) => intersect(core.list, isolated).length > 0).map(({ home }) => home),
  );
  const far = nics.filter(
    ({ stack, node }) => stack !== 'kernel' && node !== undefined && !homes.has(node) && isolated.length > 0,
  );
  return {
    isolated,
    reasons: [`CPUs ${formatCpuList(isolated)} are isolated because the profile names them`],
    notes: [
      ...(split.length > 0
        ? [
            `${bracketed(split)} ${split.length === 1 ? 'is' : 'are'} isolated in part: what runs on an SMT sibling takes from the poll loop; isolate whole cores`,
          ]
        : []),
      ...far.map(
        ({ name, node }) =>
          `${name} is on node ${node}, and no isolated CPU is: every packet crosses between the nodes`,
      ),
    ],
  };
}

/** What holds of every plan on this host. */
function always({ cores, online, boot, facts }: Topology): string[] {
  const core = cores.find(({ list }) => list.includes(boot));
  const siblings = cores.some(({ list }) => list.length > 1);
  const { possible, present } = facts.cpu;
  const there = present.value ?? possible.value;
  const offline = there === undefined ? [] : subtract(parseCpuList(there), online);
  return [
    `CPU ${boot} booted the host: the kernel keeps its own timers there, so ${core ? bracketed([core]) : 'it'} is never isolated`,
    siblings
      ? 'SMT siblings are isolated together: what runs on one takes from the other'
      : 'no core has an SMT sibling that is online',
    ...(offline.length > 0 ? [`CPUs ${formatCpuList(offline)} are offline and not planned with`] : []),
  ];
}

function mapOf(
  isolated: CpuSet,
  housekeeping: CpuSet,
  { cores, boot, nics, facts }: Topology,
): CorePlan['map'] {
  const caches = (facts.cpu.l3.value ?? []).map(({ cpus }) => parseCpuList(cpus));
  const homes = [...new Set(cores.map(({ home }) => home))].sort((a, b) => a - b);
  return homes.map((node) => ({
    node,
    nics: nics.filter((nic) => nic.node === node).map(({ name }) => name),
    cores: cores
      .filter(({ home }) => home === node)
      .sort(byCpu)
      .map(({ list, cpus }) => ({
        cpus,
        use: useOf(list, isolated, housekeeping, boot),
        cache: caches.findIndex((cache) => cache.includes(list[0] ?? -1)),
      })),
  }));
}

function useOf(list: CpuSet, isolated: CpuSet, housekeeping: CpuSet, boot: number): CoreUse['use'] {
  if (list.includes(boot)) return 'boot';
  const inside = intersect(list, isolated).length;
  if (inside > 0) return inside === list.length ? 'isolated' : 'split';
  return intersect(list, housekeeping).length > 0 ? 'housekeeping' : 'unused';
}

function someOf(names: readonly string[]): string {
  return names.length <= 4
    ? names.join(', ')
    : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}

function bracketed(cores: readonly Core[]): string {
  if (cores.length <= 4) return cores.map(({ list }) => `[${list.join(' ')}]`).join(' ');
  const cpus = union(
    [],
    cores.flatMap(({ list }) => list),
  );
  return `CPUs ${formatCpuList(cpus)}`;
}

function byCpu(a: Core, b: Core): number {
  return (a.list[0] ?? 0) - (b.list[0] ?? 0);
}
