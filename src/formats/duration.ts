import { FormatError } from './format-error.ts';

const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Parses `500ms`, `10s`, `2m`, `1h` into milliseconds. A bare number is refused: its unit would be a guess. */
export function parseDuration(text: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text.trim());
  const unit = MILLISECONDS[match?.[2] ?? ''];
  if (match === null || unit === undefined) {
    throw new FormatError('duration', text, 'expected a number with ms, s, m or h such as 10s');
  }
  return Math.round(Number(match[1]) * unit);
}
