import { EXIT, ToolError } from '../host/errors.ts';
import type { Host, RunResult } from '../host/host.ts';

/** Milliseconds for a program that only tells a daemon or the kernel something. */
const SHORT = 30_000;

/** Runs a program that must succeed. */
export async function run(
  host: Host,
  argv: readonly string[],
  { timeout = SHORT, input }: { timeout?: number; input?: string } = {},
): Promise<RunResult> {
  const [program = '', ...rest] = argv;
  const result = await host.run([program, ...rest], { timeout, ...(input === undefined ? {} : { input }) });
  if (result.exitCode === 0) return result;
  const what = result.timedOut
    ? `did not end within ${timeout / 1000} s`
    : `ended with ${result.exitCode ?? 'a signal'}: ${lastLine(result.stderr)}`;
  throw new ToolError(result.timedOut ? 'PROGRAM_TIMED_OUT' : 'PROGRAM_FAILED', what, {
    subject: argv.join(' '),
  });
}

/** Tells daemons about a change. In an image (--root) there are none to tell. */
export async function runAll(host: Host, programs: readonly (readonly string[])[]): Promise<void> {
  if (!host.live) return;
  for (const argv of programs) await run(host, argv);
}

export function lastLine(text: string): string {
  return text.trim().split('\n').pop() || 'it said nothing';
}

/** Refused for safety, before anything is touched. */
export function refused(code: string, subject: string, message: string, hint?: string): ToolError {
  return new ToolError(code, message, {
    subject,
    exitCode: EXIT.refused,
    ...(hint === undefined ? {} : { hint }),
  });
}
