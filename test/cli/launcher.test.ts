import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { ROOT } from '../support/cli.ts';

const scratch = mkdtempSync(`${tmpdir()}/bypass-setup-launcher-`);
afterAll(() => rmSync(scratch, { recursive: true }));

/** A copy of the program that can be damaged. */
function copy(name: string): string {
  const folder = `${scratch}/${name}`;
  for (const part of ['bin', 'dist'])
    cpSync(`${ROOT}${part}`, `${folder}/${part}`, { recursive: true, preserveTimestamps: true });
  return folder;
}

function version(folder: string): string {
  const { stdout, stderr } = spawnSync(process.execPath, [`${folder}/bin/bypass-setup`, '--version'], {
    encoding: 'utf8',
  });
  return stdout + stderr;
}

const VERSION = version(ROOT);

describe('the launcher', () => {
  it('runs with the code V8 has kept, without it, and with what is no such code', () => {
    const folder = copy('cache');
    expect(version(folder)).toBe(VERSION);
    writeFileSync(`${folder}/dist/cli.cache`, 'no code');
    expect(version(folder)).toBe(VERSION);
    rmSync(`${folder}/dist/cli.cache`);
    expect(version(folder)).toBe(VERSION);
  });

  it('loads packages with the code that V8 has kept, or without it', () => {
    const folder = copy('packages');
    const plan = () =>
      spawnSync(
        process.execPath,
        [
          `${folder}/bin/bypass-setup`,
          'plan',
          ...[
            '-f',
            `${ROOT}profiles/one-nic-dpdk.yaml`,
            '--root',
            `${ROOT}test/fixtures/hosts/two-socket-smt.tree`,
          ],
        ],
        { encoding: 'utf8' },
      ).stdout;
    const kept = plan();
    expect(kept).toMatch(/\d+ changes/);
    for (const name of ['zod', 'yaml']) writeFileSync(`${folder}/dist/packages/${name}.cache`, 'no code');
    expect(plan()).toBe(kept);
    for (const name of ['zod', 'yaml']) rmSync(`${folder}/dist/packages/${name}.cache`);
    expect(plan()).toBe(kept);
  });

  it('never runs code that was kept of an older bundle', () => {
    const folder = copy('stale');
    const bundle = readFileSync(`${folder}/dist/cli.js`, 'utf8');
    const current = /bypass-setup (\S+)/.exec(VERSION)?.[1] ?? '';
    const other = current.replace(/\d/g, '9');
    writeFileSync(`${folder}/dist/cli.js`, bundle.replaceAll(`"${current}"`, `"${other}"`));
    const past = new Date(Date.now() - 60_000);
    utimesSync(`${folder}/dist/cli.cache`, past, past);
    expect(version(folder)).toContain(other);
  });

  it('says what to do when nothing is built', () => {
    const folder = copy('unbuilt');
    rmSync(`${folder}/dist`, { recursive: true });
    expect(version(folder)).toBe('error[NOT_BUILT] dist/cli.js is missing\nhint: npm run build\n');
  });

  it('a closed standard error does not cost the result', () => {
    const host = `${ROOT}test/fixtures/hosts/firecracker-vm.tree`;
    const script = `'${process.execPath}' '${ROOT}bin/bypass-setup' check --root '${host}' 2>&- | tail -1; '${process.execPath}' '${ROOT}bin/bypass-setup' nonsense 2>/dev/full; echo $?`;
    expect(spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout).toMatch(/^NOT READY .*\n64\n$/);
  });

  it('a folder that is gone is a clear error', () => {
    const script = `mkdir '${scratch}/gone'; cd '${scratch}/gone'; rmdir '${scratch}/gone'; '${process.execPath}' '${ROOT}bin/bypass-setup' check --root x`;
    const { stderr, status } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
    expect(stderr).toMatch(/error\[NO_WORKING_FOLDER\]: the current folder no longer exists\n/);
    expect(status).toBe(64);
  });
});
