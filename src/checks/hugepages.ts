import { formatSize } from '../formats/size.ts';
import type { Facts, HugepagePool, PciFunction } from '../probes/facts.ts';
import type { Finding } from '../report/report.ts';
import { defineCheck } from './define.ts';
import { evidence, userspaceNics } from './evidence.ts';

const WHY =
  'without free hugepages on its own node a poll-mode driver does not start, or pays a remote memory access per packet';

type Judgement = Omit<Finding, 'check' | 'why'>;

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
  const nics = userspaceNics(facts.pci.networkFunctions);
  if (nics.length === 0) return [judgeHost(pools.value)];
  return nics.map((nic) => judgeNic(nic, pools.value, facts.numa));
});

function judgeHost(pools: readonly HugepagePool[]): Judgement {
  const free = pools.filter((pool) => pool.free > 0);
  if (free.length > 0) {
    return {
      subject: 'host',
      result: 'pass',
      sentence: `free hugepages: ${describe(free)}`,
      evidence: seen(free),
    };
  }
  const taken = pools.some((pool) => pool.total > 0);
  return {
    subject: 'host',
    result: 'fail',
    sentence: taken ? 'all hugepages are in use' : 'no hugepages are reserved',
    evidence: seen(pools),
    remedy:
      'reserve pages on the node of the data NIC: echo COUNT > …/node*/hugepages/hugepages-*/nr_hugepages',
  };
}

function judgeNic(nic: PciFunction, pools: readonly HugepagePool[], numa: Facts['numa']): Judgement {
  const oneNode = (numa.nodes.value?.length ?? 1) === 1;
  const node = nic.node.value ?? (oneNode ? (numa.nodes.value?.[0]?.id ?? null) : undefined);
  if (node === undefined) {
    return {
      subject: nic.address,
      result: 'unknown',
      sentence: 'which node the NIC is on is not known, so neither is whether its hugepages are near',
      evidence: [evidence(nic.node), ...seen(pools)],
      remedy: 'find the slot in the board manual and name the node in the profile',
    };
  }
  const near = pools.filter((pool) => pool.node === null || pool.node === node);
  const free = near.filter((pool) => pool.free > 0);
  if (free.length > 0) {
    return {
      subject: nic.address,
      result: 'pass',
      sentence: `free hugepages on its node: ${describe(free)}`,
      evidence: seen(free),
    };
  }
  const elsewhere = pools.some((pool) => pool.free > 0);
  const held = near.some((pool) => pool.total > 0);
  return {
    subject: nic.address,
    result: 'fail',
    sentence: `no free hugepage on its node ${node ?? 0}${held ? ': all are in use' : elsewhere ? ', only on others' : ''}`,
    evidence: seen(near),
    remedy: `echo COUNT > /sys/devices/system/node/node${node ?? 0}/hugepages/hugepages-2048kB/nr_hugepages`,
  };
}

function describe(pools: readonly HugepagePool[]): string {
  return pools
    .map(
      (pool) =>
        `${pool.free} of ${formatSize(pool.size)}${pool.node === null ? '' : ` on node ${pool.node}`}`,
    )
    .join(', ');
}

function seen(pools: readonly HugepagePool[]): Finding['evidence'] {
  return pools.map((pool) => ({
    path:
      pool.node === null
        ? `/sys/kernel/mm/hugepages/hugepages-${pool.size / 1024}kB/free_hugepages`
        : `/sys/devices/system/node/node${pool.node}/hugepages/hugepages-${pool.size / 1024}kB/free_hugepages`,
    value: `${pool.free} of ${pool.total}`,
    expected: 'more than 0 free',
  }));
}
