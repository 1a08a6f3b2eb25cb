import { type CpuSet, formatCpuList, intersect, parseCpuList, subtract } from '../formats/cpu-list.ts';
import { few } from '../formats/few.ts';
import type { Facts } from '../probes/facts.ts';
import type { Judgement } from './define.ts';
import { evidence, userspaceNics } from './evidence.ts';
import { defineCoreCheck } from './isolated.ts';

const WHY =
  'a busy SMT sibling takes half of a core, and a NIC on another node costs some 100 ns for every access to a packet';

const CPU = '/sys/devices/system/cpu';

/** Whether the isolated CPUs are the right ones: whole cores, near the NIC, and something left for everything else. */
export const placementCheck = defineCoreCheck('placement', WHY, (facts, isolated) => {
  const found = [
    ...judgeRemainder(facts.cpu, isolated),
    ...judgeSiblings(facts.cpu, isolated),
    ...judgeKinds(facts.cpu, isolated),
    ...judgeNodes(facts, isolated),
  ];
  if (found.length > 0) return found;
  const near = severalNodes(facts.numa) && userspaceNics(facts.pci.networkFunctions).length > 0;
  return [
    {
      subject: 'host',
      result: 'pass',
      sentence: `the isolated CPUs are whole cores${near ? ', and each data NIC has some on its node' : ''}`,
      evidence: [evidence(facts.cpu.online), { path: CPU, value: `isolated ${formatCpuList(isolated)}` }],
    },
  ];
});

function judgeRemainder({ online }: Facts['cpu'], isolated: CpuSet): Judgement[] {
  if (online.absent !== undefined) return [];
  const rest = subtract(parseCpuList(online.value), isolated);
  if (rest.length === 0) {
    return [
      {
        subject: 'host',
        result: 'fail',
        sentence: 'every CPU is isolated: nothing is left for interrupts, services and the kernel itself',
        evidence: [evidence(online, 'CPUs that are not isolated')],
        remedy: 'leave at least the boot CPU and one more on each node out of the isolated list',
      },
    ];
  }
  if (!isolated.includes(0)) return [];
  return [
    {
      subject: 'CPUs 0',
      result: 'warn',
      sentence: 'the boot CPU is isolated, where the kernel keeps work that it cannot give away',
      evidence: [evidence(online)],
      remedy: 'isolate another CPU in its place',
    },
  ];
}

function judgeSiblings({ cores }: Facts['cpu'], isolated: CpuSet): Judgement[] {
  if (cores.absent !== undefined) {
    const sentence = 'which CPUs share a core cannot be read';
    return [{ subject: 'host', result: 'unknown', sentence, evidence: [evidence(cores)] }];
  }
  // The kernel lists siblings that are online alone.
  const shared = cores.value.flatMap(({ cpus }) => {
    const siblings = parseCpuList(cpus);
    const open = subtract(siblings, isolated);
    return open.length > 0 && open.length < siblings.length ? [{ cpus, open }] : [];
  });
  if (shared.length === 0) return [];
  const open = formatCpuList(shared.flatMap((core) => [...core.open]).sort((a, b) => a - b));
  return [
    {
      subject: `CPUs ${open}`,
      result: 'fail',
      sentence: 'siblings of isolated CPUs, and not isolated: any thread there takes half of the core',
      evidence: shared.slice(0, 5).map((core) => ({
        path: `${CPU}/cpu${core.open[0]}/topology/thread_siblings_list`,
        value: core.cpus,
        expected: 'all of them isolated, or one',
      })),
      remedy: `isolate them too, or take them offline (echo 0 > ${CPU}/cpuN/online)`,
    },
  ];
}

/** Of a hybrid processor: cores that are half as fast, whatever the governor says. */
function judgeKinds({ cores }: Facts['cpu'], isolated: CpuSet): Judgement[] {
  const slow = (cores.value ?? []).filter(
    ({ cpus, kind }) => kind === 'efficient' && intersect(parseCpuList(cpus), isolated).length > 0,
  );
  if (slow.length === 0) return [];
  const cpus = formatCpuList(slow.flatMap((core) => [...parseCpuList(core.cpus)]).sort((a, b) => a - b));
  return [
    {
      subject: `CPUs ${cpus}`,
      result: 'warn',
      sentence: 'isolated, and efficient cores, which are slower than the others',
      evidence: [{ path: '/sys/devices/cpu_atom/cpus', value: cpus, expected: 'performance cores' }],
      remedy: 'isolate performance cores (/sys/devices/cpu_core/cpus) in their place',
    },
  ];
}

const severalNodes = ({ nodes }: Facts['numa']) => (nodes.value?.length ?? 0) > 1;

function judgeNodes({ pci, numa }: Facts, isolated: CpuSet): Judgement[] {
  if (!severalNodes(numa)) return [];
  const nodes = numa.nodes.value ?? [];
  const nics = userspaceNics(pci.networkFunctions);
  const lost = nics.filter((nic) => nic.node.absent !== undefined);
  // Functions of one card are one finding.
  const bare = nodes.flatMap(({ id, cpus }) => {
    const here = nics.filter((nic) => nic.node.value === id);
    return here.length > 0 && intersect(parseCpuList(cpus), isolated).length === 0
      ? [{ id, cpus, here }]
      : [];
  });
  return [
    ...bare.map(
      ({ id, cpus, here }): Judgement => ({
        subject: few(here.map(({ address }) => address)),
        result: 'fail',
        sentence: `on node ${id}, of which no CPU is isolated`,
        evidence: [
          ...here.slice(0, 5).map(({ node }) => evidence(node)),
          {
            path: `/sys/devices/system/node/node${id}/cpulist`,
            value: cpus,
            expected: 'some of them isolated',
          },
        ],
        remedy: `isolate CPUs of node ${id}, or use a NIC on the node of the isolated ones`,
      }),
    ),
    ...(lost.length === 0
      ? []
      : [
          {
            subject: few(lost.map(({ address }) => address)),
            result: 'unknown' as const,
            sentence: 'which node it is on is not known, so neither is whether the isolated CPUs are near',
            evidence: lost.slice(0, 5).map(({ node }) => evidence(node, 'a node')),
            remedy: 'switch "NUMA" on in the firmware, or read where the slot is from its manual',
          },
        ]),
  ];
}
