import { describe, expect, it } from 'vitest';
import type { Action } from '../../src/actions/define.ts';
import { type ApplyRequest, applyProfile } from '../../src/engine/apply.ts';
import { journalPath, readRuns } from '../../src/engine/journal.ts';
import { ToolError } from '../../src/host/errors.ts';
import { MemoryHost } from './memory-host.ts';
import { BOOT_ID, engineOn, files, REQUEST, type Wanted } from './support.ts';

const WANTED: Wanted = { '/etc/a': 'new a', '/etc/b': null, '/sys/c': 'new c' };

describe('[H10] a run that fails', () => {
  it.each(['/etc/a', '/etc/b', '/sys/c'])('at %s is taken back whole', async (culprit) => {
    const host = hostWith();
    const x = host.state();
    const inTheMiddle = (path: string) => {
      if (path === culprit) throw new ToolError('KERNEL_REFUSED', 'no', { subject: path });
    };
    const result = await apply(host, files(host, WANTED, { inTheMiddle }));
    expect(result).toMatchObject({
      outcome: 'undone',
      left: [],
      error: { code: 'KERNEL_REFUSED', subject: culprit },
    });
    expect(host.state()).toEqual(x);
  });

  it('is one whose change cannot be read back, whatever the write returned', async () => {
    const host = hostWith();
    const x = host.state();
    const liar: Action = { ...files(host, WANTED), apply: async () => undefined };
    const result = await apply(host, liar);
    expect(result).toMatchObject({ outcome: 'undone', error: { code: 'NOT_VERIFIED', subject: '/etc/a' } });
    expect(host.state()).toEqual(x);
  });

  it('is one after which the profile would ask for more', async () => {
    const host = hostWith();
    const x = host.state();
    const again = files(host, WANTED);
    const restless: Action = {
      ...again,
      plan: (context, note) => [
        ...again.plan(context, note),
        {
          target: 'more',
          before: null,
          after: null,
          scope: 'runtime',
          effect: 'none',
          summary: 'turn it on',
          commands: [],
        },
      ],
      verify: (change, on) => (change.target === 'more' ? undefined : again.verify(change, on)),
      apply: async (change, on) => (change.target === 'more' ? undefined : again.apply(change, on)),
      revert: async (change, on) => (change.target === 'more' ? undefined : again.revert(change, on)),
      holdsBefore: (change, on) => (change.target === 'more' ? undefined : again.holdsBefore(change, on)),
    };
    const result = await apply(host, restless);
    expect(result).toMatchObject({ outcome: 'undone', error: { code: 'NOT_CONVERGED' } });
    expect(String(result.error)).toContain('more: turn it on');
    expect(host.state()).toEqual(x);
  });

  it('names what is left when something cannot be taken back, and takes back the rest', async () => {
    const host = hostWith();
    const stuck = files(host, WANTED, {
      inTheMiddle: (path) => {
        if (path === '/sys/c') throw new Error('a defect');
      },
    });
    const revert: Action['revert'] = async (change, on) => {
      if (change.target === '/etc/b') throw new ToolError('KERNEL_REFUSED', 'is held', { subject: '/etc/b' });
      return stuck.revert(change, on);
    };
    const result = await apply(host, { ...stuck, revert });
    expect(result).toMatchObject({ outcome: 'left', left: ['/etc/b: is held'] });
    expect(host.state()).toMatchObject({ '/etc/a': 'old a', '/sys/c': 'old c' });
  });

  it('is taken back when the disk is full and the journal can take no line any more', async () => {
    const host = hostWith();
    const x = host.state();
    let full = false;
    const append = host.appendFile.bind(host);
    host.appendFile = (path, text) => {
      if (full) throw new ToolError('HOST_WRITE', 'cannot write: ENOSPC', { subject: path });
      append(path, text);
    };
    const inTheMiddle = (path: string) => {
      full ||= path === '/etc/b';
    };
    const engine = engineOn(host, [files(host, WANTED, { inTheMiddle })]);
    const replace = host.replaceFile.bind(host);
    host.replaceFile = (path, text) => {
      if (full && path.includes('journal')) throw new ToolError('HOST_WRITE', 'ENOSPC', { subject: path });
      replace(path, text);
    };
    const result = await applyProfile(engine, REQUEST);
    expect(result).toMatchObject({ outcome: 'undone', error: { message: 'cannot write: ENOSPC' } });
    expect(host.state()).toEqual(x);
    expect(engine.said.at(-1)).toContain('the journal could not be written');
  });
});

describe('a run', () => {
  it('[H13] has every write in its journal before it is made, as an administrator would type it', async () => {
    const host = hostWith();
    const seen: string[] = [];
    const lines = () => (host.files.get(path()) ?? '').trimEnd().split('\n');
    const path = () => journalPath(readRuns(host).at(-1)?.header.run ?? '');
    for (const name of ['replaceFile', 'remove'] as const) {
      const original = host[name].bind(host) as (...args: unknown[]) => void;
      host[name] = (...args: unknown[]) => {
        seen.push((JSON.parse(lines().at(-1) ?? '') as { command: string }).command);
        original(...args);
      };
    }
    await apply(host, files(host, { '/etc/a': 'new a', '/etc/b': null }));
    const commands = [
      'install -m 644 /dev/stdin /etc/a  # 8 octets',
      'install -m 644 /dev/stdin /etc/a  # 5 octets',
      'install -m 644 /dev/stdin /etc/b  # 8 octets',
      'rm -f /etc/b',
    ];
    expect(seen).toEqual(commands);
    const journal = lines().map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(journal.map(({ line, change, command, outcome }) => [line, change ?? command ?? outcome])).toEqual(
      [
        ['run', 'bypass-setup apply -f test.yaml'],
        ['begin', 'file:/etc/a'],
        ['write', commands[0]],
        ['write', commands[1]],
        ['done', 'file:/etc/a'],
        ['begin', 'file:/etc/b'],
        ['write', commands[2]],
        ['write', commands[3]],
        ['done', 'file:/etc/b'],
        ['end', 'applied'],
      ],
    );
    expect(journal[0]).toMatchObject({ tool: 'test', pid: 4242, who: { uid: 0 }, bootId: 'boot-1' });
  });

  it('needs a reboot when one of its changes does, and may still plan that one', async () => {
    const host = hostWith();
    const action = files(host, { '/etc/a': 'new a' }, { effect: 'reboot' });
    const [step] = action.plan({} as never, () => undefined);
    const forever: Action = { ...action, plan: () => (step === undefined ? [] : [step]) };
    expect(await apply(host, forever)).toMatchObject({ outcome: 'applied', rebootNeeded: true });
  });

  it('changes nothing when the answer is no', async () => {
    const host = hostWith();
    const before = new Map(host.files);
    const result = await apply(host, files(host, WANTED), { approve: () => ({ yes: false, asked: true }) });
    expect(result.outcome).toBe('declined');
    expect(host.files).toEqual(before);
  });

  it('refuses when the host changed while the question stood', async () => {
    const host = hostWith();
    const approve = () => {
      host.files.set('/etc/a', 'edited');
      return { yes: true, asked: true };
    };
    await expect(apply(host, files(host, WANTED), { approve })).rejects.toMatchObject({
      code: 'PLAN_STALE',
      exitCode: 4,
    });
    expect(host.files.get('/etc/a')).toBe('edited');
  });

  it('[H10] is taken back when a signal came between two changes', async () => {
    const host = hostWith();
    const x = host.state();
    const engine = engineOn(host, [
      files(host, WANTED, {
        inTheMiddle: () => {
          engine.signal = 'SIGHUP';
        },
      }),
    ]);
    const result = await applyProfile(engine, REQUEST);
    expect(result).toMatchObject({ outcome: 'undone', error: { code: 'INTERRUPTED' } });
    expect(engine.said).toContain('done: /etc/a: write new a');
    expect(host.state()).toEqual(x);
  });

  it('is named so that it comes last, even when the clock was set back', async () => {
    const host = hostWith();
    const names = [];
    for (const [year, text] of [
      ['2030', 'one'],
      ['2001', 'two'],
      ['2001', 'three'],
      ['2040', 'four'],
    ] as const) {
      const engine = engineOn(host, [files(host, { '/etc/a': text })], {
        now: new Date(`${year}-02-28T23:59:59Z`),
      });
      names.push((await applyProfile(engine, REQUEST)).run);
    }
    expect(names).toEqual(['20300228-235959', '20300301-000000', '20300301-000001', '20400228-235959']);
  });
});

function hostWith(): MemoryHost {
  return new MemoryHost(
    new Map([
      [BOOT_ID, 'boot-1\n'],
      ['/etc/a', 'old a'],
      ['/etc/b', 'old b'],
      ['/sys/c', 'old c'],
    ]),
  );
}

function apply(host: MemoryHost, action: Action, request: Partial<ApplyRequest> = {}) {
  return applyProfile(engineOn(host, [action]), { ...REQUEST, ...request });
}
