import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sealed } from '../../src/cli/baseline.ts';
import { type Baseline, baselineSchema, checkReportSchema, type Finding } from '../../src/report/report.ts';
import { scratch } from '../host/scratch.ts';
import { cli } from '../support/cli.ts';
import { changed, fixtureEntries } from '../support/hosts.ts';
import { unpacked } from './unpacked.ts';

const KEPT = 'var/lib/bypass-setup/baseline.json';
/** The interrupt that is left on an isolated CPU goes away. */
const READY = { '/proc/irq/140/effective_affinity_list': '3\n', '/etc/machine-id': '5a2f\n' };

function readyHost(): string {
  return unpacked(changed(fixtureEntries('two-socket-smt'), READY));
}

describe('[H9] baseline save, show, and check --baseline', () => {
  it('a ready host is kept, is as it was kept, and an update of its kernel is named', () => {
    const root = readyHost();
    const saved = cli(['baseline', 'save', '--root', root]);
    expect([saved.exitCode, saved.stderr]).toEqual([0, '']);
    expect(saved.stdout).toBe(
      '162 values saved in /var/lib/bypass-setup/baseline.json\n4 could not be read and will not be compared (baseline show names them)\n',
    );
    const document = baselineSchema.parse(JSON.parse(readFileSync(join(root, KEPT), 'utf8')));
    expect([document.host, document.machineId, document.verdict]).toEqual(['feed-1', '5a2f', 'ready']);
    expect(statSync(join(root, KEPT)).mode & 0o777).toBe(0o644);
    expect(readdirSync(join(root, 'var/lib/bypass-setup')).filter((name) => name.endsWith('.tmp'))).toEqual(
      [],
    );

    const same = cli(['check', '--baseline', '--root', root]);
    expect([same.exitCode, same.stderr]).toEqual([0, '']);
    expect(same.stdout).toContain('\npass     drift        162 values are as they were on 2');

    writeFileSync(join(root, 'proc/sys/kernel/osrelease'), '6.1.0-29-amd64\n');
    const other = cli(['check', '--baseline', '--root', root]);
    expect(other.exitCode).toBe(2);
    expect(other.stdout).toContain(
      '\nFAIL     drift        kernel: release is 6.1.0-29-amd64, was 6.1.0-28-amd64\n',
    );
    expect(cli(['check', '--root', root]).exitCode).toBe(0);

    const shown = cli(['baseline', 'show', '--root', root]);
    expect([shown.exitCode, shown.stderr]).toEqual([0, '']);
    expect(shown.stdout).toMatch(/^Baseline of feed-1, 2.*: ready\n/);
    expect(shown.stdout).toMatch(/^nic\/0000:af:00\.1\/firmware +\(could not be read\)$/m);
    expect(JSON.parse(cli(['baseline', 'show', '--json', '--root', root]).stdout)).toEqual(document);
  });

  it('in a file of its own, which is named in any of three ways', () => {
    const root = readyHost();
    const file = join(scratch(), 'accepted.json');
    expect(cli(['baseline', 'save', file, '--root', root]).exitCode).toBe(0);
    for (const words of [['--baseline', file], [`--baseline=${file}`]]) {
      expect(driftOf(root, words)).toMatchObject([
        { result: 'pass', evidence: [{ path: file }, {}, {}, {}, {}] },
      ]);
    }
    expect(driftOf(root, ['--baseline'])).toMatchObject([
      { result: 'unknown', sentence: 'there is no baseline to compare with' },
    ]);
    expect(cli(['baseline', 'show', file]).exitCode).toBe(0);
  });

  it('a host that is not ready is kept only when that is meant', () => {
    const root = unpacked(fixtureEntries('two-socket-smt'));
    expect(cli(['baseline', 'save', '--root', root])).toEqual({
      exitCode: 2,
      stdout: '',
      stderr:
        'error[NOT_READY] baseline: is not saved: the host is not ready (interrupts: an interrupt goes there, although isolated)\n' +
        'hint: see bypass-setup check; --allow-not-ready accepts the host as it is\n',
    });
    expect(() => statSync(join(root, KEPT))).toThrow('ENOENT');
    expect(cli(['baseline', 'save', '--allow-not-ready', '--root', root]).exitCode).toBe(0);
    expect(JSON.parse(readFileSync(join(root, KEPT), 'utf8'))).toMatchObject({ verdict: 'not-ready' });
  });

  it('the baseline of another machine says nothing about this one', () => {
    const root = readyHost();
    cli(['baseline', 'save', '--root', root]);
    writeFileSync(join(root, 'etc/machine-id'), 'b00b\n');
    const drift = driftOf(root, ['--baseline']);
    expect(drift).toMatchObject([
      {
        result: 'unknown',
        sentence: 'the baseline is that of another machine, or of what was installed here before',
      },
    ]);
  });

  it('[J5] check --json carries the record that a baseline keeps', () => {
    const root = readyHost();
    const saved = baselineSchema.parse(
      JSON.parse(cli(['baseline', 'save', '--json', '--root', root]).stdout),
    );
    const report = checkReportSchema.parse(JSON.parse(cli(['check', '--json', '--root', root]).stdout));
    expect(report.record).toEqual(saved.record);
    expect([report.host, report.role]).toEqual(['feed-1', undefined]);
  });

  it('[H17] a check that is new to the baseline warns, until the baseline is saved anew', async () => {
    const root = unpacked(fixtureEntries('two-socket-smt'));
    cli(['baseline', 'save', '--allow-not-ready', '--root', root]);
    const { digest, ...kept } = JSON.parse(readFileSync(join(root, KEPT), 'utf8')) as Baseline;
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    const older = { ...kept, tool: '0.0.9', checks: kept.checks.filter((name) => name !== 'interrupts') };
    writeFileSync(join(root, KEPT), await sealed(older));
    expect(cli(['check', '--root', root]).exitCode).toBe(2);
    const staged = cli(['check', '--baseline', '--root', root]);
    expect(staged.exitCode).toBe(0);
    expect(staged.stdout).toContain('warn     interrupts');
    expect(staged.stdout).toContain(
      'warn     adoption     bypass-setup 0.1.0 is not what the baseline was saved',
    );
    cli(['baseline', 'save', '--allow-not-ready', '--root', root]);
    const adopted = cli(['check', '--baseline', '--root', root]);
    expect(adopted.exitCode).toBe(2);
    expect(adopted.stdout).toContain('FAIL     interrupts');
    expect(adopted.stdout).not.toContain('adoption');
  });
});

describe('[H9] a baseline that cannot be trusted is refused', () => {
  const root = readyHost();
  const file = join(scratch(), 'baseline.json');
  cli(['baseline', 'save', file, '--root', root]);
  const text = readFileSync(file, 'utf8');
  const DAMAGED = 'hint: restore it from a copy; or judge the host anew, and save another one\n';
  const HINT = 'hint: save one while the host is ready: bypass-setup baseline save\n';

  it.each([
    [
      'edited',
      text.replace('"0xd0003d1"', '"0xd0003d0"'),
      'DAMAGED',
      'was edited or damaged: its digest does not fit',
      DAMAGED,
    ],
    [
      'without its digest',
      text.replace(/,\s*"digest": "[^"]*"/, ''),
      'DAMAGED',
      'was edited or damaged: its digest does not fit',
      DAMAGED,
    ],
    ['cut off', text.slice(0, 300), 'DAMAGED', 'is not JSON, or was cut off', DAMAGED],
    ['empty', '', 'DAMAGED', 'is not JSON, or was cut off', DAMAGED],
    ['null', 'null', 'FOREIGN', 'is another document, not a bypass-setup/baseline@1', HINT],
    [
      'newer',
      text.replace('baseline@1', 'baseline@2'),
      'FOREIGN',
      'is a bypass-setup/baseline@2, not a bypass-setup/baseline@1',
      HINT,
    ],
  ])('%s', (_, content, code, message, hint) => {
    const damaged = join(scratch(), 'b.json');
    writeFileSync(damaged, content);
    for (const words of [
      ['check', '--root', root, '--baseline', damaged],
      ['baseline', 'show', damaged],
    ]) {
      expect(cli(words)).toEqual({
        exitCode: 64,
        stdout: '',
        stderr: `error[BASELINE_${code}] ${damaged}: ${message}\n${hint}`,
      });
    }
  });

  it('sealed by hand, and no baseline', async () => {
    const damaged = join(scratch(), 'b.json');
    const { digest, ...kept } = JSON.parse(text) as Baseline;
    expect(digest).not.toBe('');
    writeFileSync(damaged, await sealed({ ...kept, record: { 'cpu/smt': 7 } as never }));
    expect(cli(['check', '--root', root, `--baseline=${damaged}`])).toMatchObject({
      exitCode: 64,
      stderr: `error[BASELINE_DAMAGED] ${damaged}: is no baseline, although its digest fits\n${DAMAGED}`,
    });
  });

  it('in another order and with other blanks it is the same', () => {
    const rewritten = join(scratch(), 'b.json');
    const entries = Object.entries(JSON.parse(text) as Baseline).reverse();
    writeFileSync(rewritten, JSON.stringify(Object.fromEntries(entries)));
    expect(driftOf(root, ['--baseline', rewritten])).toMatchObject([{ result: 'pass' }]);
  });

  it('not there, a folder, and not to be written', () => {
    expect(cli(['check', '--root', root, '--baseline', '/nowhere/b.json'])).toMatchObject({
      exitCode: 64,
      stderr: `error[BASELINE_UNREADABLE] /nowhere/b.json: there is no such file\n${HINT}`,
    });
    expect(cli(['baseline', 'show', '--root', root])).toMatchObject({
      exitCode: 64,
      stderr: `error[BASELINE_MISSING] /var/lib/bypass-setup/baseline.json: there is no baseline\n${HINT}`,
    });
    const folder = cli(['baseline', 'show', '/tmp']);
    expect([folder.stdout, folder.stderr]).toEqual([
      '',
      'error[HOST_READ] /tmp: cannot read: it is a directory (EISDIR)\n',
    ]);
    expect(cli(['baseline', 'save', '/nowhere/b.json', '--root', root])).toMatchObject({ exitCode: 64 });
    const recorded = cli(['baseline', 'save', '--root', 'test/fixtures/hosts/two-socket-smt.tree']);
    expect(recorded.exitCode).toBe(64);
    expect(recorded.stderr).toContain('is a recorded host, which can be read only');
  });

  it('words that the command does not take', () => {
    for (const [words, message] of [
      [[], 'error[USAGE] baseline: must be followed by save or show\n'],
      [['keep'], 'error[USAGE] "keep": must be followed by save or show\n'],
      [['save', 'a', 'b'], 'error[USAGE] "b": "baseline" takes one FILE only\n'],
    ] as const) {
      const { exitCode, stderr } = cli(['baseline', ...words]);
      expect([exitCode, stderr.split('hint')[0]]).toEqual([64, message]);
    }
  });
});

function driftOf(root: string, words: readonly string[]): Finding[] {
  const { stdout } = cli(['check', '--json', '--root', root, ...words]);
  return checkReportSchema.parse(JSON.parse(stdout)).findings.filter(({ check }) => check === 'drift');
}
