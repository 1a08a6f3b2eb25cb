import { available } from '../formats/hugepage-pool.ts';
import { formatBytes, formatSize } from '../formats/size.ts';
import { bootPages } from '../plan/hugepage-arguments.ts';
import type { Facts, HugepagePool } from '../probes/facts.ts';
import type { ResolvedHugepages } from '../profile/resolved.ts';
import type { PlanContext } from './define.ts';
import { refused } from './run.ts';

/** Pages of a profile that this boot shall have, and their pool. */
interface Wanted {
  readonly page: ResolvedHugepages;
  readonly pool: HugepagePool;
  readonly short: number;
}

/** A host with 76 MiB left passes every check of its pages, and dies at the first large program. */
const LEAST = 2 ** 31;

/** What stays for everything else: 2 GiB or a tenth, but half of what has less than 4 GiB. */
export function floorOf(total: number): number {
  return Math.max(Math.min(LEAST, total / 2), total / 10);
}

/** The pages to be had now, each with how many are missing; refused where a pool does not tell. */
export function wantedNow({ facts, profile }: PlanContext): Wanted[] {
  return profile.hugepages.flatMap((page) => {
    if (page.atBoot) return [];
    const pool = facts.hugepages.pools.value?.find(
      ({ node, size }) => (node ?? 0) === page.node && size === page.size,
    );
    const what = `${formatSize(page.size)} on node ${page.node}`;
    if (pool === undefined) throw refused('HUGEPAGES_UNKNOWN', what, 'this kernel has no such pool');
    if (pool.total === null || pool.free === null) {
      throw refused('HUGEPAGES_UNKNOWN', what, 'how many of its pages are free cannot be read');
    }
    return [{ page, pool, short: Math.max(0, page.count - had({ ...pool, total: pool.total })) }];
  });
}

/**
 * Pages that are free, or that a profile has reserved since boot: those may be in use, by the application they are for,
 * and more of them would be taken each time it is running.
 */
export function had({
  total,
  asked,
  ...pool
}: Pick<HugepagePool, 'free' | 'reserved' | 'asked'> & { total: number }): number {
  return Math.max(available(pool), Math.min(asked ?? 0, total));
}

/** Refuses what would starve the host, now or at its next boot, before anything is touched. */
export function keepRoom(context: PlanContext, wanted: readonly Wanted[]): void {
  const { facts, profile } = context;
  const bytes = (node?: number) =>
    wanted
      .filter(({ page }) => node === undefined || page.node === node)
      .reduce((sum, { page, short }) => sum + page.size * short, 0);
  for (const node of new Set(wanted.filter(({ short }) => short > 0).map(({ page }) => page.node))) {
    const memory = nodeMemory(node, facts);
    if (memory !== undefined) judge(`node ${node}`, bytes(node), memory);
  }
  if (bytes() > 0) {
    const { memory } = facts.numa;
    if (memory.absent !== undefined) throw unknown('host', memory.reason);
    judge('host', bytes(), memory.value);
  }
  const sizes = new Set(profile.hugepages.filter(({ atBoot }) => atBoot).map(({ size }) => size));
  const atBoot = [...sizes].flatMap((size) =>
    bootPages(profile, size, facts).map(({ node, count }) => ({ node, bytes: count * size })),
  );
  for (const node of new Set(atBoot.map((entry) => entry.node))) {
    const later = profile.hugepages.filter((page) => page.node === node && !page.atBoot);
    const asked =
      atBoot.filter((entry) => entry.node === node).reduce((sum, entry) => sum + entry.bytes, 0) +
      later.reduce((sum, { size, count }) => sum + size * count, 0);
    const total = nodeMemory(node, facts)?.total ?? facts.numa.memory.value?.total;
    if (total === undefined) throw unknown(`node ${node}`, 'its size cannot be read');
    judge(`node ${node} at the next boot`, asked, { total, available: total });
  }
}

function judge(
  subject: string,
  bytes: number,
  { total, available: room }: { total: number; available: number },
): void {
  const left = room - bytes;
  const floor = floorOf(total);
  if (left >= floor) return;
  throw refused(
    'HUGEPAGES_TOO_MANY',
    subject,
    `${formatBytes(bytes)} more of hugepages would leave ${formatBytes(Math.max(0, left))} of the ` +
      `${formatBytes(room)} that are available; ${formatBytes(floor)} of ${formatBytes(total)} must stay`,
    'ask for fewer, or end what uses the memory',
  );
}

/** Undefined where the kernel has no NUMA: the host's memory is the node's. */
function nodeMemory(node: number, { numa }: Facts): { total: number; available: number } | undefined {
  if (numa.nodes.absent === 'missing') return undefined;
  const memory = numa.nodes.value?.find(({ id }) => id === node)?.memory;
  if (memory?.value === undefined) {
    throw unknown(`node ${node}`, memory?.reason ?? 'there is no such node');
  }
  const { total, free, reclaimable } = memory.value;
  return { total, available: free + reclaimable };
}

function unknown(subject: string, reason: string): Error {
  return refused('MEMORY_UNKNOWN', subject, `how much memory it has left cannot be read: ${reason}`);
}
