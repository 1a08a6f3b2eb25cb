/** What is made once and used by every run: kernels, images, answers about this machine. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';

/** BYPASS_SETUP_LAB names another folder; a gigabyte or two are needed. */
export function cacheFolder(): string {
  const base = process.env.XDG_CACHE_HOME ?? `${homedir()}/.cache`;
  const folder = process.env.BYPASS_SETUP_LAB ?? `${base}/bypass-setup/lab`;
  mkdirSync(folder, { recursive: true });
  return folder;
}

/**
 * The path of what `make` made from `inputs`, made now if it is not there. An interrupted making leaves nothing that
 * counts: it works beside the place, and the rename is last. Older versions of the same name are removed.
 */
export async function made(
  name: string,
  inputs: readonly string[],
  make: (path: string) => Promise<void>,
): Promise<string> {
  const digest = createHash('sha256').update(inputs.join('\0')).digest('hex').slice(0, 12);
  const path = `${cacheFolder()}/${name}.${digest}`;
  if (existsSync(path)) return path;
  const unfinished = `${path}.unfinished`;
  rmSync(unfinished, { recursive: true, force: true });
  await make(unfinished);
  renameSync(unfinished, path);
  for (const old of readdirSync(cacheFolder())) {
    if (old.startsWith(`${name}.`) && !path.endsWith(`/${old}`)) {
      rmSync(`${cacheFolder()}/${old}`, { recursive: true, force: true });
    }
  }
  return path;
}
