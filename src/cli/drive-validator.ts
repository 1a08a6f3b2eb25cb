import { type LiveFigures, type ValidateOptions, validate } from '../native/client.ts';
import type { ValidateResult } from '../native/messages.ts';
import { time } from '../report/validate-text.ts';
import type { Context } from './context.ts';

/** Runs the validator and shows on a terminal that it is at work; in a pipe one line says so. */
export async function driveValidator(options: ValidateOptions, context: Context): Promise<ValidateResult> {
  const { err, live, signal } = context;
  if (!live) err(`driving packets for ${options.seconds} s\n`);
  try {
    return await validate(options, {
      signal,
      ...(live ? { onProgress: (figures) => err(`\r${progress(figures, options.seconds)}\x1b[K`) } : {}),
    });
  } finally {
    if (live) err('\r\x1b[K');
  }
}

function progress(figures: LiveFigures, total: number): string {
  const answered = figures.answeredArp + figures.answeredIcmp;
  const longest = figures.maxGapNs === 0 ? '' : `, longest gap ${time(figures.maxGapNs)}`;
  return `driving packets: ${figures.seconds.toFixed(1)} of ${total} s, ${answered} answered${longest}`;
}
