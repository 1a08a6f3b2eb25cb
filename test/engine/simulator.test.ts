import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { applyProfile } from '../../src/engine/apply.ts';
import { resumeRuns } from '../../src/engine/resume.ts';
import { undoRun } from '../../src/engine/undo.ts';
import { ToolError } from '../../src/host/errors.ts';
import { Crash, type KernelSimulator } from '../support/kernel-simulator.ts';
import { ACTIONS } from '../support/little-engine.ts';
import { profileOf, type RandomHost, randomHost, simulate } from '../support/random-hosts.ts';
import { engineOn, REQUEST } from './support.ts';

/** The laws of a run with the actions of the program, on a kernel that behaves like the real one. */
const counts = { hosts: 0, crashes: 0, applied: 0, undone: 0 };

afterAll(() => {
  console.log(
    `engine on the simulator: ${counts.hosts} hosts, ${counts.crashes} crashes (${counts.applied} ended as applied, ${counts.undone} as undone)`,
  );
});

describe('the laws of a run, on the simulated kernel', () => {
  it('[B18] [H10] applied twice is applied once, and undo leaves the host as it was', async () => {
    await fc.assert(
      fc.asyncProperty(randomHost, async (random) => {
        const host = simulate(random);
        const before = tree(host);
        const outcome = await apply(host, random);
        if (outcome === 'refused') {
          expect(tree(host)).toEqual(before);
          return;
        }
        counts.hosts++;
        const applied = tree(host);
        expect(await apply(host, random)).toBe('nothing');
        expect(tree(host)).toEqual(applied);
        const result = await undoRun(engine(host), undefined);
        expect(result.left).toEqual([]);
        expect(tree(host)).toEqual(before);
      }),
      { numRuns: 100 },
    );
  });

  it('[H11] a crash at any operation ends in x or applied, and it says which', async () => {
    await fc.assert(
      fc.asyncProperty(randomHost, fc.boolean(), async (random, crashAfter) => {
        const whole = simulate(random);
        const x = tree(whole);
        if ((await apply(whole, random)) === 'refused') return;
        const applied = tree(whole);
        for (let crashAt = 1; crashAt <= whole.operations.length; crashAt++) {
          const host = simulate(random);
          host.faults = { ...host.faults, crashAt, crashAfter };
          await expect(apply(host, random)).rejects.toBeInstanceOf(Crash);
          host.restart({});
          const [recovery] = (await resumeRuns(engine(host))).recovered;
          counts.crashes++;
          const state = tree(host);
          const outcome = recovery?.outcome ?? (same(state, x) ? 'undone' : 'applied');
          expect(recovery?.left ?? []).toEqual([]);
          expect(state).toEqual(outcome === 'applied' ? applied : x);
          if (outcome !== 'left') counts[outcome]++;
        }
      }),
      { numRuns: 15 },
    );
  }, 120_000);
});

function engine(host: KernelSimulator) {
  return engineOn(host, ACTIONS);
}

async function apply(host: KernelSimulator, random: RandomHost): Promise<string> {
  try {
    const result = await applyProfile(engine(host), {
      ...REQUEST,
      // What the guard refuses is its own test's; here its answer is overridden, address by address.
      allowActive: host.list('/sys/bus/pci/devices') ?? [],
      resolve: () => profileOf(random),
    });
    if (result.error !== undefined) throw result.error;
    return result.outcome;
  } catch (error) {
    if (error instanceof ToolError && error.exitCode === 4) return 'refused';
    throw error;
  }
}

/** The host but for what the engine keeps of its own. */
function tree(host: KernelSimulator): Map<string, unknown> {
  const own = /^\/(?:var(?:\/lib(?:\/bypass-setup(?:\/runs.*)?)?)?|run\/bypass-setup\.(?:lock|notice))$/;
  return new Map([...host.tree()].filter(([path]) => !own.test(path)));
}

function same(a: Map<string, unknown>, b: Map<string, unknown>): boolean {
  return JSON.stringify([...a].sort()) === JSON.stringify([...b].sort());
}
