/** What a change makes different, for people: of an action's `before` and `after` only what they can read. */
export interface Difference {
  /** The field; empty where the two are plain values themselves. */
  readonly name: string;
  readonly from: Plain;
  readonly to: Plain;
}

type Plain = null | boolean | number | string | undefined;

/** What is wanted and is otherwise: of an object its plain fields. The rest is the action's own, for its undo. */
export function changeDifferences(before: unknown, after: unknown): Difference[] {
  if (!isObject(after)) {
    return isPlain(before) && isPlain(after) ? [{ name: '', from: before, to: after }] : [];
  }
  const was = isObject(before) ? before : {};
  return Object.entries(after).flatMap(([name, to]): Difference[] => {
    const from = was[name];
    return isPlain(to) && isPlain(from) && (from ?? null) !== to ? [{ name, from, to }] : [];
  });
}

function isPlain(value: unknown): value is Plain {
  return typeof value !== 'object' || value === null;
}

function isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return !isPlain(value) && !Array.isArray(value);
}
