import type { Action, Note } from '../actions/define.ts';
import type { Facts } from '../probes/facts.ts';
import type { ResolvedProfile } from '../profile/resolved.ts';
import type { Change, Plan } from './change.ts';

/**
 * Pure: what has to be changed on this host, in the order of the actions, which is the order of applying. `onUnmet` hears
 * of the notes that name what the profile asks for and no change brings.
 */
export function planChanges(
  facts: Facts,
  profile: ResolvedProfile,
  actions: readonly Action[],
  onUnmet?: (sentence: string) => void,
): Plan {
  const notes: string[] = [...(profile.notes ?? [])];
  const note: Note = (sentence, kind) => {
    notes.push(sentence);
    if (kind !== undefined) onUnmet?.(sentence);
  };
  const changes = new Map<string, Change>();
  for (const action of actions) {
    for (const step of action.plan({ facts, profile }, note)) {
      const id = `${action.name}:${step.target}`;
      // Two steps for one thing would undo each other; that is a mistake of the action, not of the user.
      if (changes.has(id)) throw new Error(`action ${action.name} plans ${step.target} twice`);
      changes.set(id, { id, action: action.name, ...step });
    }
  }
  return { changes: [...changes.values()], notes };
}
