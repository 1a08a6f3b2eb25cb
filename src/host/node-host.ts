import * as fs from 'node:fs';
import { posix } from 'node:path';
import { ArchiveHost } from './archive-host.ts';
import { EXIT, errnoName, errnoText, HostError, ToolError } from './errors.ts';
import type {
  Answer,
  FileStatus,
  Host,
  KernelAnswers,
  Lock,
  Question,
  ReadHost,
  RunOptions,
  RunResult,
} from './host.ts';
import { askKernel, recordedAnswer } from './kernel-answers.ts';
import { type Found, LinkWalk } from './link-walk.ts';

/** Larger than any attribute or table this program reads; a host must not be able to fill our memory. */
const READ_LIMIT = 32 << 20;
/** fs/kernfs/file.c, kernfs_file_read_iter: never more in one read. */
const PAGE = 4096;
/** Milliseconds between SIGTERM and SIGKILL. */
const KILL_DELAY = 2000;
/** Below /sys, but as in /proc a row at a time: cgroup.procs ends a read(2) before the page is full. */
const SEQUENCES = /^\/sys\/(?:fs|kernel\/debug|kernel\/tracing)\//;
const ABSENT = new Set(['ENOENT', 'ENOTDIR', 'ENODEV', 'ENXIO']);

/** After so many single looks into a folder it is cheaper to list it. */
const MANY_LOOKS = 8;

/** Spares the making of an Error for each of the many files that are not there. */
const ABSENT_IS_FINE = { throwIfNoEntry: false } as const;

/** Opens what `--root` names for reading: the running machine, a directory, or an archive made by `capture`. */
export function openReadHost(root: string): ReadHost {
  if (!rootStatus(root)?.isFile()) return openHost(root);
  try {
    return new ArchiveHost(root, fs.readFileSync(root, 'utf8'));
  } catch (error) {
    throw new ToolError('ROOT_NOT_A_HOST', error instanceof Error ? error.message : String(error), {
      subject: root,
      exitCode: EXIT.usage,
      hint: 'give --root a directory that holds proc/ and sys/ of a host, or a file made by "capture"',
    });
  }
}

/** A process outlives the folder it was started in. */
function workingFolder(): string {
  try {
    return process.cwd();
  } catch {
    throw new ToolError('NO_WORKING_FOLDER', 'the current folder no longer exists', {
      exitCode: EXIT.usage,
      hint: 'change to a folder that exists, or give absolute paths',
    });
  }
}

/** Opens the running machine (`/`) or a directory that stands for one. The directory must look like a host. */
export function openHost(root: string): Host {
  const absolute = posix.resolve(root.startsWith('/') ? '/' : workingFolder(), root);
  if (absolute === '/') return new NodeHost('/');
  const status = rootStatus(absolute);
  if (status === undefined || !status.isDirectory()) {
    throw new ToolError('ROOT_MISSING', status === undefined ? 'no such directory' : 'is not a directory', {
      subject: absolute,
      exitCode: EXIT.usage,
      hint: 'give --root a directory that holds proc/ and sys/ of a host, or a file made by "capture"',
    });
  }
  if (!fs.existsSync(`${absolute}/proc`) && !fs.existsSync(`${absolute}/sys`)) {
    throw new ToolError('ROOT_NOT_A_HOST', 'holds neither proc/ nor sys/', {
      subject: absolute,
      exitCode: EXIT.usage,
      hint: 'give --root the top folder of a recorded host; for a tar archive unpack it first',
    });
  }
  return new NodeHost(absolute);
}

function rootStatus(root: string): fs.Stats | undefined {
  try {
    return fs.statSync(root, { throwIfNoEntry: false });
  } catch (error) {
    throw new ToolError('ROOT_MISSING', `cannot be opened: ${errnoText(error)}`, {
      subject: root,
      exitCode: EXIT.usage,
    });
  }
}

class NodeHost implements Host {
  readonly root: string;
  readonly live: boolean;
  /** Keeps every path inside a root that is not `/`. */
  private readonly links = new LinkWalk((path) => this.look(path));
  private readonly looks = new Map<string, number>();
  private readonly kinds = new Map<string, ReadonlyMap<string, 'link' | 'there'>>();
  private buffer = Buffer.allocUnsafe(65536);

  constructor(root: string) {
    this.root = root;
    this.live = root === '/';
  }

  readText(path: string): string | undefined {
    const length = this.read(path, Number.MAX_SAFE_INTEGER);
    return length === undefined ? undefined : this.buffer.toString('utf8', 0, length);
  }

  readBytes(path: string, limit: number): Uint8Array | undefined {
    const length = this.read(path, limit);
    return length === undefined ? undefined : new Uint8Array(this.buffer.subarray(0, length));
  }

  readLink(path: string): string | undefined {
    const outside = this.outside(path, false);
    if (outside === undefined) return undefined;
    return quietly(() => fs.readlinkSync(outside), 'read', path, 'EINVAL');
  }

  list(path: string): readonly string[] | undefined {
    const outside = this.outside(path, true);
    if (outside === undefined) return undefined;
    return quietly(() => fs.readdirSync(outside).sort(), 'list', path);
  }

  stat(path: string): FileStatus | undefined {
    const outside = this.outside(path, false);
    if (outside === undefined) return undefined;
    const status = quietly(() => fs.lstatSync(outside, ABSENT_IS_FINE), 'stat', path);
    return status && describe(status);
  }

  realPath(path: string): string | undefined {
    if (!this.live) return this.links.follow(path);
    return quietly(() => fs.realpathSync.native(path), 'read', path);
  }

  ask<Q extends Question>(question: Q): Answer<KernelAnswers[Q]> {
    if (this.live) return askKernel(question, () => this.list('/sys/class/net') ?? []);
    return recordedAnswer(this, question);
  }

  writeAttribute(path: string, value: string): void {
    const outside = this.outside(path, true);
    if (outside === undefined) throw new HostError('write', path, { code: 'ENOENT' });
    try {
      const fd = fs.openSync(outside, fs.constants.O_WRONLY);
      try {
        const bytes = Buffer.from(value === '' ? '\n' : value);
        // A part of a value is another value: what the kernel did not take whole was not taken.
        if (fs.writeSync(fd, bytes) !== bytes.length) throw Object.assign(new Error(), { code: 'EIO' });
      } finally {
        fs.closeSync(fd);
      }
    } catch (error) {
      throw new HostError('write', path, error);
    }
  }

  replaceFile(path: string, text: string, mode?: number): void {
    let temporary: string | undefined;
    try {
      const folder = this.makeFolder(posix.dirname(path));
      const target = posix.join(folder, posix.basename(path));
      const old = fs.lstatSync(target, { throwIfNoEntry: false });
      // A link or a device in its place would be lost to everybody who uses it; callers name the file itself.
      if (old !== undefined && !old.isFile() && !old.isDirectory()) {
        throw new HostError('write', path, { code: 'EINVAL' });
      }
      temporary = posix.join(folder, `.${posix.basename(path)}.${process.pid}.tmp`);
      // One that a crash left; process numbers come again.
      fs.rmSync(temporary, { force: true });
      const fd = fs.openSync(temporary, 'wx', 0o600);
      try {
        fs.writeFileSync(fd, text);
        if (old?.isFile()) fs.fchownSync(fd, old.uid, old.gid);
        // After the owner, whose change takes set-id bits off; and not through open(2), where the umask counts.
        fs.fchmodSync(fd, mode ?? (old?.isFile() ? old.mode & 0o7777 : 0o644));
        fs.fsyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
      fs.renameSync(temporary, target);
      temporary = undefined;
      syncFolder(folder);
    } catch (error) {
      if (temporary !== undefined) discard(temporary);
      throw error instanceof HostError ? error : new HostError('write', path, error);
    } finally {
      this.forget();
    }
  }

  appendFile(path: string, text: string): void {
    try {
      const folder = this.makeFolder(posix.dirname(path));
      const target = posix.join(folder, posix.basename(path));
      const isNew = fs.lstatSync(target, { throwIfNoEntry: false }) === undefined;
      const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW } = fs.constants;
      const fd = fs.openSync(target, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
      try {
        fs.writeFileSync(fd, text);
        fs.fsyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
      if (isNew) syncFolder(folder);
    } catch (error) {
      throw error instanceof HostError ? error : new HostError('write', path, error);
    } finally {
      this.forget();
    }
  }

  async lock(path: string, holder: string): Promise<Lock | undefined> {
    const { spawnSync } = await import('node:child_process');
    let fd: number | undefined;
    try {
      const folder = this.makeFolder(posix.dirname(path));
      const { O_RDWR, O_CREAT, O_NOFOLLOW } = fs.constants;
      fd = fs.openSync(posix.join(folder, posix.basename(path)), O_RDWR | O_CREAT | O_NOFOLLOW, 0o644);
      // Node has no flock(2). The lock belongs to the open file, which flock(1) shares with this process and which
      // stays open here when flock(1) ends; no other child gets it, because Node opens with O_CLOEXEC.
      const { status, error } = spawnSync('flock', ['-x', '-n', '3'], {
        stdio: ['ignore', 'ignore', 'ignore', fd],
      });
      if (error !== undefined || status === null || status > 1) {
        throw new ToolError('LOCK_UNAVAILABLE', `flock(1) cannot lock it: ${errnoText(error)}`, {
          subject: path,
          hint: 'install util-linux, which has flock',
        });
      }
      if (status === 1) return undefined;
      const held = fd;
      fd = undefined;
      fs.ftruncateSync(held);
      fs.writeSync(held, holder, 0);
      return {
        release: () => {
          // Emptied and not removed: another process may have it open and wait for this very file.
          fs.ftruncateSync(held);
          fs.closeSync(held);
        },
      };
    } catch (error) {
      throw error instanceof ToolError ? error : new HostError('write', path, error);
    } finally {
      if (fd !== undefined) fs.closeSync(fd);
      this.forget();
    }
  }

  remove(path: string): void {
    const outside = this.outside(path, false);
    if (outside === undefined) return;
    try {
      const status = fs.lstatSync(outside, { throwIfNoEntry: false });
      if (status?.isDirectory()) fs.rmdirSync(outside);
      else if (status !== undefined) fs.unlinkSync(outside);
    } catch (error) {
      // A file where the path has a folder: absent too, and lstat(2) says so with an errno of its own.
      if (errnoName(error) !== 'ENOTDIR') throw new HostError('remove', path, error);
    } finally {
      this.forget();
    }
  }

  async run(argv: readonly [string, ...string[]], options: RunOptions): Promise<RunResult> {
    const [file, ...args] = argv;
    if (!this.live) {
      throw new ToolError('HOST_NOT_LIVE', 'cannot be started: this is not the running machine', {
        subject: file,
      });
    }
    const { execa } = await import('execa');
    let timedOut = false;
    const child = execa(file, args, {
      reject: false,
      // A process group of its own: what it started holds its pipes open, and must end with it at the deadline.
      detached: true,
      stripFinalNewline: false,
      ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
    });
    const timers = [
      setTimeout(() => {
        timedOut = true;
        signalGroup(child.pid, 'SIGTERM');
      }, options.timeout),
      setTimeout(() => signalGroup(child.pid, 'SIGKILL'), options.timeout + KILL_DELAY),
    ];
    // In a system call that cannot be interrupted not even SIGKILL ends it; then it is left to the kernel.
    const abandoned = new Promise<undefined>((resolve) => {
      timers.push(setTimeout(() => resolve(undefined), options.timeout + 2 * KILL_DELAY));
    });
    const result = await Promise.race([child, abandoned]).finally(() => {
      for (const timer of timers) clearTimeout(timer);
    });
    if (result === undefined) {
      child.unref();
      for (const stream of child.stdio) stream?.destroy();
      return { exitCode: undefined, stdout: '', stderr: '', timedOut: true };
    }
    // No exit code and no signal: the program could not be started at all.
    if (result.exitCode === undefined && result.signal === undefined) {
      throw new ToolError('PROGRAM_NOT_STARTED', `cannot be started: ${errnoText(result)}`, {
        subject: file,
      });
    }
    return {
      exitCode: result.exitCode,
      stdout: result.stdout,
      stderr: result.stderr,
      timedOut,
    };
  }

  /**
   * Reads to the end or the limit. A short read(2) is the end of an attribute, which comes a page at a time; the
   * tables in /proc and debugfs come in pieces of any length (fs/seq_file.c). An errno such as EAGAIN ends the read:
   * some drivers would return it for ever.
   */
  private read(path: string, limit: number): number | undefined {
    // Opening a FIFO or a modem line must not wait for its other side.
    let flags = fs.constants.O_RDONLY | fs.constants.O_NONBLOCK;
    let outside = path;
    if (!this.live) {
      const found = this.outside(path, false);
      if (found === undefined) return undefined;
      outside = found;
      flags |= fs.constants.O_NOFOLLOW;
    }
    // ELOOP of O_NOFOLLOW is a link to follow below; of the running machine's own files it is an error.
    const link = this.live ? undefined : 'ELOOP';
    let fd: number | undefined = quietly(() => fs.openSync(outside, flags), 'read', path, link);
    if (fd === undefined && !this.live) {
      // The last part was a symbolic link, to be kept inside the root, or nothing at all.
      const target = this.outside(path, true);
      if (target === undefined || target === outside) return undefined;
      fd = quietly(() => fs.openSync(target, flags), 'read', path);
    }
    if (fd === undefined) return undefined;
    const attribute = path.startsWith('/sys/') && !SEQUENCES.test(path);
    try {
      let length = 0;
      for (;;) {
        const got = fs.readSync(fd, this.buffer, length, Math.min(this.buffer.length, limit) - length, null);
        length += got;
        if (length > READ_LIMIT) throw Object.assign(new Error('EFBIG'), { code: 'EFBIG' });
        if (got === 0 || length === limit) break;
        if (length === this.buffer.length) this.grow();
        else if (attribute && got < PAGE) break;
      }
      return length;
    } catch (error) {
      if (ABSENT.has(errnoName(error))) return undefined;
      throw new HostError('read', path, error);
    } finally {
      fs.closeSync(fd);
    }
  }

  private grow(): void {
    const larger = Buffer.allocUnsafe(this.buffer.length * 4);
    this.buffer.copy(larger);
    this.buffer = larger;
  }

  /** The path to hand to the kernel, or undefined when a part of it is missing inside the root. */
  private outside(path: string, followLast: boolean): string | undefined {
    if (this.live) return path;
    const inside = followLast ? this.links.follow(path) : this.links.beside(path);
    return inside === undefined ? undefined : this.root + inside;
  }

  /** The folder to hand to the kernel, made (and on the disk) when it is missing. A link that leads nowhere is not followed. */
  private makeFolder(path: string): string {
    const found = this.live ? fs.existsSync(path) && path : this.outside(path, true);
    if (found) return found;
    const parent = this.makeFolder(posix.dirname(path));
    const folder = posix.join(parent, posix.basename(path));
    try {
      fs.mkdirSync(folder);
    } catch (error) {
      // Another run may have made the same one now. A link that leads nowhere is refused.
      if (errnoName(error) !== 'EEXIST' || !fs.lstatSync(folder).isDirectory()) throw error;
    }
    syncFolder(parent);
    return folder;
  }

  /**
   * What is at a path. Some folders of a large host hold a thousand others, so that after a few looks into one all of
   * its entries are asked for at once.
   */
  private look(path: string): Found {
    const at = path.lastIndexOf('/');
    const parent = path.slice(0, at);
    const looks = (this.looks.get(parent) ?? 0) + 1;
    this.looks.set(parent, looks);
    if (looks === MANY_LOOKS) this.lookAtAll(parent);
    const kind = this.kinds.get(parent)?.get(path.slice(at + 1));
    if (kind === 'there') return kind;
    const outside = this.root + path;
    if (kind === 'link') return { link: fs.readlinkSync(outside) };
    const status = quietly(() => fs.lstatSync(outside, ABSENT_IS_FINE), 'stat', path);
    if (status === undefined) return undefined;
    return status.isSymbolicLink() ? { link: fs.readlinkSync(outside) } : 'there';
  }

  private lookAtAll(folder: string): void {
    try {
      const kinds = new Map<string, 'link' | 'there'>();
      for (const entry of fs.readdirSync(this.root + folder, { withFileTypes: true })) {
        if (entry.isSymbolicLink()) kinds.set(entry.name, 'link');
        else if (entry.isFile() || entry.isDirectory()) kinds.set(entry.name, 'there');
      }
      this.kinds.set(folder, kinds);
    } catch {
      // A folder may be searched and not listed; then each path is looked at by itself.
    }
  }

  private forget(): void {
    this.looks.clear();
    this.kinds.clear();
    this.links.forget();
  }
}

/** Runs a call for which absence is an answer. Errors without stack: thousands of files may be missing. */
function quietly<T>(
  call: () => T,
  operation: 'read' | 'list' | 'stat',
  path: string,
  alsoAbsent?: string,
): T | undefined {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return call();
  } catch (error) {
    const errno = errnoName(error);
    if (ABSENT.has(errno) || errno === alsoAbsent) return undefined;
    throw new HostError(operation, path, error);
  } finally {
    Error.stackTraceLimit = limit;
  }
}

function describe(status: fs.Stats): FileStatus {
  const type = status.isFile()
    ? 'file'
    : status.isDirectory()
      ? 'directory'
      : status.isSymbolicLink()
        ? 'link'
        : status.isCharacterDevice()
          ? 'character'
          : status.isBlockDevice()
            ? 'block'
            : 'other';
  return {
    type,
    mode: status.mode & 0o7777,
    uid: status.uid,
    gid: status.gid,
    // dev_t as Node gives it on Linux: 12 bits of major above 8 of minor, the rest of minor higher still.
    ...(type === 'character' || type === 'block'
      ? {
          device: {
            major: (status.rdev >> 8) & 0xfff,
            minor: (status.rdev & 0xff) | ((status.rdev >> 12) & 0xfff00),
          },
        }
      : {}),
  };
}

function signalGroup(leader: number | undefined, signal: 'SIGTERM' | 'SIGKILL'): void {
  try {
    if (leader !== undefined) process.kill(-leader, signal);
  } catch {
    // The last of them has just ended.
  }
}

/** Removes a temporary file as far as that is possible; the error that led here is the one to tell. */
function discard(path: string): void {
  try {
    fs.rmSync(path, { force: true });
  } catch {
    // It stays behind, and the next attempt removes it.
  }
}

function syncFolder(folder: string): void {
  const fd = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}
