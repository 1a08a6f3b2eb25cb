import { HostError } from './errors.ts';
import type { Answer, FileStatus, KernelAnswers, Question, ReadHost } from './host.ts';
import { PassingHost } from './passing-host.ts';

const LATE = 'it did not answer in time';

/** What a read that must not be made again throws. */
function late(operation: 'read' | 'list' | 'stat', path: string): HostError {
  return new HostError(operation, path, { code: 'ETIMEDOUT' });
}

/**
 * Tells what is about to be read, so that somebody else can say where a read hangs, and refuses what hung before: a path
 * with all below it, or a question to the kernel.
 */
export class WatchedHost extends PassingHost {
  private readonly refused: readonly string[];
  private readonly tell: (what: string) => void;

  constructor(host: ReadHost, refused: readonly string[], tell: (what: string) => void) {
    super(host);
    this.refused = refused;
    this.tell = tell;
  }

  override readText(path: string): string | undefined {
    this.before('read', path);
    return super.readText(path);
  }

  override readBytes(path: string, limit: number): Uint8Array | undefined {
    this.before('read', path);
    return super.readBytes(path, limit);
  }

  override readLink(path: string): string | undefined {
    this.before('read', path);
    return super.readLink(path);
  }

  override list(path: string): readonly string[] | undefined {
    this.before('list', path);
    return super.list(path);
  }

  override stat(path: string): FileStatus | undefined {
    this.before('stat', path);
    return super.stat(path);
  }

  override realPath(path: string): string | undefined {
    this.before('stat', path);
    return super.realPath(path);
  }

  override ask<Q extends Question>(question: Q): Answer<KernelAnswers[Q]> {
    const what = `the kernel, asked for its ${question}`;
    if (this.refused.includes(what)) return { unanswered: LATE };
    this.tell(what);
    return super.ask(question);
  }

  private before(operation: 'read' | 'list' | 'stat', path: string): void {
    if (this.refused.some((hung) => path === hung || path.startsWith(`${hung}/`)))
      throw late(operation, path);
    this.tell(path);
  }
}

/** A host for which there was no time: every read is late. */
export class SilentHost implements ReadHost {
  readonly root: string;
  readonly live: boolean;

  constructor(root: string) {
    this.root = root;
    this.live = root === '/';
  }

  readText(path: string): never {
    throw late('read', path);
  }

  readBytes(path: string): never {
    throw late('read', path);
  }

  readLink(path: string): never {
    throw late('read', path);
  }

  list(path: string): never {
    throw late('list', path);
  }

  stat(path: string): never {
    throw late('stat', path);
  }

  realPath(path: string): never {
    throw late('stat', path);
  }

  ask(): { unanswered: string } {
    return { unanswered: LATE };
  }
}
