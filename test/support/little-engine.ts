import type { Action } from '../../src/actions/define.ts';
import { actionsWith } from '../../src/actions/index.ts';
import type { Host } from '../../src/host/host.ts';
import type { Change, Plan } from '../../src/plan/change.ts';
import { planChanges } from '../../src/plan/planner.ts';
import type { ResolvedProfile } from '../../src/profile/resolved.ts';
import { factsOf } from './hosts.ts';
import type { KernelSimulator } from './kernel-simulator.ts';

/** The actions with a clock that does not wait. */
export const ACTIONS = actionsWith(async () => {});

const byName = new Map(ACTIONS.map((action) => [action.name, action]));

export function planFor(host: KernelSimulator, profile: ResolvedProfile): Plan {
  return planChanges(factsOf(host), profile, ACTIONS);
}

/** What a journal holds: changes that were begun, through JSON as they would be after a crash. */
export type Begun = string[];

export async function applyAll(changes: readonly Change[], host: Host, begun: Begun): Promise<void> {
  for (const change of changes) {
    begun.push(JSON.stringify(change));
    await actionOf(change).apply(change, host);
    const wrong = actionOf(change).verify(change, host);
    if (wrong !== undefined) throw new Error(`${change.id}: ${wrong}`);
  }
}

export async function revertAll(begun: Begun, host: Host): Promise<string[]> {
  const left: string[] = [];
  for (const text of [...begun].reverse()) {
    const change = JSON.parse(text) as Change;
    await actionOf(change).revert(change, host);
  }
  for (const text of begun) {
    const change = JSON.parse(text) as Change;
    const wrong = actionOf(change).holdsBefore(change, host);
    if (wrong !== undefined) left.push(`${change.id}: ${wrong}`);
  }
  return left;
}

function actionOf(change: Change): Action {
  const action = byName.get(change.action);
  if (action === undefined) throw new Error(`no action ${change.action}`);
  return action;
}
