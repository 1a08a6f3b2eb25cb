import { mountPoint } from '../formats/hugepage-pool.ts';
import { formatSize } from '../formats/size.ts';
import type { ReadHost } from '../host/host.ts';
import { parseMounts } from '../probes/hugepages.ts';
import type { ResolvedProfile } from '../profile/resolved.ts';
import { defineAction, type PlanContext, type Step } from './define.ts';
import { refused, run } from './run.ts';

type Before = {
  /** Whether the folder was there. */
  readonly folder: boolean;
};

type After = { readonly size: number; readonly options: string };

/** A hugetlbfs for each page size that the profile wants one of, in which the group of the service may make files. */
export const hugetlbfsMountAction = defineAction({
  name: 'hugetlbfs-mount',

  plan(context) {
    return mountedSizes(context.profile).flatMap((size) => mountStep(context, size));
  },

  async apply(change, host) {
    const { options } = change.after as After;
    await run(host, ['mkdir', '-p', change.target]);
    await run(host, ['mount', '-t', 'hugetlbfs', '-o', options, 'hugetlbfs', change.target]);
  },

  verify(change, host) {
    const { size } = change.after as After;
    const found = mountAt(host, change.target);
    if (found === undefined) return `nothing is mounted at ${change.target}`;
    if (found.size !== size) return `${change.target} has other pages: ${found.options}`;
    return /(^|,)mode=770(,|$)/.test(found.options) ? undefined : `${change.target} has ${found.options}`;
  },

  async revert(change, host) {
    const { folder } = change.before as Before;
    if (mountAt(host, change.target) !== undefined) {
      // Its files are somebody's memory, and would go with it; one that is busy umount refuses.
      if ((host.list(change.target) ?? []).length > 0) return;
      await host.run(['umount', change.target], { timeout: 30_000 });
    }
    if (!folder && mountAt(host, change.target) === undefined && host.stat(change.target) !== undefined) {
      host.remove(change.target);
    }
  },

  holdsBefore(change, host) {
    const { folder } = change.before as Before;
    if (mountAt(host, change.target) !== undefined) {
      const files = (host.list(change.target) ?? []).length;
      return `stays mounted: ${files > 0 ? `there are ${files} files in it` : 'it is in use'}`;
    }
    const left = !folder && host.stat(change.target) !== undefined;
    return left ? `the folder ${change.target} is left over` : undefined;
  },
});

/** The sizes of which the profile wants a hugetlbfs, ascending. */
export function mountedSizes({ hugepages }: ResolvedProfile): number[] {
  const sizes = hugepages.filter(({ mounted }) => mounted).map(({ size }) => size);
  return [...new Set(sizes)].sort((a, b) => a - b);
}

/** mount(8) and systemd.mount(5) take the group by its name. */
export function mountOptions({ profile }: PlanContext, size: number): string {
  const group = profile.service === undefined ? '' : `,gid=${profile.service.group}`;
  return `pagesize=${formatSize(size)},mode=0770${group}`;
}

function mountStep(context: PlanContext, size: number): Step[] {
  const { mounts } = context.facts.hugepages;
  const target = mountPoint(size);
  if (mounts.absent !== undefined) {
    throw refused('MOUNTS_UNKNOWN', target, `what is mounted there cannot be read: ${mounts.reason}`);
  }
  const found = mounts.value.find(({ path }) => path === target);
  if (found !== undefined) {
    const ours = found.size === size && /(^|,)mode=770(,|$)/.test(found.options);
    if (ours) return [];
    throw refused('MOUNT_IN_PLACE', target, `another hugetlbfs is mounted there: ${found.options}`);
  }
  const before: Before = { folder: context.facts.hugepages.mountPoints.includes(target) };
  const after: After = { size, options: mountOptions(context, size) };
  return [
    {
      target,
      before,
      after,
      scope: 'runtime',
      effect: 'none',
      summary: `mount a hugetlbfs of ${formatSize(size)} pages`,
      commands: [`mkdir -p ${target}`, `mount -t hugetlbfs -o ${after.options} hugetlbfs ${target}`],
    },
  ];
}

export function mountAt(host: ReadHost, path: string): ReturnType<typeof parseMounts>[number] | undefined {
  return parseMounts(host.readText('/proc/mounts') ?? '').find((mount) => mount.path === path);
}
