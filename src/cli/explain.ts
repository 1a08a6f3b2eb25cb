import { EXIT, type ExitCode, ToolError } from '../host/errors.ts';
import { writeErr } from './stdio.ts';
import { VERSION } from './version.ts';

/** Tells of a failure on standard error; the exit code that it stands for. */
export function explain(error: unknown): ExitCode {
  if (error instanceof ToolError) {
    writeErr(`${error.format()}\n`);
    return error.exitCode;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  writeErr(
    `error[INTERNAL] this is a defect of bypass-setup ${VERSION}, please report it with the lines below\n${text}\n`,
  );
  return EXIT.unexpected;
}
