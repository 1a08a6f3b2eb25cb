import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { cli, ROOT } from '../support/cli.ts';

/**
 * What the commands print for the recorded hosts. A golden file's name is the command, the host and the exit code:
 * `check_bond-vlan.2.txt`. `npm test -- -u` writes them anew; git diff is the review.
 */
const GOLDENS = readdirSync(`${ROOT}test/cli/golden`);

describe('golden outputs', () => {
  it.each(GOLDENS)('%s', async (name) => {
    const match = /^([a-z]+)_([a-z0-9-]+)\.(\d+)\.(txt|json)$/.exec(name);
    expect(match, 'the name is command_host.exit.format').not.toBeNull();
    const [, command = '', host = '', exitCode, format] = match ?? [];
    const json = format === 'json' ? ['--json'] : [];
    const result = cli([command, '--root', `test/fixtures/hosts/${host}.tree`, ...json]);
    expect(result.stderr).toBe('');
    expect(result.exitCode).toBe(Number(exitCode));
    await expect(format === 'json' ? steady(result.stdout) : result.stdout).toMatchFileSnapshot(
      `golden/${name}`,
    );
  });

  it('there is a probe page, a check page and a suggestion for every recorded host', () => {
    const hosts = readdirSync(`${ROOT}test/fixtures/hosts`).filter((name) => name.endsWith('.tree'));
    for (const host of hosts.map((name) => name.replace('.tree', ''))) {
      expect(GOLDENS.some((name) => name.startsWith(`probe_${host}.`))).toBe(true);
      expect(GOLDENS.some((name) => name.startsWith(`check_${host}.`))).toBe(true);
      expect(GOLDENS).toContain(`suggest_${host}.0.txt`);
    }
  });
});

/** Leaves out what differs from run to run. */
function steady(text: string): string {
  const { takenAt, tool, times, ...rest } = JSON.parse(text) as Record<string, unknown>;
  expect(Object.keys({ takenAt, tool })).toHaveLength(2);
  return `${JSON.stringify(rest, null, 2)}\n`;
}
