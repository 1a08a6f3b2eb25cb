import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CheckReport } from '../../src/report/report.ts';
import { cli, ROOT } from '../support/cli.ts';
import { fixtureEntries } from '../support/hosts.ts';
import { unpacked } from './unpacked.ts';

const folder = mkdtempSync(`${tmpdir()}/bypass-setup-deadline-`);
const SHIM = `${folder}/slow-reads.so`;
const CLOCK = '/sys/devices/system/clocksource/clocksource0/current_clocksource';
let HOST = '';
let noCompiler: string | undefined;

beforeAll(() => {
  HOST = unpacked(fixtureEntries('two-socket-smt'));
  const words = ['-shared', '-fPIC', '-o', SHIM, `${ROOT}test/support/slow-reads.c`, '-ldl'];
  const { status, error, stderr } = spawnSync('gcc', words, { encoding: 'utf8' });
  if (status !== 0) noCompiler = error === undefined ? stderr : 'gcc is not installed';
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A check of a host on which some reads never return, or kill who reads. */
function checkSlow(readAt: readonly string[], deadline: string, env: NodeJS.ProcessEnv = {}) {
  const start = Date.now();
  const result = cli(['check', '--json', '--deadline', deadline, '--root', HOST], {
    LD_PRELOAD: SHIM,
    // Whole paths: Node reads some of these on its own account.
    READ_AT: readAt.map((path) => HOST + path).join(':'),
    ...env,
  });
  return { ...result, took: Date.now() - start, report: JSON.parse(result.stdout) as CheckReport };
}

const ofDeadline = ({ findings }: CheckReport) => findings.filter(({ check }) => check === 'deadline');
const rest = ({ findings }: CheckReport) => findings.filter(({ check }) => check !== 'deadline');

describe('check --deadline', () => {
  it('finds what it does without one when nothing is slow', () => {
    const plain = JSON.parse(cli(['check', '--json', '--root', HOST]).stdout) as CheckReport;
    const timed = JSON.parse(
      cli(['check', '--json', '--root', HOST, '--deadline', '20s']).stdout,
    ) as CheckReport;
    expect(timed.findings).toEqual(plain.findings);
    expect(timed.verdict).toBe(plain.verdict);
  });

  it('[H7] a read that hangs makes what rests on it unknown, is named, and costs nothing else', (ctx) => {
    if (noCompiler !== undefined) ctx.skip(noCompiler);
    const { exitCode, stderr, took, report } = checkSlow([CLOCK], '8s');
    expect([exitCode, stderr]).toEqual([2, '']);
    expect(took).toBeLessThan(8000);
    expect(ofDeadline(report)).toMatchObject([
      { subject: CLOCK, result: 'unknown', sentence: 'did not answer within 1 s' },
    ]);
    const plain = JSON.parse(cli(['check', '--json', '--root', HOST]).stdout) as CheckReport;
    const others = (all: CheckReport) => rest(all).filter(({ check }) => check !== 'clocksource');
    expect(others(report)).toEqual(others(plain));
    expect(rest(report).find(({ check }) => check === 'clocksource')).toMatchObject({
      result: 'unknown',
      evidence: [{ path: CLOCK, value: '(unsupported: it did not answer in time)' }],
    });
  });

  it('goes on after several', (ctx) => {
    if (noCompiler !== undefined) ctx.skip(noCompiler);
    const paths = ['/proc/interrupts', CLOCK, '/proc/cmdline'];
    const { report } = checkSlow(paths, '8s');
    expect(
      ofDeadline(report)
        .map(({ subject }) => subject)
        .sort(),
    ).toEqual([...paths].sort());
    expect(rest(report).find(({ check }) => check === 'governor')?.result).toBe('pass');
  });

  it('is over in time where everything hangs, and then nothing is known', (ctx) => {
    if (noCompiler !== undefined) ctx.skip(noCompiler);
    const folders = ['kernel/osrelease', 'kernel/random/boot_id'].map((name) => `/proc/sys/${name}`);
    const tables = ['cmdline', 'cpuinfo', 'meminfo', 'interrupts', 'mounts'].map((name) => `/proc/${name}`);
    const cpus = ['possible', 'present', 'online'].map((name) => `/sys/devices/system/cpu/${name}`);
    const { exitCode, took, report } = checkSlow([...folders, ...tables, ...cpus], '800ms');
    expect(exitCode).toBe(2);
    expect(took).toBeLessThan(3000);
    expect(ofDeadline(report).at(-1)?.sentence).toMatch(/^not all of it was read in 800 ms: probe .* more$/);
    expect(report.findings.map(({ result }) => result)).not.toContain('fail');
  });

  it('a read that ends its process is treated like one that hangs', (ctx) => {
    if (noCompiler !== undefined) ctx.skip(noCompiler);
    const { report } = checkSlow([CLOCK], '8s', { READ_DIES: '1' });
    expect(ofDeadline(report).map(({ subject }) => subject)).toEqual([CLOCK]);
  });

  it('leaves no process behind', (ctx) => {
    if (noCompiler !== undefined) ctx.skip(noCompiler);
    checkSlow([CLOCK], '800ms', { MARK: folder });
    const { stdout } = spawnSync(
      'bash',
      ['-c', `grep -lz "^MARK=${folder}" /proc/[0-9]*/environ 2>/dev/null`],
      {
        encoding: 'utf8',
      },
    );
    expect(stdout).toBe('');
  });

  it('a service account is looked at within the time too', () => {
    const words = ['check', '--json', '--root', HOST, '--user', 'root', '--deadline', '20s'];
    const plain = JSON.parse(cli(words.slice(0, -2)).stdout) as CheckReport;
    expect(JSON.parse(cli(words).stdout).findings).toEqual(plain.findings);
  });

  it.each([
    [['--deadline', '5s', '--measure', '5s'], 'error[USAGE] --deadline: 5s leaves no time for --measure 5s'],
    [['--deadline', '5'], 'error[USAGE] --deadline: '],
    [['--deadline', '5s', '--root', '/nonexistent'], 'error[ROOT_MISSING] /nonexistent: no such directory'],
  ])('%j is a usage error', (words, message) => {
    const { exitCode, stdout, stderr } = cli(['check', ...words]);
    expect([exitCode, stdout]).toEqual([64, '']);
    expect(stderr).toContain(message);
  });
});
