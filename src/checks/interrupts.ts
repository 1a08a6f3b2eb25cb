import { type CpuSet, formatCpuList, intersect, parseCpuList, subtract, union } from '../formats/cpu-list.ts';
import type { Fact, Facts } from '../probes/facts.ts';
import type { Judgement } from './define.ts';
import { evidence } from './evidence.ts';
import { defineCoreCheck } from './isolated.ts';

const WHY = 'an interrupt on the CPU of a poll loop stops it for 1 to 20 µs, at a moment nobody chooses';

/** Enough to see the pattern; the JSON of `probe` has all. */
const SHOWN = 5;

/**
 * Drivers that have the kernel spread their interrupts (PCI_IRQ_AFFINITY), by the names they give them: then user space
 * cannot move them. The queue of administration, nvme0q0, is an ordinary one.
 */
const MANAGED =
  /(?:^| )(?:nvme\d+q[1-9]\d*|virtio\d+-req\S*|(?:megasas|mpt[23]sas|mpi3mr|hpsa|smartpqi)\S*)$/;

type Line = NonNullable<Facts['interrupts']['lines']['value']>[number];

export const interruptsCheck = defineCoreCheck('interrupts', WHY, (facts, isolated) => [
  ...judgeLines(facts.interrupts, isolated),
  ...judgeDefault(facts.interrupts, isolated),
  ...judgeBalancer(facts, isolated),
]);

function judgeLines({ lines }: Facts['interrupts'], isolated: CpuSet): Judgement[] {
  if (lines.absent !== undefined || lines.value.length === 0) {
    const sentence = 'interrupts cannot be read';
    return [{ subject: 'host', result: 'unknown', sentence, evidence: [evidence(lines)] }];
  }
  const intruders = lines.value.filter((line) => hits(line.affinity.value, isolated).length > 0);
  const stay = intruders.filter((line) => staysByDesign(line, isolated));
  const maybe = intruders.filter(({ description, mask }) => MANAGED.test(description) && mask === null);
  const wrong = intruders.filter((line) => !stay.includes(line) && !maybe.includes(line));
  const hidden = [...maybe, ...lines.value.filter((line) => line.affinity.absent !== undefined)];
  const managed = judgeManaged(stay, isolated);
  if (wrong.length > 0) return [judgeIntruders(wrong, isolated), ...managed];
  if (hidden.length > 0) {
    const sentence = `where ${hidden.length} of ${lines.value.length} interrupts may go cannot be read`;
    const seen = hidden.slice(0, SHOWN).map((line) => evidence(line.affinity));
    return [
      { subject: 'host', result: 'unknown', sentence, evidence: seen, remedy: 'run as root' },
      ...managed,
    ];
  }
  if (managed.length > 0) return managed;
  return [
    {
      subject: 'host',
      result: 'pass',
      sentence: `none of ${lines.value.length} interrupts goes to CPUs ${formatCpuList(isolated)}`,
      evidence: [{ path: '/proc/irq/*/effective_affinity_list', value: 'housekeeping CPUs only' }],
    },
  ];
}

const hits = (list: string | null | undefined, isolated: CpuSet) =>
  intersect(isolated, parseCpuList(list ?? ''));

/**
 * A managed interrupt whose mask holds isolated CPUs alone fires only for what a thread on one of them has asked the
 * device for (Documentation/admin-guide/kernel-parameters.txt, isolcpus=managed_irq).
 */
function staysByDesign({ description, mask }: Line, isolated: CpuSet): boolean {
  return MANAGED.test(description) && mask !== null && subtract(parseCpuList(mask), isolated).length === 0;
}

function judgeManaged(lines: readonly Line[], isolated: CpuSet): Judgement[] {
  const [first] = lines;
  if (first === undefined) return [];
  const fired = lines.filter((line) => hits(line.cpus, isolated).length > 0);
  const shown = fired.length > 0 ? fired : lines;
  const where = reached(shown, isolated);
  const many = shown.length === 1 ? 'an interrupt' : `${shown.length} interrupts`;
  const judged = {
    subject: `CPUs ${where}`,
    evidence: shown.slice(0, SHOWN).map((line) => ({
      path: line.affinity.from,
      value: `${line.affinity.value} (${line.description}), counted on CPUs ${line.cpus || '(none)'}`,
    })),
  };
  if (fired.length === 0) {
    const sentence = `${many} that the kernel manages stay${shown.length === 1 ? 's' : ''} there, rightly: only I/O started there raises them, and none was`;
    return [{ ...judged, result: 'pass', sentence }];
  }
  return [
    {
      ...judged,
      result: 'warn',
      sentence: `${many} that the kernel manages came there since boot: a thread there has used the disk`,
      remedy: 'keep reads and writes of files off the isolated CPUs, and let another thread do them',
    },
  ];
}

function judgeIntruders(lines: readonly Line[], isolated: CpuSet): Judgement {
  const managed = lines.every(({ description }) => MANAGED.test(description));
  return {
    subject: `CPUs ${reached(lines, isolated)}`,
    result: 'fail',
    sentence: `${lines.length === 1 ? 'an interrupt goes' : `${lines.length} interrupts go`} there, although isolated`,
    evidence: lines.slice(0, SHOWN).map((line) => ({
      path: line.affinity.from,
      value: `${line.affinity.value} (${line.description})`,
      expected: `none of ${formatCpuList(isolated)}`,
    })),
    remedy: managed
      ? 'boot with isolcpus=managed_irq,domain,LIST: the kernel alone can move these'
      : 'write a housekeeping list to /proc/irq/*/smp_affinity_list; managed ones need isolcpus=managed_irq',
  };
}

function reached(lines: readonly Line[], isolated: CpuSet): string {
  return formatCpuList(
    lines.reduce<CpuSet>((all, line) => union(all, hits(line.affinity.value, isolated)), []),
  );
}

function judgeDefault({ defaultAffinity }: Facts['interrupts'], isolated: CpuSet): Judgement[] {
  const hit = hits(defaultAffinity.value, isolated);
  if (hit.length === 0) return [];
  return [
    {
      subject: `CPUs ${formatCpuList(hit)}`,
      result: 'warn',
      sentence: 'interrupts of a device that comes up later start there',
      evidence: [evidence(defaultAffinity, `none of ${formatCpuList(isolated)}`)],
      remedy: `write a mask without them to ${defaultAffinity.from}, and irqaffinity=REST to the boot line`,
    },
  ];
}

/** With an empty list it bans what is isolated at boot or in nohz_full by itself (irqbalance, cputree.c, setup_banned_cpus). */
function judgeBalancer({ services, isolation }: Facts, isolated: CpuSet): Judgement[] {
  const unit = services.units.value?.find(({ name }) => name === 'irqbalance.service');
  const runs = unit?.running ?? unit?.enabled;
  if (unit === undefined || (runs !== true && !unit.enabled)) return [];
  const { irqbalanceBanned: banned } = services;
  const judged = {
    subject: unit.name,
    evidence: [
      { path: unit.evidence, value: runs ? 'running' : 'enabled' },
      evidence(banned, bannedList(isolated)),
    ],
  };
  if (banned.absent !== undefined && banned.absent !== 'missing') {
    return [
      { ...judged, result: 'unknown', sentence: 'runs, and which CPUs it leaves alone cannot be read' },
    ];
  }
  const spared = banned.absent === undefined ? parseCpuList(banned.value) : bannedByItself(isolation);
  const exposed = formatCpuList(subtract(isolated, spared));
  if (exposed === '') return [];
  return [
    {
      ...judged,
      result: runs ? 'fail' : 'warn',
      sentence: runs
        ? `runs, and moves interrupts to CPUs ${exposed} when it likes`
        : `is enabled: from the next boot on it moves interrupts to CPUs ${exposed}`,
      remedy: `set ${bannedList(isolated)} in ${banned.from} and restart it, or systemctl disable --now irqbalance`,
    },
  ];
}

const bannedList = (isolated: CpuSet) => `IRQBALANCE_BANNED_CPULIST=${formatCpuList(isolated)}`;

function bannedByItself({ isolated, nohzFull }: Facts['isolation']): CpuSet {
  const cpus = (fact: Fact<string>) => parseCpuList(fact.value ?? '');
  return union(cpus(isolated), cpus(nohzFull));
}
