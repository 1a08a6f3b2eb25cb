import { accessSync, constants, realpathSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { EXIT, type ExitCode, errnoName, errnoText, HostError, ToolError } from '../host/errors.ts';
import { openHost } from '../host/node-host.ts';

/** Refuses a file that could not be written before any work is done for it. */
export function checkWritable(file: string): void {
  const path = resolve(file);
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      throw Object.assign(new Error(), { code: 'EISDIR' });
    }
    accessSync(dirname(path), constants.W_OK);
  } catch (error) {
    throw unwritable(file, error);
  }
}

/** Writes a file whole or not at all, on the machine this program runs on, whatever --root says. */
export function writeResult(file: string, text: string): void {
  try {
    const status = statSync(file, { throwIfNoEntry: false });
    // A device, a pipe, /dev/stdout: written to, because replacing it would take it away from everybody.
    if (status !== undefined && !status.isFile()) writeFileSync(file, text);
    else openHost('/').replaceFile(status === undefined ? resolve(file) : realpathSync(file), text);
  } catch (error) {
    throw unwritable(file, error instanceof HostError ? error.cause : error);
  }
}

/** A folder that is not there was mistyped; a full disk was not. */
const EXIT_CODES: Readonly<Record<string, ExitCode>> = {
  EACCES: EXIT.noPrivilege,
  EPERM: EXIT.noPrivilege,
  ENOENT: EXIT.usage,
  ENOTDIR: EXIT.usage,
  EISDIR: EXIT.usage,
};

function unwritable(file: string, cause: unknown): ToolError {
  const errno = errnoName(cause);
  return new ToolError('FILE_NOT_WRITTEN', `cannot be written: ${errnoText(cause)}`, {
    subject: file,
    cause,
    exitCode: EXIT_CODES[errno] ?? EXIT.unexpected,
    hint: 'name a file in a folder that exists, that you may write to, and that has room',
  });
}
