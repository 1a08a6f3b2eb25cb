import type { Engine } from './engine.ts';
import { type Deadline, type Journal, readRuns } from './journal.ts';
import { type TakenBack, takeBack } from './take-back.ts';

export interface Recovery extends TakenBack {
  readonly run: string;
  readonly outcome: 'applied' | 'undone' | 'left';
  readonly sentence: string;
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
        found.push(report(journal, 'was interrupted after its last change'));
      } else found.push(report(journal, 'was interrupted', await takeBack(engine, journal, 'interrupted')));
    }
    if (journal.outcome === 'applied' && isOverdue(engine, journal)) {
      const back = await takeBack(engine, journal, 'not confirmed');
      found.push(report(journal, 'was not confirmed in time', back));
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

function report(journal: Journal, what: string, back?: TakenBack): Recovery {
  const { run } = journal.header;
  if (back === undefined) {
    const sentence = `run ${run} ${what}: it stands as applied`;
    return { run, outcome: 'applied', sentence, left: [], rebootNeeded: false };
  }
  const outcome = back.left.length === 0 ? 'undone' : 'left';
  const now = outcome === 'undone' ? 'it is undone' : 'it could not be undone whole';
  return { run, outcome, sentence: `run ${run} ${what}: ${now}`, ...back };
}
