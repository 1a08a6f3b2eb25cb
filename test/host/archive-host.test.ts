import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ArchiveEntry, parseArchive, printArchive } from '../../src/formats/text-archive.ts';
import { ArchiveHost } from '../../src/host/archive-host.ts';
import { EXIT, HostError, ToolError } from '../../src/host/errors.ts';
import type { ReadHost } from '../../src/host/host.ts';
import { openHost, openReadHost } from '../../src/host/node-host.ts';
import { RecordingHost } from '../../src/host/recording-host.ts';
import { holds, quickly } from '../formats/properties.ts';
import { childProgram, hostFolder, plant, scratch } from './scratch.ts';

const ASKED = ['readText', 'readBytes', 'list', 'readLink', 'stat', 'realPath'] as const;

/** One answer in a form that can be compared: errors by code, path and errno. */
function answer(host: ReadHost, question: (typeof ASKED)[number], path: string): unknown {
  try {
    if (question === 'readBytes') return host.readBytes(path, 5);
    const given = host[question](path);
    // Owners are not recorded.
    return typeof given === 'object' && 'type' in given ? { type: given.type, mode: given.mode } : given;
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    return [error.code, error.path, error.errno];
  }
}

const answers = (host: ReadHost, paths: readonly string[]) =>
  paths.map((path) => [path, ...ASKED.map((question) => answer(host, question, path))]);

/** What was recorded, written as text and opened again. */
const replay = (host: RecordingHost) => new ArchiveHost('recorded', printArchive(host.recorded()));

const fixture = () =>
  hostFolder({
    sys: {
      devices: {
        pci: {
          nic: { mtu: '1500\n', config: Uint8Array.of(0xff, 0, 1, 2, 3, 4, 5, 6), empty: '', 'a b': 'x' },
        },
      },
      class: { net: { eth0: { link: '../../devices/pci/nic' }, dangling: { link: '../../none' } } },
    },
    proc: { cmdline: 'quiet "a b"\n', open: 'no line end', back: '\\\n', tabs: '\t\n\n' },
    etc: { link: '/usr/etc' },
    usr: { etc: { conf: 'a=1\n', folder: {} } },
    loop: { link: 'loop' },
  });

const PATHS = [
  '/',
  '/sys',
  '/sys/class/net',
  '/sys/class/net/eth0',
  '/sys/class/net/eth0/mtu',
  '/sys/class/net/eth0/config',
  '/sys/class/net/eth0/a b',
  '/sys/class/net/eth0/none',
  '/sys/class/net/eth0/../nic/mtu',
  '/sys/class/net/dangling',
  '/sys/class/net/dangling/x',
  '/sys/devices/pci/nic/empty',
  '/proc/cmdline',
  '/proc/cmdline/x',
  '/proc/open',
  '/proc/back',
  '/proc/tabs',
  '/etc/conf',
  '/etc/folder',
  '/etc/../conf',
  '/loop',
  '/loop/x',
  '/none',
  '/none/x',
];

describe('a recorded host', () => {
  test('answers as the host did that was recorded', () => {
    const host = openHost(fixture());
    const recording = new RecordingHost(host);
    // The modes in a recording are those of files; directories and links have the usual ones in the fixture too.
    const original = answers(host, PATHS);
    expect(answers(recording, PATHS)).toEqual(original);
    expect(answers(replay(recording), PATHS)).toEqual(original);
    // And a recording of the recording.
    const again = new RecordingHost(replay(recording));
    expect(answers(again, PATHS)).toEqual(original);
    expect(answers(replay(again), PATHS)).toEqual(original);
  });

  test('answers in any order of questions', () => {
    const host = openHost(fixture());
    const questions = fc.shuffledSubarray(
      PATHS.flatMap((path) => ASKED.map((question) => [question, path] as const)),
      { minLength: 1, maxLength: 25 },
    );
    holds(
      fc.property(questions, (asked) => {
        const recording = new RecordingHost(host);
        const given = asked.map(([question, path]) => [question, path, answer(recording, question, path)]);
        const recorded = replay(recording);
        expect(asked.map(([question, path]) => [question, path, answer(recorded, question, path)])).toEqual(
          given,
        );
      }),
      { numRuns: 200 },
    );
  });

  test('holds nothing that nobody asked for', () => {
    const recording = new RecordingHost(openHost(fixture()));
    recording.readText('/sys/class/net/eth0/mtu');
    recording.readText('/none');
    expect(printArchive(recording.recorded())).toBe(
      [
        'bypass-setup archive 1',
        'link sys/class/net/eth0 ../../devices/pci/nic',
        'file sys/devices/pci/nic/mtu 644',
        '\t1500',
        '',
      ].join('\n'),
    );
  });

  test('keeps the longest reading of a file, and the mode', () => {
    const root = fixture();
    fs.chmodSync(join(root, 'sys/devices/pci/nic/config'), 0o600);
    const recording = new RecordingHost(openHost(root));
    recording.readBytes('/sys/devices/pci/nic/config', 2);
    recording.readBytes('/sys/devices/pci/nic/config', 8);
    recording.readBytes('/sys/devices/pci/nic/config', 4);
    expect(replay(recording).readBytes('/sys/devices/pci/nic/config', 100)).toEqual(
      Uint8Array.of(0xff, 0, 1, 2, 3, 4, 5, 6),
    );
    expect(replay(recording).stat('/sys/devices/pci/nic/config')?.mode).toBe(0o600);
  });

  test('refuses again what the kernel refused, and still knows that it is there', () => {
    const archive = new ArchiveHost(
      'recorded',
      printArchive([
        { kind: 'denied', path: 'sys/class/net/lo/speed', errno: 'EINVAL' },
        { kind: 'denied', path: 'sys/kernel/debug', errno: 'EACCES' },
        { kind: 'link', path: 'd', target: 'sys/kernel/debug' },
      ]),
    );
    expect(answers(archive, ['/sys/class/net/lo/speed', '/d'])).toEqual([
      [
        '/sys/class/net/lo/speed',
        ['HOST_READ', '/sys/class/net/lo/speed', 'EINVAL'],
        ['HOST_READ', '/sys/class/net/lo/speed', 'EINVAL'],
        ['HOST_LIST', '/sys/class/net/lo/speed', 'EINVAL'],
        undefined,
        { type: 'file', mode: 0 },
        '/sys/class/net/lo/speed',
      ],
      [
        '/d',
        ['HOST_READ', '/d', 'EACCES'],
        ['HOST_READ', '/d', 'EACCES'],
        ['HOST_LIST', '/d', 'EACCES'],
        'sys/kernel/debug',
        { type: 'link', mode: 0o777 },
        '/sys/kernel/debug',
      ],
    ]);
    expect(archive.list('/sys/class/net/lo')).toEqual(['speed']);
  });

  test('of the running machine refuses what the kernel refuses there', (ctx) => {
    const path = '/sys/class/net/lo/speed';
    const live = openHost('/');
    if (answer(live, 'readText', path) === undefined) return ctx.skip(`no ${path} on this machine`);
    const recording = new RecordingHost(live);
    const names = recording.list('/sys/class/net/lo');
    // net/core/net-sysfs.c, speed_show: the loopback interface has none.
    expect(answer(recording, 'readText', path)).toEqual(['HOST_READ', path, 'EINVAL']);
    const recorded = replay(recording);
    expect(answer(recorded, 'readText', path)).toEqual(['HOST_READ', path, 'EINVAL']);
    expect(recorded.list('/sys/class/net/lo')).toEqual(names);
    expect(recorded.stat(path)?.type).toBe('file');
  });

  test('by an unprivileged user refuses what lies in folders that the user could not search', (ctx) => {
    if (process.getuid?.() !== 0) return ctx.skip('needs root to become another user');
    const root = hostFolder({ shut: { inner: 'x' }, link: { link: 'shut/inner' } });
    fs.chmodSync(join(root, 'shut'), 0o700);
    const program = childProgram(`
      import { printArchive } from '../formats/text-archive.ts';
      import { RecordingHost } from './recording-host.ts';
      process.setgid(65534);
      process.setuid(65534);
      const recording = new RecordingHost(openHost(${JSON.stringify(root)}));
      for (const path of ['/shut/inner', '/link']) try { recording.readText(path); } catch {}
      try { recording.list('/shut'); } catch {}
      process.stdout.write(printArchive(recording.recorded()));
    `);
    const child = spawnSync(process.execPath, [program], { encoding: 'utf8' });
    expect(child.stderr).toBe('');
    const recorded = new ArchiveHost('recorded', child.stdout);
    expect(answer(recorded, 'readText', '/shut/inner')).toEqual(['HOST_READ', '/shut/inner', 'EACCES']);
    expect(answer(recorded, 'readText', '/link')).toEqual(['HOST_READ', '/link', 'EACCES']);
    expect(answer(recorded, 'list', '/shut')).toEqual(['HOST_LIST', '/shut', 'EACCES']);
  });

  test('gives the same answers as the directory it could be unpacked to', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
    const target = fc
      .array(fc.oneof(name, fc.constantFrom('..', '.', '')), { minLength: 1, maxLength: 4 })
      .map((parts) => parts.join('/') || '/');
    const entry: fc.Arbitrary<ArchiveEntry> = fc.oneof(
      fc.record({ kind: fc.constant('dir' as const), path }),
      fc.record({ kind: fc.constant('link' as const), path, target }),
      fc.record({
        kind: fc.constant('file' as const),
        path,
        mode: fc.constant(0o644),
        bytes: fc.uint8Array({ maxLength: 3 }),
      }),
    );
    // A tree that can exist: below a path there is something only if the path is a directory.
    const tree = fc
      .uniqueArray(entry, { selector: (one) => one.path, maxLength: 8 })
      .map((all) =>
        all.filter(
          (one) => !all.some((other) => other.kind !== 'dir' && one.path.startsWith(`${other.path}/`)),
        ),
      );
    const asked = fc.array(
      fc.oneof(path, target).map((text) => `/${text}`),
      { minLength: 1, maxLength: 6 },
    );
    holds(
      fc.property(tree, asked, (all, paths) => {
        const root = hostFolder();
        for (const one of all) {
          const here = join(root, one.path);
          fs.mkdirSync(join(here, '..'), { recursive: true });
          if (one.kind === 'dir') fs.mkdirSync(here, { recursive: true });
          else if (one.kind === 'link') fs.symlinkSync(one.target, here);
          else if (one.kind === 'file') fs.writeFileSync(here, one.bytes);
        }
        const standing: ArchiveEntry[] = [
          { kind: 'dir', path: 'proc' },
          { kind: 'dir', path: 'sys' },
        ];
        const archive = new ArchiveHost('archive', printArchive([...standing, ...all]));
        expect(answers(archive, paths)).toEqual(answers(openHost(root), paths));
      }),
      { numRuns: 150 },
    );
  });

  test('with hostile links ends with an error of the host', () => {
    const long = 'x/'.repeat(5000);
    const bomb = Array.from(
      { length: 60 },
      (_, i): ArchiveEntry => ({ kind: 'link', path: `b${i}`, target: `b${i + 1}/b${i + 1}` }),
    );
    const archive = new ArchiveHost(
      'hostile',
      printArchive([
        { kind: 'link', path: 'long', target: long },
        { kind: 'link', path: 'grow', target: 'grow/grow' },
        ...bomb,
      ]),
    );
    expect(answers(archive, ['/long', '/grow', '/b0', '/b30']).map(([path, text]) => [path, text])).toEqual([
      ['/long', ['HOST_READ', '/long', 'ENAMETOOLONG']],
      ['/grow', ['HOST_READ', '/grow', 'ELOOP']],
      ['/b0', ['HOST_READ', '/b0', 'ELOOP']],
      ['/b30', undefined],
    ]);
  });

  test('with a very large directory is opened at once', () => {
    const names = Array.from({ length: 60_000 }, (_, i) => `f${i}`);
    const text = `bypass-setup archive 1\n${names.map((name) => `file d/${name} 644\n`).join('')}`;
    expect(quickly(() => new ArchiveHost('large', text).list('/d'))).toEqual(names.sort());
  });
});

describe('opening an archive file', () => {
  const open = (text: string | Uint8Array) => {
    const folder = scratch();
    plant(folder, { archive: text });
    return openReadHost(join(folder, 'archive'));
  };

  test('gives a host that is not live', () => {
    const host = open('bypass-setup archive 1\nfile proc/cmdline 444\n\tquiet\n');
    expect([host.live, host.readText('/proc/cmdline'), host.stat('/proc/cmdline')]).toEqual([
      false,
      'quiet\n',
      { type: 'file', mode: 0o444, uid: 0, gid: 0 },
    ]);
  });

  test.each([
    ['nothing', ''],
    ['binary garbage', Uint8Array.from({ length: 1000 }, (_, i) => (i * 37) & 0xff)],
    ['another version', 'bypass-setup archive 2\n'],
    ['a cut', 'bypass-setup archive 1\nfile proc/cmdline 444\n\tqui'],
    ['a path that climbs out', 'bypass-setup archive 1\nfile ../etc/passwd 644\n'],
    ['an unknown kind', 'bypass-setup archive 1\nsocket run/x 644\n'],
  ])('that holds %s is a usage error', (_what, text) => {
    let thrown: unknown;
    try {
      open(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ToolError);
    const { code, exitCode, message } = thrown as ToolError;
    expect([code, exitCode, message.split('\n').length]).toEqual(['ROOT_NOT_A_HOST', EXIT.usage, 1]);
  });

  test('that was printed and parsed is the same archive', () => {
    const recording = new RecordingHost(openHost(fixture()));
    answers(recording, PATHS);
    const text = printArchive(recording.recorded());
    expect(printArchive(parseArchive(text))).toBe(text);
  });
});
