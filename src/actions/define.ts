import type { Host, ReadHost } from '../host/host.ts';
import type { Change } from '../plan/change.ts';
import type { Facts } from '../probes/facts.ts';
import type { ResolvedProfile } from '../profile/resolved.ts';

export interface PlanContext {
  readonly facts: Facts;
  readonly profile: ResolvedProfile;
}

/** `unmet` says that the profile asks for it and that no step brings it. */
export type Note = (sentence: string, unmet?: 'unmet') => void;

/** What the planner makes a `Change` of: the action's name and the id are put to it. */
export type Step = Omit<Change, 'id' | 'action'>;

/**
 * One kind of change: plan, apply, verify and revert together. Everything but `plan` works on the change and the host
 * alone. The host that it is given journals each write before it is made.
 */
export interface Action {
  readonly name: string;
  /** Pure. What is already right gives no step. `note` is for what a reader must know although nothing is changed. */
  plan(context: PlanContext, note: Note): Step[];
  /** Makes `after` true. Throws a ToolError where the kernel refuses; it need not clean up: `revert` does. */
  apply(change: Change, host: Host): Promise<void>;
  /** Reads the host back: undefined when `after` holds, else what is there instead, as a sentence. */
  verify(change: Change, host: Host): string | undefined;
  /**
   * Makes `before` true again from any state that `apply` can leave, also after a crash in the middle of it or of an
   * earlier revert. Doing it again is harmless. Runtime changes that a reboot erased are not reverted: the engine
   * knows by the boot id and asks only `holdsBefore`.
   */
  revert(change: Change, host: Host): Promise<void>;
  /**
   * What the next boot shall bring, where `verify` sees only that it was asked for: undefined when it is in effect in the
   * boot that runs now, else what is there instead, as a sentence.
   */
  inForce?(change: Change, host: ReadHost): string | undefined;
  /** Reads the host back: undefined when `before` holds, else what is left, as a sentence. */
  holdsBefore(change: Change, host: Host): string | undefined;
}

export function defineAction(action: Action): Action {
  return action;
}
