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

/** Parses `20us` or `1ms` into nanoseconds. */
export function parseShortTime(text: string): number {
  const match = /^(\d{1,6})(us|ms)$/.exec(text.trim());
  if (match === null) throw new FormatError('time', text, 'expected a number with us or ms such as 20us');
  return Number(match[1]) * (match[2] === 'us' ? 1000 : 1_000_000);
}

/** Nanoseconds with three digits and the unit that suits. */
export function formatNanoseconds(nanoseconds: number): string {
  const units = ['ns', 'µs', 'ms', 's'] as const;
  let value = nanoseconds;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(3))} ${units[unit]}`;
}
