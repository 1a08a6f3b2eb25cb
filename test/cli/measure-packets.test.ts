import { describe, expect, it } from 'vitest';
import type { Context } from '../../src/cli/context.ts';
import { describeNic, driveNics } from '../../src/cli/measure-packets.ts';
import type { MeasureRun } from '../../src/cli/measure-run.ts';
import { sightOf } from '../../src/cli/sight.ts';
import type { ValidateResult } from '../../src/native/messages.ts';
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
    sight: sightOf(host, {}),
    resolution: undefined,
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

  it('of which only virtual functions leave the kernel: each of them is told of', async () => {
    const vfs = [0, 1].map((index) => ({ index, driver: 'vfio-pci' })) as unknown as NonNullable<
      ResolvedNic['vfs']
    >;
    const found = await said(nic('0000:af:00.0', { driver: null, vfs }));
    expect(found.map(({ subject, result }) => [subject, result])).toEqual([
      [expect.stringMatching(/./), expect.stringMatching(/fail|unknown/)],
      [expect.stringMatching(/./), expect.stringMatching(/fail|unknown/)],
    ]);
    expect(found.every(({ subject }) => subject !== '0000:af:00.0')).toBe(true);
  });

  it('one that stays with the kernel, whatever its driver, is left alone and not known to be right', async () => {
    expect(await said(nic('0000:af:00.0', { driver: null }))).toMatchObject([
      { subject: '0000:af:00.0', result: 'unknown', sentence: expect.stringContaining('not touched') },
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

describe('[J3] what a run on a NIC says', () => {
  /** A run on CPU 17 that answered two echo requests, apart from what is changed. */
  function said({
    cpus = [17],
    maxNs = 4000,
    ...changes
  }: Partial<ValidateResult> & { cpus?: number[]; maxNs?: number }) {
    const result = {
      verdict: 'ready',
      reasons: ['2 requests were answered'],
      durationSeconds: 10,
      port: { driver: 'net_ice', address: '192.0.2.77', link: { up: true, speed: 25_000, losses: 0 } },
      gaps: { p50Ns: 10, p999Ns: 20, maxNs, overLimit: { limitNs: 20_000, count: maxNs > 20_000 ? 1 : 0 } },
      core: { cpu: 17, involuntarySwitches: 0, interrupts: [], counters: {} },
      ...changes,
    } as unknown as ValidateResult;
    const measuredHost = { vendor: 'GenuineIntel', hypervisor: undefined, apart: true };
    const { result: verdict, sentence } = describeNic({ name: 'feed' }, result, { cpus, measuredHost });
    return [verdict, sentence];
  }
  const unanswered = { driver: 'net_ice', address: null, link: { up: true, speed: 25_000, losses: 0 } };

  it('packets and gaps are one answer, and the worse of both', () => {
    expect(said({})).toEqual([
      'pass',
      'feed: 2 requests were answered; on CPU 17 meanwhile longest gap 4 µs; nothing interrupted it',
    ]);
    expect(said({ maxNs: 90_000 })[0]).toBe('fail');
    expect(said({ verdict: 'not-ready', reasons: ['2 packets were lost'] })[0]).toBe('fail');
    expect(said({ verdict: 'cannot-know', reasons: ['no packet arrived'] })[0]).toBe('unknown');
  });

  it('on a CPU that is meant for no loop gaps are not judged', () => {
    expect(said({ cpus: [18], maxNs: 90_000 })).toEqual(['pass', 'feed: 2 requests were answered']);
  });

  it('without an address a good link proves no packet, and a bad one is a failure', () => {
    expect(said({ verdict: 'cannot-know', port: unanswered as unknown as ValidateResult['port'] })).toEqual([
      'skip',
      'feed: opened, its link is up with 25000 Mbit/s; packets were not tried, as the profile has no address for it (validate.address)',
    ]);
    const lost = {
      verdict: 'not-ready',
      reasons: ['no link after 10 s'],
      port: unanswered,
    } as unknown as ValidateResult;
    expect(said(lost)[0]).toBe('fail');
  });
});
