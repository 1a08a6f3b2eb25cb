import { formatCpuList, parseCpuList } from '../formats/cpu-list.ts';
import { FormatError } from '../formats/format-error.ts';
import type { ReadHost } from '../host/host.ts';
import type { Absence, Absent, Fact, Known } from './facts.ts';

export function known<T>(value: T, from: string): Known<T> {
  return { value, from };
}

export function absent(kind: Absence, reason: string, from: string): Absent {
  return { absent: kind, reason, from };
}

/**
 * Reads one attribute and gives it meaning. A missing file, an errno and text that `parse` refuses each become an
 * absent fact; nothing on the host can make a probe throw.
 */
export function attribute<T>(host: ReadHost, path: string, parse: (text: string) => T): Fact<T> {
  return guarded(path, () => {
    const text = host.readText(path);
    return text === undefined ? absent('missing', 'no such file', path) : known(parse(text.trim()), path);
  });
}

/** Runs a reading; an errno or a FormatError in it becomes an absent fact. */
export function guarded<T>(from: string, read: () => Fact<T>): Fact<T> {
  try {
    return read();
  } catch (error) {
    if (error instanceof FormatError) return absent('garbled', error.message, from);
    const errno = error instanceof Error && 'errno' in error ? String(error.errno) : undefined;
    if (errno === undefined) throw error;
    if (errno === 'EACCES' || errno === 'EPERM') return absent('denied', `${errno}: needs root`, from);
    if (errno === 'ETIMEDOUT') return absent('unsupported', 'it did not answer in time', from);
    return absent('unsupported', `the kernel answers ${errno}`, from);
  }
}

/** The first of several readings that has a value; else the first absence. */
export function firstKnown<T>(first: Fact<T>, ...others: (() => Fact<T>)[]): Fact<T> {
  if (first.absent === undefined) return first;
  for (const other of others) {
    const fact = other();
    if (fact.absent === undefined) return fact;
  }
  return first;
}

/** The text of a file, or undefined whatever the reason: for places that are only one of several to look at. */
export function textOrNothing(host: ReadHost, path: string): string | undefined {
  try {
    return host.readText(path)?.trim();
  } catch {
    return undefined;
  }
}

/**
 * A small text file as an undo can write it again: whole, with its mode. What is no file, is not UTF-8 or fills `limit`
 * octets is garbled, because a part of it would pass for all of it.
 */
export function wholeFile(host: ReadHost, path: string, limit: number): Fact<{ text: string; mode: number }> {
  return guarded(path, () => {
    const status = host.stat(path);
    if (status === undefined) return absent('missing', 'no such file', path);
    if (status.type !== 'file') return absent('garbled', `it is no file (${status.type})`, path);
    const bytes = host.readBytes(path, limit);
    if (bytes === undefined) return absent('missing', 'no such file', path);
    if (bytes.length >= limit) return absent('garbled', `it is larger than ${limit} octets`, path);
    try {
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
      return known({ text, mode: status.mode }, path);
    } catch {
      return absent('garbled', 'it is not UTF-8 text', path);
    }
  });
}

/** Names in a directory, of which there is at least one; `none` says what an empty or missing one means. */
export function listing(host: ReadHost, path: string, none: string): Fact<string[]> {
  return guarded(path, () => {
    const found = host.list(path) ?? [];
    return found.length > 0 ? known([...found], path) : absent('missing', none, path);
  });
}

/** Names in a directory; none when it is missing or cannot be read. */
export function names(host: ReadHost, path: string): readonly string[] {
  try {
    return host.list(path) ?? [];
  } catch {
    return [];
  }
}

/** Whether a path is there at all. */
export function exists(host: ReadHost, path: string): boolean {
  try {
    return host.stat(path) !== undefined;
  } catch {
    return false;
  }
}

/** The last part of a symbolic link's target: `driver` gives `e1000e`. */
export function linkName(host: ReadHost, path: string): string | undefined {
  try {
    return host.readLink(path)?.split('/').pop();
  } catch {
    return undefined;
  }
}

export function word(text: string): string {
  if (text === '') throw new FormatError('value', text, 'it is empty');
  return text;
}

/** A non-negative whole number as the kernel prints it, decimal or 0x hex. */
export function natural(text: string): number {
  const value = /^(\d+|0x[0-9a-f]+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new FormatError('number', text, 'expected a whole number');
  return value;
}

export function integer(text: string): number {
  return text.startsWith('-') ? -natural(text.slice(1)) : natural(text);
}

/** `Y`/`N` of a module parameter, `1`/`0` of an attribute. */
export function flag(text: string): boolean {
  if (text === 'Y' || text === '1') return true;
  if (text === 'N' || text === '0') return false;
  throw new FormatError('switch', text, 'expected Y, N, 1 or 0');
}

/** A CPU list in the one spelling that facts use; `(null)` is no CPU. */
export function cpuListText(text: string): string {
  return formatCpuList(parseCpuList(text));
}

/** Numbers at the end of names such as `cpu12` or `node0`, ascending. */
export function numbered(all: readonly string[], prefix: string): number[] {
  return all
    .filter(
      (name) =>
        name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)) && name.length < prefix.length + 6,
    )
    .map((name) => Number(name.slice(prefix.length)))
    .sort((a, b) => a - b);
}
