import type { Action } from '../actions/define.ts';
import { changeTitle } from '../formats/change-title.ts';
import { ToolError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import type { Change } from '../plan/change.ts';
import { type Engine, hostBootId } from './engine.ts';
import type { Journal } from './journal.ts';
import { JournalHost } from './journal-host.ts';
import type { UndoReason } from './journal-lines.ts';

export interface TakenBack {
  /** A sentence for each thing that is still there. */
  readonly left: readonly string[];
  /** What a reboot brought is gone with the next one only. */
  readonly rebootNeeded: boolean;
}

/**
 * Takes back, last first, whatever the run may have changed, and ends it. It does not stop at what it cannot take back,
 * and no signal stops it.
 */
export async function takeBack(engine: Engine, journal: Journal, why: UndoReason): Promise<TakenBack> {
  const { host, actions, pid, who, tool } = engine;
  const bootId = hostBootId(host);
  journal.tell({ line: 'undo', pid, ...(bootId === undefined ? {} : { bootId }), who, tool, why });
  const rebooted = bootId !== journal.header.bootId;
  const writing = new JournalHost(host, (command) => journal.tell({ line: 'write', command }));
  const left: string[] = [];
  const changes = journal.toRevert();
  for (const change of changes) {
    const action = actions.find(({ name }) => name === change.action);
    journal.tell({ line: 'revert', change: change.id });
    const sentence =
      action === undefined
        ? `this version knows no action ${change.action}`
        : await revert(action, change, writing, rebooted && change.scope === 'runtime');
    if (sentence === undefined) {
      journal.tell({ line: 'reverted', change: change.id });
      engine.say(`taken back: ${changeTitle(change)}`);
    } else {
      journal.tell({ line: 'left', change: change.id, sentence });
      left.push(`${change.target}: ${sentence}`);
    }
  }
  journal.tell({ line: 'end', outcome: left.length === 0 ? 'undone' : 'left' });
  if (journal.broken !== undefined) {
    engine.say(`the journal could not be written (${journal.broken}): the next start takes back once more`);
  }
  return { left, rebootNeeded: rebooted && changes.some(({ effect }) => effect === 'reboot') };
}

/** Why the change is still there, or undefined when `before` holds. */
async function revert(
  action: Action,
  change: Change,
  host: Host,
  erased: boolean,
): Promise<string | undefined> {
  try {
    // The reboot took it back, unless something made it again; what is neither before nor after is not ours to touch.
    if (erased) {
      const wrong = action.holdsBefore(change, host);
      if (wrong === undefined || action.verify(change, host) !== undefined) return wrong;
    }
    await action.revert(change, host);
    return action.holdsBefore(change, host);
  } catch (error) {
    if (!(error instanceof ToolError)) return String(error);
    const { subject = change.target, message } = error;
    return subject === change.target ? message : `${subject}: ${message}`;
  }
}
