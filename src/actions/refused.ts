import { HostError } from '../host/errors.ts';
import type { Host, ReadHost } from '../host/host.ts';

/**
 * What the kernel refuses to change is known only when it is tried, and a plan is made of facts: so it is kept, until the
 * next boot, where the probe finds it.
 */
const FOLDER = '/run/bypass-setup/refused';

/** Lines of `path errno`. */
export function readRefused(text: string | undefined): ReadonlyMap<string, string> {
  const lines = (text ?? '').split('\n').filter(Boolean);
  return new Map(lines.map((line) => [line.split(' ')[0] ?? '', line.split(' ')[1] ?? '']));
}

export function refusedNow(host: ReadHost, key: string): ReadonlyMap<string, string> {
  return readRefused(host.readText(`${FOLDER}/${key}`));
}

/** Replaces what is kept of a setting, by nothing where it is null. */
export function keepRefused(host: Host, key: string, text: string | null): void {
  const path = `${FOLDER}/${key}`;
  // What a crash in the middle of an earlier writing has left.
  const torn = host.list(FOLDER)?.filter((name) => name.startsWith(`.${key}.`)) ?? [];
  for (const name of torn) host.remove(`${FOLDER}/${name}`);
  const now = host.readText(path) ?? null;
  if (text !== null) {
    if (now !== text) host.replaceFile(path, text);
    return;
  }
  if (now !== null) host.remove(path);
  for (const folder of [FOLDER, FOLDER.slice(0, FOLDER.lastIndexOf('/'))]) {
    if (host.list(folder)?.length === 0) host.remove(folder);
  }
}

export function printRefused(refused: ReadonlyMap<string, string>): string | null {
  return refused.size === 0 ? null : [...refused].map(([path, errno]) => `${path} ${errno}\n`).join('');
}

/** Writes an attribute; the name of the errno where the kernel answers one of these. */
export function tryWrite(
  host: Host,
  path: string,
  value: string,
  tolerated: readonly string[],
): string | undefined {
  try {
    host.writeAttribute(path, value);
    return undefined;
  } catch (error) {
    if (error instanceof HostError && tolerated.includes(error.errno)) return error.errno;
    throw error;
  }
}
