import type { Action } from './define.ts';

/** Every action, in the order in which a plan applies them. */
export const ACTIONS: readonly Action[] = [];
