import { posix } from 'node:path';
import { HostError } from '../../src/host/errors.ts';
import type { FileStatus, Host, RunResult } from '../../src/host/host.ts';

/** Thrown by a host whose machine has gone: every call after the crash throws it too. */
export class Crash extends Error {}

/**
 * A host of plain files in memory that can go down in the middle: before the `crashAt`th change (from 0), of which only
 * `torn` octets are made when it is an append. The files outlive it, as a disk does.
 */
export class MemoryHost implements Host {
  readonly root = '/memory';
  readonly live = false;
  readonly files: Map<string, string>;
  changes = 0;
  /** Length of the text whose append the crash cut off; 0 when the crash came at something else. */
  tornOf = 0;
  private readonly crashAt: number;
  private readonly torn: number;
  private down = false;

  constructor(files = new Map<string, string>(), crashAt = Number.POSITIVE_INFINITY, torn = 0) {
    this.files = files;
    this.crashAt = crashAt;
    this.torn = torn;
  }

  /** The files but for the tool's own. */
  state(): Record<string, string> {
    const own = /^\/(var\/lib\/bypass-setup|run\/bypass-setup\.lock)/;
    return Object.fromEntries([...this.files].filter(([path]) => !own.test(path)).sort());
  }

  readText(path: string): string | undefined {
    this.mustBeUp();
    return this.files.get(path);
  }

  readBytes(path: string): Uint8Array | undefined {
    const text = this.readText(path);
    return text === undefined ? undefined : new TextEncoder().encode(text);
  }

  readLink(): undefined {
    this.mustBeUp();
  }

  list(path: string): readonly string[] | undefined {
    this.mustBeUp();
    const below = path === '/' ? '/' : `${path}/`;
    const names = [...this.files.keys()]
      .filter((name) => name.startsWith(below))
      .map((name) => name.slice(below.length).split('/')[0] ?? '');
    return names.length === 0 ? undefined : [...new Set(names)].sort();
  }

  stat(path: string): FileStatus | undefined {
    if (this.readText(path) !== undefined) return { type: 'file', mode: 0o644, uid: 0, gid: 0 };
    return this.list(path) && { type: 'directory', mode: 0o755, uid: 0, gid: 0 };
  }

  realPath(path: string): string | undefined {
    return this.stat(path) && posix.normalize(path);
  }

  ask(): { unanswered: string } {
    return { unanswered: 'a host in memory' };
  }

  writeAttribute(path: string, value: string): void {
    this.change(() => {
      if (!this.files.has(path)) throw new HostError('write', path, { code: 'ENOENT' });
      this.files.set(path, value);
    });
  }

  replaceFile(path: string, text: string): void {
    this.change(() => this.files.set(path, text));
  }

  appendFile(path: string, text: string): void {
    const old = this.files.get(path) ?? '';
    const last = !this.down && this.changes === this.crashAt;
    if (last) {
      this.tornOf = text.length;
      if (this.torn > 0) this.files.set(path, old + text.slice(0, this.torn));
    }
    this.change(() => this.files.set(path, old + text));
  }

  remove(path: string): void {
    this.change(() => this.files.delete(path));
  }

  async lock(): Promise<{ release(): void }> {
    this.mustBeUp();
    return { release: () => undefined };
  }

  async run(): Promise<RunResult> {
    throw new Error('a host in memory runs nothing');
  }

  private change(make: () => void): void {
    this.mustBeUp();
    if (this.changes++ >= this.crashAt) {
      this.down = true;
      throw new Crash('the machine is gone');
    }
    make();
  }

  private mustBeUp(): void {
    if (this.down) throw new Crash('the machine is gone');
  }
}
