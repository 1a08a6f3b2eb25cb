import { type CpuSet, formatCpuList, parseCpuList, subtract, union } from '../formats/cpu-list.ts';
import type { CpuCore, Facts } from '../probes/facts.ts';
import type { Report } from './problem.ts';
import type { ResolvedProfile } from './resolved.ts';
import type { Profile } from './schema.ts';
import type { PlacedNic } from './topology.ts';

/** The operating system, its interrupts and the supervisor of the application want this much, however small the host. */
const LEAST_HOUSEKEEPING = 2;

export function resolveCores(
  wanted: NonNullable<Profile['cores']>,
  nics: readonly PlacedNic[],
  { cpu }: Facts,
  report: Report,
): ResolvedProfile['cores'] {
  const known = (cpu.cores.value ?? []).map((core) => ({ ...core, list: parseCpuList(core.cpus) }));
  const online =
    cpu.online.value === undefined
      ? union(
          [],
          known.flatMap(({ list }) => list),
        )
      : parseCpuList(cpu.online.value);
  if (online.length === 0) {
    report({ subject: 'cores', sentence: `which CPUs are online cannot be read (${cpu.online.from})` });
    return undefined;
  }
  const isolated =
    wanted === 'auto'
      ? automatic(nics, known, cpu.l3.value ?? [], report)
      : parseCpuList(String(wanted.isolated));
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
  const [boot] = online;
  if (boot !== undefined && isolated.includes(boot)) {
    report({ subject: 'cores.isolated', sentence: `CPU ${boot} boots the host and cannot be isolated` });
  }
  return { isolated: formatCpuList(isolated), housekeeping: formatCpuList(housekeeping) };
}

interface Core extends CpuCore {
  readonly list: CpuSet;
}

/**
 * Whole cores on the nodes of the NICs, as many from each node, caches without housekeeping first. At most half of the
 * host's cores; never the first of a node, which keeps the node's own kernel threads, and on node 0 is the boot CPU's.
 */
function automatic(
  nics: readonly PlacedNic[],
  cores: readonly Core[],
  caches: readonly { readonly cpus: string }[],
  report: Report,
): CpuSet {
  const refuse = (sentence: string): CpuSet => {
    report({ subject: 'cores', sentence });
    return [];
  };
  const polled = nics.filter(({ stack }) => stack !== 'kernel');
  if (polled.length === 0) return refuse('auto needs a NIC whose stack is not kernel; name the CPUs');
  const lost = polled.find(({ node }) => node === undefined);
  if (lost !== undefined)
    return refuse(`the firmware does not say which node ${lost.name} is on; name the CPUs`);
  const most = Math.max(0, Math.min(Math.floor(cores.length / 2), cores.length - LEAST_HOUSEKEEPING));
  const nodes = [...new Set(polled.map(({ node }) => node))];
  const queues = nodes.map((node) =>
    candidates(
      cores.filter((core) => (core.node ?? 0) === node),
      caches,
    ),
  );
  const taken: Core[] = [];
  for (let round = 0; queues.some((queue) => round < queue.length); round++) {
    for (const queue of queues) if (taken.length < most) taken.push(...queue.slice(round, round + 1));
  }
  if (taken.length < polled.length || queues.some((queue) => queue.length === 0)) {
    return refuse(
      `${cores.length} cores are too few for ${polled.length} polled ${polled.length === 1 ? 'NIC' : 'NICs'}: ` +
        `${LEAST_HOUSEKEEPING} cores, and one of each node, stay for the system`,
    );
  }
  return union(
    [],
    taken.flatMap(({ list }) => list),
  );
}

/** Cores of a node in the order in which they are to be isolated. */
function candidates(cores: readonly Core[], caches: readonly { readonly cpus: string }[]): Core[] {
  const first = (core: Core) => core.list[0] ?? 0;
  const ordered = [...cores].sort((a, b) => first(b) - first(a));
  const own = ordered.at(-1);
  const fast = ordered.some(({ kind }) => kind === 'performance') ? 'performance' : undefined;
  const shared = caches
    .map(({ cpus }) => parseCpuList(cpus))
    .find((cpus) => own !== undefined && cpus.includes(first(own)));
  const besideSystem = (core: Core) => shared?.includes(first(core)) ?? false;
  const usable = ordered.filter((core) => core !== own && (fast === undefined || core.kind === fast));
  return [...usable.filter((core) => !besideSystem(core)), ...usable.filter(besideSystem)];
}
