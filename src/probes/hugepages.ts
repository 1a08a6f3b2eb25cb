import { mountPoint, poolMemory } from '../formats/hugepage-pool.ts';
import { parseColonLines } from '../formats/key-value.ts';
import { parseSize } from '../formats/size.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact, Facts, HugepagePool } from './facts.ts';
import {
  absent,
  attribute,
  exists,
  guarded,
  known,
  listing,
  names,
  natural,
  numbered,
  textOrNothing,
} from './read.ts';
import { readHolders } from './userspace-io.ts';

const NODE = '/sys/devices/system/node';
const GLOBAL = '/sys/kernel/mm/hugepages';

type Mount = NonNullable<Facts['hugepages']['mounts']['value']>[number];

export const hugepagesProbe = defineProbe('hugepages', (host) => ({
  pools: pools(host),
  defaultSize: defaultSize(host),
  mounts: attribute(host, '/proc/mounts', parseMounts),
  mountPoints: mountPoints(host),
  maps: maps(host),
  cgroupLimits: cgroupLimits(host),
  unitLimits: unitLimits(host),
}));

function defaultSize(host: ReadHost): Fact<number> {
  const path = '/proc/meminfo';
  const line = parseColonLines(textOrNothing(host, path) ?? '').get('Hugepagesize');
  if (line === undefined) return absent('missing', 'no "Hugepagesize" line', path);
  return guarded(path, () => known(parseSize(line), path));
}

function pools(host: ReadHost): Fact<HugepagePool[]> {
  const nodes = listing(host, NODE, 'no NUMA');
  if (nodes.absent !== undefined && nodes.absent !== 'missing') return nodes;
  const perNode: HugepagePool[] = [];
  for (const node of numbered(nodes.value ?? [], 'node')) {
    const folder = `${NODE}/node${node}/hugepages`;
    const sizes = listing(host, folder, 'no hugepages');
    if (sizes.absent !== undefined && sizes.absent !== 'missing') return sizes;
    perNode.push(...poolsIn(host, folder, node));
  }
  if (perNode.length > 0) return known(perNode, NODE);
  const global = poolsIn(host, GLOBAL, null);
  return global.length > 0 ? known(global, GLOBAL) : absent('missing', 'the kernel has no hugepages', GLOBAL);
}

function poolsIn(host: ReadHost, folder: string, node: number | null): HugepagePool[] {
  return names(host, folder).flatMap((name) => {
    const kilobytes = /^hugepages-(\d+)kB$/.exec(name)?.[1];
    const read = (file: string) => attribute(host, `${folder}/${name}/${file}`, natural).value ?? null;
    if (kilobytes === undefined || kilobytes.length > 9) return [];
    const size = Number(kilobytes) * 1024;
    return [
      {
        node,
        size,
        total: read('nr_hugepages'),
        free: read('free_hugepages'),
        // No node tells of its own (mm/hugetlb.c, per_node_hstate_attrs): what is promised may be taken from each.
        reserved: attribute(host, `${GLOBAL}/${name}/resv_hugepages`, natural).value ?? 0,
        surplus: read('surplus_hugepages') ?? 0,
        asked: attribute(host, poolMemory({ node, size }), natural).value ?? null,
      },
    ];
  });
}

export function parseMounts(text: string): Mount[] {
  return text.split('\n').flatMap((line) => {
    const [, path, type, options] = line.split(' ');
    if (type !== 'hugetlbfs' || path === undefined || options === undefined) return [];
    const size = /(?:^|,)pagesize=(\d+[KMG]?)/i.exec(options)?.[1];
    // proc(5): blanks and backslashes are octal in /proc/mounts.
    const plain = path.replace(/\\([0-7]{3})/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 8)),
    );
    return [{ path: plain, size: size === undefined ? null : parseSize(size), options }];
  });
}

/** Limits of the cgroup this process is in; a service's own cgroup may differ. */
function cgroupLimits(host: ReadHost): Fact<Record<string, string>> {
  const own = /^0::(\/.*)$/m.exec(textOrNothing(host, '/proc/self/cgroup') ?? '')?.[1];
  if (own === undefined) return absent('missing', 'no cgroup v2', '/proc/self/cgroup');
  const folder = `/sys/fs/cgroup${own === '/' ? '' : own}`;
  const limits = names(host, folder).flatMap((name) => {
    const size = /^hugetlb\.(\w+)\.max$/.exec(name)?.[1];
    const value = size === undefined ? undefined : textOrNothing(host, `${folder}/${name}`);
    return size === undefined || value === undefined ? [] : [[size, value] as const];
  });
  if (limits.length === 0) return absent('missing', 'the hugetlb controller sets no limit here', folder);
  return known(Object.fromEntries(limits), folder);
}

function mountPoints(host: ReadHost): string[] {
  return names(host, GLOBAL).flatMap((name) => {
    const kilobytes = /^hugepages-(\d+)kB$/.exec(name)?.[1];
    const path = mountPoint(Number(kilobytes ?? 0) * 1024);
    return kilobytes !== undefined && exists(host, path) ? [path] : [];
  });
}

/** DPDK, eal_filesystem.h and eal_hugepage_info.c: `rtemap_0`, `spdk_pid42map_7`; its next start removes what nobody locks. */
const MAP = /map_\d+$/;

function maps(host: ReadHost): Facts['hugepages']['maps'] {
  const mounts = attribute(host, '/proc/mounts', parseMounts);
  if (mounts.absent !== undefined) return mounts;
  const paths: string[] = [];
  for (const { path } of mounts.value) {
    const found = guarded(path, () => known(host.list(path) ?? [], path));
    if (found.absent !== undefined) return found;
    paths.push(...found.value.filter((name) => MAP.test(name)).map((name) => `${path}/${name}`));
  }
  const from = mounts.value.map(({ path }) => path).join(', ') || '/proc/mounts';
  if (paths.length === 0) return known([], from);
  const holders = readHolders(host, MAP);
  if (holders.absent !== undefined) return holders;
  const held = new Set(holders.value.map(({ path }) => path));
  return known(
    paths.map((path) => ({ path, open: held.has(path) })),
    from,
  );
}

/** A limit of the slice holds for all units in it; one of a unit only while it runs, as it has its cgroup then. */
function unitLimits(host: ReadHost): Facts['hugepages']['unitLimits'] {
  const slice = '/sys/fs/cgroup/system.slice';
  const controllers = textOrNothing(host, `${slice}/cgroup.controllers`);
  if (controllers === undefined) return absent('missing', 'no cgroup v2 with services in it', slice);
  if (!controllers.split(' ').includes('hugetlb')) return known({}, slice);
  const below =
    textOrNothing(host, `${slice}/cgroup.subtree_control`)?.split(' ').includes('hugetlb') === true;
  const units = below ? names(host, slice).filter((name) => name.endsWith('.service')) : [];
  const found = [
    ['system.slice', limitsIn(host, slice)] as const,
    ...units.map((unit) => [unit, limitsIn(host, `${slice}/${unit}`)] as const),
  ];
  return known(Object.fromEntries(found.filter(([, limits]) => Object.keys(limits).length > 0)), slice);
}

function limitsIn(host: ReadHost, folder: string): Record<string, number> {
  const limits = names(host, folder).flatMap((name) => {
    const size = /^hugetlb\.(\w+)\.max$/.exec(name)?.[1];
    const bytes = size === undefined ? undefined : attribute(host, `${folder}/${name}`, natural).value;
    return size === undefined || bytes === undefined ? [] : [[size, bytes] as const];
  });
  return Object.fromEntries(limits);
}
