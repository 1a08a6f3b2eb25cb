/** The candidate that differs in the fewest letters, if few enough to be what was meant. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates.map((name) => [name, distance(word, name)] as const).sort((a, b) => a[1] - b[1]);
  const best = ranked[0];
  return best !== undefined && best[1] <= Math.max(1, Math.floor(best[0].length / 3)) ? best[0] : undefined;
}

/** Letters to change, add, leave out or swap with the next (optimal string alignment), two rows at a time. */
function distance(a: string, b: string): number {
  const word = a.slice(0, 64);
  let before: readonly number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 0; i < word.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const change = (row[j] ?? 0) + (word[i] === b[j] ? 0 : 1);
      const swapped = i > 0 && j > 0 && word[i] === b[j - 1] && word[i - 1] === b[j];
      const swap = swapped ? (before[j - 1] ?? 0) + 1 : change;
      next.push(Math.min(change, swap, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
}
