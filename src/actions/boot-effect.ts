import {
  isolatedBy,
  lostArguments,
  parseArgument,
  type ReservedPages,
  reservedBy,
} from '../formats/boot-line.ts';
import { formatCpuList, parseCpuList, subtract } from '../formats/cpu-list.ts';
import { describePages, poolFolder } from '../formats/hugepage-pool.ts';
import type { ReadHost } from '../host/host.ts';

const CPUS = '/sys/devices/system/cpu';
const NODES = '/sys/devices/system/node';

/**
 * What the running kernel has not made of these arguments, as a sentence: the line it was started with, then what it says
 * of itself: isolated and nohz_full CPUs, and pages, of which it may have got fewer. Undefined when all of that holds;
 * other arguments show only in the line.
 */
export function notInEffect(wanted: readonly string[], host: ReadHost): string | undefined {
  const lost = lostArguments(host.readText('/proc/cmdline') ?? '', wanted);
  if (lost.length > 0) return `the kernel was not started with ${lost.join(' ')}`;
  const all = wanted.map(parseArgument);
  const wrong = [
    ...all.flatMap(({ name, value = '' }) => {
      if (name === 'isolcpus') return missingCpus(host, 'isolated', isolatedBy(value));
      return name === 'nohz_full' ? missingCpus(host, 'nohz_full', value) : [];
    }),
    ...reservedBy(all).flatMap((pages) => missingPages(host, pages)),
  ];
  return wrong.length === 0 ? undefined : wrong.join('; ');
}

function missingCpus(host: ReadHost, file: string, list: string): string[] {
  const path = `${CPUS}/${file}`;
  const missing = subtract(parseCpuList(list), parseCpuList(host.readText(path) ?? ''));
  return missing.length === 0 ? [] : [`${path} lacks ${formatCpuList(missing)}`];
}

function missingPages(host: ReadHost, { node, size, count }: ReservedPages): string[] {
  const nodes = (host.list(NODES) ?? [])
    .filter((name) => /^node\d+$/.test(name))
    .map((name) => Number(name.slice(4)));
  // Without a node the kernel deals them out over all that have memory.
  const pools = node !== null ? [node] : nodes.length === 0 ? [null] : nodes;
  const got = pools.reduce<number>(
    (sum, place) => sum + Number(host.readText(`${poolFolder({ node: place, size })}/nr_hugepages`) ?? 0),
    0,
  );
  return got >= count ? [] : [`the kernel has ${describePages({ node, size }, got)}, not ${count}`];
}
