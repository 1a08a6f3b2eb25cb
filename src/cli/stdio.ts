import { fstatSync, readSync, writeSync } from 'node:fs';
import { EXIT, errnoName, errnoText, ToolError } from '../host/errors.ts';

/**
 * Writes the result to standard output. Not through Node's stream: that loads its network code first, which takes as
 * long as probing a host.
 */
export function writeOut(text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      const errno = errnoName(error);
      // `bypass-setup probe | head` closes the pipe early, which is no error of ours.
      if (errno === 'EPIPE') return;
      if (errno !== 'EAGAIN') {
        throw new ToolError('STDOUT', `cannot be written: ${errnoText(error)}`, {
          exitCode: EXIT.unexpected,
        });
      }
      // Another process made the pipe non-blocking, and its reader is slow.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/** Writes a diagnostic to standard error. That nobody can read it must not cost the result. */
export function writeErr(text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(2, bytes, at);
    } catch (error) {
      if (errnoName(error) !== 'EAGAIN') return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}

/** Asks on the terminal, which gives a line at a time. Anything but a plain yes is no. */
export function askYes(question: string): boolean {
  writeErr(`${question} [y/N] `);
  const bytes = Buffer.alloc(256);
  for (;;) {
    try {
      const length = readSync(0, bytes, 0, bytes.length, null);
      return /^y(es)?$/i.test(bytes.toString('utf8', 0, length).trim());
    } catch (error) {
      // Anything else: the terminal has gone.
      if (errnoName(error) !== 'EAGAIN') return false;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  }
}

/** Major number of /dev/null and its kin (Documentation/admin-guide/devices.txt), which are no terminals. */
const MEMORY_DEVICES = 1;

/** Whether a descriptor is a terminal, asked of Node only when it may be one, for the same reason. */
export function isTerminal(stream: 'stdin' | 'stdout' | 'stderr'): boolean {
  try {
    const status = fstatSync({ stdin: 0, stdout: 1, stderr: 2 }[stream]);
    if (!status.isCharacterDevice() || status.rdev >> 8 === MEMORY_DEVICES) return false;
    return process[stream].isTTY;
  } catch {
    // The descriptor is closed.
    return false;
  }
}

/** A clock for durations; `performance.now()` would load the whole of Node's performance hooks. */
export function milliseconds(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
