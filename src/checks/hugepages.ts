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

const free = (pool: HugepagePool) => (pool.free ?? 0) > 0;
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

function judgeNic(nic: PciFunction, pools: readonly HugepagePool[], numa: Facts['numa']): Judgement {
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
    return {
      subject: nic.address,
      result: 'pass',
      sentence: `free hugepages on its node: ${describe(usable)}`,
      evidence: seen(usable),
    };
  }
  if (near.some(unreadable)) return cannotBeRead(nic.address, near);
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
  return pools
    .map(
      (pool) =>
        `${pool.free} of ${formatSize(pool.size)}${pool.node === null ? '' : ` on node ${pool.node}`}`,
    )
    .join(', ');
}

function seen(pools: readonly HugepagePool[]): Finding['evidence'] {
  return pools.map((pool) => {
    const folder = pool.node === null ? '/sys/kernel/mm' : `/sys/devices/system/node/node${pool.node}`;
    return {
      path: `${folder}/hugepages/hugepages-${pool.size / 1024}kB/free_hugepages`,
      value: pool.free === null ? '(cannot be read)' : `${pool.free} of ${pool.total ?? '?'}`,
      expected: 'more than 0 free',
    };
  });
}
