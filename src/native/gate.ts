/** One run's place at a gate. */
export interface Place {
  /** The run is set up; `go` lets its window begin. */
  arrive(go: () => void): void;
  /** The run has ended, perhaps before it arrived: the others need not wait for it. */
  leave(): void;
}

/** Lets several runs begin their measured windows together, so that none of them sees another one start. */
export function openGate(runs: number): Place[] {
  const waiting: (() => void)[] = [];
  let missing = runs;
  return Array.from({ length: runs }, () => {
    let counted = false;
    const count = (): void => {
      if (counted) return;
      counted = true;
      missing--;
      if (missing === 0) for (const go of waiting.splice(0)) go();
    };
    return {
      arrive(go) {
        waiting.push(go);
        count();
      },
      leave: count,
    };
  });
}
