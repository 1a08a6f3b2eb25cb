import { posix } from 'node:path';
import { HostError } from '../host/errors.ts';
import type { Host, ReadHost } from '../host/host.ts';
import type { Change } from '../plan/change.ts';
import { type Action, defineAction, type PlanContext, type Step } from './define.ts';
import { refused, runAll } from './run.ts';

export type FileBefore = {
  /** null: there was no such file. */
  readonly text: string | null;
  readonly mode: number | null;
  /** Folders that did not exist, the deepest first. */
  readonly folders: readonly string[];
};

export type FileAfter = {
  /** null: there shall be no such file. */
  readonly text: string | null;
  readonly mode: number | null;
  /** Programs that make a running service read the file. */
  readonly refresh: readonly (readonly string[])[];
};

export interface WantedFile {
  readonly path: string;
  readonly text: string;
  readonly mode?: number;
  readonly summary: string;
  /** `reboot`: nobody reads it before. */
  readonly effect?: 'none' | 'reboot';
}

interface FileAction {
  readonly name: string;
  wanted(context: PlanContext, note: (sentence: string) => void): WantedFile[];
  /** Files that an earlier profile may have asked for: they go when this one does not, if we wrote them. */
  owned?(context: PlanContext): readonly string[];
  /** Why undo must leave the file for now, or undefined. */
  neededFor?(change: Change, host: ReadHost): string | undefined;
  /** Programs that make a running service read the file. */
  refresh?(context: PlanContext, path: string): readonly (readonly string[])[];
  /** What the file brings at the next boot; see `Action`. */
  inForce?: Action['inForce'];
}

/** Who wrote a file and how to take it back: the first line of all that people may find. */
export const HEADER = '# Written by bypass-setup; "bypass-setup undo" takes it back.\n';

/** Whether there is a systemd (and so a udev) to tell of a new file. */
export function hasSystemd({ facts }: PlanContext): boolean {
  return facts.services.units.absent === undefined;
}

/** An action whose every step is a file of ours: written whole, and taken back byte for byte with its folders. */
export function defineFileAction({
  name,
  wanted,
  owned,
  neededFor = () => undefined,
  refresh = () => [],
  inForce,
}: FileAction): Action {
  return defineAction({
    name,
    ...(inForce === undefined ? {} : { inForce }),

    plan(context, note) {
      const files = wanted(context, note);
      const stale = (owned?.(context) ?? []).filter(
        (path) => !files.some((file) => file.path === path) && isOurs(context, path),
      );
      return [
        ...stale.map((path) => removeStep(context, path, refresh(context, path))),
        ...files.flatMap((file) => writeStep(context, file, refresh(context, file.path))),
      ];
    },

    async apply(change, host) {
      const { text, mode, refresh: programs } = change.after as FileAfter;
      if (text === null) host.remove(change.target);
      else host.replaceFile(change.target, text, mode ?? undefined);
      await runAll(host, programs);
    },

    verify(change, host) {
      const { text, mode } = change.after as FileAfter;
      return difference(host, change.target, text, mode);
    },

    async revert(change, host) {
      if (neededFor(change, host) !== undefined) return;
      putBack(host, change.target, change.before as FileBefore);
      await runAll(host, (change.after as FileAfter).refresh);
    },

    holdsBefore(change, host) {
      const left = notPutBack(host, change.target, change.before as FileBefore);
      return left && (neededFor(change, host) ?? left);
    },
  });
}

function isOurs({ facts }: PlanContext, path: string): boolean {
  return facts.ownFiles.files[path]?.value?.text.includes(HEADER) === true;
}

function writeStep(context: PlanContext, file: WantedFile, refresh: FileAfter['refresh']): Step[] {
  const mode = file.mode ?? 0o644;
  const before = fileBefore(context, file.path);
  if (before.text === file.text && before.mode === mode) return [];
  const after: FileAfter = { text: file.text, mode, refresh };
  return [
    {
      target: file.path,
      before,
      after,
      scope: 'persistent',
      effect: file.effect ?? 'none',
      summary: `${before.text === null ? 'write' : 'change'} ${file.summary}`,
      commands: [
        `install -D -m ${mode.toString(8)} /dev/stdin ${file.path} <<'END'\n${file.text}END`,
        ...refresh.map((argv) => argv.join(' ')),
      ],
    },
  ];
}

function removeStep(context: PlanContext, path: string, refresh: FileAfter['refresh']): Step {
  const after: FileAfter = { text: null, mode: null, refresh };
  return {
    target: path,
    before: fileBefore(context, path),
    after,
    scope: 'persistent',
    effect: 'none',
    summary: `remove ${path}, which this profile does not ask for`,
    commands: [`rm ${path}`, ...refresh.map((argv) => argv.join(' '))],
  };
}

/** The file as the probe saw it. What could not be read is not replaced: nobody could bring it back. */
export function fileBefore({ facts }: PlanContext, path: string): FileBefore {
  const fact = facts.ownFiles.files[path];
  if (fact?.absent !== undefined && fact.absent !== 'missing') {
    throw refused(
      'FILE_UNREADABLE',
      path,
      `cannot be replaced, because what is there cannot be read: ${fact.reason}`,
    );
  }
  const folders = missingFolders(facts.ownFiles.folders, path);
  return fact?.value === undefined
    ? { text: null, mode: null, folders }
    : { text: fact.value.text, mode: fact.value.mode, folders };
}

/** The folders that writing it will make, the deepest first. */
export function missingFolders(existing: readonly string[], path: string): string[] {
  const missing: string[] = [];
  for (
    let folder = posix.dirname(path);
    folder !== '/' && !existing.includes(folder);
    folder = posix.dirname(folder)
  ) {
    missing.push(folder);
  }
  return missing;
}

/** Byte for byte, with its mode; its owner never changed. */
export function putBack(host: Host, path: string, { text, mode, folders }: FileBefore): void {
  if (text === null) host.remove(path);
  else host.replaceFile(path, text, mode ?? undefined);
  removeLeftovers(host, path);
  removeFolders(host, folders);
}

/** What is left of ours, or undefined. */
export function notPutBack(host: ReadHost, path: string, { text, mode }: FileBefore): string | undefined {
  return difference(host, path, text, mode);
}

/** What a crash in the middle of `replaceFile` leaves beside the file. */
function removeLeftovers(host: Host, path: string): void {
  const folder = posix.dirname(path);
  const ours = (name: string) => name.startsWith(`.${posix.basename(path)}.`) && name.endsWith('.tmp');
  for (const name of host.list(folder)?.filter(ours) ?? []) host.remove(`${folder}/${name}`);
}

/** Takes away the folders that were made, as far as nobody else has put something into them. */
function removeFolders(host: Host, folders: readonly string[]): void {
  for (const folder of folders) {
    // Something else may stand there by now.
    if (host.stat(folder)?.type !== 'directory') continue;
    try {
      host.remove(folder);
    } catch (error) {
      if (!(error instanceof HostError) || (error.errno !== 'ENOTEMPTY' && error.errno !== 'EEXIST'))
        throw error;
    }
  }
}

function difference(
  host: ReadHost,
  path: string,
  text: string | null,
  mode: number | null,
): string | undefined {
  const status = host.stat(path);
  if (status === undefined) return text === null ? undefined : `${path} is missing`;
  if (text === null) return `${path} is still there`;
  if (status.type !== 'file' || host.readText(path) !== text) return `${path} has another content`;
  return status.mode === mode ? undefined : `${path} has mode ${status.mode.toString(8)}`;
}
