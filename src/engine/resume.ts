import { NOTICE } from '../formats/own-files.ts';
import type { Change } from '../plan/change.ts';
import { type Engine, hostBootId } from './engine.ts';
import { type Journal, readRuns } from './journal.ts';
import { type Recovery, recover } from './recover.ts';
import { needsReboot, settled } from './resume-unit.ts';

interface Resumed {
  readonly run: string;
  /** What is not in force, one sentence each. */
  readonly wrong: readonly string[];
}

export interface ResumeResult {
  readonly outcome: 'nothing' | 'verified' | 'not-in-force' | 'recovered' | 'left';
  readonly sentence: string;
  readonly runs: readonly Resumed[];
  readonly recovered: readonly Recovery[];
  readonly left: readonly string[];
  readonly rebootNeeded: boolean;
}

/**
 * What a boot owes to the runs before it: those that it interrupted, or that nobody confirmed, are ended, and what
 * works only after a reboot is looked at. It never reboots.
 */
export function resumeRuns(engine: Engine): Promise<ResumeResult> {
  return settled(engine, async () => {
    const { host, clock } = engine;
    const recovered = await recover(engine);
    const bootId = hostBootId(host);
    const all = readRuns(host, { host, now: clock.now });
    const runs = all
      .filter((journal) => needsReboot(journal) && journal.header.bootId !== bootId)
      .map((journal): Resumed => {
        const later = all.slice(all.indexOf(journal) + 1).flatMap((other) => other.toRevert());
        const wrong = notInForce(engine, journal, new Set(later.map(({ target }) => target)));
        journal.announce({ line: 'resumed', ...(bootId === undefined ? {} : { bootId }), wrong });
        return { run: journal.header.run, wrong };
      });
    const result = conclude(runs, recovered);
    if (result.outcome !== 'nothing') host.replaceFile(NOTICE, `${result.sentence}\n`, 0o644);
    return result;
  });
}

/** What a later run has changed again is that one's. */
function notInForce({ host, actions }: Engine, journal: Journal, covered: ReadonlySet<string>): string[] {
  return journal.header.plan.changes.flatMap((change: Change) => {
    const action = actions.find(({ name }) => name === change.action);
    const persistent = change.scope === 'persistent' || change.effect === 'reboot';
    if (action === undefined || !persistent || covered.has(change.target)) return [];
    try {
      const wrong = action.verify(change, host) ?? action.inForce?.(change, host);
      return wrong === undefined ? [] : [`${change.target}: ${wrong}`];
    } catch (error) {
      // What cannot be read is not known to be in force.
      return [`${change.target}: ${error instanceof Error ? error.message : String(error)}`];
    }
  });
}

function conclude(runs: readonly Resumed[], recovered: readonly Recovery[]): ResumeResult {
  const left = recovered.flatMap((recovery) => recovery.left);
  const rebootNeeded = recovered.some((recovery) => recovery.rebootNeeded);
  const wrong = runs.filter((run) => run.wrong.length > 0);
  const sentences = [
    ...recovered.map(({ sentence }) => sentence),
    ...runs.map((run) =>
      run.wrong.length === 0
        ? `run ${run.run} is in force after the reboot`
        : `run ${run.run} is not in force after the reboot: ${run.wrong.join('; ')}`,
    ),
    ...(rebootNeeded ? ['another reboot completes the undo'] : []),
  ];
  const outcome =
    left.length > 0
      ? 'left'
      : wrong.length > 0
        ? 'not-in-force'
        : runs.length > 0
          ? 'verified'
          : recovered.length > 0
            ? 'recovered'
            : 'nothing';
  const sentence = sentences.length === 0 ? 'there is nothing to resume' : sentences.join('; ');
  return { outcome, sentence, runs, recovered, left, rebootNeeded };
}
