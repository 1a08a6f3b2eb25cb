import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import type * as z from 'zod';
import { validateResult } from '../../src/native/messages.ts';
import { checkReportSchema, fullReportSchema, probeReportSchema } from '../../src/report/report.ts';
import { cli, ROOT } from '../support/cli.ts';
import { FIXTURES } from '../support/hosts.ts';

const scratch = mkdtempSync(`${tmpdir()}/bypass-setup-documents-`);
afterAll(() => rmSync(scratch, { recursive: true }));

const hosts = FIXTURES.map((name) => `test/fixtures/hosts/${name}.tree`);

describe('every document keeps its published schema', () => {
  it.each([...hosts, '/'])('probe --json of %s', (root) => {
    const { exitCode, stdout, stderr } = cli(['probe', '--json', '--root', root]);
    expect([exitCode, stderr]).toEqual([0, '']);
    expectDocument(probeReportSchema, stdout);
  });

  it.each([...hosts, '/'])('check --json of %s', (root) => {
    const { exitCode, stdout, stderr } = cli(['check', '--json', '--root', root]);
    expect(stderr).toBe('');
    expectDocument(checkReportSchema, stdout);
    expect(exitCode).toBe(JSON.parse(stdout).verdict === 'ready' ? 0 : 2);
  });

  it('validate --json', (ctx) => {
    if (!existsSync(`${ROOT}build/Release/validator.node`)) ctx.skip('the validator addon is not built');
    const { stdout, stderr } = cli(['validate', '--embedded', '--duration', '300ms', '--json']);
    expect(stderr).toBe('driving packets for 0.3 s\n');
    expectDocument(validateResult, stdout);
  });

  it('check --report FILE.json holds the facts, the judgement and the run of the validator', (ctx) => {
    if (!existsSync(`${ROOT}build/Release/validator.node`)) ctx.skip('the validator addon is not built');
    const file = `${scratch}/report.json`;
    const { exitCode, stdout } = cli(['check', '--measure', '300ms', '--report', file]);
    expect(exitCode).toBe(2);
    expect(stdout.endsWith(`\nFull report: ${file}\n`)).toBe(true);
    const report = expectDocument(fullReportSchema, readFileSync(file, 'utf8'));
    expect(report.identity?.hostname).not.toBe('');
    expect(report.check.findings.map((finding) => finding.check)).toContain('data-path');
    expect(report.check.validation?.schema).toBe('bypass-setup/validate@1');
  });
});

describe('check --report FILE', () => {
  const host = 'test/fixtures/hosts/firecracker-vm.tree';

  it('writes into a pipe or a device instead of replacing it', () => {
    const { exitCode } = cli(['check', '--root', host, '--report', '/dev/null']);
    expect(exitCode).toBe(2);
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true);
  });

  it('writes the file that a link leads to, and keeps the link', () => {
    writeFileSync(`${scratch}/target.txt`, 'old');
    symlinkSync('target.txt', `${scratch}/link.txt`);
    expect(cli(['check', '--root', host, '--report', `${scratch}/link.txt`]).exitCode).toBe(2);
    expect(lstatSync(`${scratch}/link.txt`).isSymbolicLink()).toBe(true);
    expect(readFileSync(`${scratch}/target.txt`, 'utf8')).toContain('NOT READY');
  });

  it('is a text of all pages, written whole or not at all', () => {
    const file = `${scratch}/report.txt`;
    const large = 'test/fixtures/hosts/two-socket-smt.tree';
    const { stdout } = cli(['check', '--root', large, '--report', file]);
    expect(stdout).toContain('NOT READY');
    const text = readFileSync(file, 'utf8');
    expect(text).toMatch(/^bypass-setup \d+\.\d+\.\d+, \d{4}-\d\d-\d\dT[\d:.]+Z, root test\/fixtures/);
    for (const part of ['0000:af:00.1', 'Settings', '/proc/irq/140/effective_affinity_list', 'NOT READY']) {
      expect(text).toContain(part);
    }
    expect(readdirSync(scratch).filter((name) => name.startsWith('.'))).toEqual([]);
  });
});

function expectDocument<T>(schema: z.ZodType<T>, text: string): T {
  const result = schema.safeParse(JSON.parse(text));
  expect(result.error?.issues ?? []).toEqual([]);
  return result.data as T;
}
