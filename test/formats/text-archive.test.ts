import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ArchiveEntry, parseArchive, printArchive } from '../../src/formats/text-archive.ts';
import { anyText, garbage, holds, onlyFormatErrors } from './properties.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const file = (path: string, text: string, mode = 0o644): ArchiveEntry => ({
  kind: 'file',
  path,
  mode,
  bytes: encode(text),
});

const part = fc
  .oneof(fc.constantFrom('net', 'eth0', '0000:3b:00.0', 'a b', '\\', '"', 'dir', '__proto__'), anyText)
  .map((text) => text.replaceAll('/', ''))
  .filter((text) => text !== '' && text !== '.' && text !== '..');
const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 200 }),
  fc
    .string({ unit: fc.constantFrom('\\', '\n', '\t', 'a', ' ', '\r', 'é', '\u2028'), maxLength: 12 })
    .map(encode),
);
const owner = fc.record({ uid: fc.nat(), gid: fc.nat() }).filter(({ uid, gid }) => uid !== 0 || gid !== 0);
const entry: fc.Arbitrary<ArchiveEntry> = fc.oneof(
  fc.record({ kind: fc.constant('dir' as const), path }),
  fc.record({ kind: fc.constant('dir' as const), path, mode: fc.nat(0o7777), owner }),
  fc.record({ kind: fc.constant('link' as const), path, target: fc.oneof(path, anyText) }),
  fc.record(
    { kind: fc.constant('file' as const), path, mode: fc.nat(0o7777), bytes, owner },
    { requiredKeys: ['kind', 'path', 'mode', 'bytes'] },
  ),
  fc.record({
    kind: fc.constant('denied' as const),
    path,
    errno: fc.constantFrom('EACCES', 'EINVAL', 'E2BIG', 'ERR_INVALID_ARG_VALUE'),
  }),
);
const entries = fc.uniqueArray(entry, { selector: (one) => one.path, maxLength: 8 });
const byPath = (all: readonly ArchiveEntry[]) =>
  [...all].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));

describe('the text archive', () => {
  test('has one form for each kind of entry', () => {
    const all: ArchiveEntry[] = [
      { kind: 'denied', path: 'sys/kernel/debug/sched', errno: 'EACCES' },
      { kind: 'dir', path: 'sys/class/iommu' },
      { kind: 'link', path: 'sys/class/net/eth0', target: '../../devices/pci0000:00/net/eth 0' },
      { kind: 'file', path: 'sys/config', mode: 0o600, bytes: Uint8Array.of(0xf4, 0x1a, 0, 0xff) },
      file('proc/empty', ''),
      file('proc/tabs', '\ta\n\n'),
      file('proc/open end', 'y', 0o4755),
      file('proc/backslash', '\\\n'),
      { ...file('dev/vfio/85', '', 0o660), owner: { uid: 0, gid: 120 } } as ArchiveEntry,
      { kind: 'dir', path: 'dev/hugepages', mode: 0o1770, owner: { uid: 0, gid: 120 } },
      { kind: 'dir', path: 'dev/shm', mode: 0o755 },
    ];
    expect(printArchive(all)).toBe(
      [
        'bypass-setup archive 1',
        'dir dev/hugepages 1770 0:120',
        'dir dev/shm',
        'file dev/vfio/85 660 0:120',
        // What would read back as the mark of an open end goes as bytes.
        'hex proc/backslash 644',
        '\t5c0a',
        'file proc/empty 644',
        'file proc/open\\u0020end 4755',
        '\ty',
        '\t\\',
        'file proc/tabs 644',
        '\t\ta',
        '\t',
        'dir sys/class/iommu',
        'link sys/class/net/eth0 ../../devices/pci0000:00/net/eth\\u00200',
        'hex sys/config 600',
        '\tf41a00ff',
        'denied sys/kernel/debug/sched EACCES',
        '',
      ].join('\n'),
    );
  });

  test('gives back any entries with any bytes and any paths, sorted', () => {
    holds(
      fc.property(entries, (all) => {
        expect(parseArchive(printArchive(all))).toEqual(byPath(all));
      }),
      { numRuns: 300 },
    );
  });

  test('is printed as it was read', () => {
    holds(
      fc.property(entries, (all) => {
        const text = printArchive(all);
        expect(printArchive(parseArchive(text))).toBe(text);
      }),
    );
  });

  test('holds each line of a text file on a line of its own, so that archives can be compared', () => {
    const text = printArchive([file('proc/meminfo', 'MemTotal: 1 kB\nMemFree: 2 kB\n')]);
    expect(text).toBe('bypass-setup archive 1\nfile proc/meminfo 644\n\tMemTotal: 1 kB\n\tMemFree: 2 kB\n');
  });

  test('breaks long binary files into lines of 32 bytes', () => {
    const lines = printArchive([{ kind: 'file', path: 'a', mode: 0o600, bytes: new Uint8Array(70) }]).split(
      '\n',
    );
    expect(lines.map((line) => line.length)).toEqual([22, 9, 65, 65, 13, 0]);
  });

  test.each([
    ['', 'not a host archive: "" (the first line is not "bypass-setup archive 1")'],
    [
      'bypass-setup archive 2\n',
      'not a host archive: "bypass-setup archive 2" (the first line is not "bypass-setup archive 1")',
    ],
    [
      'bypass-setup archive 1\ndir a',
      'not a host archive: "bypass-setup archive 1\\ndir a" (it is cut off: the last line has no end)',
    ],
    [
      'bypass-setup archive 1\n\n',
      'not a host archive: "" (line 2: expected "kind path [target, or mode and owner]")',
    ],
    [
      'bypass-setup archive 1\n\tx\n',
      'not a host archive: "\\tx" (line 2: expected "kind path [target, or mode and owner]")',
    ],
    [
      'bypass-setup archive 1\ndir a b c d e\n',
      'not a host archive: "dir a b c d e" (line 2: expected "kind path [target, or mode and owner]")',
    ],
    [
      'bypass-setup archive 1\ndir ../etc\n',
      'not a host archive: "dir ../etc" (line 2: a path must stay inside the archive)',
    ],
    [
      'bypass-setup archive 1\ndir /etc\n',
      'not a host archive: "dir /etc" (line 2: a path must stay inside the archive)',
    ],
    // The escape must not hide a way out.
    [
      'bypass-setup archive 1\ndir a/\\u002e\\u002e/b\n',
      'not a host archive: "dir a/\\\\u002e\\\\u002e/b" (line 2: a path must stay inside the archive)',
    ],
    [
      'bypass-setup archive 1\ndir a"\n',
      'not a host archive: "dir a\\"" (line 2: the path is not escaped as in JSON)',
    ],
    [
      'bypass-setup archive 1\nlink a\n',
      'not a host archive: "link a" (line 2: the target or mode is missing)',
    ],
    [
      'bypass-setup archive 1\nfile a 648\n',
      'not a host archive: "file a 648" (line 2: the mode is not octal)',
    ],
    // The line is that of the entry, not of the end of its text.
    [
      'bypass-setup archive 1\ndir a\nhex b 644\n\t00\n\t0\ndir c\n',
      'not a host archive: "hex b 644" (line 3: the bytes are not hex)',
    ],
    [
      'bypass-setup archive 1\nhex a 644\n\tzz\n',
      'not a host archive: "hex a 644" (line 2: the bytes are not hex)',
    ],
    [
      'bypass-setup archive 1\nsock a 644\n',
      'not a host archive: "sock a 644" (line 2: unknown kind "sock")',
    ],
    [
      'bypass-setup archive 1\nfile a 644 0\n',
      'not a host archive: "file a 644 0" (line 2: the owner is not uid:gid)',
    ],
    [
      'bypass-setup archive 1\nlink a b 0:0\n',
      'not a host archive: "link a b 0:0" (line 2: it has no owner)',
    ],
    [
      'bypass-setup archive 1\ndenied a oops\n',
      'not a host archive: "denied a oops" (line 2: the mode is not octal)',
    ],
  ])('refuses %j and names the line', (text, message) => {
    const parse = () => parseArchive(text === '' ? '\n' : text);
    expect(parse).toThrow(expect.objectContaining({ name: 'FormatError', message }));
  });

  test('quotes at most a line of a bad archive', () => {
    holds(
      fc.property(garbage('dirlnkfe ahx64\t\n\\"/.'), (text) => {
        onlyFormatErrors(() => parseArchive(text));
        onlyFormatErrors(() => parseArchive(`bypass-setup archive 1\n${text}\n`));
        onlyFormatErrors(() => parseArchive(`bypass-setup archive 1\n${text.repeat(50)} a 644\n`));
      }),
    );
  });
});
