import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ToolError } from '../../src/host/errors.ts';
import type { LoaderName } from '../support/boot-loaders.ts';
import { factsOf } from '../support/hosts.ts';
import type { KernelSimulator } from '../support/kernel-simulator.ts';
import {
  crashesAndFullDisk,
  type Same,
  sameTree,
  undoneAfterCrashInUndo,
  undoneAfterFaults,
} from '../support/laws.ts';
import { applyAll, type Begun, planFor, revertAll } from '../support/little-engine.ts';
import { bootHost, bootProfile, CORES, LOADER_NAMES } from './boot-support.ts';

const word = fc.constantFrom(
  ...[
    'quiet',
    'ro',
    'root=UUID=1',
    'isolcpus=1',
    'nohz_full=1',
    'hugepages=4',
    'hugepagesz=1G',
    'console=tty0',
  ],
  ...['x="a  b"', 'skew_tick=0', 'intel_iommu=on,sm_on', 'irqaffinity=0,1'],
);
const more = fc.subarray(['skew_tick=1', 'console=ttyS0', 'intel_iommu=on', 'nosoftlockup']);

interface Case {
  readonly loader: LoaderName;
  readonly line: readonly string[];
  readonly more: readonly string[];
  readonly cores: boolean;
  readonly trial: boolean;
}

const random: fc.Arbitrary<Case> = fc.record({
  loader: fc.constantFrom(...LOADER_NAMES),
  line: fc.array(word, { maxLength: 5 }),
  more,
  cores: fc.boolean(),
  trial: fc.boolean(),
});

function prepare({ loader, line, more, cores, trial }: Case) {
  const host = bootHost(loader, line.join(' '));
  const tries = trial && ['grub-debian', 'systemd-boot'].includes(loader);
  return { host, profile: bootProfile(cores ? CORES : undefined, more, tries) };
}

const sameOn = (loader: LoaderName): Same =>
  // ostree keeps the deployments of an undo; its lines are compared.
  loader === 'rpm-ostree' || loader === 'bootc' ? sameWords : sameTree;

function sameWords(host: KernelSimulator, before: KernelSimulator): void {
  const words = (found: KernelSimulator) =>
    (factsOf(found).bootLoader.entries.value ?? [])
      .filter(({ isDefault }) => isDefault)
      .flatMap(({ line }) => line.split(/\s+/).sort());
  expect(words(host)).toEqual(words(before));
}

/** Undefined where it is refused; then nothing was touched. */
function planned(host: KernelSimulator, profile: ReturnType<typeof bootProfile>) {
  try {
    return planFor(host, profile).changes;
  } catch (error) {
    if (!(error instanceof ToolError) || error.exitCode !== 4) throw error;
    expect(host.operations).toEqual([]);
    return undefined;
  }
}

describe('boot arguments, on simulated loaders', () => {
  it('[E1] law 1: after an apply there is nothing to plan; law 2: undo leaves the host as it was', async () => {
    let done = 0;
    await fc.assert(
      fc.asyncProperty(random, async (entry) => {
        const { host, profile } = prepare(entry);
        const changes = planned(host, profile);
        if (changes === undefined) return;
        const used = host.clone();
        const begun: Begun = [];
        await applyAll(changes, used, begun);
        expect(planFor(used, profile).changes).toEqual([]);
        done += changes.length;
        expect(await revertAll(begun, used)).toEqual([]);
        sameOn(entry.loader)(used, host);
        expect(await revertAll(begun, used)).toEqual([]);
        sameOn(entry.loader)(used, host);
      }),
      { numRuns: 150 },
    );
    expect(done).toBeGreaterThan(60);
  }, 60_000);

  it('law 3: after a crash or an error at any operation undo leaves the host as it was', async () => {
    await fc.assert(
      fc.asyncProperty(random, async (entry) => {
        const { host, profile } = prepare(entry);
        const changes = planned(host, profile);
        if (changes === undefined) return;
        await undoneAfterFaults(host, changes, crashesAndFullDisk, sameOn(entry.loader));
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  it('law 3: a crash in the middle of undo is undone by the next', async () => {
    await fc.assert(
      fc.asyncProperty(random, async (entry) => {
        const { host, profile } = prepare(entry);
        const changes = planned(host, profile);
        if (changes !== undefined) await undoneAfterCrashInUndo(host, changes, sameOn(entry.loader));
      }),
      { numRuns: 25 },
    );
  }, 60_000);

  it('[E11] another profile leaves nothing of the one before, and both are undone one after the other', async () => {
    await fc.assert(
      fc.asyncProperty(random, more, async (entry, next) => {
        const { host, profile } = prepare({ ...entry, trial: false });
        const changes = planned(host, profile);
        if (changes === undefined) return;
        const used = host.clone();
        const first: Begun = [];
        await applyAll(changes, used, first);
        const middle = used.clone();
        const second: Begun = [];
        const wish = bootProfile(undefined, next);
        used.restart();
        const then = planned(used, wish);
        if (then === undefined) return;
        await applyAll(then, used, second);
        expect(planFor(used, wish).changes).toEqual([]);
        expect(await revertAll(second, used)).toEqual([]);
        sameOn(entry.loader)(used, middle);
        expect(await revertAll(first, used)).toEqual([]);
        sameOn(entry.loader)(used, host);
      }),
      { numRuns: 80 },
    );
  }, 60_000);
});
