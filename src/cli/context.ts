import type { ExitCode } from '../host/errors.ts';
import type { Style } from '../report/terminal.ts';
import type { Invocation } from './options.ts';

/** All that a command may use of the process around it. */
export interface Context {
  readonly values: Invocation['values'];
  /** The word besides options, for the commands that take one. */
  readonly argument: string | undefined;
  /** The words after it, for the commands that take several. */
  readonly others: readonly string[];
  /** The result, and nothing else. */
  readonly out: (text: string) => void;
  /** Progress and diagnostics. */
  readonly err: (text: string) => void;
  readonly style: Style;
  readonly now: () => Date;
}

export type CommandRunner = (context: Context) => ExitCode | Promise<ExitCode>;
