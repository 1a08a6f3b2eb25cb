import { available, describePages, nameSome, poolFolder } from '../formats/hugepage-pool.ts';
import { formatSize } from '../formats/size.ts';
import type { Facts, HugepagePool, PciFunction } from '../probes/facts.ts';
import type { Finding } from '../report/report.ts';
import { defineCheck, type Judgement } from './define.ts';
import { evidence, hiddenNics, userspaceNics } from './evidence.ts';

const WHY =
  'without free hugepages on its own node a poll-mode driver does not start, or pays a remote memory access per packet';

/** A poll-mode driver's packet buffers alone take tens of megabytes (DPDK, linux_gsg/sys_reqs.rst). */
const LEAST = 64 << 20;

export const hugepagesCheck = defineCheck('hugepages', WHY, (facts) => {
  const { pools } = facts.hugepages;
  if (pools.absent !== undefined) {
    return [
      {
        subject: 'host',
        result: pools.absent === 'missing' ? 'fail' : 'unknown',
        sentence: 'the kernel offers no hugepages',
        evidence: [evidence(pools)],
        remedy: 'use a kernel built with CONFIG_HUGETLBFS',
      },
    ];
  }
  const hidden = hiddenNics(facts.pci.networkFunctions);
  if (hidden.length > 0) return hidden;
  const nics = userspaceNics(facts.pci.networkFunctions);
  if (nics.length === 0) return [judgeHost(pools.value)];
  return [
    ...nics.map((nic) => judgeNic(nic, pools.value, facts)),
    ...judgeMounts(facts.hugepages.mounts),
    ...judgeMaps(facts.hugepages.maps),
  ];
});

const free = (pool: HugepagePool) => available(pool) > 0;
const unreadable = (pool: HugepagePool) => pool.free === null || pool.total === null;

function judgeHost(pools: readonly HugepagePool[]): Judgement {
  const usable = pools.filter(free);
  if (usable.length > 0) {
    return {
      subject: 'host',
      result: 'pass',
      sentence: `free hugepages: ${describe(usable)}`,
      evidence: seen(usable),
    };
  }
  if (pools.some(unreadable)) return cannotBeRead('host', pools);
  return {
    subject: 'host',
    result: 'fail',
    sentence: pools.some((pool) => pool.total !== 0)
      ? 'all hugepages are in use'
      : 'no hugepages are reserved',
    evidence: seen(pools),
    remedy: "raise nr_hugepages on the data NIC's node",
  };
}

function judgeNic(nic: PciFunction, pools: readonly HugepagePool[], { numa, userspaceIo }: Facts): Judgement {
  const holder = userspaceIo.holders.value?.find(({ path }) => path === `/dev/vfio/${nic.iommuGroup.value}`);
  const oneNode = (numa.nodes.value?.length ?? 1) === 1;
  const node = nic.node.value ?? (oneNode ? (numa.nodes.value?.[0]?.id ?? null) : undefined);
  if (node === undefined) {
    return {
      subject: nic.address,
      result: 'unknown',
      sentence: 'which node the NIC is on is not known, so neither is whether its hugepages are near',
      evidence: [evidence(nic.node), ...seen(pools)],
      remedy: 'find the slot in the manual of the board, and which processor it belongs to',
    };
  }
  const near = pools.filter((pool) => pool.node === null || pool.node === node);
  const usable = near.filter(free);
  if (usable.length > 0) {
    const few = usable.reduce((sum, pool) => sum + available(pool) * pool.size, 0) < LEAST;
    return {
      subject: nic.address,
      result: few ? 'warn' : 'pass',
      sentence: `${few ? 'hardly any ' : ''}free hugepages on its node: ${describe(usable)}`,
      evidence: seen(usable),
      ...(few ? { remedy: `reserve at least ${formatSize(LEAST)}` } : {}),
    };
  }
  if (near.some(unreadable)) return cannotBeRead(nic.address, near);
  if (holder !== undefined) {
    return {
      subject: nic.address,
      result: 'warn',
      sentence: `no free hugepage on its node, but ${holder.program}[${holder.pid}] already drives the NIC`,
      evidence: [...seen(near), { path: `/proc/${holder.pid}/fd`, value: holder.path }],
    };
  }
  const detail = near.some((pool) => pool.total !== 0)
    ? ': all are in use'
    : pools.some(free)
      ? ', only on others'
      : '';
  return {
    subject: nic.address,
    result: 'fail',
    sentence: `no free hugepage on its node ${node ?? 0}${detail}`,
    evidence: near.length > 0 ? seen(near) : seen(pools),
    remedy: `echo COUNT > /sys/devices/system/node/node${node ?? 0}/hugepages/hugepages-2048kB/nr_hugepages`,
  };
}

function cannotBeRead(subject: string, pools: readonly HugepagePool[]): Judgement {
  const sentence = 'how many hugepages are free cannot be read';
  return { subject, result: 'unknown', sentence, evidence: seen(pools) };
}

function describe(pools: readonly HugepagePool[]): string {
  return pools.map((pool) => describePages(pool, available(pool))).join(', ');
}

function seen(pools: readonly HugepagePool[]): Finding['evidence'] {
  return pools.map((pool) => {
    return {
      path: `${poolFolder(pool)}/free_hugepages`,
      value: pool.free === null ? '(cannot be read)' : `${available(pool)} of ${pool.total ?? '?'}`,
      expected: 'more than 0 free',
    };
  });
}

/** EAL maps its pages through a mount, unless the application gives it --in-memory. */
function judgeMounts(mounts: Facts['hugepages']['mounts']): Judgement[] {
  if (mounts.absent === undefined && mounts.value.length > 0) return [];
  return [
    {
      subject: 'mounts',
      result: mounts.absent === undefined ? 'warn' : 'unknown',
      sentence: mounts.absent === undefined ? 'no hugetlbfs is mounted' : 'mounts cannot be read',
      evidence: [evidence(mounts, 'a hugetlbfs mount', (all) => `${all.length}`)],
      remedy: 'mount -t hugetlbfs nodev /dev/hugepages, or give EAL --in-memory',
    },
  ];
}

/** Nothing is deleted for it: whose memory it was, only its owner knows. */
function judgeMaps(maps: Facts['hugepages']['maps']): Judgement[] {
  const stale = (maps.value ?? []).filter(({ open }) => !open);
  const [first] = stale;
  if (first === undefined) return [];
  return [
    {
      subject: 'mounts',
      result: 'warn',
      sentence: `files that no process has open hold hugepages: ${nameSome(stale.map(({ path }) => path))}`,
      evidence: stale.map(({ path }) => ({ path, value: 'not open' })),
      remedy: `flock -nx ${first.path} rm ${first.path}`,
    },
  ];
}
