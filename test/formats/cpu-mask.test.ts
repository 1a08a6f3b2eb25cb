import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatCpuMask, parseCpuMask } from '../../src/formats/cpu-mask.ts';
import { FormatError } from '../../src/formats/format-error.ts';
import { garbage, holds, onlyFormatErrors } from './properties.ts';

const cpuSet = fc
  .uniqueArray(fc.oneof(fc.nat(300), fc.nat(8191)), { maxLength: 80 })
  .map((cpus) => cpus.sort((a, b) => a - b));

describe('CPU masks', () => {
  test.each([
    ['0\n', []],
    ['f\n', [0, 1, 2, 3]],
    // 16 CPUs: the kernel prints as many digits as there are CPU numbers.
    ['0003\n', [0, 1]],
    ['80000000', [31]],
    ['3,00000000\n', [32, 33]],
    ['00000000,00000000,00010001\n', [0, 16]],
    ['80000000,00000000,00000000,00000001\n', [0, 127]],
    ['0xF0', [4, 5, 6, 7]],
  ])('%j means CPUs %j', (text, cpus) => {
    expect(parseCpuMask(text)).toEqual(cpus);
  });

  test.each(['', 'g', '1,', ',1', '123456789', '1 2', '-1', '0x'])('%j is refused', (text) => {
    expect(() => parseCpuMask(text)).toThrow(FormatError);
  });

  test('a mask that no kernel could print is refused at once', () => {
    expect(() => parseCpuMask(new Array(2049).fill('ffffffff').join(','))).toThrow(
      /^not a CPU mask: "ffffffff,.*" \(too long for any kernel\)$/,
    );
  });

  test.each([
    [[], '0'],
    [[0, 1, 2, 3], 'f'],
    [[31], '80000000'],
    [[32], '1,00000000'],
    [[0, 127], '80000000,00000000,00000000,00000001'],
  ])('CPUs %j print as %j', (cpus, text) => {
    expect(formatCpuMask(cpus)).toBe(text);
  });

  test('what is printed is read back as the same CPUs', () => {
    holds(
      fc.property(cpuSet, (cpus) => {
        expect(parseCpuMask(formatCpuMask(cpus))).toEqual(cpus);
      }),
    );
  });

  test('a mask without leading zeros is printed as it was', () => {
    holds(
      fc.property(fc.bigInt({ min: 0n, max: 1n << 300n }), (bits) => {
        const digits = bits.toString(16);
        const groups = digits.match(/.{1,8}(?=(?:.{8})*$)/g) ?? [];
        expect(formatCpuMask(parseCpuMask(groups.join(',')))).toBe(groups.join(','));
      }),
    );
  });

  test('any other text is a FormatError with one line', () => {
    holds(
      fc.property(garbage('0123456789abcdefABCDEFx, \n'), (text) =>
        onlyFormatErrors(() => parseCpuMask(text)),
      ),
    );
  });
});
