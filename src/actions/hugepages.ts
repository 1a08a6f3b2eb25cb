import { available, describePages, nameSome, poolFolder, poolMemory } from '../formats/hugepage-pool.ts';
import { formatBytes, formatSize } from '../formats/size.ts';
import { ToolError } from '../host/errors.ts';
import type { Host, ReadHost } from '../host/host.ts';
import type { HugepagePool } from '../probes/facts.ts';
import { defineAction, type PlanContext, type Step } from './define.ts';
import { putBack } from './file.ts';
import { had, keepRoom, wantedNow } from './hugepage-room.ts';
import { lastLine } from './run.ts';

type Before = {
  readonly total: number;
  readonly surplus: number;
  /** The text of the pool's memory; null: there was none. */
  readonly asked: string | null;
};

type After = {
  readonly node: number | null;
  readonly size: number;
  /** What the profile asks for. */
  readonly count: number;
  /** nr_hugepages that makes as many free. */
  readonly total: number;
};

/** Milliseconds; at its end tee gets SIGTERM, and the kernel stops allocating (mm/hugetlb.c, set_max_huge_pages). */
const ALLOCATION = 120_000;

/** Pages of a node and size, now. What is free counts, and nothing is ever made fewer by a profile. */
export const hugepagesAction = defineAction({
  name: 'hugepages',

  plan(context, note) {
    const wanted = wantedNow(context);
    keepRoom(context, wanted);
    for (const { page, pool, short } of wanted) {
      if (short === 0 && available(pool) < page.count) {
        note(
          `hugepages: ${describePages(pool, page.count)} are reserved already, and something uses them: ` +
            `${available(pool)} are free`,
        );
      }
    }
    if (wanted.some(({ short }) => short > 0)) staleMaps(context, note);
    limits(context, note);
    return wanted.flatMap(({ page, pool, short }) =>
      short === 0 ? [] : [reserve({ ...pool, total: pool.total ?? 0 }, page.count, short)],
    );
  },

  async apply(change, host) {
    const { node, size, count, total } = change.after as After;
    const path = change.target;
    const compact = compactor(host, node);
    let got = await allocate(host, path, total);
    if (got < total) {
      await tee(host, compact, '1');
      got = await allocate(host, path, total);
    }
    if (got < total) {
      // Costs every program its cached files; therefore last.
      await tee(host, '/proc/sys/vm/drop_caches', '3');
      await tee(host, compact, '1');
      got = await allocate(host, path, total);
    }
    if (got < total) throw tooFew(change.before as Before, change.after as After, got);
    host.replaceFile(poolMemory({ node, size }), `${count}\n`, 0o644);
  },

  verify(change, host) {
    const { node, size, count } = change.after as After;
    const pool = read(host, { node, size });
    if (pool === undefined) return `the kernel has no pages of ${formatSize(size)}`;
    return had(pool) >= count ? undefined : `${available(pool)} pages are free, ${count} are asked for`;
  },

  async revert(change, host) {
    const { total, surplus, asked } = change.before as Before;
    const after = change.after as After;
    const pool = read(host, after);
    const raised = pool !== undefined && pool.total > total && pool.total <= after.total;
    // Asking for more has made ordinary pages of surplus ones, even where no more could be had.
    const settled = pool?.total === total && pool.surplus < surplus;
    if (pool !== undefined && (raised || settled)) {
      // The kernel would take the pages in use too, as soon as their users go: they are not ours any more.
      const used = pool.total - available(pool);
      await tee(host, change.target, String(used <= total ? total - surplus : used));
    }
    putBack(host, poolMemory(after), { text: asked, mode: asked === null ? null : 0o644, folders: [] });
  },

  holdsBefore(change, host) {
    const { total } = change.before as Before;
    const after = change.after as After;
    const pool = read(host, after);
    const memory = host.readText(poolMemory(after)) ?? null;
    if (pool !== undefined && pool.total > total) {
      const by = pool.total > after.total ? 'another program has raised it' : 'the others are in use';
      return `nr_hugepages is ${pool.total}, and was ${total}: ${by}`;
    }
    // A reboot takes the memory with the pages.
    if (memory !== null && memory !== (change.before as Before).asked)
      return `${poolMemory(after)} is left over`;
    return undefined;
  },
});

function reserve(pool: HugepagePool & { total: number }, count: number, short: number): Step {
  const { node, size, total, surplus, asked } = pool;
  const path = `${poolFolder(pool)}/nr_hugepages`;
  const before: Before = { total, surplus, asked: asked === null ? null : `${asked}\n` };
  const after: After = { node, size, count, total: total + short };
  return {
    target: path,
    before,
    after,
    scope: 'runtime',
    effect: 'none',
    summary: `reserve ${describePages(pool, short)} (${formatBytes(size * short)}), so that ${count} are free`,
    commands: [`echo ${total + short} > ${path}`],
  };
}

/** Pages that an application has left behind are not free, and nothing but their file says whose they are. */
function staleMaps({ facts }: PlanContext, note: (sentence: string) => void): void {
  const stale = (facts.hugepages.maps.value ?? []).filter(({ open }) => !open);
  const [first] = stale;
  if (first === undefined) return;
  note(
    `hugepages: files that no process has open hold pages: ${nameSome(stale.map(({ path }) => path))}; ` +
      `DPDK's next start there removes them, or: flock -nx ${first.path} rm ${first.path}`,
  );
}

/** A cgroup may hold fewer pages than the host: mapping more is SIGBUS (Documentation/admin-guide/cgroup-v2.rst, HugeTLB). */
function limits({ facts, profile }: PlanContext, note: (sentence: string) => void): void {
  const found = facts.hugepages.unitLimits.value ?? {};
  const units = ['system.slice', ...(profile.service?.unit === undefined ? [] : [profile.service.unit])];
  for (const unit of units) {
    for (const [name, limit] of Object.entries(found[unit] ?? {})) {
      const bytes = profile.hugepages
        .filter(({ size }) => `${formatSize(size)}B` === name)
        .reduce((sum, { size, count }) => sum + size * count, 0);
      if (bytes <= limit) continue;
      note(
        `${unit}: its cgroup may use ${formatBytes(limit)} of hugepages of ${name} (hugetlb.${name}.max), ` +
          `fewer than the ${formatBytes(bytes)} asked for`,
      );
    }
  }
}

/** Documentation/ABI/stable/sysfs-devices-node; without NUMA there is one for the host. */
function compactor(host: ReadHost, node: number | null): string {
  const path = `/sys/devices/system/node/node${node}/compact`;
  return node !== null && host.stat(path) !== undefined ? path : '/proc/sys/vm/compact_memory';
}

/** How many pages there are after asking for so many. */
async function allocate(host: Host, path: string, total: number): Promise<number> {
  await tee(host, path, String(total));
  return Number(host.readText(path) ?? 0);
}

/** In a child, because it may take minutes; that it is slow is not an error, too few pages are. */
async function tee(host: Host, path: string, value: string): Promise<void> {
  const { exitCode, timedOut, stderr } = await host.run(['env', 'LC_ALL=C', 'tee', path], {
    input: value,
    timeout: ALLOCATION,
  });
  if (exitCode === 0 || timedOut) return;
  throw new ToolError('WRITE_REFUSED', `the kernel refused "${value}": ${lastLine(stderr)}`, {
    subject: path,
  });
}

function tooFew({ total: old }: Before, { node, size, total }: After, got: number): ToolError {
  const where = node === null ? '' : ` on node ${node}`;
  return new ToolError(
    'HUGEPAGES_TOO_FEW',
    `of ${total - old} more the kernel could give ${Math.max(0, got - old)}: no memory in one piece is left`,
    {
      subject: `pages of ${formatSize(size)}${where}`,
      hint: 'have them reserved at boot ("when: boot" in the profile), while memory is whole',
    },
  );
}

function read(
  host: ReadHost,
  pool: { node: number | null; size: number },
): (Omit<HugepagePool, 'node' | 'size' | 'total'> & { total: number }) | undefined {
  const count = (path: string) => {
    const text = host.readText(path);
    return text === undefined ? undefined : Number(text);
  };
  const folder = poolFolder(pool);
  const total = count(`${folder}/nr_hugepages`);
  if (total === undefined) return undefined;
  return {
    total,
    free: count(`${folder}/free_hugepages`) ?? 0,
    reserved: count(`${poolFolder({ ...pool, node: null })}/resv_hugepages`) ?? 0,
    surplus: count(`${folder}/surplus_hugepages`) ?? 0,
    asked: count(poolMemory(pool)) ?? null,
  };
}
