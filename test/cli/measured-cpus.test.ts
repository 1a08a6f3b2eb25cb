import { describe, expect, it } from 'vitest';
import { chooseMeasured } from '../../src/cli/measured-cpus.ts';
import { ToolError } from '../../src/host/errors.ts';
import type { ReadHost } from '../../src/host/host.ts';
import type { ResolvedProfile } from '../../src/profile/resolved.ts';
import { factsOf, withFiles } from '../support/hosts.ts';

const facts = factsOf(withFiles('two-socket-smt', {}));
const planned = { cores: { isolated: '4-5', housekeeping: '0-3' } } as ResolvedProfile;

/** A host whose CPUs are idle but for these. */
function hostWith(busy: readonly number[]): ReadHost {
  let reading = 0;
  const readText = () => {
    reading++;
    return Array.from({ length: 64 }, (_, cpu) =>
      busy.includes(cpu)
        ? `cpu${cpu} ${reading * 20} 0 0 0 0 0 0 0`
        : `cpu${cpu} 0 0 0 ${reading * 20} 0 0 0 0`,
    ).join('\n');
  };
  return { readText } as unknown as ReadHost;
}

describe('[H2] the CPUs that check --measure measures', () => {
  it('are the isolated ones, without those that are offline', async () => {
    const { cpus, inUse } = await chooseMeasured(undefined, facts, undefined, hostWith([]));
    expect(cpus).toEqual([...range(17, 31), ...range(49, 63)]);
    expect(inUse).toEqual([]);
    const offline = factsOf(withFiles('two-socket-smt', { '/sys/devices/system/cpu/online': '0-31\n' }));
    expect((await chooseMeasured(undefined, offline, undefined, hostWith([]))).cpus).toEqual(range(17, 31));
  });

  it('are those that the profile plans', async () => {
    expect((await chooseMeasured(undefined, facts, planned, hostWith([]))).cpus).toEqual([4, 5]);
  });

  it('[J18] are not those on which something runs: it would lose half of its CPU', async () => {
    expect(await chooseMeasured(undefined, facts, planned, hostWith([5]))).toEqual({ cpus: [4], inUse: [5] });
  });

  it('[J18] are not those of which nobody can tell whether something runs there', async () => {
    const silent = { readText: () => '' } as unknown as ReadHost;
    expect(await chooseMeasured(undefined, facts, planned, silent)).toEqual({ cpus: [], inUse: [4, 5] });
  });

  it('are those that --cpu names, whatever runs there', async () => {
    expect(await chooseMeasured('5,7-8', facts, planned, hostWith([5]))).toEqual({
      cpus: [5, 7, 8],
      inUse: [],
    });
  });

  it.each([
    ['x', 'not a CPU list'],
    ['64', 'CPU 64 is not online; this host has 0-63'],
    ['0-63', 'names every CPU: one must be left'],
  ])('--cpu %s is refused', async (text, words) => {
    const error = await chooseMeasured(text, facts, undefined, hostWith([])).catch((reason) => reason);
    expect(error).toBeInstanceOf(ToolError);
    expect(error.code).toBe('USAGE');
    expect(error.message).toContain(words);
  });
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
