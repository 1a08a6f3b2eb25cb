import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { parseArguments } from '../../src/cli/options.ts';
import { ROOT } from '../support/cli.ts';

const scratch = mkdtempSync(`${tmpdir()}/bypass-setup-playbooks-`);
afterAll(() => rmSync(scratch, { recursive: true }));
const UNITS = readdirSync(`${ROOT}playbooks/systemd`);

describe('the units of playbooks/systemd', () => {
  it('systemd finds nothing wrong with them', (ctx) => {
    const program = `${scratch}/bypass-setup`;
    writeFileSync(program, '#!/bin/sh\n');
    chmodSync(program, 0o755);
    for (const name of UNITS) {
      const text = readFileSync(`${ROOT}playbooks/systemd/${name}`, 'utf8');
      writeFileSync(`${scratch}/${name}`, text.replaceAll('/usr/local/bin/bypass-setup', program));
    }
    const units = UNITS.map((name) => `${scratch}/${name}`);
    const { error, status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], {
      encoding: 'utf8',
    });
    if (error !== undefined) ctx.skip('systemd-analyze is not installed');
    expect([status, stderr.split('\n').filter((line) => line.includes(scratch))]).toEqual([0, []]);
  });

  it.each(UNITS.filter((name) => name.endsWith('.service')))(
    '%s starts a command that is understood',
    (name) => {
      const text = readFileSync(`${ROOT}playbooks/systemd/${name}`, 'utf8');
      const words = /^ExecStart=\/usr\/local\/bin\/bypass-setup (.+)$/m.exec(text)?.[1]?.split(' ') ?? [];
      expect(parseArguments(words).command).toBe('check');
    },
  );
});

describe('playbooks/nagios/check_bypass_setup', () => {
  it.each([
    ['check_ready', 0, 'READY  9 pass', 0, 'BYPASS OK - READY  9 pass'],
    ['check_not_ready', 2, 'FAIL     a\n\nNOT READY  1 fail', 2, 'BYPASS CRITICAL - NOT READY  1 fail'],
    ['check_unknown', 2, 'CANNOT KNOW  1 unknown', 3, 'BYPASS UNKNOWN - CANNOT KNOW  1 unknown'],
    ['a usage error', 64, 'error[USAGE] a | b', 3, 'BYPASS UNKNOWN - exit code 64'],
    ['a program that is killed', 137, '', 3, 'BYPASS UNKNOWN - exit code 137'],
    ['words of success without its code', 1, 'READY  9 pass', 3, 'BYPASS UNKNOWN - READY  9 pass'],
  ])('[H7] %s', (_, code, says, state, first) => {
    const program = `${scratch}/fake`;
    writeFileSync(program, `#!/bin/sh\ncat <<'END'\n${says}\nEND\nexit ${code}\n`);
    chmodSync(program, 0o755);
    const { status, stdout } = spawnSync(`${ROOT}playbooks/nagios/check_bypass_setup`, [], {
      encoding: 'utf8',
      env: { ...process.env, BYPASS_SETUP: program },
    });
    expect([status, stdout.split('\n')[0]]).toEqual([state, first]);
    expect(stdout).not.toContain('|');
  });

  it('says of a real host what check says', () => {
    const { status, stdout } = spawnSync(
      `${ROOT}playbooks/nagios/check_bypass_setup`,
      ['--root', 'test/fixtures/hosts/two-socket-smt.tree'],
      { encoding: 'utf8', cwd: ROOT, env: { ...process.env, BYPASS_SETUP: `${ROOT}bin/bypass-setup` } },
    );
    expect(status).toBe(2);
    expect(stdout).toMatch(/^BYPASS CRITICAL - NOT READY {2}1 fail/);
  });
});
