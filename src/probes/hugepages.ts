import { parseColonLines } from '../formats/key-value.ts';
import { parseSize } from '../formats/size.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact, Facts, HugepagePool } from './facts.ts';
import {
  absent,
  attribute,
  guarded,
  known,
  listing,
  names,
  natural,
  numbered,
  textOrNothing,
} from './read.ts';

const NODE = '/sys/devices/system/node';
const GLOBAL = '/sys/kernel/mm/hugepages';

type Mount = NonNullable<Facts['hugepages']['mounts']['value']>[number];

export const hugepagesProbe = defineProbe('hugepages', (host) => ({
  pools: pools(host),
  defaultSize: defaultSize(host),
  mounts: attribute(host, '/proc/mounts', parseMounts),
  cgroupLimits: cgroupLimits(host),
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
  const perNode = numbered(nodes.value ?? [], 'node').flatMap((node) =>
    poolsIn(host, `${NODE}/node${node}/hugepages`, node),
  );
  if (perNode.length > 0) return known(perNode, NODE);
  const global = poolsIn(host, GLOBAL, null);
  return global.length > 0 ? known(global, GLOBAL) : absent('missing', 'the kernel has no hugepages', GLOBAL);
}

function poolsIn(host: ReadHost, folder: string, node: number | null): HugepagePool[] {
  return names(host, folder).flatMap((name) => {
    const kilobytes = /^hugepages-(\d+)kB$/.exec(name)?.[1];
    const read = (file: string) => attribute(host, `${folder}/${name}/${file}`, natural).value ?? null;
    if (kilobytes === undefined || kilobytes.length > 9) return [];
    return [
      {
        node,
        size: Number(kilobytes) * 1024,
        total: read('nr_hugepages'),
        free: read('free_hugepages'),
        reserved: read('resv_hugepages') ?? 0,
        surplus: read('surplus_hugepages') ?? 0,
      },
    ];
  });
}

function parseMounts(text: string): Mount[] {
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
