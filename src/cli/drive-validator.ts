import { formatNanoseconds } from '../formats/duration.ts';
import type { LiveFigures, ValidateOptions } from '../native/client.ts';
import type { ValidateResult } from '../native/messages.ts';
import type { Context } from './context.ts';
import { isTerminal } from './stdio.ts';

/** What ends the run early, in good order. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Ctrl-C and its like end the runs in good order: what they made is gone before this process is. */
export async function interruptible<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController();
  const stop = (name: NodeJS.Signals) => abort.abort(name);
  for (const name of SIGNALS) process.once(name, stop);
  try {
    return await run(abort.signal);
  } finally {
    for (const name of SIGNALS) process.off(name, stop);
  }
}

/** Runs the validator and shows on a terminal that it is at work; in a pipe one line says so. */
export async function driveValidator(options: ValidateOptions, context: Context): Promise<ValidateResult> {
  const { err } = context;
  const live = isTerminal('stderr');
  // The messages' schemas bring zod, which the other commands do without.
  const { validate } = await import('../native/client.ts');
  let started = false;
  const onProgress = (figures: LiveFigures) => {
    if (live) err(`\r${progress(figures, options.seconds)}\x1b[K`);
    else if (!started) err(`driving packets for ${options.seconds} s\n`);
    started = true;
  };
  try {
    return await interruptible((signal) => validate(options, { signal, onProgress }));
  } finally {
    if (live && started) err('\r\x1b[K');
  }
}

function progress(figures: LiveFigures, total: number): string {
  const answered = figures.answeredArp + figures.answeredIcmp;
  const longest = figures.maxGapNs === 0 ? '' : `, longest gap ${formatNanoseconds(figures.maxGapNs)}`;
  return `driving packets: ${figures.seconds.toFixed(1)} of ${total} s, ${answered} answered${longest}`;
}
