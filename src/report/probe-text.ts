import { parseCpuList } from '../formats/cpu-list.ts';
import { formatBytes, formatSize } from '../formats/size.ts';
import type { Carried, Fact, Facts, NetworkInterface, PciFunction } from '../probes/facts.ts';
import type { ProbeReport } from './report.ts';
import { cut, paint, plain, plural, type Style, table, wrap } from './terminal.ts';

/** One page for a person: the machine, its NICs and what uses them, CPUs and nodes as a map, memory, boot line. */
export function renderProbe(report: ProbeReport, style: Style): string {
  const { facts } = report;
  const sections = [
    ...machine(facts, style),
    '',
    ...nics(facts, style),
    '',
    ...cpuMap(facts, style),
    '',
    ...settings(facts, style),
  ];
  return `${sections.join('\n')}\n`;
}

/** Machine, system and processor, a line each. */
export function machineLines(facts: Facts): [string, string, string] {
  const { kernel, machine: box, cpu } = facts;
  const model = [box.vendor.value, box.product.value].filter(Boolean).join(' ') || 'unnamed machine';
  const virtual = box.hypervisor.value === undefined ? '' : `, virtual (${box.hypervisor.value})`;
  return [
    `${model}${virtual}`,
    `${kernel.distribution.value?.name ?? 'unknown distribution'}, Linux ${or(kernel.release, 'unknown')}`,
    `${or(cpu.model, 'unknown processor')}, ${cpuCount(facts)}`,
  ];
}

function machine(facts: Facts, style: Style): string[] {
  return machineLines(facts).map((line, index) => {
    const text = cut(plain(line), style.width);
    return index === 0 ? paint(style, 'bold', text) : text;
  });
}

function cpuCount({ cpu, numa }: Facts): string {
  const cores = cpu.cores.value ?? [];
  const threads = cores.reduce((sum, core) => sum + parseCpuList(core.cpus).length, 0);
  const packages = new Set(cores.map((core) => core.package)).size;
  const nodes = numa.nodes.value?.length;
  const memory = numa.memory.value === undefined ? '' : `, ${formatBytes(numa.memory.value.total)}`;
  const counts = [plural(threads, 'CPU'), plural(cores.length, 'core'), plural(packages, 'socket')];
  return `${[...counts, nodes === undefined ? 'nodes unknown' : plural(nodes, 'node')].join(', ')}${memory}`;
}

function nics(facts: Facts, style: Style): string[] {
  const { networkFunctions } = facts.pci;
  const title = paint(style, 'bold', 'NICs');
  if (networkFunctions.absent !== undefined) return [title, `  ${networkFunctions.reason}`];
  if (networkFunctions.value.length === 0) return [title, '  no PCI network function'];
  const rows = networkFunctions.value.map((nic) => [
    nic.address,
    nic.driver.value ?? '-',
    nic.interfaces.join(',') || nic.remembered.value?.interface || '-',
    nic.node.value === undefined ? '?' : `${nic.node.value}`,
    nic.iommuGroup.value === undefined ? '-' : `${nic.iommuGroup.value}`,
    linkText(nic, facts.network.interfaces),
    uses(nic, facts),
  ]);
  const [head = '', ...body] = table(
    [['address', 'driver', 'interface', 'node', 'group', 'link', 'used by'], ...rows].map((row) =>
      row.map(plain),
    ),
    style,
    '  ',
  );
  return [title, paint(style, 'dim', head), ...body, ...topology(networkFunctions.value, style)];
}

export function linkText(nic: PciFunction, interfaces: Fact<NetworkInterface[]>): string {
  const own = interfaces.value?.find((entry) => entry.pci === nic.address);
  const speed = own?.speed.value === undefined ? '' : `${own.speed.value / 1000}G`;
  const pcie = nic.link.value === undefined ? '' : `x${nic.link.value.width}`;
  const state = own === undefined ? '' : own.carrier.value === true ? (speed === '' ? 'up' : '') : 'down';
  return [state, speed, pcie].filter(Boolean).join(' ') || '-';
}

/** What must not be missed comes first; connections other than ssh's are counted. */
const WEIGHT: readonly Carried['kind'][] = ['ssh', 'default-route', 'storage', 'clock'];

/** What runs over the function, by the interface on top that has it: `bond0.10: default route, 192.0.2.10/24`. */
export function uses(nic: PciFunction, facts: Facts): string {
  const { carried } = facts.network;
  if (carried.absent !== undefined) return '?';
  const all = carried.value.filter((use) => use.pci === nic.address);
  // What nobody knows is named only where nothing else is known.
  const sure = all.filter((use) => use.kind !== 'unknown' && use.certain);
  const own = sure.length > 0 ? sure : all;
  const weight = ({ kind }: Carried) => (WEIGHT.includes(kind) ? WEIGHT.indexOf(kind) : WEIGHT.length);
  const byTop = new Map<string, Carried[]>();
  for (const use of own) {
    const top = use.chain.length > 1 ? `${use.chain.at(-1)}: ` : '';
    byTop.set(top, [...(byTop.get(top) ?? []), use]);
  }
  const tops = [...byTop].map(([top, list]) => {
    const sorted = [...list].sort((a, b) => weight(a) - weight(b));
    const named = sorted.filter((use) => use.kind !== 'connection');
    const others = list.length - named.length;
    const words = named.map((use) => (use.kind === 'unknown' ? '?' : use.what));
    return top + [...new Set(words), ...(others > 0 ? [plural(others, 'connection')] : [])].join(', ');
  });
  const clock = facts.network.interfaces.value?.find((entry) => entry.pci === nic.address)?.ptpClock.value;
  const holders = (facts.userspaceIo.holders.value ?? [])
    .filter(({ path }) => path.endsWith(`/${nic.iommuGroup.value}`) || path === `/dev/${clock}`)
    .map((holder) => `${holder.program}[${holder.pid}]`);
  const functions = nic.virtualFunctions.length > 0 ? [plural(nic.virtualFunctions.length, 'VF')] : [];
  return [...tops, ...holders, ...functions].join('; ') || 'nothing';
}

/** NICs below a common root port share its link to the processor. */
function topology(functions: readonly PciFunction[], style: Style): string[] {
  const byRoot = new Map<string, PciFunction[]>();
  for (const nic of functions) {
    const root = nic.upstream[0];
    if (root !== undefined) byRoot.set(root, [...(byRoot.get(root) ?? []), nic]);
  }
  if (byRoot.size === 0) return [];
  const lines = [...byRoot].map(([root, below]) =>
    cut(
      `  ${root} ─ ${below.map((nic) => [...nic.upstream.slice(1), nic.address].join(' ─ ')).join('; ')}`,
      style.width,
    ),
  );
  return [paint(style, 'dim', '  below each root port:'), ...lines];
}

/** A row for each node: its cores in order, siblings together; what is isolated is marked. */
function cpuMap(facts: Facts, style: Style): string[] {
  const { cpu, isolation, numa } = facts;
  const cores = cpu.cores.value ?? [];
  const isolated = new Set([
    ...parseCpuList(isolation.isolated.value ?? ''),
    ...parseCpuList(isolation.cgroup.value ?? ''),
  ]);
  const nodes = [...new Set(cores.map((core) => core.node))].sort((a, b) => (a ?? -1) - (b ?? -1));
  const lines = nodes.flatMap((node) => {
    const own = cores.filter((core) => core.node === node);
    const memory = numa.nodes.value?.find((entry) => entry.id === node)?.memory.value;
    const head = `node ${node ?? '?'}${memory === undefined ? '' : `, ${formatBytes(memory.free)} free of ${formatBytes(memory.total)}`}`;
    const cells = own.map((core) => {
      const mark = parseCpuList(core.cpus).some((id) => isolated.has(id)) ? '*' : '';
      return `[${mark}${core.cpus}${core.kind === 'efficient' ? 'e' : ''}]`;
    });
    return [`  ${head}`, `    ${wrap(cells.join(' '), style.width - 4, '    ')}`];
  });
  const offline = parseCpuList(cpu.present.value ?? '').length - parseCpuList(cpu.online.value ?? '').length;
  const l3 = cpu.l3.value;
  const notes = [
    l3 === undefined ? '' : `L3 domains: ${l3.map((cache) => cache.cpus).join(' | ')}`,
    offline > 0 ? `${offline} CPUs are offline` : '',
    isolated.size > 0 ? '* isolated' : '',
  ].filter(Boolean);
  return [
    paint(style, 'bold', 'CPUs, one [core] with its SMT siblings'),
    ...(lines.length > 0 ? lines : ['  no CPU topology']),
    ...notes.map((note) => `  ${wrap(note, style.width - 2, '  ')}`),
  ];
}

/** What counts beside NICs and CPUs, by name. */
export function settingRows(facts: Facts): [name: string, text: string][] {
  const { hugepages, iommu, kernel, isolation, power, clock, stacks, bootLoader, services } = facts;
  const pools = (hugepages.pools.value ?? []).filter((pool) => pool.total !== 0);
  const running = (services.units.value ?? [])
    .filter((unit) => unit.running === true)
    .map((unit) => unit.name);
  const units = iommu.units.value;
  return [
    [
      'hugepages',
      pools
        .map(
          (pool) =>
            `${pool.free ?? '?'}/${pool.total ?? '?'} free of ${formatSize(pool.size)}${pool.node === null ? '' : ` on node ${pool.node}`}`,
        )
        .join(', ') || 'none',
    ],
    [
      'IOMMU',
      units === undefined
        ? missing(iommu.units)
        : `${units.join(', ')}; ${iommu.groups.value?.length ?? 0} groups`,
    ],
    ['isolated', isolation.isolated.value || 'none'],
    [
      'nohz_full',
      isolation.nohzFull.value === '' ? 'none' : (isolation.nohzFull.value ?? missing(isolation.nohzFull)),
    ],
    [
      'governor',
      [...new Set(power.policies.value?.map((policy) => policy.governor))].join(', ') ||
        missing(power.policies),
    ],
    ['clock', clock.source.value ?? missing(clock.source)],
    [
      'boot loader',
      bootLoader.kinds.value?.map((entry) => entry.kind).join(', ') ?? missing(bootLoader.kinds),
    ],
    ['lockdown', kernel.lockdown.value ?? missing(kernel.lockdown)],
    ['DPDK', stacks.dpdk.value?.version ?? missing(stacks.dpdk)],
    ['services', running.join(', ') || 'none that interferes is known to run'],
    [
      'complaints',
      kernel.complaints.value?.join('; ') || (kernel.complaints.absent ? missing(kernel.complaints) : 'none'),
    ],
    ['boot line', or(kernel.commandLine, 'unknown')],
  ];
}

function settings(facts: Facts, style: Style): string[] {
  const rows = settingRows(facts);
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return [
    paint(style, 'bold', 'Settings'),
    ...rows.map(([name, value]) => {
      const text = wrap(plain(value), style.width - width - 2, ' '.repeat(width + 2));
      return `  ${paint(style, 'dim', name.padEnd(width))}${text}`;
    }),
  ];
}

function or(fact: Fact<string>, otherwise: string): string {
  return fact.value ?? otherwise;
}

function missing(fact: Fact<unknown>): string {
  return fact.absent === undefined ? '' : `none (${fact.reason})`;
}
