import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type CheckReport, fleetReportSchema } from '../../src/report/report.ts';
import { scratch } from '../host/scratch.ts';
import { cli } from '../support/cli.ts';
import { changed, fixtureEntries } from '../support/hosts.ts';
import { unpacked } from './unpacked.ts';

const folder = scratch();
const PROFILE = join(folder, 'feed.yaml');
writeFileSync(PROFILE, 'version: 1\nrole: md-feed\n');

/** The report of a host with its own name and addresses. */
const reports = ['feed-1', 'feed-2', 'feed-3'].map((hostname, n) => {
  const answers = new TextDecoder().decode(
    (
      fixtureEntries('two-socket-smt').find(({ path }) => path === '.kernel/links.json') as {
        bytes: Uint8Array;
      }
    ).bytes,
  );
  const root = unpacked(
    changed(fixtureEntries('two-socket-smt'), {
      '/proc/irq/140/effective_affinity_list': '3\n',
      '/proc/sys/kernel/hostname': `${hostname}\n`,
      '/.kernel/links.json': answers.replaceAll('02:00:5e', `02:0${n}:5e`),
    }),
  );
  const file = join(folder, `${hostname}.json`);
  const { exitCode, stdout } = cli(['check', '--json', '-f', PROFILE, '--root', root]);
  expect(exitCode).toBe(0);
  writeFileSync(file, stdout);
  return { root, file, report: JSON.parse(stdout) as CheckReport };
});
const files = reports.map(({ file }) => file);

function altered(name: string, change: (report: CheckReport) => object): string {
  const file = join(folder, name);
  writeFileSync(file, JSON.stringify(change(structuredClone(reports[2]?.report as CheckReport))));
  return file;
}

describe('[J6] fleet', () => {
  it('hosts that are ready and alike, each with its own addresses', () => {
    expect(cli(['fleet', ...files])).toEqual({
      exitCode: 0,
      stdout: 'md-feed  3 hosts: 3 ready\n\nALIKE  3 of 3 hosts ready, 0 keys differ\n',
      stderr: '',
    });
  });

  it('one that differs is named, with what most have; full reports and JSON too', () => {
    const other = altered('other.json', (report) => ({
      ...report,
      host: 'feed-4',
      verdict: 'not-ready',
      findings: [{ ...report.findings[0], result: 'fail', check: 'iommu', sentence: 'the IOMMU is off' }],
      record: { ...report.record, 'machine/microcode': '0xd0003d0' },
    }));
    const full = join(folder, 'full.json');
    expect(cli(['check', '-f', PROFILE, '--root', reports[2]?.root ?? '', '--report', full]).exitCode).toBe(
      0,
    );
    const given = [files[0] ?? '', files[1] ?? '', other, full];
    expect(cli(['fleet', ...given])).toEqual({
      exitCode: 2,
      stdout: [
        'md-feed  4 hosts: 3 ready, 1 not ready',
        '  feed-4: NOT READY: iommu: the IOMMU is off',
        '  fail  machine/microcode',
        '        0xd0003d1: 3 of 4',
        '        0xd0003d0: feed-4',
        '',
        'NOT ALIKE  3 of 4 hosts ready, 1 key differs',
        '',
      ].join('\n'),
      stderr: '',
    });
    const document = fleetReportSchema.parse(JSON.parse(cli(['fleet', '--json', ...given]).stdout));
    expect(document.roles[0]?.hosts.map(({ host, differs }) => [host, differs])).toEqual([
      ['feed-1', 0],
      ['feed-2', 0],
      ['feed-4', 1],
      ['feed-3', 0],
    ]);
    const page = join(folder, 'fleet.html');
    expect(cli(['fleet', '--output', page, ...given])).toEqual({ exitCode: 2, stdout: '', stderr: '' });
    expect(readFileSync(page, 'utf8')).toContain('<code>0xd0003d0</code>: feed-4');
  });

  it('files that are no reports are named, and the others compared', () => {
    const bad = {
      'cut.json': '{"schema": "bypass-setup/check@1", "fin',
      'list.json': '[]',
      'newer.json': '{"schema": "bypass-setup/check@2"}',
      'foreign.json': '{"schema": "bypass-setup/probe@1"}',
      'damaged.json': '{"schema": "bypass-setup/report@1"}',
    };
    for (const [name, text] of Object.entries(bad)) writeFileSync(join(folder, name), text);
    const more = altered('more.json', (report) => ({
      ...report,
      host: 'feed-5',
      addedLater: { by: 'a later version' },
    }));
    const older = altered('older.json', ({ record, ...report }) => (record === undefined ? {} : report));
    const names = [...Object.keys(bad).map((name) => join(folder, name)), older, folder, '/nowhere.json'];
    const { exitCode, stdout, stderr } = cli(['fleet', '--json', ...files, more, ...names]);
    expect([exitCode, stderr]).toEqual([2, '']);
    const document = fleetReportSchema.parse(JSON.parse(stdout));
    expect(document.roles[0]?.hosts).toHaveLength(4);
    expect(document.refused.map(({ file, reason }) => [file.replace(`${folder}/`, ''), reason])).toEqual([
      ['cut.json', 'is not JSON, or was cut off'],
      ['list.json', 'is another document, not a report of check'],
      ['newer.json', 'is a bypass-setup/check@2, which a newer version of this tool has written'],
      ['foreign.json', 'is a bypass-setup/probe@1, not a report of check'],
      ['damaged.json', 'is damaged: its check: Invalid input: expected object, received undefined'],
      ['older.json', 'has no record: it was written by bypass-setup 0.1.0, which did not keep one'],
      [folder, 'is no file'],
      ['/nowhere.json', 'cannot be read: no such file or directory (ENOENT)'],
    ]);
  });

  it('without a report', () => {
    expect(cli(['fleet'])).toEqual({
      exitCode: 64,
      stdout: '',
      stderr:
        'error[USAGE] fleet: needs the reports to compare\nhint: write one on each host: bypass-setup check --json > HOST.json\n',
    });
  });
});
