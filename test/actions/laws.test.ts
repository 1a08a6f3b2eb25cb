import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { ToolError } from '../../src/host/errors.ts';
import type { Change } from '../../src/plan/change.ts';
import { factsOf } from '../support/hosts.ts';
import type { KernelSimulator } from '../support/kernel-simulator.ts';
import { crashed, sameTree, undoneAfterCrashInUndo, undoneAfterFaults } from '../support/laws.ts';
import { applyAll, type Begun, planFor, revertAll } from '../support/little-engine.ts';
import { profileOf, type RandomHost, randomHost, simulate } from '../support/random-hosts.ts';

const counts = { hosts: 0, refused: 0, cases: 0, operations: 0 };
const start = performance.now();

afterAll(() => {
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(
    `simulator: ${counts.cases} cases on ${counts.hosts} hosts in ${seconds} s ` +
      `(${counts.refused} plans refused, ${counts.operations} operations)`,
  );
});

interface Prepared {
  readonly random: RandomHost;
  readonly host: KernelSimulator;
  readonly changes: readonly Change[];
  /** Operations of a whole apply. */
  readonly length: number;
}

/** Undefined where the plan is refused: then nothing may have been touched. */
async function prepare(random: RandomHost): Promise<Prepared | undefined> {
  counts.hosts++;
  const host = simulate(random);
  const kept = host.faults;
  try {
    const { changes } = planFor(host, profileOf(random));
    const trial = host.clone();
    await applyAll(changes, trial, []);
    counts.cases++;
    counts.operations += trial.operations.length;
    return { random, host, changes, length: trial.operations.length };
  } catch (error) {
    if (!(error instanceof ToolError) || error.exitCode !== 4) throw error;
    expect(host.operations).toEqual([]);
    expect(host.faults).toBe(kept);
    counts.refused++;
    return undefined;
  }
}

const check = (property: fc.IAsyncProperty<[RandomHost]>, numRuns: number) =>
  fc.assert(property, { numRuns });

describe('the laws, on the simulated kernel', () => {
  it('[B18] [H10] law 1: after an apply there is nothing to plan, and law 2: undo leaves the host as it was', async () => {
    await check(
      fc.asyncProperty(randomHost, async (random) => {
        const prepared = await prepare(random);
        if (prepared === undefined) return;
        const { host, changes } = prepared;
        const used = host.clone();
        const begun: Begun = [];
        await applyAll(changes, used, begun);
        expect(planFor(used, profileOf(random)).changes).toEqual([]);
        const done = used.tree();
        const length = used.operations.length;
        await applyAll(planFor(used, profileOf(random)).changes, used, []);
        expect(used.operations.length).toBe(length);
        expect(used.tree()).toEqual(done);
        expect(await revertAll(begun, used)).toEqual([]);
        sameTree(used, host);
        // Nothing left to do is nothing done.
        expect(await revertAll(begun, used)).toEqual([]);
        sameTree(used, host);
        counts.cases += 3;
      }),
      200,
    );
  });

  it('[B15] [B16] [B28] law 3: after a crash at any operation undo leaves the host as it was', async () => {
    await check(
      fc.asyncProperty(randomHost, async (random) => {
        const prepared = await prepare(random);
        if (prepared === undefined) return;
        const { host, changes } = prepared;
        const crashes = (crashAt: number) => [false, true].map((crashAfter) => ({ crashAt, crashAfter }));
        counts.cases += await undoneAfterFaults(host, changes, crashes, sameTree);
      }),
      220,
    );
  }, 60_000);

  it('law 3: a crash in the middle of undo is undone by the next', async () => {
    await check(
      fc.asyncProperty(randomHost, async (random) => {
        const prepared = await prepare(random);
        if (prepared === undefined) return;
        counts.cases += await undoneAfterCrashInUndo(prepared.host, prepared.changes, sameTree);
      }),
      120,
    );
  }, 60_000);

  it('law 3: after a crash a new plan finishes what was begun', async () => {
    await check(
      fc.asyncProperty(randomHost, fc.nat(), fc.boolean(), async (random, at, crashAfter) => {
        const prepared = await prepare(random);
        if (prepared === undefined || prepared.length === 0) return;
        const { host, changes, length } = prepared;
        const used = host.clone();
        used.faults = { ...host.faults, crashAt: 1 + (at % length), crashAfter };
        await crashed(applyAll(changes, used, []));
        used.restart(host.faults);
        await applyAll(planFor(used, profileOf(random)).changes, used, []);
        expect(planFor(used, profileOf(random)).changes).toEqual([]);
        counts.cases++;
      }) as unknown as fc.IAsyncProperty<[RandomHost]>,
      150,
    );
  });

  it('[B15] after an error of any operation undo leaves the host as it was', async () => {
    await check(
      fc.asyncProperty(
        randomHost,
        fc.constantFrom('EIO', 'EINVAL', 'EBUSY', 'ENOSPC', 'EPERM'),
        async (random, errno) => {
          const prepared = await prepare(random);
          if (prepared === undefined) return;
          const { host, changes } = prepared;
          const errors = (failAt: number) => [{ failAt, errno }];
          counts.cases += await undoneAfterFaults(host, changes, errors, sameTree);
        },
      ) as unknown as fc.IAsyncProperty<[RandomHost]>,
      120,
    );
  }, 60_000);

  it('another profile leaves nothing of the one before, and both are undone one after the other', async () => {
    await check(
      fc.asyncProperty(randomHost, randomHost, async (random, other) => {
        const prepared = await prepare(random);
        if (prepared === undefined) return;
        const { host, changes } = prepared;
        const used = host.clone();
        const first: Begun = [];
        await applyAll(changes, used, first);
        const second: Begun = [];
        const wish = profileOf({ ...random, ...pickProfile(other, random) });
        const middle = used.clone();
        let next: readonly Change[];
        try {
          next = planFor(used, wish).changes;
        } catch (error) {
          if (!(error instanceof ToolError) || error.exitCode !== 4) throw error;
          counts.refused++;
          return;
        }
        await applyAll(next, used, second);
        expect(planFor(used, wish).changes).toEqual([]);
        expect(await revertAll(second, used)).toEqual([]);
        sameTree(used, middle);
        expect(await revertAll(first, used)).toEqual([]);
        sameTree(used, host);
        counts.cases += 2;
      }) as unknown as fc.IAsyncProperty<[RandomHost]>,
      150,
    );
  });

  it('facts after undo are the facts before', async () => {
    await check(
      fc.asyncProperty(randomHost, async (random) => {
        const prepared = await prepare(random);
        if (prepared === undefined) return;
        const { host, changes } = prepared;
        const used = host.clone();
        const begun: Begun = [];
        await applyAll(changes, used, begun);
        await revertAll(begun, used);
        expect(withoutIndexes(factsOf(used))).toEqual(withoutIndexes(factsOf(host)));
        counts.cases++;
      }),
      50,
    );
  });
});

/** The kernel numbers an interface anew each time it is made. */
function withoutIndexes(facts: ReturnType<typeof factsOf>): unknown {
  return JSON.parse(JSON.stringify(facts, (key, value: unknown) => (key === 'index' ? 0 : value)));
}

/** What the other one wishes, of the NICs that are there. */
function pickProfile(other: RandomHost, random: RandomHost): Partial<RandomHost> {
  return {
    service: other.service,
    persistent: other.persistent,
    pages: {
      ...random.pages,
      mounted: other.pages.mounted,
      atBoot: other.pages.atBoot,
      pools: random.pages.pools.map((pool, index) => ({
        ...pool,
        wanted: other.pages.pools[index]?.wanted ?? 0,
      })),
    },
    nics: random.nics.map((nic, index) => ({
      ...nic,
      wanted: other.nics[index]?.wanted ?? 'not in the profile',
    })),
  };
}
