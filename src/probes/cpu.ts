import { type CpuSet, formatCpuList, parseCpuList } from '../formats/cpu-list.ts';
import { parseColonLines } from '../formats/key-value.ts';
import { parseSize } from '../formats/size.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { CpuCore, Fact } from './facts.ts';
import {
  absent,
  attribute,
  cpuListText,
  flag,
  guarded,
  integer,
  known,
  listing,
  names,
  natural,
  numbered,
  textOrNothing,
  word,
} from './read.ts';

const CPU = '/sys/devices/system/cpu';
const NODE = '/sys/devices/system/node';

/** Timer quality, 1 GiB pages, virtualization, and what the kernel says it works around. */
const FLAGS = [
  'constant_tsc',
  'nonstop_tsc',
  'tsc_known_freq',
  'pdpe1gb',
  'hypervisor',
  'aperfmperf',
  'hwp',
  'x2apic',
];

export const cpuProbe = defineProbe('cpu', (host) => {
  const info = parseColonLines(textOrNothing(host, '/proc/cpuinfo') ?? '');
  const field = (name: string): Fact<string> => {
    const value = info.get(name);
    return value ? known(value, '/proc/cpuinfo') : absent('missing', `no "${name}" line`, '/proc/cpuinfo');
  };
  const flags = field('flags');
  const online = attribute(host, `${CPU}/online`, cpuListText);
  const present = attribute(host, `${CPU}/present`, cpuListText);
  // Some CPUs have no topology: those that are offline, and all in a recording that left it out.
  const all = numbered(names(host, CPU), 'cpu');
  const running = new Set(online.absent === undefined ? parseCpuList(online.value) : all);
  const numbers = all.filter((cpu) => running.has(cpu));
  return {
    vendor: field('vendor_id'),
    model: field('model name'),
    flags:
      flags.absent === undefined
        ? known(
            FLAGS.filter((name) => flags.value.split(' ').includes(name)),
            flags.from,
          )
        : flags,
    possible: attribute(host, `${CPU}/possible`, cpuListText),
    present,
    online,
    smt: smt(host),
    cores: cores(host, numbers),
    l3: lastLevelCaches(host, numbers),
    mitigations: mitigations(host),
  };
});

function smt(host: ReadHost): Fact<{ active: boolean; control: string }> {
  const active = attribute(host, `${CPU}/smt/active`, flag);
  if (active.absent !== undefined) return active;
  return known(
    { active: active.value, control: textOrNothing(host, `${CPU}/smt/control`) ?? 'unknown' },
    active.from,
  );
}

function mitigations(host: ReadHost): Fact<Record<string, string>> {
  const folder = `${CPU}/vulnerabilities`;
  const found = listing(host, folder, 'the kernel names none');
  if (found.absent !== undefined) return found;
  return guarded(folder, () =>
    known(
      Object.fromEntries(found.value.map((name) => [name, host.readText(`${folder}/${name}`)?.trim() ?? ''])),
      folder,
    ),
  );
}

function cores(host: ReadHost, numbers: CpuSet): Fact<CpuCore[]> {
  const nodeOf = cpuNodes(host);
  const kindOf = coreKinds(host, numbers);
  const found: CpuCore[] = [];
  const seen = new Set<number>();
  for (const cpu of numbers) {
    if (seen.has(cpu)) continue;
    const folder = `${CPU}/cpu${cpu}/topology`;
    const siblings = siblingsOf(host, cpu).filter((sibling) => !seen.has(sibling));
    for (const sibling of siblings) seen.add(sibling);
    // −1 is what firmware that does not describe its packages leaves (drivers/base/topology.c).
    const number = (name: string) => {
      const value = attribute(host, `${folder}/${name}`, integer).value;
      return value === undefined || value < 0 ? null : value;
    };
    found.push({
      cpus: formatCpuList(siblings),
      package: number('physical_package_id'),
      core: number('core_id'),
      node: nodeOf.get(cpu) ?? null,
      kind: kindOf.get(cpu) ?? null,
    });
  }
  return found.length > 0 ? known(found, CPU) : absent('missing', 'no CPU folders', CPU);
}

/** Always holds the CPU itself, whatever the file says, so that no CPU is lost or counted twice. */
function siblingsOf(host: ReadHost, cpu: number): CpuSet {
  const folder = `${CPU}/cpu${cpu}/topology`;
  for (const name of ['thread_siblings_list', 'core_cpus_list']) {
    const siblings = attribute(host, `${folder}/${name}`, parseCpuList).value;
    if (!siblings?.includes(cpu)) continue;
    // The two cores of an AMD family 15h compute unit count as siblings for older kernels, but have their own numbers.
    const own = coreId(host, cpu);
    return siblings.filter((sibling) => sibling === cpu || coreId(host, sibling) === own);
  }
  return [cpu];
}

function coreId(host: ReadHost, cpu: number): string | undefined {
  return textOrNothing(host, `${CPU}/cpu${cpu}/topology/core_id`);
}

function cpuNodes(host: ReadHost): ReadonlyMap<number, number> {
  const map = new Map<number, number>();
  for (const node of numbered(names(host, NODE), 'node')) {
    const cpus = attribute(host, `${NODE}/node${node}/cpulist`, parseCpuList);
    for (const cpu of cpus.value ?? nodeLinks(host, node)) map.set(cpu, node);
  }
  return map;
}

/** Old kernels and recordings have links node0/cpu3 where there is no cpulist. */
function nodeLinks(host: ReadHost, node: number): number[] {
  return numbered(names(host, `${NODE}/node${node}`), 'cpu');
}

/** Hybrid processors: one PMU per kind of core (Documentation/admin-guide/perf/intel-hybrid.rst). */
function coreKinds(host: ReadHost, numbers: CpuSet): ReadonlyMap<number, 'performance' | 'efficient'> {
  const map = new Map<number, 'performance' | 'efficient'>();
  for (const [pmu, kind] of [
    ['cpu_core', 'performance'],
    ['cpu_atom', 'efficient'],
    // The cores outside the ring of Arrow Lake H and later, since 6.12 (arch/x86/events/intel/core.c).
    ['cpu_lowpower', 'efficient'],
  ] as const) {
    const cpus = attribute(host, `/sys/devices/${pmu}/cpus`, parseCpuList).value ?? [];
    for (const cpu of cpus) map.set(cpu, kind);
  }
  return map.size > 0 ? map : coreKindsByFrequency(host, numbers);
}

/** Where the PMUs are hidden: intel_pstate tells each kind's own base frequency, two in all on a hybrid. */
function coreKindsByFrequency(
  host: ReadHost,
  numbers: CpuSet,
): ReadonlyMap<number, 'performance' | 'efficient'> {
  const base = new Map<number, number>();
  for (const cpu of numbers) {
    const frequency = attribute(host, `${CPU}/cpu${cpu}/cpufreq/base_frequency`, natural).value;
    if (frequency === undefined) return new Map();
    base.set(cpu, frequency);
  }
  const kinds = [...new Set(base.values())];
  if (kinds.length !== 2) return new Map();
  const highest = Math.max(...kinds);
  return new Map(
    [...base].map(([cpu, frequency]) => [cpu, frequency === highest ? 'performance' : 'efficient']),
  );
}

function lastLevelCaches(host: ReadHost, numbers: CpuSet): Fact<{ cpus: string; size: number | null }[]> {
  const found: { cpus: string; size: number | null }[] = [];
  const seen = new Set<number>();
  for (const cpu of numbers) {
    if (seen.has(cpu)) continue;
    seen.add(cpu);
    const folder = `${CPU}/cpu${cpu}/cache`;
    // L3 is nearly always the last index, so that one look is enough.
    for (const index of numbered(names(host, folder), 'index').reverse()) {
      if (textOrNothing(host, `${folder}/index${index}/level`) !== '3') continue;
      const shared = attribute(host, `${folder}/index${index}/shared_cpu_list`, parseCpuList).value ?? [cpu];
      for (const sharer of shared) seen.add(sharer);
      found.push({
        cpus: formatCpuList(shared),
        size: attribute(host, `${folder}/index${index}/size`, (text) => parseSize(word(text))).value ?? null,
      });
      break;
    }
  }
  return found.length > 0 ? known(found, CPU) : absent('missing', 'no level 3 cache is described', CPU);
}
