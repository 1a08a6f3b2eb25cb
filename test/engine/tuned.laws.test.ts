import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyProfile } from '../../src/engine/apply.ts';
import { recover } from '../../src/engine/recover.ts';
import { undoRun } from '../../src/engine/undo.ts';
import { ToolError } from '../../src/host/errors.ts';
import { resolveProfile } from '../../src/profile/resolve.ts';
import { Crash, type KernelSimulator } from '../support/kernel-simulator.ts';
import { ACTIONS } from '../support/little-engine.ts';
import { simulateTuned, tunedHost, type Wish, wish } from '../support/tuned-hosts.ts';
import { engineOn, REQUEST } from './support.ts';

/** A run of the real engine, which resolves the profile anew before and after each apply. */
describe('the laws of a run that sets isolation, interrupts, power and memory', () => {
  it('[B18] [H10] applied twice is applied once, and undo leaves the host as it was', async () => {
    let applied = 0;
    await fc.assert(
      fc.asyncProperty(tunedHost, wish, async (random, asked) => {
        const host = simulateTuned(random);
        const before = tree(host);
        const outcome = await apply(host, asked);
        if (outcome !== 'applied') {
          expect(tree(host)).toEqual(before);
          return;
        }
        applied++;
        const after = tree(host);
        expect(await apply(host, asked)).toBe('nothing');
        expect(tree(host)).toEqual(after);
        expect((await undoRun(engineOn(host, ACTIONS), undefined)).left).toEqual([]);
        expect(tree(host)).toEqual(before);
      }),
      { numRuns: 80 },
    );
    expect(applied).toBeGreaterThan(30);
  }, 60_000);

  it('[H11] a crash at any operation ends in x or applied, and it says which', async () => {
    await fc.assert(
      fc.asyncProperty(tunedHost, wish, async (random, asked) => {
        const whole = simulateTuned(random);
        const x = tree(whole);
        if ((await apply(whole, asked)) !== 'applied') return;
        const applied = tree(whole);
        for (let crashAt = 1; crashAt <= whole.operations.length; crashAt += 3) {
          const host = simulateTuned(random);
          const { faults } = host;
          host.faults = { ...faults, crashAt, crashAfter: crashAt % 2 === 0 };
          await expect(apply(host, asked)).rejects.toBeInstanceOf(Crash);
          host.restart(faults);
          const [recovery] = await recover(engineOn(host, ACTIONS));
          expect(recovery?.left ?? []).toEqual([]);
          if (recovery === undefined) continue;
          expect(tree(host)).toEqual(recovery.outcome === 'applied' ? applied : x);
        }
      }),
      { numRuns: 12 },
    );
  }, 60_000);
});

async function apply(host: KernelSimulator, asked: Wish): Promise<string> {
  try {
    const result = await applyProfile(engineOn(host, ACTIONS), {
      ...REQUEST,
      resolve: (facts) => resolveProfile({ version: 1, nics: [], ...asked }, facts),
    });
    if (result.error !== undefined) throw result.error;
    return result.outcome;
  } catch (error) {
    if (error instanceof ToolError && [4, 64].includes(error.exitCode)) return 'refused';
    throw error;
  }
}

/** The host but for what the engine keeps of its own. */
function tree(host: KernelSimulator): Map<string, unknown> {
  const own = /^\/(?:var(?:\/lib(?:\/bypass-setup(?:\/runs.*)?)?)?|run\/bypass-setup\.lock)$/;
  return new Map([...host.tree()].filter(([path]) => !own.test(path)));
}
