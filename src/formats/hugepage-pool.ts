import { formatSize } from './size.ts';

/** A pool of hugepages: of one node, or of the whole host (null) where the kernel has no NUMA. */
interface Pool {
  readonly node: number | null;
  /** Octets of one page. */
  readonly size: number;
}

export function poolFolder({ node, size }: Pool): string {
  const place = node === null ? '/sys/kernel/mm' : `/sys/devices/system/node/node${node}`;
  return `${place}/hugepages/hugepages-${size / 1024}kB`;
}

/** How many pages of a pool a profile has reserved since boot; like the pages it is gone with the next one. */
export function poolMemory({ node, size }: Pool): string {
  return `/run/bypass-setup.${node === null ? '' : `node${node}-`}hugepages-${size / 1024}kB`;
}

/** Free, and not promised to a mapping that has not touched them yet. */
export function available({ free, reserved }: { free: number | null; reserved: number }): number {
  return Math.max(0, (free ?? 0) - reserved);
}

/** `512 of 2M on node 0` */
export function describePages({ node, size }: Pool, count: number): string {
  return `${count} of ${formatSize(size)}${node === null ? '' : ` on node ${node}`}`;
}

/** Where a profile has hugetlbfs mounted; a name that needs no escape as a mount unit (systemd-escape(1)). */
export function mountPoint(size: number): string {
  return `/dev/hugepages${formatSize(size)}`;
}

/** The first of many names. */
export function nameSome(names: readonly string[]): string {
  const more = names.length - 3;
  return `${names.slice(0, 3).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
