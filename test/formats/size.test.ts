import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FormatError } from '../../src/formats/format-error.ts';
import { formatBytes, formatSize, parseSize } from '../../src/formats/size.ts';
import { garbage, holds, onlyFormatErrors } from './properties.ts';

const bytes = fc.oneof(
  fc.nat(),
  fc.tuple(fc.nat(8000), fc.nat(4)).map(([count, power]) => count * 1024 ** power),
  fc.maxSafeNat().filter((value) => value < 1e15),
);

describe('sizes', () => {
  test.each([
    ['0', 0],
    ['4096', 4096],
    ['2M', 2_097_152],
    ['1G\n', 1_073_741_824],
    ['1GiB', 1_073_741_824],
    ['1gb', 1_073_741_824],
    // As /proc/meminfo and hugepages-2048kB spell it.
    ['2048 kB', 2_097_152],
    ['2048kB', 2_097_152],
    ['32K', 32_768],
    ['8T', 8_796_093_022_208],
    ['8191T', 8191 * 2 ** 40],
  ])('%j is %i bytes', (text, value) => {
    expect(parseSize(text)).toBe(value);
  });

  test.each([
    ['8192T', 'not a size: "8192T" (too large)'],
    ['999999999999999T', 'not a size: "999999999999999T" (too large)'],
    ['1.5G', 'not a size: "1.5G" (expected a number with K, M, G or T such as 2M or 1G)'],
    ['-1', 'not a size: "-1" (expected a number with K, M, G or T such as 2M or 1G)'],
    ['', 'not a size: "" (expected a number with K, M, G or T such as 2M or 1G)'],
    ['1P', 'not a size: "1P" (expected a number with K, M, G or T such as 2M or 1G)'],
    ['0x10', 'not a size: "0x10" (expected a number with K, M, G or T such as 2M or 1G)'],
  ])('%j is refused in one sentence', (text, message) => {
    expect(() => parseSize(text)).toThrow(FormatError);
    expect(() => parseSize(text)).toThrow(message);
  });

  test.each([
    [0, '0'],
    [1000, '1000'],
    [1024, '1K'],
    [1536 * 1024, '1536K'],
    [2_097_152, '2M'],
    [1_073_741_824, '1G'],
    [1024 ** 5, '1024T'],
  ])('%i bytes print as %s', (value, text) => {
    expect(formatSize(value)).toBe(text);
  });

  test('what is printed is read back as the same number of bytes', () => {
    holds(
      fc.property(bytes, (value) => {
        expect(parseSize(formatSize(value))).toBe(value);
      }),
    );
  });

  test('a size in its largest unit is printed as it was', () => {
    holds(
      fc.property(
        fc.integer({ min: 1, max: 1023 }),
        fc.constantFrom('', 'K', 'M', 'G', 'T'),
        (count, unit) => {
          expect(formatSize(parseSize(`${count}${unit}`))).toBe(`${count}${unit}`);
        },
      ),
    );
  });

  test.each([
    [0, '0 B'],
    [1023, '1020 B'],
    [1024, '1 KiB'],
    [3_178_258_432, '2.96 GiB'],
    [2 ** 40 * 5000, '5000 TiB'],
  ])('%i bytes are %s for people', (value, text) => {
    expect(formatBytes(value)).toBe(text);
  });

  test('any other text is a FormatError with one line', () => {
    holds(
      fc.property(garbage('0123456789kKmMgGtTiIbB \n'), (text) => onlyFormatErrors(() => parseSize(text))),
    );
  });
});
