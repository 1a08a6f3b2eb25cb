import { closeSync, openSync, readSync } from 'node:fs';
import { EXIT, type ExitCode, errnoName, errnoText, ToolError } from '../host/errors.ts';
import { LARGEST_PROFILE, loadProfile } from '../profile/load.ts';
import type { Profile } from '../profile/schema.ts';

const EXIT_CODES: Readonly<Record<string, ExitCode>> = { EACCES: EXIT.noPrivilege, EPERM: EXIT.noPrivilege };

/** The profile that an option names: a file, or `-` for standard input. */
export async function readProfile(file: string): Promise<Profile> {
  return loadProfile(file, readInput(file));
}

/** One octet more than a profile may have, so that a device without an end is found to be too large. */
export function readInput(file: string): Uint8Array {
  const buffer = Buffer.alloc(LARGEST_PROFILE + 1);
  let length = 0;
  try {
    const descriptor = file === '-' ? 0 : openSync(file, 'r');
    try {
      while (length < buffer.length) {
        const read = readPart(descriptor, buffer, length);
        if (read === 0) break;
        length += read;
      }
    } finally {
      if (file !== '-') closeSync(descriptor);
    }
  } catch (error) {
    const errno = errnoName(error);
    throw new ToolError('PROFILE_UNREADABLE', `cannot be read: ${errnoText(error)}`, {
      subject: file,
      cause: error,
      exitCode: EXIT_CODES[errno] ?? EXIT.usage,
      hint: '`bypass-setup suggest --output FILE` writes a starting profile',
    });
  }
  return buffer.subarray(0, length);
}

function readPart(descriptor: number, buffer: Buffer, at: number): number {
  for (;;) {
    try {
      return readSync(descriptor, buffer, at, buffer.length - at, null);
    } catch (error) {
      if (errnoName(error) !== 'EAGAIN') throw error;
      // Another process made standard input non-blocking, and its writer is slow.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    }
  }
}
