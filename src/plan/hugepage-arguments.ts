import { formatSize } from '../formats/size.ts';
import type { Facts } from '../probes/facts.ts';
import type { ResolvedHugepages, ResolvedProfile } from '../profile/resolved.ts';

/**
 * The kernel arguments for the pages that are reserved at boot: `hugepagesz=1G hugepages=0:4,1:4`. The count belongs to
 * the size before it, so each pair stays together and in this order. default_hugepagesz is left alone: it would
 * change what every other program gets.
 */
export function hugepageArguments(profile: ResolvedProfile, facts: Facts): string[] {
  const pages = profile.hugepages.filter(({ atBoot, count }) => atBoot && count > 0);
  return [...new Set(pages.map(({ size }) => size))]
    .sort((a, b) => a - b)
    .flatMap((size) => [`hugepagesz=${formatSize(size)}`, `hugepages=${counts(pages, size, facts)}`]);
}

/** What each node has of these pages once the kernel has booted with the arguments. */
export function bootPages(
  { hugepages }: ResolvedProfile,
  size: number,
  facts: Facts,
): { node: number; count: number }[] {
  const pages = hugepages.filter((page) => page.atBoot && page.size === size);
  if (pages.length === 0 || knowsNodes(facts)) return pages.map(({ node, count }) => ({ node, count }));
  const most = Math.max(...pages.map(({ count }) => count));
  return nodesOf(facts).map((node) => ({ node, count: most }));
}

/**
 * Without the form by node the kernel deals its pages out over all nodes that have memory (mm/hugetlb.c,
 * hugetlb_hstate_alloc_pages): as many for each as the node with most needs. The script of `hugepages-persist` gives back
 * what is too many.
 */
function counts(pages: readonly ResolvedHugepages[], size: number, facts: Facts): string {
  const mine = pages.filter((page) => page.size === size);
  if (nodesOf(facts).length > 1 && knowsNodes(facts)) {
    return mine.map(({ node, count }) => `${node}:${count}`).join(',');
  }
  const most = Math.max(...mine.map(({ count }) => count));
  return String(most * nodesOf(facts).length);
}

/** Since Linux 5.16 (b5389086ad7b); an older one passes `0:4,1:4` to init as a word it does not know. */
function knowsNodes({ kernel }: Facts): boolean {
  const [major = 0, minor = 0] = (kernel.release.value ?? '')
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  return major > 5 || (major === 5 && minor >= 16);
}

function nodesOf({ numa }: Facts): number[] {
  const nodes = (numa.nodes.value ?? []).filter(({ memory }) => memory.value?.total !== 0);
  return nodes.length === 0 ? [0] : nodes.map(({ id }) => id);
}
