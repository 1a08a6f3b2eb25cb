import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyProfile } from '../../src/engine/apply.ts';
import { recover } from '../../src/engine/recover.ts';
import { undoRun } from '../../src/engine/undo.ts';
import { Crash, MemoryHost } from './memory-host.ts';
import { BOOT_ID, engineOn, files, REQUEST, type Wanted } from './support.ts';

/** The laws of a run, over random files, wishes and crash points. A state is a set of files, here in memory. */
const PATHS = ['/etc/a', '/etc/b', '/sys/c', '/sys/d', '/etc/deep/e'];
const content = fc.option(fc.constantFrom('one', 'two', 'three', ''), { nil: null });
const state = fc.record(Object.fromEntries(PATHS.map((path) => [path, content])));
const wish = fc.dictionary(fc.constantFrom(...PATHS), content);

describe('laws of apply and undo', () => {
  it('[B18] applied twice, the second run changes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(state, wish, async (before, wanted) => {
        const host = hostWith(before);
        await apply(host, wanted);
        const after = new Map(host.files);
        const again = await apply(host, wanted);
        expect(again.outcome).toBe('nothing');
        expect(host.files).toEqual(after);
      }),
    );
  });

  it('[H10] undo after apply gives back the very same files', async () => {
    await fc.assert(
      fc.asyncProperty(state, fc.array(wish, { minLength: 1, maxLength: 3 }), async (before, wishes) => {
        const host = hostWith(before);
        const x = host.state();
        const applied = [];
        for (const wanted of wishes) applied.push((await apply(host, wanted)).outcome);
        for (const _ of applied.filter((outcome) => outcome === 'applied')) {
          expect((await undoRun(engine(host), undefined)).outcome).toBe('undone');
        }
        expect(host.state()).toEqual(x);
        expect((await undoRun(engine(host), undefined)).outcome).toBe('nothing');
      }),
    );
  });

  it('[H11] a crash at any write, and again in the recovery, ends in x or applied, and it says which', async () => {
    let crashes = 0;
    const point = fc.record({ at: fc.nat(20), torn: fc.nat(400) });
    await fc.assert(
      fc.asyncProperty(
        state,
        wish,
        fc.array(point, { minLength: 1, maxLength: 3 }),
        async (before, wanted, points) => {
          const disk = hostWith(before).files;
          const x = new MemoryHost(disk).state();
          const applied = { ...x, ...wanted };
          const [first, ...further] = points;
          if (first === undefined) return;
          const crashed = await crashing(new MemoryHost(disk, first.at, first.torn), (host) =>
            apply(host, wanted),
          );
          for (const { at, torn } of further) {
            if (await crashing(new MemoryHost(disk, at, torn), (host) => recover(engine(host)))) crashes++;
          }
          if (crashed) crashes++;
          const host = new MemoryHost(disk);
          await recover(engine(host));
          expect([x, withoutNull(applied)]).toContainEqual(host.state());
          expect(await recover(engine(host)), 'nothing is left to recover').toEqual([]);
          await undoRun(engine(host), undefined);
          expect(host.state()).toEqual(x);
        },
      ),
      { numRuns: 2000 },
    );
    expect(crashes).toBeGreaterThan(500);
  });

  it('[H11] a crash at every write and at every octet of every journal line', async () => {
    const before = { '/etc/a': 'one', '/sys/c': null, '/etc/b': 'kept' };
    const wanted = { '/etc/a': 'two', '/sys/c': 'three', '/etc/b': null };
    const x = hostWith(before).state();
    const whole = hostWith(before);
    await apply(whole, wanted);
    let points = 0;
    const said = { applied: 0, undone: 0 };
    for (let at = 0; at < whole.changes; at++) {
      for (let torn = 0, length = 1; torn < length; torn++) {
        const disk = hostWith(before).files;
        const down = new MemoryHost(disk, at, torn);
        expect(await crashing(down, (host) => apply(host, wanted))).toBe(true);
        length = Math.max(1, down.tornOf);
        const host = new MemoryHost(disk);
        const recovered = await recover(engine(host));
        const is = JSON.stringify(host.state());
        expect(is === JSON.stringify(x) || is === JSON.stringify(whole.state())).toBe(true);
        for (const { outcome } of recovered) {
          if (outcome === 'left') throw new Error('left');
          said[outcome]++;
          expect(is).toBe(JSON.stringify(outcome === 'undone' ? x : whole.state()));
        }
        points++;
      }
    }
    expect(points).toBeGreaterThan(1000);
    expect(said.applied, 'the crash came after the last change').toBeGreaterThan(10);
    expect(said.undone, 'the crash came before that').toBeGreaterThan(1000);
  });
});

function hostWith(before: Wanted): MemoryHost {
  const host = new MemoryHost();
  host.files.set(BOOT_ID, 'boot-1\n');
  for (const [path, text] of Object.entries(before)) if (text !== null) host.files.set(path, text);
  return host;
}

function engine(host: MemoryHost) {
  return engineOn(host, [files(host, {})]);
}

function apply(host: MemoryHost, wanted: Wanted) {
  return applyProfile(engineOn(host, [files(host, wanted)]), REQUEST);
}

/** Whether the machine went down before the work was done. */
async function crashing(host: MemoryHost, work: (host: MemoryHost) => Promise<unknown>): Promise<boolean> {
  try {
    await work(host);
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
    return true;
  }
  return false;
}

function withoutNull(wanted: Wanted): Wanted {
  return Object.fromEntries(
    Object.entries(wanted)
      .filter(([, text]) => text !== null)
      .sort(),
  );
}
