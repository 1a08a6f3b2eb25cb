import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LOCK_FILE } from '../../src/engine/lock.ts';
import { listRuns } from '../../src/engine/undo.ts';
import { openReadHost } from '../../src/host/node-host.ts';
import { hostFolder, snapshot } from '../host/scratch.ts';
import { eventually, start, startAndHold } from './processes.ts';

const BEFORE = { etc: { a: 'old a', b: 'old b' } };
const WANTED = JSON.stringify({ '/etc/a': 'new a', '/etc/b': null, '/etc/c': 'new c' });
const APPLIED = { a: 'new a', b: undefined, c: 'new c' };
const UNTOUCHED = { a: 'old a', b: 'old b', c: undefined };

describe('processes that end before their time', () => {
  it.each(['/etc/a', '/etc/b', '/etc/c'])(
    '[H11] killed (kill -9) in the middle of %s: the next start undoes it',
    async (path) => {
      const root = hostFolder(BEFORE);
      const { child, ended } = await startAndHold(root, path, ['apply', WANTED]);
      expect(read(root, path.slice(5)), 'the write was made').toBe('changing');
      child.kill('SIGKILL');
      await ended;
      const { result, stderr } = await start(root, ['undo']).ended;
      expect(result).toMatchObject({ outcome: 'undone', left: [] });
      expect(stderr).toContain('was interrupted: it is undone\n');
      expect(state(root)).toEqual(UNTOUCHED);
    },
  );

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '[H10] %s waits for the end of the change, then everything is taken back',
    async (signal) => {
      const root = hostFolder(BEFORE);
      const { child, ended } = await startAndHold(root, '/etc/b', ['apply', WANTED]);
      child.kill(signal);
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(child.exitCode ?? child.signalCode, 'it goes on').toBeNull();
      writeFileSync(join(root, 'etc/b.go'), '');
      const { result, stderr } = await ended;
      rmSync(join(root, 'etc/b.go'));
      expect(result).toMatchObject({ outcome: 'undone', error: `ToolError: ${signal} came before the end` });
      expect(stderr).toContain('done: /etc/b: remove the file\n');
      expect(state(root)).toEqual(UNTOUCHED);
    },
  );
});

describe('[H12] the lock', () => {
  it('lets one run in; all others end with 11 and name it', async () => {
    const root = hostFolder(BEFORE);
    const { child, ended } = await startAndHold(root, '/etc/a', ['apply', WANTED]);
    const others = await Promise.all(Array.from({ length: 8 }, () => start(root, ['apply', WANTED]).ended));
    for (const { result } of others) {
      expect(result).toMatchObject({ error: 'LOCKED', exitCode: 11 });
      expect(result.message).toMatch(
        new RegExp(`^another run is at work: process ${child.pid} \\(bypass-setup apply .*\\), since 20`),
      );
    }
    writeFileSync(join(root, 'etc/a.go'), '');
    expect((await ended).result).toMatchObject({ outcome: 'applied' });
    expect(state(root)).toEqual(APPLIED);
  });

  it('ends with its holder, killed or not, however many want it then', async () => {
    const root = hostFolder(BEFORE);
    for (let round = 0; round < 3; round++) {
      const held = join(root, `held-${round}`);
      const { child, ended } = start(root, ['hold', held]);
      await eventually('the lock', () => existsSync(held));
      child.kill('SIGKILL');
      await ended;
      expect(read(root, `..${LOCK_FILE}`), 'its name still stands there').toContain(`"pid":${child.pid}`);
      const all = await Promise.all(Array.from({ length: 6 }, () => start(root, ['apply', WANTED]).ended));
      const outcomes = all.map(({ result }) => result.outcome ?? result.exitCode);
      expect(outcomes.filter((outcome) => outcome === 'applied')).toHaveLength(1);
      expect(outcomes.filter((outcome) => !['applied', 'nothing', 11].includes(outcome as string))).toEqual(
        [],
      );
      expect((await start(root, ['undo']).ended).result).toMatchObject({ outcome: 'undone' });
      expect(state(root)).toEqual(UNTOUCHED);
    }
  });
});

describe('[J1] the dead-man', () => {
  it('undoes a run that nobody confirms, when the process and its session are long gone', async () => {
    const root = hostFolder(BEFORE);
    const { result } = await start(root, ['apply', WANTED, '2']).ended;
    expect(result).toMatchObject({ outcome: 'applied' });
    expect(state(root)).toEqual(APPLIED);
    await eventually('the undo', () => stateOf(root) === 'undone');
    expect(state(root)).toEqual(UNTOUCHED);
    expect(journal(root)).toContain('"why":"not confirmed"');
  });

  it('undoes a run whose process was killed (kill -9) in the middle', async () => {
    const root = hostFolder(BEFORE);
    const { child, ended } = await startAndHold(root, '/etc/b', ['apply', WANTED, '2']);
    child.kill('SIGKILL');
    await ended;
    await eventually('the undo', () => stateOf(root) === 'undone');
    expect(state(root)).toEqual(UNTOUCHED);
  });

  it('stays off a run that is confirmed, and ends', async () => {
    const root = hostFolder(BEFORE);
    await start(root, ['apply', WANTED, '3']).ended;
    const watcher = dogs(root);
    expect(watcher).toHaveLength(1);
    expect((await start(root, ['confirm']).ended).result).toMatchObject({ outcome: 'confirmed' });
    await eventually('its end', () => dogs(root).length === 0);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect([stateOf(root), state(root)]).toEqual(['applied', APPLIED]);
  });

  it('is in a session of its own, which no hangup reaches', async () => {
    const root = hostFolder(BEFORE);
    await start(root, ['apply', WANTED, '60']).ended;
    const [pid = ''] = dogs(root);
    // Field 6 of proc_pid_stat(5) is the session, field 7 the terminal.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    expect([fields[3], fields[4]]).toEqual([pid, '0']);
    expect((await start(root, ['undo']).ended).result).toMatchObject({ outcome: 'undone' });
    await eventually('its end', () => dogs(root).length === 0);
  });
});

function read(root: string, name: string): string | undefined {
  const path = join(root, 'etc', name);
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

function state(root: string): Record<string, string | undefined> {
  const names = Object.keys(snapshot(join(root, 'etc'))).filter((name) => !name.endsWith('.go'));
  for (const name of names) expect(['a', 'b', 'c']).toContain(name);
  return { a: read(root, 'a'), b: read(root, 'b'), c: read(root, 'c') };
}

function stateOf(root: string): string | undefined {
  return listRuns(openReadHost(root)).at(-1)?.state;
}

function journal(root: string): string {
  const run = listRuns(openReadHost(root)).at(-1)?.run ?? '';
  return readFileSync(join(root, 'var/lib/bypass-setup/runs', run, 'journal.ndjson'), 'utf8');
}

/** The waiting processes of a root. */
function dogs(root: string): string[] {
  const pids = openReadHost('/').list('/proc') ?? [];
  return pids.filter((pid) => {
    if (!/^\d+$/.test(pid)) return false;
    const line = openReadHost('/').readText(`/proc/${pid}/cmdline`) ?? '';
    return line.includes('--unless-confirmed') && line.includes(root);
  });
}
