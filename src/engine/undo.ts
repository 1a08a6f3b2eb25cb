import { EXIT, ToolError } from '../host/errors.ts';
import type { ReadHost } from '../host/host.ts';
import type { RunsReport } from '../report/report.ts';
import { disarm } from './dead-man.ts';
import type { Engine } from './engine.ts';
import { type Deadline, Journal, readRuns } from './journal.ts';
import { isPast, isWaiting, type Recovery, recover } from './recover.ts';
import { settled } from './resume-unit.ts';
import { type TakenBack, takeBack } from './take-back.ts';

export interface UndoResult extends TakenBack {
  readonly outcome: 'nothing' | 'undone' | 'left' | 'confirmed';
  readonly sentence: string;
  readonly run?: string;
  readonly recovered: readonly Recovery[];
}

/** How often the dead-man looks whether it is still needed, and whether the lock is free. */
const LOOK_MS = 1000;

/** Takes a run back; without a name the last one that stands. */
export function undoRun(engine: Engine, name: string | undefined): Promise<UndoResult> {
  return settled(engine, async () => {
    const { host, clock } = engine;
    const recovered = await recover(engine);
    const runs = readRuns(host, { host, now: clock.now });
    const journal = name === undefined ? runs.findLast(stands) : named(runs, name);
    // What was interrupted was the last run, and is undone by now: that is what was asked for.
    const dealt = recovered.find(({ run, outcome }) => outcome !== 'applied' && (name ?? run) === run);
    if (dealt !== undefined) return ending(dealt.run, dealt, recovered);
    if (journal === undefined) return nothing('there is no run to undo', recovered);
    const { run } = journal.header;
    if (!stands(journal)) return { ...nothing(`run ${run} is undone already`, recovered), run };
    refuseWhatIsCovered(journal, runs);
    const back = await takeBack(engine, journal, 'asked');
    if (journal.deadline !== undefined) await disarm(engine, run);
    return ending(run, back, recovered);
  });
}

/** Keeps a run that waits for it; without a name the one there is. */
export function confirmRun(engine: Engine, name: string | undefined): Promise<UndoResult> {
  return settled(engine, async () => {
    const { host, clock, who } = engine;
    const recovered = await recover(engine);
    const runs = readRuns(host, { host, now: clock.now });
    const journal = name === undefined ? (runs.findLast(isWaiting) ?? runs.at(-1)) : named(runs, name);
    if (journal === undefined) return nothing('there is no run to confirm', recovered);
    const { run } = journal.header;
    if (journal.outcome !== 'applied') {
      throw new ToolError('RUN_NOT_APPLIED', `does not stand any more: ${journal.why ?? 'undone'}`, {
        subject: `run ${run}`,
        exitCode: EXIT.refused,
        hint: 'apply the profile again',
      });
    }
    if (!isWaiting(journal)) return { ...nothing(`run ${run} needs no confirmation`, recovered), run };
    journal.announce({ line: 'confirmed', who });
    await disarm(engine, run);
    return { ...nothing(`run ${run} is confirmed and stays`, recovered), outcome: 'confirmed', run };
  });
}

/**
 * The dead-man: waits for the deadline of a run and undoes it unless it was confirmed. It waits for the lock too, because
 * the run it is to undo may be hanging.
 */
export async function undoUnlessConfirmed(
  engine: Engine,
  name: string,
  ready: (deadline: string) => void,
): Promise<UndoResult> {
  const { host, clock } = engine;
  const deadline = named(readRuns(host), name).deadline;
  if (deadline === undefined) return nothing(`run ${name} needs no confirmation`, []);
  ready(deadline.deadline);
  while (isOpen(engine, name) && !isPast(clock, deadline)) {
    // The machine goes down, which is no confirmation: the next start sees to it. A hangup means nothing here.
    if (engine.interrupted() === 'SIGTERM') throw new ToolError('INTERRUPTED', 'SIGTERM ended the wait');
    await sleep(Math.min(LOOK_MS, Math.max(10, secondsUntil(clock, deadline) * 1000)));
  }
  while (isOpen(engine, name)) {
    try {
      return await settled(engine, async () => {
        const recovered = await recover(engine);
        const dealt = recovered.find(({ run }) => run === name);
        if (dealt === undefined) return nothing(`run ${name} needs no undo any more`, recovered);
        return ending(name, dealt, recovered);
      });
    } catch (error) {
      if (!(error instanceof ToolError) || error.exitCode !== EXIT.locked) throw error;
      await sleep(LOOK_MS);
    }
  }
  return nothing(`run ${name} needs no undo any more`, []);
}

/** Every run as `undo --list` shows it. */
export function listRuns(host: ReadHost): RunsReport['runs'] {
  return readRuns(host).map((journal) => {
    const { run, at, command, who, plan } = journal.header;
    const { resumed } = journal;
    const state = isWaiting(journal) ? 'waiting' : (journal.outcome ?? 'unfinished');
    return {
      run,
      at,
      command,
      by: who.sudoUser ?? `uid ${who.uid}`,
      state,
      ...(state === 'waiting' && journal.deadline ? { confirmBy: journal.deadline.deadline } : {}),
      ...(state === 'applied' && resumed ? { afterReboot: { at: resumed.at, wrong: resumed.wrong } } : {}),
      changes: plan.changes.map(({ id, summary }) => ({
        id,
        summary,
        standing: journal.standing.get(id) ?? 'planned',
      })),
    };
  });
}

function stands({ outcome }: Journal): boolean {
  return outcome === 'applied' || outcome === 'left';
}

function named(runs: readonly Journal[], name: string): Journal {
  const journal = runs.find(({ header }) => header.run === name);
  if (journal !== undefined) return journal;
  throw new ToolError('RUN_UNKNOWN', 'there is no such run', {
    subject: JSON.stringify(name),
    exitCode: EXIT.usage,
    hint: 'see: bypass-setup undo --list',
  });
}

/** What a later run did to the same things would be lost, or would not be what its own undo expects. */
function refuseWhatIsCovered(journal: Journal, runs: readonly Journal[]): void {
  const targets = new Set(journal.toRevert().map(({ target }) => target));
  for (const later of runs.slice(runs.indexOf(journal) + 1).reverse()) {
    const shared = stands(later) && later.toRevert().find(({ target }) => targets.has(target));
    if (!shared) continue;
    throw new ToolError(
      'RUN_COVERED',
      `run ${later.header.run} came after it and stands on ${shared.target}`,
      {
        subject: `run ${journal.header.run}`,
        exitCode: EXIT.refused,
        hint: `bypass-setup undo ${later.header.run}`,
      },
    );
  }
}

function ending(run: string, { left, rebootNeeded }: TakenBack, recovered: readonly Recovery[]): UndoResult {
  const common = { run, left, rebootNeeded, recovered };
  if (left.length > 0)
    return { ...common, outcome: 'left', sentence: `run ${run} could not be undone whole` };
  const rest = rebootNeeded ? '; the next boot completes it' : '';
  return { ...common, outcome: 'undone', sentence: `run ${run} is undone${rest}` };
}

function nothing(sentence: string, recovered: readonly Recovery[]): UndoResult {
  return { outcome: 'nothing', sentence, recovered, left: [], rebootNeeded: false };
}

function isOpen({ host }: Engine, name: string): boolean {
  const journal = Journal.read(host, name);
  return journal !== undefined && (journal.outcome === undefined || isWaiting(journal));
}

function secondsUntil(clock: Engine['clock'], { uptime }: Deadline): number {
  return uptime - clock.uptime();
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
