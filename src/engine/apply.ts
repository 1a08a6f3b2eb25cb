import { changeTitle } from '../formats/change-title.ts';
import { EXIT, ToolError } from '../host/errors.ts';
import type { Change } from '../plan/change.ts';
import { arm, deadlineIn, disarm } from './dead-man.ts';
import { type Engine, hostBootId, turn } from './engine.ts';
import { Journal, nextRun, readRuns } from './journal.ts';
import { JournalHost } from './journal-host.ts';
import { isPast, isWaiting, type Recovery, recover } from './recover.ts';
import { needsReboot, settled, spreadResume } from './resume-unit.ts';
import { type Survey, survey, type Wish } from './survey.ts';
import { takeBack } from './take-back.ts';

export interface ApplyRequest extends Wish {
  /** Seconds until the run is undone unless it is confirmed. */
  readonly confirmWithin?: number;
  /** Refuses a survey that is not what was asked for. */
  check(found: Survey): Promise<void>;
  /** Shows the plan; false when the answer is no. `asked` when a person was asked, and time has passed. */
  approve(found: Survey): { readonly yes: boolean; readonly asked: boolean };
}

export interface ApplyResult {
  readonly outcome: 'nothing' | 'refused' | 'declined' | 'applied' | 'undone' | 'left';
  readonly found: Survey;
  readonly recovered: readonly Recovery[];
  readonly run?: string;
  /** What could not be taken back. */
  readonly left: readonly string[];
  readonly error?: unknown;
  readonly rebootNeeded: boolean;
  readonly confirmBy?: string;
}

/** One transaction: everything that the profile asks for, or nothing. */
export function applyProfile(engine: Engine, request: ApplyRequest): Promise<ApplyResult> {
  return settled(engine, async () => {
    const recovered = await recover(engine);
    refuseWhatIsOpen(engine, recovered);
    const found = survey(engine.host, engine.actions, request);
    await request.check(found);
    const unchanged = { found, recovered, left: [], rebootNeeded: false };
    if (found.plan.changes.length === 0)
      return { ...unchanged, outcome: 'nothing', rebootNeeded: waitsForReboot(engine) };
    if (found.refusals.length > 0) return { ...unchanged, outcome: 'refused' };
    const { yes, asked } = request.approve(found);
    if (!yes) return { ...unchanged, outcome: 'declined' };
    if (asked) refuseWhatChanged(found, survey(engine.host, engine.actions, request));
    return { ...unchanged, ...(await transact(engine, request, found)) };
  });
}

type Transaction = Pick<ApplyResult, 'outcome' | 'run' | 'left' | 'error' | 'rebootNeeded' | 'confirmBy'>;

async function transact(engine: Engine, request: ApplyRequest, { plan }: Survey): Promise<Transaction> {
  const { host, clock, pid, who, command, tool } = engine;
  const run = nextRun(host, clock.now());
  const bootId = hostBootId(host);
  const journal = Journal.create(host, clock.now, {
    tool,
    run,
    command,
    pid,
    who,
    allowActive: request.allowActive,
    plan,
    ...(bootId === undefined ? {} : { bootId }),
  });
  try {
    spreadResume(engine, journal);
    if (request.confirmWithin !== undefined) {
      journal.announce({ line: 'confirm-by', ...deadlineIn(request.confirmWithin, clock) });
      await arm(engine, run, request.confirmWithin);
    }
    for (const change of plan.changes) await applyChange(engine, journal, change);
    // A profile that is applied asks for nothing more, but for what only a reboot brings.
    const still = survey(host, engine.actions, request).plan.changes.filter(
      ({ id, effect }) => effect !== 'reboot' || journal.standing.get(id) !== 'done',
    );
    if (still.length > 0) throw notConverged(still);
    await stopIfAsked(engine, journal);
    journal.announce({ line: 'end', outcome: 'applied' });
  } catch (error) {
    const { left } = await takeBack(engine, journal, 'failed');
    if (journal.deadline !== undefined) await disarm(engine, run);
    return { outcome: left.length === 0 ? 'undone' : 'left', run, left, error, rebootNeeded: false };
  }
  const rebootNeeded = plan.changes.some(({ effect }) => effect === 'reboot');
  const confirmBy = journal.deadline === undefined ? {} : { confirmBy: journal.deadline.deadline };
  return { outcome: 'applied', run, left: [], rebootNeeded, ...confirmBy };
}

async function applyChange(engine: Engine, journal: Journal, change: Change): Promise<void> {
  const { host, actions } = engine;
  await stopIfAsked(engine, journal);
  const action = actions.find(({ name }) => name === change.action);
  if (action === undefined) throw new Error(`no action ${change.action}`);
  journal.announce({ line: 'begin', change: change.id });
  try {
    const writing = new JournalHost(host, (command) => journal.announce({ line: 'write', command }));
    await action.apply(change, writing);
    const wrong = action.verify(change, host);
    if (wrong !== undefined) throw new ToolError('NOT_VERIFIED', wrong, { subject: change.target });
  } catch (error) {
    journal.tell({ line: 'failed', change: change.id, error: String(error) });
    throw error;
  }
  journal.announce({ line: 'done', change: change.id });
  engine.say(`done: ${changeTitle(change)}`);
}

/** Between two changes, never in one. */
async function stopIfAsked(engine: Engine, { deadline }: Journal): Promise<void> {
  await turn();
  const signal = engine.interrupted();
  if (signal !== undefined) throw new ToolError('INTERRUPTED', `${signal} came before the end`);
  if (deadline !== undefined && isPast(engine.clock, deadline)) {
    throw new ToolError('TOO_LATE', 'the time to confirm was over before the last change was made', {
      hint: 'give --confirm-within more time',
    });
  }
}

/** Whether something that was applied in this boot works only after the next. */
function waitsForReboot({ host, clock }: Engine): boolean {
  const bootId = hostBootId(host);
  return readRuns(host, { host, now: clock.now }).some(
    (journal) => needsReboot(journal) && journal.header.bootId === bootId,
  );
}

function refuseWhatIsOpen(engine: Engine, recovered: readonly Recovery[]): void {
  const left = recovered.flatMap((recovery) => recovery.left);
  if (left.length > 0) {
    throw new ToolError(
      'RECOVERY_INCOMPLETE',
      `an earlier run could not be undone whole: ${left.join('; ')}`,
      {
        exitCode: EXIT.notUndone,
        hint: 'remove what is in the way and run: bypass-setup undo',
      },
    );
  }
  const waiting = readRuns(engine.host).find(isWaiting);
  if (waiting === undefined) return;
  throw new ToolError('RUN_UNCONFIRMED', `waits to be confirmed until ${waiting.deadline?.deadline}`, {
    subject: `run ${waiting.header.run}`,
    exitCode: EXIT.refused,
    hint: 'bypass-setup confirm, or bypass-setup undo',
  });
}

function refuseWhatChanged(shown: Survey, now: Survey): void {
  // The reasons of a refusal name connections, which come and go.
  const view = ({ plan, refusals }: Survey) => JSON.stringify([plan, refusals.map(({ target }) => target)]);
  if (view(shown) === view(now)) return;
  throw new ToolError('PLAN_STALE', 'the host changed while the question stood', {
    exitCode: EXIT.refused,
    hint: 'look at the plan again',
  });
}

function notConverged(still: readonly Change[]): ToolError {
  const list = still.map(changeTitle).join('; ');
  return new ToolError('NOT_CONVERGED', `after all changes there would be more to do: ${list}`, {
    hint: 'something else changes this host at the same time, or this is a defect',
  });
}
