import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ToolError } from '../../src/host/errors.ts';
import type { Change } from '../../src/plan/change.ts';
import { factsOf } from '../support/hosts.ts';
import type { KernelSimulator } from '../support/kernel-simulator.ts';
import { sameTree, undoneAfterCrashInUndo, undoneAfterFaults } from '../support/laws.ts';
import { applyAll, type Begun, planFor, revertAll } from '../support/little-engine.ts';
import { simulateTuned, type TunedHost, tunedHost, type Wish, wish, wishOn } from '../support/tuned-hosts.ts';

/** The laws of src/actions once more, on hosts whose CPUs, interrupts, frequencies and memory are to be set. */

/** Undefined where it is refused: then nothing may have been touched. */
function changesFor(host: KernelSimulator, asked: Wish): readonly Change[] | undefined {
  const before = host.operations.length;
  try {
    return planFor(host, wishOn(host, asked)).changes;
  } catch (error) {
    if (!(error instanceof ToolError) || ![4, 64].includes(error.exitCode)) throw error;
    expect(host.operations.length).toBe(before);
    return undefined;
  }
}

type Case = readonly [random: TunedHost, asked: Wish];
const cases: fc.Arbitrary<Case> = fc.tuple(tunedHost, wish);

const check = (numRuns: number, law: (entry: Case) => Promise<void>) =>
  fc.assert(fc.asyncProperty(cases, law), { numRuns });

describe('the laws of settings, interrupts and partitions, on the simulated kernel', () => {
  it('[F6] [F8] [F9] [F10] [G1] [G2] [G4] [G5] law 1 and 2: apply leaves nothing to plan, undo leaves the host as it was', async () => {
    let applied = 0;
    await check(300, async ([random, asked]) => {
      const host = simulateTuned(random);
      const changes = changesFor(host, asked);
      if (changes === undefined) return;
      const used = host.clone();
      const begun: Begun = [];
      await applyAll(changes, used, begun);
      expect(changesFor(used, asked)).toEqual([]);
      expect(await revertAll(begun, used)).toEqual([]);
      sameTree(used, host);
      expect(await revertAll(begun, used)).toEqual([]);
      sameTree(used, host);
      expect(factsOf(used)).toEqual(factsOf(host));
      if (changes.length > 0) applied++;
    });
    expect(applied).toBeGreaterThan(150);
  });

  it('[F2] [F7] law 3: after a crash at any operation undo leaves the host as it was', async () => {
    await check(80, async ([random, asked]) => {
      const host = simulateTuned(random);
      const changes = changesFor(host, asked);
      if (changes === undefined) return;
      await undoneAfterFaults(
        host,
        changes,
        (crashAt) => [{ crashAt, crashAfter: crashAt % 2 === 0 }],
        sameTree,
      );
    });
  }, 60_000);

  it('law 3: a crash in the middle of undo is undone by the next', async () => {
    await check(60, async ([random, asked]) => {
      const host = simulateTuned(random);
      const changes = changesFor(host, asked);
      if (changes !== undefined) await undoneAfterCrashInUndo(host, changes, sameTree);
    });
  }, 60_000);

  it('after an error of any operation undo leaves the host as it was', async () => {
    await check(60, async ([random, asked]) => {
      const host = simulateTuned(random);
      const changes = changesFor(host, asked);
      if (changes === undefined) return;
      const errors = (failAt: number) => [{ failAt, errno: failAt % 2 === 0 ? 'EIO' : 'ENOSPC' }];
      await undoneAfterFaults(host, changes, errors, sameTree);
    });
  }, 60_000);

  it('another profile leaves nothing of the one before, and both are undone one after the other', async () => {
    await fc.assert(
      fc.asyncProperty(tunedHost, wish, wish, async (random, one, other) => {
        const host = simulateTuned(random);
        const changes = changesFor(host, one);
        if (changes === undefined) return;
        const used = host.clone();
        const first: Begun = [];
        await applyAll(changes, used, first);
        const middle = used.clone();
        const next = changesFor(used, other);
        if (next === undefined) return;
        const second: Begun = [];
        await applyAll(next, used, second);
        expect(changesFor(used, other)).toEqual([]);
        expect(await revertAll(second, used)).toEqual([]);
        sameTree(used, middle);
        expect(await revertAll(first, used)).toEqual([]);
        sameTree(used, host);
      }),
      { numRuns: 200 },
    );
  }, 60_000);
});
