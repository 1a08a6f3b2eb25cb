import { formatBytes, formatSize, parseSize } from '../formats/size.ts';
import type { Facts, HugepagePool } from '../probes/facts.ts';
import type { Report } from './problem.ts';
import type { ResolvedHugepages } from './resolved.ts';
import type { Profile, ProfileHugepage } from './schema.ts';
import type { PlacedNic } from './topology.ts';

/** For each NIC: packet pools of some 200 MB for a port (DPDK, testpmd's defaults), and what the application wants. */
const AUTO_BYTES = 1 << 30;
/** Can be had at run time, unlike 1G, once memory is fragmented. */
const AUTO_SIZE = 2 << 20;
/** `auto` must not starve the kernel and everything else on a node. */
const AUTO_SHARE = 0.5;
/** Pages of this size need as much memory in one piece. */
const GIGANTIC = 1 << 30;

/** Their packet buffers lie in hugepages; a kernel socket or AF_XDP needs none. */
const STACKS: readonly string[] = ['dpdk', 'onload', 'ef-vi', 'tcpdirect'];

/** Pages by node and size, in ascending order. */
export function resolveHugepages(
  wanted: NonNullable<Profile['hugepages']>,
  nics: readonly PlacedNic[],
  facts: Facts,
  persistent: boolean,
  report: Report,
): ResolvedHugepages[] {
  const { pools } = facts.hugepages;
  if (pools.absent !== undefined) {
    report({
      subject: 'hugepages',
      sentence: `this host's pools cannot be read: ${pools.reason} (${pools.from})`,
      ...(pools.absent === 'missing' ? {} : { unknown: true }),
    });
    return [];
  }
  const users = nics.filter(({ stack }) => STACKS.includes(stack));
  const offered = pools.value;
  const found =
    wanted === 'auto'
      ? automatic(users, offered, facts, report)
      : wanted.flatMap((entry, index) =>
          listed(entry, `hugepages[${index}]`, users, { facts, offered, persistent }, report),
        );
  for (const [index, page] of found.entries()) {
    const first = found.findIndex(({ node, size }) => node === page.node && size === page.size);
    if (first === index) continue;
    const sentence = `pages of ${formatSize(page.size)} on node ${page.node} are asked for twice`;
    report({ subject: 'hugepages', sentence });
  }
  checkMemory(found, facts, report);
  return found.sort((a, b) => a.node - b.node || a.size - b.size);
}

function automatic(
  users: readonly PlacedNic[],
  pools: readonly HugepagePool[],
  facts: Facts,
  report: Report,
): ResolvedHugepages[] {
  return knownNodes(users, 'hugepages', report).flatMap((node) => {
    const near = pools.filter((pool) => (pool.node ?? 0) === node).map(({ size }) => size);
    const size = [AUTO_SIZE, facts.hugepages.defaultSize.value, ...near].find((one) =>
      near.some((other) => other === one),
    );
    if (size === undefined) {
      report({ subject: 'hugepages', sentence: `node ${node} has no hugepages` });
      return [];
    }
    const bytes = AUTO_BYTES * users.filter((user) => user.node === node).length;
    const memory = memoryOf(node, facts);
    if (memory !== undefined && bytes > memory * AUTO_SHARE) {
      const sentence = `auto would take ${formatBytes(bytes)} of the ${formatBytes(memory)} of node ${node}; say how much it may be`;
      report({ subject: 'hugepages', sentence });
    }
    return [{ node, size, count: Math.ceil(bytes / size) }];
  });
}

function listed(
  entry: ProfileHugepage,
  subject: string,
  users: readonly PlacedNic[],
  host: { readonly facts: Facts; readonly offered: readonly HugepagePool[]; readonly persistent: boolean },
  report: Report,
): ResolvedHugepages[] {
  const size = parseSize(entry.size);
  const automatic = size >= GIGANTIC && host.persistent ? 'boot' : 'runtime';
  const atBoot = (entry.when === 'auto' ? automatic : entry.when) === 'boot';
  const count = entry.count ?? parseSize(entry.total ?? '0') / size;
  if (entry.node === 'auto' && users.length === 0) {
    report({ subject, sentence: 'node is auto, but no NIC of this profile needs hugepages; name a node' });
  }
  const nodes = entry.node === 'auto' ? knownNodes(users, subject, report) : [entry.node];
  for (const node of nodes) {
    const near = host.offered.filter((pool) => (pool.node ?? 0) === node);
    if (near.length === 0) report({ subject, sentence: `this host has no node ${node} with hugepages` });
    else if (!near.some((pool) => pool.size === size) && !(atBoot && canHave(size, host.facts))) {
      const sizes = near.map((pool) => formatSize(pool.size)).join(', ');
      report({ subject, sentence: `node ${node} has no pages of ${entry.size}, but of ${sizes}` });
    }
  }
  return nodes.map((node) => ({
    node,
    size,
    count,
    ...(atBoot ? { atBoot } : {}),
    ...(entry.mount ? { mounted: true as const } : {}),
  }));
}

/** A kernel without CONFIG_CONTIG_ALLOC shows its pool of 1G only when the boot line has asked for it. */
function canHave(size: number, { cpu }: Facts): boolean {
  return size === 1 << 30 && cpu.flags.value?.includes('pdpe1gb') === true;
}

/** The nodes of NICs, ascending, each once. */
function knownNodes(users: readonly PlacedNic[], subject: string, report: Report): number[] {
  for (const { name, node } of users) {
    if (node !== undefined) continue;
    const sentence = `the firmware does not say which node ${name} is on; name the node`;
    report({ subject, sentence, unknown: true });
  }
  return [...new Set(users.flatMap(({ node }) => node ?? []))].sort((a, b) => a - b);
}

function checkMemory(pages: readonly ResolvedHugepages[], facts: Facts, report: Report): void {
  for (const node of new Set(pages.map((page) => page.node))) {
    const bytes = pages
      .filter((page) => page.node === node)
      .reduce((sum, { size, count }) => sum + size * count, 0);
    const memory = memoryOf(node, facts);
    if (memory === undefined || bytes < memory) continue;
    const sentence = `${formatBytes(bytes)} are asked for on node ${node}, which has ${formatBytes(memory)}`;
    report({ subject: 'hugepages', sentence });
  }
}

function memoryOf(node: number, { numa }: Facts): number | undefined {
  if (numa.nodes.absent === 'missing') return numa.memory.value?.total;
  return numa.nodes.value?.find(({ id }) => id === node)?.memory.value?.total;
}
