/** Exit codes of every command; they are part of the public contract (docs/exit-codes.md). */
export const EXIT = {
  ok: 0,
  unexpected: 1,
  differs: 2,
  rebootNeeded: 3,
  refused: 4,
  undone: 5,
  notUndone: 6,
  locked: 11,
  usage: 64,
  noPrivilege: 77,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface ToolErrorDetails {
  /** The thing it happened to: a PCI address, an interface, a path, an option. */
  subject?: string;
  /** What the operator can do about it, one sentence. */
  hint?: string;
  exitCode?: ExitCode;
  cause?: unknown;
}

/**
 * A failure that the operator can act on. Printed as
 *
 *     error[CODE] subject: message
 *     hint: …
 *
 * and never with a stack trace. Anything else that is thrown is a defect of this program.
 */
export class ToolError extends Error {
  override readonly name = 'ToolError';
  readonly code: string;
  readonly subject: string | undefined;
  readonly hint: string | undefined;
  readonly exitCode: ExitCode;

  constructor(code: string, message: string, details: ToolErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.code = code;
    this.subject = details.subject;
    this.hint = details.hint;
    this.exitCode = details.exitCode ?? EXIT.unexpected;
  }

  /** The lines printed to stderr. */
  format(): string {
    const subject = this.subject === undefined ? '' : ` ${this.subject}`;
    const line = printable(`error[${this.code}]${subject}: ${this.message}`);
    return this.hint === undefined ? line : `${line}\nhint: ${printable(this.hint)}`;
  }
}

/** What an operator typed or a host said must not move the cursor of the terminal that shows it. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/g, '?');
}

/** A system call on the host that failed for another reason than absence; keeps the path and the errno name. */
export class HostError extends ToolError {
  readonly path: string;
  readonly errno: string;

  constructor(operation: 'read' | 'write' | 'list' | 'stat' | 'remove', path: string, cause: unknown) {
    const errno = errnoName(cause);
    super(`HOST_${operation.toUpperCase()}`, `cannot ${operation}: ${errnoText(cause)}`, {
      subject: path,
      cause,
      exitCode: errno === 'EACCES' || errno === 'EPERM' ? EXIT.noPrivilege : EXIT.unexpected,
    });
    this.path = path;
    this.errno = errno;
  }
}

/** The errno name of a Node system error ("ENOENT"), or "EUNKNOWN" for anything else. */
export function errnoName(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'EUNKNOWN';
}

/** errno(3), those that an operator meets. */
const MEANINGS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EBUSY: 'it is in use',
  EDQUOT: 'the quota is full',
  EINVAL: 'invalid argument',
  EIO: 'the device gives an error',
  EISDIR: 'it is a directory',
  ENODEV: 'no such device',
  ENOENT: 'no such file or directory',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a part of the path is no directory',
  EPERM: 'not permitted',
  EROFS: 'the file system is read-only',
};

/** In words, with the name to search for: `the disk is full (ENOSPC)`. */
export function errnoText(error: unknown): string {
  const errno = errnoName(error);
  return MEANINGS[errno] === undefined ? errno : `${MEANINGS[errno]} (${errno})`;
}
