import { posix } from 'node:path';
import { type ArchiveEntry, parseArchive } from '../formats/text-archive.ts';
import { HostError } from './errors.ts';
import type { Answer, FileStatus, KernelAnswers, Question, ReadHost } from './host.ts';
import { recordedAnswer } from './kernel-answers.ts';
import { type Found, LinkWalk } from './link-walk.ts';

/** A host recorded by `capture`, read from the text archive itself: nothing is unpacked, so nothing can leak. */
export class ArchiveHost implements ReadHost {
  readonly live = false;
  readonly root: string;
  private readonly entries = new Map<string, ArchiveEntry>();
  private readonly children = new Map<string, Set<string>>();
  private readonly links = new LinkWalk((path) => this.look(path));

  constructor(root: string, text: string) {
    this.root = root;
    this.children.set('/', new Set());
    for (const entry of parseArchive(text)) this.add(`/${entry.path}`, entry);
  }

  readText(path: string): string | undefined {
    const bytes = this.bytes(path);
    return bytes && Buffer.from(bytes).toString('utf8');
  }

  readBytes(path: string, limit: number): Uint8Array | undefined {
    return this.bytes(path)?.subarray(0, limit);
  }

  readLink(path: string): string | undefined {
    const here = this.links.beside(path);
    const entry = here === undefined ? undefined : this.entries.get(here);
    return entry?.kind === 'link' ? entry.target : undefined;
  }

  list(path: string): readonly string[] | undefined {
    const target = this.readable(path, 'list');
    if (target === undefined || this.entries.get(target)?.kind === 'file') return undefined;
    return [...(this.children.get(target) ?? [])].sort();
  }

  stat(path: string): FileStatus | undefined {
    const here = this.links.beside(path);
    const found = here === undefined ? undefined : this.look(here);
    if (here === undefined || found === undefined) return undefined;
    const entry = this.entries.get(here);
    if (entry?.kind === 'link') return { type: 'link', mode: 0o777, uid: 0, gid: 0 };
    const owner = { uid: 0, gid: 0 };
    if (entry?.kind === 'file') return { type: 'file', mode: entry.mode, ...owner, ...entry.owner };
    if (entry?.kind === 'dir')
      return { type: 'directory', mode: entry.mode ?? 0o755, ...owner, ...entry.owner };
    // What could not be read is there all the same; it was a directory if anything is known below it.
    if (entry?.kind === 'denied' && !this.children.has(here))
      return { type: 'file', mode: 0, uid: 0, gid: 0 };
    return { type: 'directory', mode: 0o755, uid: 0, gid: 0 };
  }

  realPath(path: string): string | undefined {
    return this.links.follow(path);
  }

  ask<Q extends Question>(question: Q): Answer<KernelAnswers[Q]> {
    return recordedAnswer(this, question);
  }

  private add(path: string, entry: ArchiveEntry): void {
    this.entries.set(path, entry);
    if (entry.kind === 'dir' && !this.children.has(path)) this.children.set(path, new Set());
    for (let here = path; here !== '/'; here = posix.dirname(here)) {
      const parent = posix.dirname(here);
      const known = this.children.has(parent);
      const names = this.children.get(parent) ?? new Set();
      this.children.set(parent, names.add(posix.basename(here)));
      if (known) break;
    }
  }

  private bytes(path: string): Uint8Array | undefined {
    const target = this.readable(path, 'read');
    if (target === undefined) return undefined;
    const entry = this.entries.get(target);
    if (entry?.kind === 'file') return entry.bytes;
    throw new HostError('read', path, { code: 'EISDIR' });
  }

  /** The path with every link followed; what was refused when it was recorded is refused again. */
  private readable(path: string, operation: 'read' | 'list'): string | undefined {
    const target = this.links.follow(path);
    const entry = target === undefined ? undefined : this.entries.get(target);
    if (entry?.kind === 'denied') throw new HostError(operation, path, { code: entry.errno });
    return target;
  }

  private look(path: string): Found {
    const entry = this.entries.get(path);
    if (entry?.kind === 'link') return { link: entry.target };
    return entry !== undefined || this.children.has(path) ? 'there' : undefined;
  }
}
