import { FormatError, quote } from './format-error.ts';

/**
 * A directory tree as one text file that diffs well, after the idea of node_exporter's ttar. Each entry starts with a
 * line in the first column; the lines of a file follow with one tab before each.
 *
 *     bypass-setup archive 1
 *     dir sys/class/iommu
 *     link sys/class/net/eth0 ../../devices/pci0000:00/0000:00:03.0/net/eth0
 *     file sys/class/net/eth0/mtu 644
 *     	1500
 *     file dev/vfio/85 660 0:120
 *     hex sys/bus/pci/devices/0000:00:03.0/config 600
 *     	f41a411047051000
 *     denied sys/kernel/debug/sched EACCES
 *
 * The owner, uid:gid, stands where it is not root; a directory has a mode where it is not 755. A file whose text does
 * not end in a newline has a last line `\`; bytes that are not UTF-8 text go as `hex`. Paths
 * are escaped as in JSON strings without the quotes; white space in a path is `\u0020`.
 */
export type ArchiveEntry =
  | { readonly kind: 'dir'; readonly path: string; readonly mode?: number; readonly owner?: Owner }
  | { readonly kind: 'link'; readonly path: string; readonly target: string }
  | {
      readonly kind: 'file';
      readonly path: string;
      readonly mode: number;
      readonly owner?: Owner;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'denied'; readonly path: string; readonly errno: string };

/** Absent: root. */
interface Owner {
  readonly uid: number;
  readonly gid: number;
}

const HEADER = 'bypass-setup archive 1';
const ROOT: Owner = { uid: 0, gid: 0 };
const FOLDER_MODE = 0o755;
const HEX_LINE = 64;

export function printArchive(entries: readonly ArchiveEntry[]): string {
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  return `${[HEADER, ...sorted.flatMap(printEntry)].join('\n')}\n`;
}

export function parseArchive(text: string): readonly ArchiveEntry[] {
  const lines = text.split('\n');
  if (lines[0] !== HEADER)
    throw new FormatError('host archive', lines[0] ?? '', `the first line is not "${HEADER}"`);
  if (lines.pop() !== '')
    throw new FormatError('host archive', text, 'it is cut off: the last line has no end');
  const entries: ArchiveEntry[] = [];
  for (let i = 1; i < lines.length; ) {
    const head = lines[i] ?? '';
    const line = ++i;
    const body: string[] = [];
    while (lines[i]?.startsWith('\t')) body.push((lines[i++] ?? '').slice(1));
    entries.push(parseEntry(head, body, line));
  }
  return entries;
}

function printEntry(entry: ArchiveEntry): string[] {
  const path = escapePath(entry.path);
  switch (entry.kind) {
    case 'dir':
      return [`dir ${path}${printStatus(entry.mode ?? FOLDER_MODE, entry.owner, FOLDER_MODE)}`];
    case 'link':
      return [`link ${path} ${escapePath(entry.target)}`];
    case 'denied':
      return [`denied ${path} ${entry.errno}`];
    case 'file': {
      const status = printStatus(entry.mode, entry.owner);
      const text = asText(entry.bytes);
      if (text === undefined) return [`hex ${path}${status}`, ...hexLines(entry.bytes)];
      if (text === '') return [`file ${path}${status}`];
      const lines = text.split('\n').map((line) => `\t${line}`);
      if (text.endsWith('\n')) lines.pop();
      else lines.push('\t\\');
      return [`file ${path}${status}`, ...lines];
    }
  }
}

function printStatus(mode: number, { uid, gid }: Owner = ROOT, usual?: number): string {
  const owner = uid === 0 && gid === 0 ? '' : ` ${uid}:${gid}`;
  return mode === usual && owner === '' ? '' : ` ${mode.toString(8).padStart(3, '0')}${owner}`;
}

function parseEntry(head: string, body: readonly string[], line: number): ArchiveEntry {
  const [kind, rawPath, third, fourth, ...rest] = head.split(' ');
  const bad = (why: string) => new FormatError('host archive', head, `line ${line}: ${why}`);
  if (rawPath === undefined || rest.length > 0) throw bad('expected "kind path [target, or mode and owner]"');
  const path = unescapePath(rawPath, bad);
  if (path.split('/').some((part) => part === '..' || part === '.' || part === '')) {
    throw bad('a path must stay inside the archive');
  }
  if (kind === 'dir' && third === undefined) return { kind, path };
  if (third === undefined) throw bad('the target or mode is missing');
  if (fourth !== undefined && !/^\d{1,10}:\d{1,10}$/.test(fourth)) throw bad('the owner is not uid:gid');
  if (fourth !== undefined && (kind === 'link' || kind === 'denied')) throw bad('it has no owner');
  if (kind === 'link') return { kind, path, target: unescapePath(third, bad) };
  if (kind === 'denied' && /^E[A-Z0-9_]+$/.test(third)) return { kind, path, errno: third };
  if (!/^[0-7]{3,4}$/.test(third)) throw bad('the mode is not octal');
  const mode = Number.parseInt(third, 8);
  const [uid = 0, gid = 0] = fourth?.split(':').map(Number) ?? [];
  const owner = fourth === undefined ? {} : { owner: { uid, gid } };
  if (kind === 'dir') return { kind, path, mode, ...owner };
  if (kind === 'file') {
    const open = body.at(-1) === '\\';
    const text = (open ? body.slice(0, -1) : body).join('\n') + (open || body.length === 0 ? '' : '\n');
    return { kind, path, mode, ...owner, bytes: new TextEncoder().encode(text) };
  }
  if (kind === 'hex') {
    const digits = body.join('');
    if (digits.length % 2 !== 0 || !/^[0-9a-f]*$/.test(digits)) throw bad('the bytes are not hex');
    const bytes = Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
    return { kind: 'file', path, mode, ...owner, bytes };
  }
  throw bad(`unknown kind ${quote(kind ?? '')}`);
}

function asText(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    // A last line that is only a backslash would read back as the end mark.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    const control = /[\u0000-\u0008\u000b-\u001f\u007f]/;
    return control.test(text) || /(?:^|\n)\\\n$/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function hexLines(bytes: Uint8Array): string[] {
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return (digits.match(new RegExp(`.{1,${HEX_LINE}}`, 'g')) ?? []).map((line) => `\t${line}`);
}

function escapePath(path: string): string {
  return JSON.stringify(path).slice(1, -1).replaceAll(' ', '\\u0020');
}

function unescapePath(text: string, bad: (why: string) => FormatError): string {
  try {
    return JSON.parse(`"${text}"`) as string;
  } catch {
    throw bad('the path is not escaped as in JSON');
  }
}
