import { type CpuSet, formatCpuList, intersect, parseCpuList, subtract } from '../formats/cpu-list.ts';
import { few } from '../formats/few.ts';
import type { Facts } from '../probes/facts.ts';
import type { Judgement } from './define.ts';
import { evidence, hiddenNics, userspaceNics } from './evidence.ts';
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
    ...hiddenNics(facts.pci.networkFunctions),
    ...judgeNodes(facts, isolated),
    ...judgeThreads(facts.userspaceIo, isolated),
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

/** Percent of its life that a thread runs which polls; one that waits for packets or timers is far below. */
const POLLING = 50;

/** Where the application that holds the NICs really is; nothing where it does not run, or where only root can see it. */
function judgeThreads({ threads }: Facts['userspaceIo'], isolated: CpuSet): Judgement[] {
  const all = threads.value ?? [];
  const polls = all.filter(({ busy }) => busy >= POLLING);
  const seen = (some: Threads) =>
    some.slice(0, 5).map(({ pid, thread, name, cpu, busy }) => ({
      path: `/proc/${pid}/task/${thread}/stat`,
      value: `${name} on CPU ${cpu}, runs ${busy} % of the time`,
    }));
  const astray = polls.filter(({ cpu }) => !isolated.includes(cpu));
  const found: Judgement[] = [];
  if (astray.length > 0) {
    found.push({
      subject: few(programsOf(astray)),
      result: 'warn',
      sentence: `polls on CPUs ${cpusOf(astray)}, which are not isolated`,
      evidence: seen(astray),
      remedy: 'start it with its lcores on isolated CPUs (EAL -l, --lcores)',
    });
  }
  for (const cpu of isolated) {
    const here = all.filter((thread) => thread.cpu === cpu);
    const loops = here.filter((thread) => polls.includes(thread));
    if (loops.length === 0 || here.length < 2) continue;
    found.push({
      subject: `CPUs ${cpu}`,
      result: loops.length > 1 ? 'fail' : 'warn',
      sentence:
        loops.length > 1
          ? `${loops.length} poll loops share it: ${few(programsOf(loops))}`
          : `a poll loop of ${few(programsOf(loops))} shares it with threads that wait: ${few(here.filter((thread) => !loops.includes(thread)).map(({ name }) => name))}`,
      evidence: seen(here),
      remedy: 'give each poll loop a CPU of its own, and the other threads housekeeping CPUs',
    });
  }
  return found;
}

type Threads = NonNullable<Facts['userspaceIo']['threads']['value']>;

const programsOf = (threads: Threads) => [
  ...new Set(threads.map(({ program, pid }) => `${program}[${pid}]`)),
];
const cpusOf = (threads: Threads) =>
  formatCpuList([...new Set(threads.map(({ cpu }) => cpu))].sort((a, b) => a - b));

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
