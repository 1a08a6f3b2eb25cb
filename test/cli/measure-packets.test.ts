import { describe, expect, it } from 'vitest';
import type { Context } from '../../src/cli/context.ts';
import { driveNics } from '../../src/cli/measure-packets.ts';
import type { MeasureRun } from '../../src/cli/measure-run.ts';
import type { ResolvedNic } from '../../src/profile/resolved.ts';
import { factsOf, withFiles } from '../support/hosts.ts';

const nic = (address: string, more: Partial<ResolvedNic> = {}) =>
  ({ name: 'feed', address, role: 'data', stack: 'dpdk', driver: 'vfio-pci', ...more }) as ResolvedNic;

/** What is said of these NICs on the recorded host, where a packet must never be tried. */
async function said(...nics: ResolvedNic[]) {
  const host = withFiles('two-socket-smt', {});
  const context = {
    err: () => {
      throw new Error('a NIC was touched');
    },
  } as unknown as Context;
  const run: MeasureRun = {
    seconds: 1,
    host,
    facts: factsOf(host),
    profile: undefined,
    cpu: undefined,
    context,
    cpus: [17],
    inUse: [],
    pollCpus: [17],
    resolved: { nics, hugepages: [], persistent: true },
    gapLimitNs: 20_000,
    measuredHost: { vendor: 'GenuineIntel', hypervisor: undefined, apart: true },
  };
  return (await driveNics(run)).map(
    ({ finding: { check, subject, result, sentence }, result: document }) => ({
      check,
      subject,
      result,
      sentence,
      document,
    }),
  );
}

describe('[J3] [J4] the NICs of the profile', () => {
  it('one that a process holds is not touched, and not known to be right', async () => {
    expect(await said(nic('0000:af:00.1'))).toEqual([
      {
        check: 'data-path',
        subject: '0000:af:00.1',
        result: 'unknown',
        sentence: 'feed: not touched: /dev/vfio/85 is held by dpdk-testpmd[4242]',
        document: undefined,
      },
    ]);
  });

  it('one that is still on its kernel driver cannot carry what it shall', async () => {
    expect(await said(nic('0000:af:00.0'))).toMatchObject([
      { result: 'fail', sentence: expect.stringContaining('feed: not touched: is bound to ice') },
    ]);
  });

  it('a bifurcated one is left to whoever may use it', async () => {
    expect(await said(nic('0000:3b:00.0', { driver: null }))).toMatchObject([
      {
        subject: '0000:3b:00.0',
        result: 'unknown',
        sentence: expect.stringContaining('stays on its kernel driver'),
      },
    ]);
  });

  it('those that another stack drives are no business of DPDK', async () => {
    expect(await said(nic('0000:3b:00.0', { stack: 'onload', driver: null }))).toEqual([]);
  });
});
