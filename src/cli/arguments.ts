import { parseDuration } from '../formats/duration.ts';
import { FormatError } from '../formats/format-error.ts';
import { EXIT, ToolError } from '../host/errors.ts';

/** A time from the command line, in seconds. */
export function seconds(option: string, text: string): number {
  try {
    return parseDuration(text) / 1000;
  } catch (error) {
    if (error instanceof FormatError) throw usageError(option, error.message);
    throw error;
  }
}

export function cpuNumber(option: string, text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw usageError(option, `${JSON.stringify(text)} is not a CPU number`);
  return Number(text);
}

export function usageError(
  subject: string,
  message: string,
  hint = 'see: bypass-setup --help',
  code = 'USAGE',
): ToolError {
  return new ToolError(code, message, { subject, exitCode: EXIT.usage, hint });
}
