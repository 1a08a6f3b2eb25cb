import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ArchiveEntry } from '../../src/formats/text-archive.ts';
import type { ReadHost } from '../../src/host/host.ts';
import { RecordingHost } from '../../src/host/recording-host.ts';
import { factsSchema } from '../../src/probes/facts.ts';
import { PROBES } from '../../src/probes/index.ts';
import {
  type Change,
  changed,
  FIXTURES,
  factsOf,
  fixtureEntries,
  fixtureHost,
  hostOf,
} from '../support/hosts.ts';

/** fc.assert of a synchronous property; its own type leaves open whether there is a promise to wait for. */
const holds: <T>(property: fc.IProperty<T>, parameters?: fc.Parameters<T>) => void = fc.assert;

/** What can become of a path: a crash, a broken driver, somebody's hand, a recording of another machine. */
const DAMAGES: Readonly<Record<string, (entry: ArchiveEntry) => Change>> = {
  'is empty': () => '',
  'is binary garbage': () => Uint8Array.from({ length: 300 }, (_, n) => (n * 151 + 7) & 0xff),
  'is cut off': (entry) => text(entry).slice(0, text(entry).length >> 1),
  'has huge numbers': (entry) => text(entry).replace(/\d+/g, '9'.repeat(30)),
  'has large numbers': (entry) => text(entry).replace(/\d+/g, '65536'),
  'has negative numbers': (entry) => text(entry).replace(/\d+/g, '-1'),
  'has other punctuation': (entry) => text(entry).replace(/[\d\s]/g, ',-'),
  'cannot be read': () => ({ denied: 'EIO' }),
  'is not ours to read': () => ({ denied: 'EACCES' }),
  'is gone': () => null,
  'is a folder': () => 'a folder',
  'is a link to itself': (entry) => ({ link: `/${entry.path}` }),
  'is a link to the root': () => ({ link: '/' }),
};

/** Each damage that makes a difference, once. */
function damagesOf(entry: ArchiveEntry): readonly (readonly [string, Change])[] {
  const original = entry.kind === 'file' ? text(entry) : undefined;
  const all = Object.entries(DAMAGES).map(([what, damage]) => [what, damage(entry)] as const);
  const different = all.filter(([, change]) => change !== original);
  return [...new Map(different.map((damage) => [JSON.stringify(damage[1]), damage])).values()];
}

function text(entry: ArchiveEntry): string {
  return entry.kind === 'file' ? new TextDecoder().decode(entry.bytes) : '';
}

/** What a probe asked for, and nothing else: small enough to be damaged a hundred times. */
function seenBy(probe: (typeof PROBES)[number], name: string): readonly ArchiveEntry[] {
  const recording = new RecordingHost(fixtureHost(name));
  probe.read(recording);
  return recording.recorded();
}

/** One of all paths that differ in a PCI address, an interface or a number alone. */
function representatives(entries: readonly ArchiveEntry[]): readonly ArchiveEntry[] {
  const pattern = ({ path }: ArchiveEntry) =>
    path
      .replace(/[0-9a-f]{4,8}:[0-9a-f]{2}(:[0-9a-f]{2}\.[0-7])?/g, 'PCI')
      .replace(/\/net\/[^/]+/, '/net/IF')
      .replace(/(upper|lower)_.*/, '$1_IF')
      .replace(/\d+/g, 'N');
  return [...new Map(entries.map((entry) => [pattern(entry), entry])).values()];
}

function check(probe: (typeof PROBES)[number], host: ReadHost, what: string): void {
  try {
    factsSchema.shape[probe.name].parse(probe.read(host));
  } catch (error) {
    throw new Error(`${probe.name}, ${what}: ${error}`, { cause: error });
  }
}

describe.each(FIXTURES)('nothing on %s makes a probe throw, and its facts keep their types', (name) => {
  test.each(PROBES.map((probe) => [probe.name, probe] as const))('%s: one path damaged', (_, probe) => {
    const entries = seenBy(probe, name);
    for (const entry of representatives(entries)) {
      for (const [what, change] of damagesOf(entry)) {
        check(probe, hostOf(changed(entries, { [`/${entry.path}`]: change })), `/${entry.path} ${what}`);
      }
    }
  });

  test('many paths damaged at once', () => {
    const entries = fixtureEntries(name);
    const path = fc.integer({ min: 0, max: entries.length - 1 });
    const change = fc.oneof(
      fc.constantFrom(...Object.values(DAMAGES)),
      fc.string({ unit: 'binary' }).map((value) => () => value),
      fc.string({ unit: fc.constantFrom(...'0123456789,-: \n[]{}"()NaxfkB') }).map((value) => () => value),
      fc.uint8Array({ maxLength: 200 }).map((value) => () => value),
    );
    holds(
      fc.property(fc.array(fc.tuple(path, change), { minLength: 1, maxLength: 40 }), (damaged) => {
        const changes = damaged.flatMap(([index, damage]) => {
          const entry = entries[index];
          return entry === undefined ? [] : [[`/${entry.path}`, damage(entry)] as const];
        });
        const host = hostOf(changed(entries, Object.fromEntries(changes)));
        for (const probe of PROBES) check(probe, host, 'many');
      }),
      { numRuns: 8 },
    );
  });

  test('every path damaged in the same way', () => {
    const entries = fixtureEntries(name);
    for (const [what, damage] of Object.entries(DAMAGES)) {
      const files = entries.filter((entry) => entry.kind === 'file');
      const changes = files.map((entry) => [entry.path, damage(entry)] as const);
      const others = entries.filter((entry) => entry.kind !== 'file');
      const host = hostOf([
        ...others,
        ...changes.flatMap(([path, change]) => changed([], { [`/${path}`]: change })),
      ]);
      for (const probe of PROBES) check(probe, host, `everything ${what}`);
    }
  });
});

test('an empty host has facts too, and each absent one says why', () => {
  const facts = factsOf(hostOf([{ kind: 'dir', path: 'proc' }]));
  expect(factsSchema.parse(facts)).toEqual(facts);
  const reasons = [...JSON.stringify(facts).matchAll(/"absent":"\w+","reason":"([^"]*)"/g)];
  expect(reasons.length).toBeGreaterThan(80);
  expect(reasons.filter(([, reason]) => reason === '')).toEqual([]);
});

/** Where a probe may look (FHS, and the marks of a container). */
const PLACES = /^\/(?:(?:proc|sys|dev|etc|boot|run|usr|lib|var|efi|ostree|\.kernel)(?:\/|$)|\.dockerenv$)/;

/** Keeps every path that a probe names. */
function watched(host: ReadHost, paths: Set<string>): ReadHost {
  const note = (path: string) => {
    paths.add(path);
    return path;
  };
  return {
    root: host.root,
    live: host.live,
    readText: (path) => host.readText(note(path)),
    readBytes: (path, limit) => host.readBytes(note(path), limit),
    readLink: (path) => host.readLink(note(path)),
    list: (path) => host.list(note(path)),
    stat: (path) => host.stat(note(path)),
    realPath: (path) => host.realPath(note(path)),
    ask: (question) => host.ask(question),
  };
}

test.each(FIXTURES)('on %s no probe looks outside the places of the system', (name) => {
  const paths = new Set<string>();
  factsOf(watched(fixtureHost(name), paths));
  expect(paths.size).toBeGreaterThan(100);
  // A hugetlbfs may be mounted anywhere.
  const mounts = factsOf(fixtureHost(name)).hugepages.mounts.value ?? [];
  const mounted = mounts.map(({ path }) => path);
  const known = (path: string) => PLACES.test(path) || mounted.includes(path);
  expect([...paths].filter((path) => !known(path) || path.includes('/../'))).toEqual([]);
});
