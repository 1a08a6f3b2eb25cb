import { type CpuSet, formatCpuList, intersect, keepOff, parseCpuList } from '../formats/cpu-list.ts';
import type { ReadHost } from '../host/host.ts';
import { defineAction } from './define.ts';
import { keepRefused, printRefused, readRefused, refusedNow, tryWrite } from './refused.ts';

const IRQ = '/proc/irq';
const KEY = 'irq-affinity';
const BOOT_ID = '/proc/sys/kernel/random/boot_id';

type Before = {
  /** smp_affinity_list of each interrupt that is to be moved. */
  readonly each: Readonly<Record<string, string>>;
  /** Interrupts that were there: one that comes later has nothing to go back to. */
  readonly bootId: string | null;
  readonly refused: string | null;
};

type After = { readonly cpus: { readonly isolated: string; readonly housekeeping: string } };

/** The kernel manages them itself, or the chip has no choice (kernel/irq/proc.c, write_irq_affinity). */
const UNMOVABLE = ['EIO', 'EPERM'];

/**
 * Takes the isolated CPUs out of the affinity of every interrupt, also of those that only come while the plan is made
 * true: a driver that starts a device anew asks for new ones. What an interrupt loses is what it had, and not the default.
 */
export const irqAffinityAction = defineAction({
  name: KEY,

  plan({ facts, profile: { cores, moveInterrupts } }, note) {
    const { interrupts, refused } = facts.settings;
    if (cores === undefined || !moveInterrupts) return [];
    if (interrupts.absent !== undefined) {
      note(`interrupts are not moved: ${interrupts.reason} (${interrupts.from})`);
      return [];
    }
    const isolated = parseCpuList(cores.isolated);
    const unmovable = readRefused(refused[KEY]);
    const onIsolated = Object.entries(interrupts.value).filter(
      ([, { wanted }]) => intersect(parseCpuList(wanted), isolated).length > 0,
    );
    for (const [irq] of onIsolated) {
      const effective = interrupts.value[irq]?.effective ?? '';
      if (!unmovable.has(irq) || intersect(parseCpuList(effective), isolated).length === 0) continue;
      const row = facts.interrupts.lines.value?.find((line) => line.irq === Number(irq));
      note(
        `interrupt ${irq}${row === undefined ? '' : ` (${row.description})`} stays on CPU ${effective}: the kernel moves it by no command; isolcpus=managed_irq keeps a managed one quiet`,
      );
    }
    const movable = onIsolated.filter(([irq]) => !unmovable.has(irq));
    if (movable.length === 0) return [];
    const kept = refused[KEY];
    const before: Before = {
      each: Object.fromEntries(movable.map(([irq, { wanted }]) => [irq, wanted])),
      bootId: facts.kernel.bootId.value ?? null,
      refused: kept === undefined ? null : `${kept}\n`,
    };
    const after: After = { cpus: { isolated: cores.isolated, housekeeping: cores.housekeeping } };
    return [
      {
        target: IRQ,
        before,
        after,
        scope: 'runtime',
        effect: 'none',
        summary: `keep ${movable.length} of ${Object.keys(interrupts.value).length} interrupts off CPUs ${cores.isolated}`,
        commands: movable.map(([irq, { wanted }]) => `echo ${moved(wanted, after)} > ${pathOf(irq)}`),
      },
    ];
  },

  async apply(change, host) {
    const after = change.after as After;
    const refused = new Map(refusedNow(host, KEY));
    for (const irq of touching(host, after.cpus.isolated)) {
      if (refused.has(irq)) continue;
      const errno = tryWrite(host, pathOf(irq), moved(listOf(host, irq) ?? '', after), UNMOVABLE);
      if (errno !== undefined) refused.set(irq, errno);
    }
    keepRefused(host, KEY, printRefused(refused));
  },

  verify(change, host) {
    const { isolated } = (change.after as After).cpus;
    const refused = refusedNow(host, KEY);
    const left = touching(host, isolated).filter((irq) => !refused.has(irq));
    return left.length === 0 ? undefined : `interrupts ${left.join(', ')} may still come to CPUs ${isolated}`;
  },

  async revert(change, host) {
    const { each, refused } = change.before as Before;
    // What this boot's unit was refused (isolation-script.ts).
    if (isLater(host, change.before as Before)) return keepRefused(host, KEY, null);
    for (const [irq, list] of Object.entries(each)) {
      const now = listOf(host, irq);
      if (now !== undefined && now !== list) tryWrite(host, pathOf(irq), list, UNMOVABLE);
    }
    keepRefused(host, KEY, refused);
  },

  holdsBefore(change, host) {
    const { each } = change.before as Before;
    if (isLater(host, change.before as Before)) return undefined;
    const wrong = Object.entries(each).find(([irq, list]) => (listOf(host, irq) ?? list) !== list);
    return wrong && `interrupt ${wrong[0]} is on CPUs ${listOf(host, wrong[0])}, not ${wrong[1]}`;
  },
});

const pathOf = (irq: string) => `${IRQ}/${irq}/smp_affinity_list`;

function listOf(host: ReadHost, irq: string): string | undefined {
  const text = host.readText(pathOf(irq));
  return text === undefined ? undefined : formatCpuList(parseCpuList(text));
}

function touching(host: ReadHost, isolated: string): string[] {
  const cpus: CpuSet = parseCpuList(isolated);
  const numbers = (host.list(IRQ) ?? []).filter((name) => /^\d+$/.test(name));
  return numbers.filter((irq) => intersect(parseCpuList(listOf(host, irq) ?? ''), cpus).length > 0);
}

function moved(list: string, { cpus: { isolated, housekeeping } }: After): string {
  return formatCpuList(keepOff(parseCpuList(list), parseCpuList(isolated), parseCpuList(housekeeping)));
}

/** Another boot has other interrupts: there is nothing to put back. */
function isLater(host: ReadHost, { bootId }: Before): boolean {
  return bootId !== (host.readText(BOOT_ID)?.trim() ?? null);
}
