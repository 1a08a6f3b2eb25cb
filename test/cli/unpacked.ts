import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ArchiveEntry } from '../../src/formats/text-archive.ts';
import { scratch } from '../host/scratch.ts';

/** A recorded host as a directory that can be written to. What could not be read is left out. */
export function unpacked(entries: readonly ArchiveEntry[]): string {
  const root = scratch();
  for (const entry of entries) {
    const path = join(root, entry.path);
    mkdirSync(dirname(path), { recursive: true });
    if (entry.kind === 'dir') mkdirSync(path, { recursive: true });
    else if (entry.kind === 'link') symlinkSync(entry.target, path);
    else if (entry.kind === 'file') {
      writeFileSync(path, entry.bytes);
      chmodSync(path, entry.mode);
    }
  }
  return root;
}
