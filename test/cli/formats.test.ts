import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { CHECK_FORMATS } from '../../src/report/check-formats.ts';
import { checkReportSchema } from '../../src/report/report.ts';
import { cli } from '../support/cli.ts';

const HOST = ['--root', 'test/fixtures/hosts/two-socket-smt.tree'];
const scratch = mkdtempSync(`${tmpdir()}/bypass-setup-formats-`);
afterAll(() => rmSync(scratch, { recursive: true }));

/** How each begins. */
const BEGINNING: Readonly<Record<keyof typeof CHECK_FORMATS, RegExp>> = {
  text: /^pass {5}kernel/,
  json: /^\{\n {2}"schema": "bypass-setup\/check@1"/,
  junit: /^<\?xml version="1.0" encoding="UTF-8"\?>\n<testsuites>/,
  prometheus: /^# HELP bypass_setup_ready /,
  goss: /^# The gates of bypass-setup check /,
  html: /^<!doctype html>\n<html lang="en">/,
};

describe('check --format', () => {
  it.each(Object.keys(CHECK_FORMATS) as (keyof typeof CHECK_FORMATS)[])(
    '[H6] [H7] %s goes to standard output, or whole to a file, with the same exit code',
    (format) => {
      const direct = cli(['check', ...HOST, '--format', format]);
      expect([direct.exitCode, direct.stderr]).toEqual([2, '']);
      expect(direct.stdout).toMatch(BEGINNING[format]);
      const file = `${scratch}/result.${format}`;
      expect(cli(['check', ...HOST, '--format', format, '--output', file])).toEqual({
        exitCode: 2,
        stdout: '',
        stderr: '',
      });
      expect(readFileSync(file, 'utf8')).toMatch(BEGINNING[format]);
      expect(readdirSync(scratch).filter((name) => name.startsWith('.'))).toEqual([]);
    },
  );

  it('--json is --format json', () => {
    for (const words of [['--json'], ['--format', 'json'], ['--json', '--format=json']]) {
      expect(checkReportSchema.safeParse(JSON.parse(cli(['check', ...HOST, ...words]).stdout)).success).toBe(
        true,
      );
    }
  });

  it('--report FILE.html is the same page', () => {
    const file = `${scratch}/report.html`;
    cli(['check', ...HOST, '--report', file]);
    const steady = (text: string) => text.replaceAll(/\d{4}-\d\d-\d\d[T ][\d:.]+/g, 'then');
    const page = cli(['check', ...HOST, '--format', 'html']).stdout;
    expect(steady(readFileSync(file, 'utf8'))).toBe(steady(page));
    expect(page).toContain('ssh connection from');
  });

  it('--output and --report leave standard output empty together', () => {
    const words = ['--output', `${scratch}/a.txt`, '--report', `${scratch}/b.txt`];
    expect(cli(['check', ...HOST, ...words]).stdout).toBe('');
    expect(readFileSync(`${scratch}/a.txt`, 'utf8')).toContain('NOT READY');
  });

  it.each([
    [
      ['--format', 'yaml'],
      'error[USAGE] --format: "yaml" is none of text, json, junit, prometheus, goss, html',
    ],
    [['--json', '--format', 'html'], 'error[USAGE] --json: is not --format html'],
    [['--output', '/nonexistent/x.prom'], 'error[FILE_NOT_WRITTEN] /nonexistent/x.prom: cannot be written'],
  ])('%j is a usage error', (words, message) => {
    const { exitCode, stdout, stderr } = cli(['check', ...HOST, ...words]);
    expect([exitCode, stdout]).toEqual([64, '']);
    expect(stderr).toContain(message);
    expect(existsSync('/nonexistent')).toBe(false);
  });
});
