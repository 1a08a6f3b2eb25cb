import { posix } from 'node:path';
import type { ArchiveEntry } from '../formats/text-archive.ts';
import { HostError } from './errors.ts';
import type { Answer, FileStatus, KernelAnswers, Question, ReadHost } from './host.ts';
import { ANSWERS_FOLDER } from './kernel-answers.ts';

/** Passes every question on and keeps the answers, so that what the probes saw can be seen again elsewhere. */
export class RecordingHost implements ReadHost {
  readonly root: string;
  /** The recorded host is read in place of the live one, and the probes must take the same ways. */
  readonly live = false;
  private readonly host: ReadHost;
  private readonly entries = new Map<string, ArchiveEntry>();

  constructor(host: ReadHost) {
    this.host = host;
    this.root = host.root;
  }

  readText(path: string): string | undefined {
    const bytes = this.readBytes(path, Number.MAX_SAFE_INTEGER);
    return bytes && Buffer.from(bytes).toString('utf8');
  }

  readBytes(path: string, limit: number): Uint8Array | undefined {
    return this.keepErrors(path, () => {
      const bytes = this.host.readBytes(path, limit);
      if (bytes !== undefined) {
        this.add(path, (real) => {
          const status = this.host.stat(`/${real}`);
          return {
            kind: 'file',
            path: real,
            ...permissions(status ?? { mode: 0o644, uid: 0, gid: 0 }),
            bytes,
          };
        });
      }
      return bytes;
    });
  }

  readLink(path: string): string | undefined {
    this.addLinks(path);
    return this.host.readLink(path);
  }

  list(path: string): readonly string[] | undefined {
    return this.keepErrors(path, () => {
      const names = this.host.list(path);
      if (names !== undefined) {
        this.add(path, (real) => ({ kind: 'dir', path: real }));
        for (const name of names) this.addName(posix.join(path, name));
      }
      return names;
    });
  }

  stat(path: string): FileStatus | undefined {
    this.addLinks(path);
    const status = this.host.stat(path);
    if (status?.type === 'directory') {
      this.add(path, (real) => ({ kind: 'dir', path: real, ...permissions(status) }));
    } else if (status !== undefined) this.addName(path);
    return status;
  }

  realPath(path: string): string | undefined {
    // Before the question, which links that run in a circle do not survive.
    this.addLinks(path);
    const real = this.host.realPath(path);
    if (real !== undefined) this.addName(real);
    return real;
  }

  ask<Q extends Question>(question: Q): Answer<KernelAnswers[Q]> {
    const answer = this.host.ask(question);
    const path = `${ANSWERS_FOLDER}/${question}.json`.slice(1);
    const bytes = new TextEncoder().encode(`${JSON.stringify(answer, null, 1)}\n`);
    this.entries.set(path, { kind: 'file', path, mode: 0o644, bytes });
    return answer;
  }

  recorded(): readonly ArchiveEntry[] {
    return [...this.entries.values()];
  }

  private keepErrors<T>(path: string, call: () => T): T {
    try {
      return call();
    } catch (error) {
      if (error instanceof HostError) this.addDenied(path, error.errno);
      throw error;
    }
  }

  /** Keeps an entry under its real path, and the links that lead there. */
  private add(path: string, entry: (real: string) => ArchiveEntry): void {
    this.addLinks(path);
    const real = this.host.realPath(path)?.slice(1);
    if (real !== undefined && real !== '') this.keep(entry(real));
  }

  /** Of two entries for a path the one that says more stays: more bytes, a mode, or the refusal of what is only a name. */
  private keep(entry: ArchiveEntry): void {
    const known = this.entries.get(entry.path);
    const size = (of: ArchiveEntry) => (of.kind === 'file' ? of.bytes.length : 0);
    // A directory that was read as a file is a directory.
    const confused = entry.kind === 'denied' && entry.errno === 'EISDIR';
    const says =
      known === undefined ||
      (known.kind === 'dir' && !confused && (entry.kind !== 'dir' || entry.mode !== undefined)) ||
      (known.kind === 'file' &&
        (size(entry) > size(known) || (entry.kind === 'denied' && size(known) === 0)));
    if (says) this.entries.set(entry.path, confused ? { kind: 'dir', path: entry.path } : entry);
  }

  private addDenied(path: string, errno: string): void {
    try {
      this.add(path, (real) => ({ kind: 'denied', path: real, errno }));
    } catch {
      // A folder on the way cannot be searched (debugfs without root): the refusal stands where it was met. Links that
      // run in a circle are kept by addLinks, and refuse again.
      const name = posix.normalize(path).slice(1);
      if (errno !== 'ELOOP') this.keep({ kind: 'denied', path: name, errno });
    }
  }

  /** Keeps that a name exists: a link with its target, a directory, or a file whose text nobody has asked for. */
  private addName(path: string): void {
    const status = unlessRefused(() => this.host.stat(path));
    if (status?.type === 'link') {
      this.addLinks(path);
    } else if (status?.type === 'directory') {
      this.add(path, (real) => ({ kind: 'dir', path: real }));
    } else if (status !== undefined) {
      const bytes = new Uint8Array();
      this.add(path, (real) => ({ kind: 'file', path: real, ...permissions(status), bytes }));
    }
  }

  private addLinks(path: string): void {
    let folder = '/';
    // Not normalized: behind a link `..` is the folder above its target.
    for (const part of path.split('/').filter(Boolean)) {
      const here = posix.join(folder, part);
      const target = unlessRefused(() => this.host.readLink(here));
      if (target !== undefined)
        this.entries.set(here.slice(1), { kind: 'link', path: here.slice(1), target });
      const next = target === undefined ? here : unlessRefused(() => this.host.realPath(here));
      if (next === undefined) return;
      folder = next;
    }
  }
}

function permissions({ mode, uid, gid }: Pick<FileStatus, 'mode' | 'uid' | 'gid'>) {
  return { mode: mode & 0o7777, ...(uid === 0 && gid === 0 ? {} : { owner: { uid, gid } }) };
}

/** For what is kept beside the answer itself: a link in a circle, or a name in a folder that cannot be searched. */
function unlessRefused<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof HostError) return undefined;
    throw error;
  }
}
