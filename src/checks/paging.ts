import { formatSize } from '../formats/size.ts';
import type { Facts } from '../probes/facts.ts';
import type { Judgement } from './define.ts';
import { evidence } from './evidence.ts';
import { defineCoreCheck } from './isolated.ts';
import { hiddenSettings, offSetting } from './setting.ts';

const WHY =
  'memory that the kernel moves, merges or swaps under a running program stops it with page faults and TLB shootdowns';

/** Hugepages stay where they are; the rest of a program's memory is what this is about. */
export const pagingCheck = defineCoreCheck('paging', WHY, ({ tunables, numa }) => {
  const { transparentHugepage, ksm, numaBalancing } = tunables;
  const found: Judgement[] = [];
  if (transparentHugepage.value === 'always') {
    const sentence = 'khugepaged collapses pages of every program';
    found.push(offSetting('transparent-hugepage', transparentHugepage, 'never', sentence));
  }
  if (ksm.value === 1) found.push(offSetting('ksm', ksm, '0', 'ksmd scans memory and write-protects it'));
  // With one node there is nowhere to move to, and the kernel leaves it off.
  if ((numaBalancing.value ?? 0) > 0 && (numa.nodes.value?.length ?? 2) > 1) {
    found.push(
      offSetting('numa-balancing', numaBalancing, '0', 'pages are unmapped to see which node uses them'),
    );
  }
  found.push(...judgeSwap(numa), ...judgeUnread(tunables, numa));
  if (found.length > 0) return found;
  return [
    {
      subject: 'host',
      result: 'pass',
      sentence: 'nothing moves, merges or swaps the memory of running programs',
      evidence: [
        evidence(transparentHugepage),
        evidence(ksm),
        evidence(numaBalancing),
        evidence(numa.swap, undefined, ({ used }) => `${formatSize(used)} of swap used`),
      ],
    },
  ];
});

/** Swap that is there and not used has taken nothing away so far. */
function judgeSwap({ swap }: Facts['numa']): Judgement[] {
  if (swap.absent !== undefined || swap.value.used === 0) return [];
  return [
    {
      subject: 'swap',
      result: 'warn',
      sentence: `${formatSize(swap.value.used)} are swapped out; what of it belongs to the application takes milliseconds to come back`,
      evidence: [
        evidence(
          swap,
          'nothing used',
          ({ used, total }) => `${formatSize(used)} of ${formatSize(total)} used`,
        ),
      ],
      remedy: 'swapoff -a, or MemorySwapMax=0 in the unit of the application',
    },
  ];
}

function judgeUnread(tunables: Facts['tunables'], { swap }: Facts['numa']): Judgement[] {
  return hiddenSettings(
    [tunables.transparentHugepage, tunables.ksm, tunables.numaBalancing, swap],
    'whether the kernel moves, merges or swaps memory cannot be read',
  );
}
