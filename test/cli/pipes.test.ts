import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../support/cli.ts';

const COMMAND = `'${process.execPath}' '${ROOT}bin/bypass-setup'`;
const HOST = `'${ROOT}test/fixtures/hosts/two-socket-smt.tree'`;

describe('output', () => {
  it('a reader that goes away early is no error', () => {
    const script = `set -o pipefail; ${COMMAND} probe --json --root ${HOST} | head -c 100 >/dev/null; echo "\${PIPESTATUS[0]}"`;
    const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
    expect([stdout, stderr]).toEqual(['0\n', '']);
  });

  it('a full disk behind stdout is one clear error', () => {
    const script = `${COMMAND} probe --json --root ${HOST} > /dev/full`;
    const { status, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
    expect(stderr).toBe('error[STDOUT]: cannot be written: the disk is full (ENOSPC)\n');
    expect(status).toBe(1);
  });

  it('the page for people fits 80 columns, has no colour in a pipe, and lets no escape through', () => {
    const { stdout } = spawnSync('bash', ['-c', `${COMMAND} probe --root ${HOST}`], { encoding: 'utf8' });
    for (const line of stdout.split('\n')) expect([...line].length).toBeLessThanOrEqual(80);
    expect(stdout).not.toContain('\u001b');
  });
});
