import { describe, expect, it } from 'vitest';
import { applyProfile } from '../../src/engine/apply.ts';
import { readRuns } from '../../src/engine/journal.ts';
import { confirmRun, listRuns, undoRun } from '../../src/engine/undo.ts';
import type { Host, RunResult } from '../../src/host/host.ts';
import { MemoryHost } from './memory-host.ts';
import { BOOT_ID, engineOn, files, REQUEST, type TestClock, type Wanted } from './support.ts';

describe('[H10] undo', () => {
  it('takes back the last run that stands, then the one before', async () => {
    const host = hostWith({ '/a': 'old' });
    await apply(host, { '/a': 'one' });
    await apply(host, { '/a': 'two', '/b': 'new' });
    expect((await undo(host)).run).toBe('20261122-163909');
    expect(host.state()).toEqual({ [BOOT_ID]: 'boot-1\n', '/a': 'one' });
    expect((await undo(host)).run).toBe('20261122-163908');
    expect(host.state()).toEqual({ [BOOT_ID]: 'boot-1\n', '/a': 'old' });
    expect(await undo(host)).toMatchObject({ outcome: 'nothing', sentence: 'there is no run to undo' });
  });

  it('refuses a run on whose things a later one stands, and names it; others it takes', async () => {
    const host = hostWith({ '/a': 'old' });
    await apply(host, { '/a': 'one' });
    await apply(host, { '/b': 'two' });
    await apply(host, { '/a': 'three' });
    await expect(undo(host, '20261122-163908')).rejects.toMatchObject({
      code: 'RUN_COVERED',
      message: 'run 20261122-163910 came after it and stands on /a',
      exitCode: 4,
    });
    expect(await undo(host, '20261122-163909')).toMatchObject({ outcome: 'undone' });
    expect(await undo(host, '20261122-163910')).toMatchObject({ outcome: 'undone' });
    expect(await undo(host, '20261122-163908')).toMatchObject({ outcome: 'undone' });
    expect(host.state()).toEqual({ [BOOT_ID]: 'boot-1\n', '/a': 'old' });
  });

  it('done again changes nothing', async () => {
    const host = hostWith({ '/a': 'old' });
    await apply(host, { '/a': 'one' });
    await undo(host);
    const after = new Map(host.files);
    expect(await undo(host, '20261122-163908')).toMatchObject({
      outcome: 'nothing',
      sentence: 'run 20261122-163908 is undone already',
    });
    expect(host.files).toEqual(after);
  });

  it('of an unknown run is a usage error', async () => {
    await expect(undo(hostWith({}), 'yesterday')).rejects.toMatchObject({
      code: 'RUN_UNKNOWN',
      exitCode: 64,
    });
  });

  it('names what it cannot take back, and takes it when asked again', async () => {
    const host = hostWith({ '/a': 'old', '/b': 'old' });
    await apply(host, { '/a': 'one', '/b': 'one' });
    const replace = host.replaceFile.bind(host);
    host.replaceFile = (path, text) => {
      if (path === '/a') throw new Error('it is held');
      replace(path, text);
    };
    expect(await undo(host)).toMatchObject({ outcome: 'left', left: ['/a: Error: it is held'] });
    expect(host.state()).toMatchObject({ '/a': 'one', '/b': 'old' });
    host.replaceFile = replace;
    expect(await undo(host)).toMatchObject({ outcome: 'undone' });
    expect(host.state()).toMatchObject({ '/a': 'old', '/b': 'old' });
  });

  it('of a run that another version made with an action this one lacks says so', async () => {
    const host = hostWith({ '/a': 'old' });
    await apply(host, { '/a': 'one' });
    const result = await undoRun(engineOn(host, []), undefined);
    expect(result).toMatchObject({ outcome: 'left', left: ['/a: this version knows no action file'] });
  });
});

describe('[H10] after a reboot', () => {
  const runtime = { scope: 'runtime' } as const;
  const reboot = (host: MemoryHost) => host.files.set(BOOT_ID, 'boot-2\n');

  it('what it erased is only looked at', async () => {
    const host = hostWith({ '/a': 'old' });
    await apply(host, { '/a': 'one' }, runtime);
    reboot(host);
    host.files.set('/a', 'old');
    const before = host.changes;
    expect(await undo(host)).toMatchObject({ outcome: 'undone' });
    const lines = 5; // undo, revert, reverted, end, and none for a write
    expect(host.changes - before).toBeLessThan(lines);
  });

  it('what something made again is taken back', async () => {
    const host = hostWith({ '/a': 'old' });
    await apply(host, { '/a': 'one' }, runtime);
    reboot(host);
    expect(await undo(host)).toMatchObject({ outcome: 'undone' });
    expect(host.files.get('/a')).toBe('old');
  });

  it('what is neither before nor after is left alone and named', async () => {
    const host = hostWith({ '/a': 'old' });
    await apply(host, { '/a': 'one' }, runtime);
    reboot(host);
    host.files.set('/a', 'theirs');
    expect(await undo(host)).toMatchObject({ outcome: 'left', left: ['/a: holds "theirs", not "old"'] });
    expect(host.files.get('/a')).toBe('theirs');
  });

  it('what a reboot brought needs another one, and undo says so', async () => {
    const host = hostWith({ '/a': 'old' });
    await apply(host, { '/a': 'one' }, { effect: 'reboot' });
    reboot(host);
    expect(await undo(host)).toMatchObject({ outcome: 'undone', rebootNeeded: true });
  });
});

describe('[J1] a run with --confirm-within', () => {
  it('stands when it is confirmed in time', async () => {
    const host = await waiting();
    await expect(apply(host, { '/b': 'more' })).rejects.toMatchObject({
      code: 'RUN_UNCONFIRMED',
      exitCode: 4,
    });
    expect(await confirm(host, { uptime: 1119 })).toMatchObject({ outcome: 'confirmed' });
    expect(await confirm(host, { uptime: 5000 })).toMatchObject({ outcome: 'nothing' });
    expect(host.files.get('/a')).toBe('one');
  });

  it('is undone by the next start after its time, and cannot be confirmed any more', async () => {
    const host = await waiting();
    await expect(confirm(host, { uptime: 1120 })).rejects.toMatchObject({
      code: 'RUN_NOT_APPLIED',
      message: 'does not stand any more: not confirmed',
    });
    expect(host.files.get('/a')).toBe('old');
  });

  it('is undone after a reboot, however early', async () => {
    const host = await waiting();
    host.files.set(BOOT_ID, 'boot-2\n');
    await expect(confirm(host, { uptime: 3, bootId: 'boot-2' })).rejects.toMatchObject({
      code: 'RUN_NOT_APPLIED',
    });
    expect(host.files.get('/a')).toBe('old');
  });

  it('does not care for the time of day', async () => {
    for (const now of ['1970-01-01', '2099-01-01'].map((day) => new Date(day))) {
      const host = await waiting();
      expect(await confirm(host, { uptime: 1100, now })).toMatchObject({ outcome: 'confirmed' });
    }
  });

  it('is undone when its time is over before the last change', async () => {
    const host = hostWith({ '/a': 'old' });
    const engine = armed(host, { '/a': 'one', '/b': 'new' }, () => {
      engine.time.uptime += 100;
    });
    const result = await applyProfile(engine, { ...REQUEST, confirmWithin: 120 });
    expect(result).toMatchObject({ outcome: 'undone', error: { code: 'TOO_LATE' } });
    expect(host.state()).toEqual({ [BOOT_ID]: 'boot-1\n', '/a': 'old' });
  });

  it('is not begun when nothing could undo it', async () => {
    const host = hostWith({ '/a': 'old' });
    const engine = engineOn(host, [files(host, { '/a': 'one' })]);
    const result = await applyProfile(engine, { ...REQUEST, confirmWithin: 120 });
    expect(result).toMatchObject({ outcome: 'undone', error: { code: 'PROGRAM_NOT_STARTED' } });
    expect(readRuns(host).at(-1)?.standing.get('file:/a')).toBe('planned');
  });

  it('gives the deadline to process 1 where that is systemd', async () => {
    const host = hostWith({ '/a': 'old' });
    host.files.set('/run/systemd/system/x', '');
    const started: (readonly string[])[] = [];
    const live = Object.create(host, {
      live: { value: true },
      run: {
        value: async (argv: readonly string[]): Promise<RunResult> => {
          started.push(argv);
          return { exitCode: 0, stdout: '', stderr: '', timedOut: false };
        },
      },
    }) as Host;
    const engine = engineOn(live, [files(host, { '/a': 'one' })]);
    await applyProfile(engine, { ...REQUEST, confirmWithin: 119.5 });
    expect(await confirmRun(engine, undefined)).toMatchObject({ outcome: 'confirmed' });
    const unit = 'bypass-setup-undo-20261122-163908';
    expect(started).toEqual([
      [
        'systemd-run',
        `--unit=${unit}`,
        '--on-active=120s',
        '--timer-property=AccuracySec=100ms',
        '--collect',
        '--quiet',
        '--',
        '/bin/false',
        'undo',
        '20261122-163908',
        '--unless-confirmed',
      ],
      ['systemctl', 'stop', `${unit}.timer`],
    ]);
  });

  async function waiting(): Promise<MemoryHost> {
    const host = hostWith({ '/a': 'old' });
    const result = await applyProfile(armed(host, { '/a': 'one' }), { ...REQUEST, confirmWithin: 120 });
    expect(result).toMatchObject({ outcome: 'applied', confirmBy: '2026-11-22T16:41:08.000Z' });
    return host;
  }

  /** With a dead-man that says that it runs, and ends. */
  function armed(host: MemoryHost, wanted: Wanted, inTheMiddle?: () => void) {
    const action = files(host, wanted, inTheMiddle === undefined ? {} : { inTheMiddle });
    return Object.assign(engineOn(host, [action]), { self: ['/bin/echo'] });
  }
});

describe('undo --list', () => {
  it('[H13] shows each run and where its changes stand', async () => {
    const host = hostWith({ '/a': 'old' });
    await apply(host, { '/a': 'one' });
    await apply(host, { '/b': 'two' });
    await undo(host);
    const common = {
      at: '2026-11-22T16:39:08.000Z',
      command: 'bypass-setup apply -f test.yaml',
      by: 'uid 0',
    };
    expect(listRuns(host)).toEqual([
      {
        ...common,
        run: '20261122-163908',
        state: 'applied',
        changes: [{ id: 'file:/a', summary: 'write one', standing: 'done' }],
      },
      {
        ...common,
        run: '20261122-163909',
        state: 'undone',
        changes: [{ id: 'file:/b', summary: 'write two', standing: 'reverted' }],
      },
    ]);
  });
});

function hostWith(given: Record<string, string>): MemoryHost {
  return new MemoryHost(new Map(Object.entries({ [BOOT_ID]: 'boot-1\n', ...given })));
}

async function apply(host: MemoryHost, wanted: Wanted, options: Parameters<typeof files>[2] = {}) {
  const result = await applyProfile(engineOn(host, [files(host, wanted, options)]), REQUEST);
  expect(result.outcome).toBe('applied');
}

function undo(host: MemoryHost, run?: string) {
  return undoRun(engineOn(host, [files(host, {})]), run);
}

function confirm(host: MemoryHost, time: Partial<TestClock>) {
  return confirmRun(engineOn(host, [files(host, {})], time), undefined);
}
