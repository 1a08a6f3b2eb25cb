const SHOWN = 4;

/** The first of a list by name and the others by number, so that a sentence stays one. */
export function few(names: readonly string[]): string {
  if (names.length <= SHOWN) return names.join(', ');
  return `${names.slice(0, SHOWN - 1).join(', ')} and ${names.length - SHOWN + 1} more`;
}
