import * as fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { applyProfile } from '../../src/engine/apply.ts';
import { recover } from '../../src/engine/recover.ts';
import { engineOn, REQUEST } from '../engine/support.ts';
import type { KernelSimulator } from '../support/kernel-simulator.ts';
import { ACTIONS, planFor } from '../support/little-engine.ts';
import { profileOf, randomHost, simulate } from '../support/random-hosts.ts';

const counts = { cases: 0, undone: 0, applied: 0 };

afterAll(() =>
  console.log(
    `engine on the simulator: ${counts.cases} crashes, ${counts.undone} undone, ${counts.applied} applied`,
  ),
);

/** All but the journals of the runs, which are kept. */
function tree(host: KernelSimulator): Map<string, string> {
  return new Map(
    [...host.tree()].filter(
      ([path]) => !/^\/(var(\/lib(\/bypass-setup(\/runs.*)?)?)?|run(\/bypass-setup.*)?)$/.test(path),
    ),
  );
}

it('[H10] [H11] law 3 with the real engine: a crash at any write, of the journal too, leaves the host as it was or applied', async () => {
  await fc.assert(
    fc.asyncProperty(randomHost, fc.nat(), fc.boolean(), async (random, start, crashAfter) => {
      const host = simulate(random);
      const wish = { ...REQUEST, resolve: () => profileOf(random) };
      const trial = host.clone();
      const result = await applyProfile(engineOn(trial, ACTIONS), wish).catch(
        (error: { exitCode?: number }) => error,
      );
      if (!('outcome' in result)) {
        expect(result.exitCode).toBe(4);
        return;
      }
      if (result.outcome === 'refused' || result.outcome === 'nothing') return;
      expect(result).toMatchObject({ outcome: 'applied', left: [] });
      const done = tree(trial);
      const { length } = trial.operations;
      for (let crashAt = 1 + (start % 3); crashAt <= length; crashAt += 3) {
        const used = host.clone();
        used.faults = { ...host.faults, crashAt, crashAfter };
        // The process is gone: what it still tries has no effect.
        await applyProfile(engineOn(used, ACTIONS), wish).catch(() => undefined);
        used.restart(host.faults);
        const recovered = await recover(engineOn(used, ACTIONS));
        expect(recovered.flatMap(({ left }) => left)).toEqual([]);
        counts.cases++;
        if (planFor(used, profileOf(random)).changes.length === 0) {
          expect(tree(used)).toEqual(done);
          counts.applied++;
        } else {
          expect(tree(used)).toEqual(tree(host));
          counts.undone++;
        }
      }
    }),
    { numRuns: 60 },
  );
}, 60_000);
