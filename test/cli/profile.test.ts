import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { buildSync } from 'esbuild';
import { afterAll, describe, expect, it } from 'vitest';
import { readProfile } from '../../src/cli/read-profile.ts';
import { ToolError } from '../../src/host/errors.ts';
import { LARGEST_PROFILE, loadProfile } from '../../src/profile/load.ts';
import { cli, ROOT } from '../support/cli.ts';

const scratch = mkdtempSync(`${tmpdir()}/bypass-setup-profile-`);
afterAll(() => rmSync(scratch, { recursive: true }));

describe('suggest', () => {
  it('writes the same text into a file, whole, and says so beside the result', async () => {
    const host = ['suggest', '--root', 'test/fixtures/hosts/two-socket-smt.tree'];
    const printed = cli(host);
    const file = `${scratch}/host.yaml`;
    expect(cli([...host, '--output', file])).toEqual({
      exitCode: 0,
      stdout: '',
      stderr: `wrote ${file}; read it before you use it\n`,
    });
    expect(readFileSync(file, 'utf8')).toBe(printed.stdout);
    expect(readdirSync(scratch)).toEqual(['host.yaml']);
    expect((await readProfile(file)).nics).toHaveLength(5);
  });

  it('works on this machine, whatever it is', async () => {
    const { exitCode, stdout, stderr } = cli(['suggest']);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect((await loadProfile('-', stdout)).version).toBe(1);
  });
});

describe('reading a profile', () => {
  it.each<[string, string, number, string]>([
    [
      'a file that is not there',
      '/no/such/profile.yaml',
      64,
      'error[PROFILE_UNREADABLE] /no/such/profile.yaml: cannot be read: no such file or directory (ENOENT)',
    ],
    [
      'a folder',
      tmpdir(),
      64,
      `error[PROFILE_UNREADABLE] ${tmpdir()}: cannot be read: it is a directory (EISDIR)`,
    ],
    [
      'a device without an end',
      '/dev/zero',
      64,
      `error[PROFILE_INVALID] /dev/zero: is larger than ${LARGEST_PROFILE >> 10} KiB, so it is no profile`,
    ],
    [
      'a device with nothing in it',
      '/dev/null',
      64,
      'error[PROFILE_INVALID] /dev/null: is empty; a profile begins with "version: 1"',
    ],
  ])('%s is one clear error', async (_, file, exitCode, line) => {
    const error: unknown = await readProfile(file).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(ToolError);
    expect((error as ToolError).exitCode).toBe(exitCode);
    expect((error as ToolError).format().split('\n')[0]).toBe(line);
  });

  it('`-` is standard input', () => {
    const bundle = `${scratch}/read-profile.mjs`;
    buildSync({
      stdin: {
        contents: `import { readProfile } from './src/cli/read-profile.ts'; console.log(JSON.stringify(await readProfile('-')));`,
        resolveDir: ROOT,
        loader: 'ts',
      },
      outfile: bundle,
      bundle: true,
      format: 'esm',
      platform: 'node',
      mainFields: ['module', 'main'],
    });
    const { stdout, stderr } = spawnSync(process.execPath, [bundle], {
      input: '{"version": 1}',
      encoding: 'utf8',
    });
    expect([stdout, stderr]).toEqual(['{"version":1,"nics":[],"persistent":true}\n', '']);
  });
});

describe('start-up', () => {
  it.each(['probe', 'check', 'suggest'])('%s loads none of the packages', (command) => {
    const hook = `${scratch}/hook.cjs`;
    writeFileSync(
      hook,
      `const Module = require('node:module');
      const load = Module._load;
      Module._load = (name, ...rest) => {
        if (name.includes('/packages/')) process._rawDebug('loaded ' + name);
        return load(name, ...rest);
      };`,
    );
    const root = ['--root', 'test/fixtures/hosts/two-socket-smt.tree'];
    const { stderr, stdout } = cli([command, ...root], { NODE_OPTIONS: `--require ${hook}` });
    expect(stdout).not.toBe('');
    expect(stderr).toBe('');
  });
});
