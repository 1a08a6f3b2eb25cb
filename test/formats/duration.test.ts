import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDuration } from '../../src/formats/duration.ts';
import { FormatError } from '../../src/formats/format-error.ts';
import { garbage, holds, onlyFormatErrors } from './properties.ts';

describe('durations', () => {
  test.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['2m', 120_000],
    ['1h', 3_600_000],
    ['1.5h', 5_400_000],
    ['0.25s', 250],
    ['0s', 0],
    [' 120s\n', 120_000],
  ])('%j is %i milliseconds', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  test.each([
    '',
    '10',
    '10 s',
    '-1s',
    '1d',
    '1S',
    '1.s',
    '.5s',
    '1e3s',
    '10sm',
    's',
    '1s 2s',
    '0x1s',
    'constructor',
  ])('%j is refused, because its meaning would be a guess', (text) => {
    expect(() => parseDuration(text)).toThrow(FormatError);
  });

  test('every whole number of a unit is read exactly, and is safe to add to a clock', () => {
    const units = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
    holds(
      fc.property(fc.nat(999_999_999), fc.constantFrom('ms', 's', 'm', 'h'), (count, unit) => {
        expect(parseDuration(`${count}${unit}`)).toBe(count * units[unit]);
        expect(Number.isSafeInteger(parseDuration(`${count}${unit}`))).toBe(true);
      }),
    );
  });

  test('any other text is a FormatError with one line', () => {
    holds(fc.property(garbage('0123456789.mshd \n'), (text) => onlyFormatErrors(() => parseDuration(text))));
  });
});
