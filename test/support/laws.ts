import { expect } from 'vitest';
import type { Change } from '../../src/plan/change.ts';
import { Crash, type Faults, type KernelSimulator } from './kernel-simulator.ts';
import { applyAll, type Begun, revertAll } from './little-engine.ts';

/** Holds a host against what it was. */
export type Same = (host: KernelSimulator, before: KernelSimulator) => void;

/** The tree of a host that nothing touches, taken once. */
const trees = new WeakMap<KernelSimulator, ReadonlyMap<string, string>>();

export function sameTree(host: KernelSimulator, before: KernelSimulator): void {
  const was = trees.get(before) ?? before.tree();
  trees.set(before, was);
  const now = host.tree();
  const differences = [...new Set([...was.keys(), ...now.keys()])].filter(
    (path) => was.get(path) !== now.get(path),
  );
  if (differences.length === 0) return;
  expect(differences.map((path) => `${path}: ${was.get(path)} -> ${now.get(path)}`)).toEqual([]);
}

export async function crashed(work: Promise<unknown>): Promise<void> {
  await expect(work).rejects.toBeInstanceOf(Crash);
}

/** A crash before an operation, one after it, and a full disk. */
export const crashesAndFullDisk = (at: number): readonly Faults[] => [
  { crashAt: at, crashAfter: false },
  { crashAt: at, crashAfter: true },
  { failAt: at, errno: 'ENOSPC' },
];

/** Law 3: whatever goes wrong at an operation of an apply, undo leaves the host as it was. Gives the number of cases. */
export async function undoneAfterFaults(
  host: KernelSimulator,
  changes: readonly Change[],
  faultsAt: (operation: number) => readonly Faults[],
  same: Same,
): Promise<number> {
  let cases = 0;
  const whole = host.clone();
  await applyAll(changes, whole, []);
  for (let at = 1; at <= whole.operations.length; at++) {
    for (const faults of faultsAt(at)) {
      const used = host.clone();
      used.faults = { ...host.faults, ...faults };
      const begun: Begun = [];
      const work = applyAll(changes, used, begun);
      // The kernel's refusal of something that does not matter is no failure; a crash always is.
      if (faults.crashAt === undefined) await work.catch(() => undefined);
      else await crashed(work);
      used.restart(host.faults);
      expect(await revertAll(begun, used)).toEqual([]);
      same(used, host);
      cases++;
    }
  }
  return cases;
}

/** Law 3: an undo that crashes at any of its operations is completed by the next. Gives the number of cases. */
export async function undoneAfterCrashInUndo(
  host: KernelSimulator,
  changes: readonly Change[],
  same: Same,
): Promise<number> {
  const applied = host.clone();
  const begun: Begun = [];
  await applyAll(changes, applied, begun);
  const whole = applied.clone();
  await revertAll(begun, whole);
  for (let crashAt = 1; crashAt <= whole.operations.length; crashAt++) {
    const used = applied.clone();
    used.faults = { ...host.faults, crashAt, crashAfter: crashAt % 2 === 0 };
    await crashed(revertAll(begun, used));
    used.restart(host.faults);
    expect(await revertAll(begun, used)).toEqual([]);
    same(used, host);
  }
  return whole.operations.length;
}
