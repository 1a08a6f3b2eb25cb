import { posix } from 'node:path';
import { HostError } from './errors.ts';

/** What is at a path whose folders hold no link: a link with its target, something else, or nothing. */
export type Found = { readonly link: string } | 'there' | undefined;

/** As the kernel's own MAXSYMLINKS and PATH_MAX. */
const LINK_LIMIT = 40;
const PATH_LIMIT = 4096;
/** A part that is `.`, `..` or empty. */
const UNUSUAL = /\/\.{0,2}(?:\/|$)/;

/**
 * Follows symbolic links inside a root, as the kernel does after chroot(2): part by part, so that `link/..` is the
 * folder above the link's target, an absolute target starts at the root, and `..` never climbs above it.
 */
export class LinkWalk {
  private readonly look: (path: string) => Found;
  private readonly seen = new Map<string, Found>();
  private readonly followed = new Map<string, string | undefined>();

  constructor(look: (path: string) => Found) {
    this.look = look;
  }

  /** The path with every link followed; undefined when a part of it is missing. Errors name the subject. */
  follow(path: string, subject = path): string | undefined {
    if (this.followed.has(path)) return this.followed.get(path);
    const target = this.walkFrom(path, subject);
    this.followed.set(path, target);
    return target;
  }

  /** Most paths differ from one that is known in their last part alone. */
  private walkFrom(path: string, subject: string): string | undefined {
    const at = path.lastIndexOf('/');
    if (at <= 0 || path.length >= PATH_LIMIT || UNUSUAL.test(path)) return this.walk('/', path, subject);
    const folder = this.follow(path.slice(0, at), subject);
    return folder === undefined ? undefined : this.walk(folder, path.slice(at + 1), subject);
  }

  /** The path with the links on the way followed, but not the last part. */
  beside(path: string): string | undefined {
    const name = posix.basename(path);
    if (name === '' || name === '.' || name === '..') return this.follow(path);
    const folder = this.follow(posix.dirname(path), path);
    if (folder === undefined) return undefined;
    return folder === '/' ? `/${name}` : `${folder}/${name}`;
  }

  /** To be called after a change of the tree. */
  forget(): void {
    this.seen.clear();
    this.followed.clear();
  }

  private walk(start: string, path: string, subject: string): string | undefined {
    const todo = this.parts(path, subject);
    let here = start;
    let links = 0;
    for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
      if (part === '..') {
        here = posix.dirname(here);
        continue;
      }
      const next = here === '/' ? `/${part}` : `${here}/${part}`;
      const found = this.seen.has(next) ? this.seen.get(next) : this.look(next);
      this.seen.set(next, found);
      if (found === undefined) return undefined;
      if (found === 'there') {
        here = next;
        continue;
      }
      if (++links > LINK_LIMIT) throw new HostError('read', subject, { code: 'ELOOP' });
      if (found.link.startsWith('/')) here = '/';
      todo.push(...this.parts(found.link, subject));
    }
    return here;
  }

  /** The parts of a path, last first. */
  private parts(text: string, subject: string): string[] {
    if (text.length >= PATH_LIMIT) throw new HostError('read', subject, { code: 'ENAMETOOLONG' });
    return text
      .split('/')
      .filter((part) => part !== '' && part !== '.')
      .reverse();
  }
}
