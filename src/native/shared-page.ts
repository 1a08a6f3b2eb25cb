import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoName, ToolError } from '../host/errors.ts';
import {
  decodeFigures,
  decodeHeader,
  FIGURES_BYTES,
  type Figures,
  GO_OFFSET,
  HEADER_BYTES,
  type Header,
  STOP_OFFSET,
} from './figures.ts';

/** Memory shared with the child. It has no name, so that nothing is left behind whoever is killed. */
export interface SharedPage {
  fd: number;
  header(): Header;
  figures(): Figures;
  /** Asks the loop to end. */
  stop(): void;
  /** Lets a loop that waits begin its window. */
  go(): void;
  close(): void;
}

/** A nameless file of `bytes` zero octets that have been written: a hole in a full file system would be a SIGBUS later. */
function createIn(folder: string, bytes: number): number {
  const path = join(folder, `bypass-setup-${process.pid}-${randomBytes(6).toString('hex')}`);
  const fd = openSync(path, 'wx+', 0o600);
  try {
    unlinkSync(path);
    const zeros = Buffer.alloc(bytes);
    let written = 0;
    while (written < bytes) written += writeSync(fd, zeros, written, bytes - written, written);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function create(): number {
  const failures: { folder: string; error: unknown }[] = [];
  for (const folder of ['/dev/shm', tmpdir()]) {
    try {
      return createIn(folder, FIGURES_BYTES);
    } catch (error) {
      failures.push({ folder, error });
    }
  }
  const full = failures.find(({ error }) => ['ENOSPC', 'EDQUOT'].includes(errnoName(error)));
  const tried = failures.map(({ folder, error }) => `${folder}: ${errnoName(error)}`).join(', ');
  if (full !== undefined) {
    throw new ToolError('DISK_FULL', `no room for ${FIGURES_BYTES} octets of shared memory (${tried})`, {
      subject: full.folder,
      hint: `free some space in ${full.folder}, or set TMPDIR to a folder with room`,
      cause: full.error,
    });
  }
  throw new ToolError('SHARED_MEMORY', `cannot create the shared memory (${tried})`, {
    subject: '/dev/shm',
    hint: 'mount a tmpfs on /dev/shm, or set TMPDIR to a writable folder',
    cause: failures[0]?.error,
  });
}

/** Reads `bytes` octets as the loop published them together: `sequence` is odd while it writes (figures.h). */
function readStable(fd: number, bytes: number): Buffer {
  const page = Buffer.alloc(bytes);
  const after = Buffer.alloc(8);
  // A publication takes well under a microsecond. Should the loop be preempted in one, the last reading has to do.
  for (let attempt = 0; attempt < 20; ++attempt) {
    readSync(fd, page, 0, bytes, 0);
    readSync(fd, after, 0, 8, 0);
    const sequence = page.readBigUInt64LE(0);
    if (sequence % 2n === 0n && sequence === after.readBigUInt64LE(0)) break;
  }
  return page;
}

export function openSharedPage(): SharedPage {
  const fd = create();
  const one = Buffer.alloc(8);
  one.writeBigUInt64LE(1n);
  return {
    fd,
    header: () => decodeHeader(readStable(fd, HEADER_BYTES)),
    figures: () => decodeFigures(readStable(fd, FIGURES_BYTES)),
    stop: () => void writeSync(fd, one, 0, 8, STOP_OFFSET),
    go: () => void writeSync(fd, one, 0, 8, GO_OFFSET),
    close: () => closeSync(fd),
  };
}
