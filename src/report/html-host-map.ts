import { formatCpuList, parseCpuList } from '../formats/cpu-list.ts';
import { isUserspace } from '../formats/nic-drivers.ts';
import { formatBytes, formatSize } from '../formats/size.ts';
import type { CpuCore, Facts, HugepagePool, NumaNode, PciFunction } from '../probes/facts.ts';
import { type Markup, markup } from './markup.ts';
import { linkText, uses } from './probe-text.ts';
import { plural } from './terminal.ts';

type Role = 'house' | 'isolated' | 'ticking' | 'poll';

const ROLES: readonly (readonly [role: Role, name: string])[] = [
  ['house', 'housekeeping'],
  ['isolated', 'isolated'],
  ['ticking', 'isolated, but the tick runs'],
  ['poll', 'poll loop of the measurement'],
];

/** The cores of one node that share a socket; a node without memory or cores may have either missing. */
interface Place {
  readonly node: number | null;
  readonly cores: readonly CpuCore[];
}

/** Sockets, in them nodes, in those the L3 domains with their cores, and what lies beside: memory, hugepages, NICs. */
export function renderHostMap(facts: Facts, pollCpus: readonly number[]): Markup {
  const roleOf = roles(facts, pollCpus);
  const sockets = socketsOf(facts);
  const used = new Set((facts.cpu.cores.value ?? []).flatMap((core) => parseCpuList(core.cpus)).map(roleOf));
  const legend = ROLES.filter(([role]) => used.has(role)).map(
    ([role, name]) => markup`<li><span class="cpu ${role}" aria-hidden="true">n</span> ${name}</li>`,
  );
  const shown = new Set<string>();
  const body = sockets.map(([socket, places]) => {
    const nodes = places.map((place) => renderPlace(place, facts, roleOf, shown));
    const title = socket === null ? 'Socket unknown' : `Socket ${socket}`;
    return markup`<section class="socket"><h3>${title}</h3><div class="nodes">${nodes}</div></section>`;
  });
  const homeless = (facts.pci.networkFunctions.value ?? []).filter(({ address }) => !shown.has(address));
  const rest =
    homeless.length === 0
      ? []
      : [
          markup`<section class="socket"><h3>NICs whose node is not known</h3>${nicList(homeless, facts)}</section>`,
        ];
  return markup`<ul class="legend">${legend}<li><span class="core" aria-hidden="true"><span class="cpu house">n</span><span class="cpu house">m</span></span> a core with its SMT siblings</li></ul>
<div class="sockets">${body}${rest}</div>${notes(facts)}`;
}

function roles({ isolation }: Facts, pollCpus: readonly number[]): (cpu: number) => Role {
  const isolated = new Set([
    ...parseCpuList(isolation.isolated.value ?? ''),
    ...parseCpuList(isolation.cgroup.value ?? ''),
  ]);
  // A kernel without the file lets the tick go on; one that hides it says nothing.
  const { nohzFull } = isolation;
  const hidden = nohzFull.absent !== undefined && nohzFull.absent !== 'missing';
  const tickless = hidden ? undefined : new Set(parseCpuList(nohzFull.value ?? ''));
  return (cpu) => {
    if (pollCpus.includes(cpu)) return 'poll';
    if (!isolated.has(cpu)) return 'house';
    return tickless === undefined || tickless.has(cpu) ? 'isolated' : 'ticking';
  };
}

function socketsOf({ cpu, numa, pci, hugepages }: Facts): [socket: number | null, places: Place[]][] {
  const places = new Map<string, { socket: number | null; node: number | null; cores: CpuCore[] }>();
  const place = (socket: number | null, node: number | null) => {
    const key = `${socket} ${node}`;
    const known = places.get(key) ?? { socket, node, cores: [] };
    places.set(key, known);
    return known;
  };
  for (const core of cpu.cores.value ?? []) place(core.package, core.node).cores.push(core);
  const others = [
    ...(numa.nodes.value ?? []).map(({ id }) => id),
    ...(pci.networkFunctions.value ?? []).map(({ node }) => node.value),
    ...(hugepages.pools.value ?? []).map(({ node }) => node),
  ];
  // Memory of its own, of a device or of a socket that is not taken.
  for (const node of others) {
    if (node === undefined || node === null || [...places.values()].some((known) => known.node === node))
      continue;
    place(null, node);
  }
  const bySocket = new Map<number | null, Place[]>();
  for (const { socket, ...rest } of places.values())
    bySocket.set(socket, [...(bySocket.get(socket) ?? []), rest]);
  const order = (id: number | null) => id ?? Number.MAX_SAFE_INTEGER;
  return [...bySocket]
    .sort(([a], [b]) => order(a) - order(b))
    .map(([socket, list]) => [socket, list.sort((a, b) => order(a.node) - order(b.node))]);
}

function renderPlace(
  { node, cores }: Place,
  facts: Facts,
  roleOf: (cpu: number) => Role,
  shown: Set<string>,
): Markup {
  const cpus = sorted(cores.flatMap((core) => parseCpuList(core.cpus)));
  const special = ROLES.slice(1).map(([role, name]) => {
    const own = cpus.filter((cpu) => roleOf(cpu) === role);
    return own.length === 0 ? '' : `; ${name}: ${formatCpuList(own)}`;
  });
  const label = `${plural(cores.length, 'core')}, CPUs ${formatCpuList(cpus)}${special.join('')}`;
  const grid =
    cores.length === 0
      ? markup`<p class="quiet">no CPU</p>`
      : markup`<div class="domains" role="img" aria-label="${label}">${domains(cores, facts, roleOf)}</div>`;
  const nics = (facts.pci.networkFunctions.value ?? []).filter(
    (nic) => nic.node.value !== undefined && nic.node.value === node && !shown.has(nic.address),
  );
  for (const { address } of nics) shown.add(address);
  const memory = facts.numa.nodes.value?.find(({ id }) => id === node);
  const pools = (facts.hugepages.pools.value ?? []).filter((pool) => pool.node === node && pool.total !== 0);
  const title = node === null ? 'Node unknown' : `Node ${node}`;
  return markup`<section class="node"><h4>${title} <small>${label.split(';')[0] ?? ''}</small></h4>
${grid}<div class="beside">${memory === undefined ? [] : [memoryBar(memory)]}${pools.map(poolBar)}</div>${nics.length === 0 ? [] : [nicList(nics, facts)]}</section>
`;
}

/** The cores by the L3 cache they share; together where the kernel tells of none. */
function domains(cores: readonly CpuCore[], { cpu }: Facts, roleOf: (cpu: number) => Role): Markup[] {
  const caches = (cpu.l3.value ?? []).map(({ cpus, size }) => ({ size, cpus: new Set(parseCpuList(cpus)) }));
  const groups = new Map<number, CpuCore[]>();
  for (const core of cores) {
    const first = parseCpuList(core.cpus)[0];
    const index = first === undefined ? -1 : caches.findIndex((cache) => cache.cpus.has(first));
    groups.set(index, [...(groups.get(index) ?? []), core]);
  }
  return [...groups].map(([index, own]) => {
    const size = caches[index]?.size;
    const name = index < 0 ? 'no L3 known' : `L3${size == null ? '' : ` ${formatBytes(size)}`}`;
    return markup`<div class="domain"><span class="cache">${name}</span>${own.map((core) => coreCell(core, roleOf))}</div>`;
  });
}

function coreCell(core: CpuCore, roleOf: (cpu: number) => Role): Markup {
  const cpus = parseCpuList(core.cpus).map((cpu) => markup`<span class="cpu ${roleOf(cpu)}">${cpu}</span>`);
  return markup`<span class="core${core.kind === 'efficient' ? ' efficient' : ''}">${cpus}</span>`;
}

function memoryBar({ memory }: NumaNode): Markup {
  if (memory.value === undefined) return bar('memory', 0, memory.reason);
  const { free, total } = memory.value;
  return bar('memory', total === 0 ? 0 : free / total, `${formatBytes(free)} free of ${formatBytes(total)}`);
}

function poolBar({ size, free, total }: HugepagePool): Markup {
  const share = free === null || total === null || total === 0 ? 0 : free / total;
  return bar(`${formatSize(size)} pages`, share, `${free ?? '?'} free of ${total ?? '?'}`);
}

/** What is used, then what is free. */
function bar(name: string, free: number, text: string): Markup {
  const percent = Math.round(1000 * Math.min(1, Math.max(0, free))) / 10;
  return markup`<div class="pool"><span>${name}</span><svg class="bar" width="100%" height="8" aria-hidden="true"><rect class="track" width="100%" height="8" rx="4"/><rect class="free" width="${percent}%" height="8" rx="4"/></svg><span class="amount">${text}</span></div>`;
}

/** Virtual functions fold under the physical one, of which a server can have hundreds. */
function nicList(functions: readonly PciFunction[], facts: Facts): Markup {
  const here = new Set(functions.map(({ address }) => address));
  const parentOf = ({ physicalFunction }: PciFunction) =>
    physicalFunction.value !== undefined && here.has(physicalFunction.value)
      ? physicalFunction.value
      : undefined;
  const items = functions
    .filter((nic) => parentOf(nic) === undefined)
    .map((nic) => {
      const below = functions.filter((other) => parentOf(other) === nic.address);
      const fold =
        below.length === 0
          ? []
          : [
              markup`<details><summary>${plural(below.length, 'virtual function')}</summary><ul class="nics">${below.map((vf) => markup`<li class="${driverClass(vf)}">${nicLine(vf, facts)}</li>`)}</ul></details>`,
            ];
      return markup`<li class="${driverClass(nic)}">${nicLine(nic, facts)}${fold}</li>
`;
    });
  return markup`<ul class="nics">${items}</ul>`;
}

function driverClass({ driver }: PciFunction): string {
  if (driver.value === undefined) return 'nodriver';
  return isUserspace(driver.value) ? 'userspace' : 'kernel';
}

function nicLine(nic: PciFunction, facts: Facts): Markup {
  const name = nic.interfaces.join(', ') || nic.remembered.value?.interface || '';
  const driver = nic.driver.value ?? 'no driver';
  return markup`<code>${nic.address}</code> <b>${name}</b> <span class="driver">${driver}</span> <span class="quiet">${linkText(nic, facts.network.interfaces)}</span><br><span class="uses">used by: ${uses(nic, facts)}</span>`;
}

function notes({ cpu, isolation }: Facts): Markup {
  const online = new Set(parseCpuList(cpu.online.value ?? ''));
  const offline =
    cpu.online.value === undefined
      ? []
      : parseCpuList(cpu.present.value ?? '').filter((id) => !online.has(id));
  const hidden = [isolation.isolated, isolation.nohzFull].flatMap((fact) =>
    fact.absent !== undefined && fact.absent !== 'missing'
      ? [`Not known: ${fact.from} (${fact.reason})`]
      : [],
  );
  const lines = [
    ...hidden,
    ...(cpu.cores.absent === undefined ? [] : [`CPUs: ${cpu.cores.reason}`]),
    ...(offline.length === 0 ? [] : [`Offline: CPUs ${formatCpuList(offline)}`]),
  ];
  return markup`${lines.map((line) => markup`<p class="quiet">${line}</p>`)}`;
}

function sorted(cpus: readonly number[]): number[] {
  return [...cpus].sort((a, b) => a - b);
}
