import type { Engine } from './engine.ts';
import { type Deadline, type Journal, readRuns } from './journal.ts';
import { takeBack } from './take-back.ts';

export interface Recovery {
  readonly run: string;
  readonly outcome: 'applied' | 'undone' | 'left';
  readonly sentence: string;
  readonly left: readonly string[];
}

/**
 * Ends what earlier runs could not: those that died in the middle, and those that nobody confirmed in time. To be called
 * under the lock, which every run holds to its end: a run without one has lost its process.
 */
export async function recover(engine: Engine): Promise<Recovery[]> {
  const { host, clock } = engine;
  const found: Recovery[] = [];
  for (const journal of readRuns(host, { host, now: clock.now }).reverse()) {
    if (journal.outcome === undefined) {
      if (!journal.undoing && isDone(engine, journal)) {
        journal.announce({ line: 'end', outcome: 'applied' });
        found.push(report(journal, 'applied', 'had made its last change when it was interrupted', []));
      } else {
        const left = await takeBack(engine, journal, 'interrupted');
        found.push(report(journal, undefined, 'was interrupted', left));
      }
    }
    if (journal.outcome === 'applied' && isOverdue(engine, journal)) {
      const left = await takeBack(engine, journal, 'not confirmed');
      found.push(report(journal, undefined, 'was not confirmed in time', left));
    }
  }
  for (const { sentence } of found) engine.say(sentence);
  return found;
}

/** What `recover` would find to do, for those who may only read. */
export function unfinished(journals: readonly Journal[]): string[] {
  return journals
    .filter(({ outcome }) => outcome === undefined)
    .map(
      ({ header }) => `run ${header.run} has no end: it is at work, or the next apply or undo will end it`,
    );
}

export function isWaiting(journal: Journal): boolean {
  return journal.outcome === 'applied' && journal.deadline !== undefined && !journal.confirmed;
}

/** A reboot before the confirmation counts as none: the new boot may be what nobody can reach. */
export function isPast(clock: Engine['clock'], deadline: Deadline): boolean {
  return deadline.bootId !== clock.bootId || clock.uptime() >= deadline.uptime;
}

function isOverdue({ clock }: Engine, journal: Journal): boolean {
  return isWaiting(journal) && journal.deadline !== undefined && isPast(clock, journal.deadline);
}

function isDone({ actions, host }: Engine, journal: Journal): boolean {
  return journal.header.plan.changes.every((change) => {
    const action = actions.find(({ name }) => name === change.action);
    if (action === undefined || journal.standing.get(change.id) !== 'done') return false;
    try {
      return action.verify(change, host) === undefined;
    } catch {
      // What cannot be read back is not known to be there.
      return false;
    }
  });
}

function report(
  { header: { run } }: Journal,
  applied: 'applied' | undefined,
  what: string,
  left: readonly string[],
): Recovery {
  const outcome = applied ?? (left.length === 0 ? 'undone' : 'left');
  const now = {
    applied: 'it stands as applied',
    undone: 'it is undone',
    left: 'it could not be undone whole',
  };
  return { run, outcome, sentence: `run ${run} ${what}: ${now[outcome]}`, left };
}
