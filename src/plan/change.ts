/** What an action keeps of a state: small, plain, comparable by its JSON text. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

/**
 * One step of a plan. `before` and `after` are the action's own; `before` holds all that its `revert` needs, so that a
 * journal alone is enough after a crash, and for another version of this program.
 */
export interface Change {
  /** `action:target`, unique in a plan. */
  readonly id: string;
  /** The key of the action in src/actions/index.ts. */
  readonly action: string;
  /** A PCI address, a path, a module: what is changed, in the kernel's own spelling. */
  readonly target: string;
  readonly before: Json;
  readonly after: Json;
  /** `runtime` is gone after a reboot; `persistent` works from the next boot on, or for ever. */
  readonly scope: 'runtime' | 'persistent';
  readonly effect: 'none' | 'link-down' | 'reboot';
  /** One line for people: `bind to vfio-pci (from e1000e)`. */
  readonly summary: string;
  /** What an administrator would type for the same. */
  readonly commands: readonly string[];
}

/** Ordered changes, and what a reader must know although it changes nothing. */
export interface Plan {
  readonly changes: readonly Change[];
  /** Sentences: `0000:3b:00.0 (mlx5_core): correctly not bound; …`. */
  readonly notes: readonly string[];
}
