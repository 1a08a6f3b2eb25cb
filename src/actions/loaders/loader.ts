import { entryOptions, withOptions } from '../../formats/boot-entry.ts';
import { foreignArguments, mergeArguments, ownArguments, restoreArguments } from '../../formats/boot-line.ts';
import type { Host, ReadHost } from '../../host/host.ts';
import { bootLoaderProbe } from '../../probes/boot-loader.ts';
import type { BootEntry, BootLoaderKind, Facts } from '../../probes/facts.ts';
import { type FileBefore, putBack } from '../file.ts';

export type BootBefore = {
  readonly loader: BootLoaderKind;
  /** The line of every entry, by its id. */
  readonly lines: Readonly<Record<string, string>>;
  /** The entry that is booted when nobody chooses. */
  readonly chosen: string | null;
  /** Files of ours and of the loader, by path. */
  readonly files: Readonly<Record<string, FileBefore>>;
  /** Of grubenv: the entry for one boot, and the line that RHEL 8 keeps there; null where there is none. */
  readonly next: string | null;
  readonly options: string | null;
  /** Whether there was a grubenv. */
  readonly environment: boolean;
  /** Whether there was a default route: a trial asks for it again. */
  readonly route: boolean;
  /** Number of this change, so that no two copies of grub.cfg get one name. */
  readonly number: number;
};

export type BootAfter = {
  readonly arguments: readonly string[];
  /** Of ours, from an earlier profile, and wanted no longer. */
  readonly retired: readonly string[];
  /** What an earlier profile wanted: its keys are ours too. */
  readonly earlier: readonly string[];
  /** The digest of a line that is tried once; null: it is the default at once. */
  readonly trial: string | null;
  /** OWN.bootArguments. */
  readonly memory: { readonly text: string };
};

export interface Order {
  readonly before: BootBefore;
  readonly after: BootAfter;
}

/** One boot loader. It is written through its own tool; what came of it is judged by reading its entries again. */
export interface Loader {
  /** Throws what can be known before anything is touched. */
  refuse?(facts: Facts, order: Order): void;
  /** Files that undo puts back, beside those that the probe names. */
  readonly files: readonly string[];
  /** What an administrator would type. */
  commands(order: Order, facts: Facts): string[];
  write(order: Order, host: Host): Promise<void>;
  takeBack(order: Order, host: Host): Promise<void>;
  /** What only this loader has: a sentence on what is left after `takeBack`. */
  left?(order: Order, host: ReadHost): string | undefined;
  /** Undefined where a line can be tried once. */
  readonly noTrial?: string;
  /** Only the entry that is booted next gets the line; older deployments keep theirs. */
  readonly onlyDefault?: true;
}

/** Every key of ours, as arguments. */
export function ours({ after }: Order): string[] {
  return [...after.arguments, ...after.earlier];
}

export function entriesOf(host: ReadHost): readonly BootEntry[] {
  return bootLoaderProbe.read(host).entries.value ?? [];
}

/** Why these entries are not what the order asks for, as a sentence. */
export function wrongEntries(
  entries: readonly BootEntry[],
  order: Order,
  loader: Loader,
): string | undefined {
  const { before, after } = order;
  const managed = entries.filter(({ managed, isDefault }) => managed && (isDefault || !loader.onlyDefault));
  if (managed.length === 0) return 'there is no boot entry that could be read';
  for (const { id, line, path } of managed) {
    if (after.trial === null && mergeArguments(line, after.arguments, after.retired) !== line)
      return `the entry "${id}" in ${path} has: ${line}`;
    if (after.trial !== null && before.lines[id] !== undefined && before.lines[id] !== line)
      return `the entry "${id}" in ${path} was changed, although the line is only to be tried`;
  }
  for (const { id, line } of loader.onlyDefault ? [] : entries) {
    const was = before.lines[id];
    if (was !== undefined && foreignArguments(line, ours(order)) !== foreignArguments(was, ours(order)))
      return `the entry "${id}" had other arguments before: ${was}`;
  }
  const lost = Object.keys(before.lines).filter((id) => !entries.some((entry) => entry.id === id));
  if (lost.length > 0 && !loader.onlyDefault) return `the entry "${lost[0]}" is gone`;
  const chosen = entries.find(({ isDefault }) => isDefault)?.id ?? null;
  if (chosen !== before.chosen && !loader.onlyDefault)
    return `the default entry is now "${chosen}", and was "${before.chosen}"`;
  return undefined;
}

/** The line of a file that is nothing but one, with its end kept. */
export function editedLine(text: string, edit: (line: string) => string): string {
  const line = text.replace(/\s+$/, '');
  return edit(line) + text.slice(line.length);
}

export function editedEntry(text: string, edit: (line: string) => string): string {
  const line = entryOptions(text);
  const edited = edit(line);
  return edited === line ? text : withOptions(text, edited);
}

/** What a file holds as a boot line, and the file with another one: `editedLine`, `editedEntry`. */
type Edited = (text: string, edit: (line: string) => string) => string;

function lineOf(text: string, edited: Edited): string {
  let line = '';
  edited(text, (found) => {
    line = found;
    return found;
  });
  return line;
}

/**
 * As it was, byte for byte, unless others have changed the arguments since: then ours alone go. An entry that is gone went
 * with its kernel.
 */
export function restoreFile(
  host: Host,
  path: string,
  before: FileBefore,
  order: Order,
  edited: Edited,
): void {
  const now = host.readText(path);
  const was = before.text;
  if (now === undefined && path.endsWith('.conf')) return;
  if (now === undefined || was === null) {
    putBack(host, path, before);
    return;
  }
  const others = (text: string) => foreignArguments(lineOf(text, edited), ours(order));
  if (others(now) === others(was)) {
    putBack(host, path, before);
    return;
  }
  const line = lineOf(was, edited);
  const next = edited(now, (found) => restoreArguments(found, line, ours(order)));
  if (next !== now) host.replaceFile(path, next);
}

/** What an undo should have made of each entry that is still there. */
export function notRestored(entries: readonly BootEntry[], order: Order, loader: Loader): string | undefined {
  const { before } = order;
  for (const { id, line, path, managed, isDefault } of entries) {
    const was = loader.onlyDefault ? before.lines[before.chosen ?? ''] : before.lines[id];
    if (!managed || (loader.onlyDefault && !isDefault)) continue;
    if (loader.onlyDefault && was !== undefined) {
      // The tool puts arguments at the end, so that their order is not what it was.
      const [now, then] = [line, was].map((text) => ownArguments(text, ours(order)).join(' '));
      if (now === then) continue;
    }
    const right =
      was === undefined
        ? mergeArguments(line, [], order.after.arguments)
        : restoreArguments(line, was, ours(order));
    if (right !== line) return `the entry "${id}" in ${path} still has: ${line}`;
  }
  return undefined;
}
