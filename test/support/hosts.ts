import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ArchiveEntry, parseArchive, printArchive } from '../../src/formats/text-archive.ts';
import { ArchiveHost } from '../../src/host/archive-host.ts';
import type { ReadHost } from '../../src/host/host.ts';
import type { Absence, Absent, Fact, Facts, Known, PciFunction } from '../../src/probes/facts.ts';
import { observe } from '../../src/probes/index.ts';

const FOLDER = new URL('../fixtures/hosts/', import.meta.url);

/** The recorded hosts, by name. */
export const FIXTURES: readonly string[] = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.tree'))
  .map((file) => file.slice(0, -'.tree'.length))
  .sort();

/** Where the archive of a recorded host lies. */
export function fixturePath(name: string): string {
  return fileURLToPath(new URL(`${name}.tree`, FOLDER));
}

const texts = new Map<string, string>();

export function fixtureText(name: string): string {
  const text = texts.get(name) ?? readFileSync(fixturePath(name), 'utf8');
  texts.set(name, text);
  return text;
}

export function fixtureEntries(name: string): readonly ArchiveEntry[] {
  return parseArchive(fixtureText(name));
}

export function fixtureHost(name: string): ReadHost {
  return new ArchiveHost(fixturePath(name), fixtureText(name));
}

export function hostOf(entries: readonly ArchiveEntry[]): ReadHost {
  return new ArchiveHost('(in memory)', printArchive(entries));
}

/**
 * What a path shall be: text, bytes, a link, a folder, an empty file or a folder with its mode and owner (`660 0:120`),
 * something that cannot be read, or nothing with all below it.
 */
export type Change =
  | string
  | Uint8Array
  | { link: string }
  | { denied: string }
  | { file: string }
  | { dir: string }
  | 'a folder'
  | null;

/** A recorded host with some paths (absolute, without links in them) changed. */
export function withFiles(
  base: string | readonly ArchiveEntry[],
  changes: Readonly<Record<string, Change>>,
): ReadHost {
  return hostOf(changed(typeof base === 'string' ? fixtureEntries(base) : base, changes));
}

export function changed(
  base: readonly ArchiveEntry[],
  changes: Readonly<Record<string, Change>>,
): readonly ArchiveEntry[] {
  const entries = new Map(base.map((entry) => [entry.path, entry]));
  for (const [absolute, change] of Object.entries(changes)) {
    const path = absolute.slice(1);
    // A folder with another owner keeps what is in it.
    const kept = change !== null && typeof change === 'object' && 'dir' in change;
    for (const known of [...entries.keys()]) {
      if (known === path || (!kept && known.startsWith(`${path}/`))) entries.delete(known);
    }
    if (change !== null) entries.set(path, entryOf(path, change));
  }
  return [...entries.values()];
}

function entryOf(path: string, change: Exclude<Change, null>): ArchiveEntry {
  if (change === 'a folder') return { kind: 'dir', path };
  if (typeof change === 'string')
    return { kind: 'file', path, mode: 0o644, bytes: new TextEncoder().encode(change) };
  if (change instanceof Uint8Array) return { kind: 'file', path, mode: 0o644, bytes: change };
  if ('file' in change || 'dir' in change) {
    const [kind, status] = 'file' in change ? ['file', change.file] : ['dir', change.dir];
    const [entry] = parseArchive(`bypass-setup archive 1\n${kind} entry ${status}\n`);
    if (entry === undefined) throw new Error(`${kind} ${path} ${status} is no entry`);
    return { ...entry, path };
  }
  if ('link' in change) return { kind: 'link', path, target: change.link };
  return { kind: 'denied', path, errno: change.denied };
}

export function factsOf(host: ReadHost): Facts {
  return observe(host, () => 0).facts;
}

export function known<T>(value: T, from: string): Known<T> {
  return { value, from };
}

export function absent(kind: Absence, reason: string, from: string): Absent {
  return { absent: kind, reason, from };
}

/** The value of a fact that must be known. */
export function theValue<T>(fact: Fact<T>): T {
  if (fact.absent !== undefined) throw new Error(`${fact.from}: ${fact.absent}, ${fact.reason}`);
  return fact.value;
}

export function pciFunction(facts: Facts, address: string): PciFunction {
  const found = theValue(facts.pci.networkFunctions).find((entry) => entry.address === address);
  if (found === undefined) throw new Error(`no network function ${address}`);
  return found;
}
