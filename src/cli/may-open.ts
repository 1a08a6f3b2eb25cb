import { accessSync, constants } from 'node:fs';

/** Asked of the kernel, which knows access lists and capabilities; nothing is opened. */
export function mayOpen(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
