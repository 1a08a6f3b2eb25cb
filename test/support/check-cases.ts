import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import type { ArchiveEntry } from '../../src/formats/text-archive.ts';
import type { ReadHost } from '../../src/host/host.ts';
import type { Finding } from '../../src/report/report.ts';
import { type Change, fixtureEntries, fixtureHost, withFiles } from './hosts.ts';

/**
 * What is done to a recorded host, by path, which may lead through links: a `Change`, or an edit of what is there.
 * `patch` sets bytes of a binary file (offset in hexadecimal to value), `fill` all of them, `cut` keeps the first;
 * `move` takes a folder elsewhere, with all that is in it.
 */
export type Edit =
  | Change
  | { append: string }
  | { replace: readonly [what: string, by: string] }
  | { patch: Readonly<Record<string, string>> }
  | { cut: number }
  | { fill: string }
  | { move: string };

/** The case files of a folder and the folders in it, with their path below it as name. */
export function readCases<T>(folder: URL): (readonly [name: string, entry: T])[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => {
      const text = readFileSync(new URL(file, folder), 'utf8');
      return [file.replace(/\.json$/, ''), JSON.parse(text) as T] as const;
    });
}

/** The recorded host with the edits made. One that would change nothing is an error of the case. */
export function editedHost(name: string, edits: Readonly<Record<string, Edit>>): ReadHost {
  const host = fixtureHost(name);
  /** Through the links of what is there; the rest may be made by the edit. */
  const real = (path: string): string => {
    const folder = posix.dirname(path);
    return posix.join(
      folder === '/' ? folder : (host.realPath(folder) ?? real(folder)),
      posix.basename(path),
    );
  };
  let entries = fixtureEntries(name);
  const changes: [string, Change][] = [];
  for (const [path, edit] of Object.entries(edits)) {
    if (edit !== null && typeof edit === 'object' && 'move' in edit) {
      entries = moved(entries, real(path).slice(1), real(edit.move).slice(1));
    } else changes.push([real(path), changeOf(edit, path, host)]);
  }
  return withFiles(entries, Object.fromEntries(changes));
}

function moved(entries: readonly ArchiveEntry[], from: string, to: string): readonly ArchiveEntry[] {
  const inside = ({ path }: ArchiveEntry) => path === from || path.startsWith(`${from}/`);
  if (!entries.some(inside)) throw new Error(`/${from} is not there`);
  return entries.map((entry) =>
    inside(entry) ? { ...entry, path: to + entry.path.slice(from.length) } : entry,
  );
}

function changeOf(edit: Edit, path: string, host: ReadHost): Change {
  if (edit === null) {
    if (host.stat(path) === undefined) throw new Error(`${path} is not there`);
    return edit;
  }
  if (typeof edit !== 'object' || edit instanceof Uint8Array) return edit;
  if ('append' in edit) return (host.readText(path) ?? '') + edit.append;
  if ('replace' in edit) {
    const text = host.readText(path) ?? '';
    const changed = text.replaceAll(...edit.replace);
    if (changed === text) throw new Error(`${path} does not hold ${edit.replace[0]}`);
    return changed;
  }
  if ('patch' in edit || 'fill' in edit || 'cut' in edit) {
    const bytes = Uint8Array.from(host.readBytes(path, 1 << 16) ?? []);
    if (bytes.length === 0) throw new Error(`${path} is not there`);
    if ('cut' in edit) return bytes.subarray(0, edit.cut);
    if ('fill' in edit) return bytes.fill(Number.parseInt(edit.fill, 16));
    for (const [at, value] of Object.entries(edit.patch)) {
      if (bytes[Number.parseInt(at, 16)] === undefined) throw new Error(`${path} has no byte ${at}`);
      bytes[Number.parseInt(at, 16)] = Number.parseInt(value, 16);
    }
    return bytes;
  }
  if ('move' in edit) throw new Error('a folder is moved before');
  return edit;
}

/** The findings that are neither passed nor skipped, and were not there before. */
export function newlyBad(findings: readonly Finding[], before: readonly Finding[]): Finding[] {
  const known = new Set(before.map(key));
  return findings.filter((finding) => isBad(finding) && !known.has(key(finding)));
}

export function isBad({ result }: Finding): boolean {
  return result !== 'pass' && result !== 'skip';
}

const key = (finding: Finding) =>
  JSON.stringify([finding.check, finding.subject, finding.result, finding.sentence]);
