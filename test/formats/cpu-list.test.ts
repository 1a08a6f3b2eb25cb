import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type CpuSet,
  formatCpuList,
  intersect,
  parseCpuList,
  subtract,
  union,
} from '../../src/formats/cpu-list.ts';
import { FormatError } from '../../src/formats/format-error.ts';
import { garbage, holds, onlyFormatErrors } from './properties.ts';

const cpuSet = fc
  .uniqueArray(fc.oneof(fc.nat(300), fc.nat(65535)), { maxLength: 80 })
  .map((cpus): CpuSet => cpus.sort((a, b) => a - b));

describe('CPU lists', () => {
  test.each([
    ['', []],
    ['\n', []],
    ['(null)\n', []],
    ['0\n', [0]],
    ['0-3,8\n', [0, 1, 2, 3, 8]],
    ['8,0-3', [0, 1, 2, 3, 8]],
    ['0-2,1-3', [0, 1, 2, 3]],
    ['0-31:2/4', [0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29]],
    // The last group is cut by the range's end: Documentation/admin-guide/kernel-parameters.rst.
    ['100-103:3/10,5-9:1/3', [5, 8, 100, 101, 102]],
    ['65535', [65535]],
  ])('%j means %j', (text, cpus) => {
    expect(parseCpuList(text)).toEqual(cpus);
  });

  test.each([
    ['3-1', 'not a CPU list: "3-1" (the range 3-1 runs backwards)'],
    ['65536', 'not a CPU list: "65536" (65536 is beyond any CPU number)'],
    ['0-999999999', 'not a CPU list: "0-999999999" (999999999 is beyond any CPU number)'],
    ['0-7:0/2', 'not a CPU list: "0-7:0/2" (0-7:0/2 takes nothing)'],
    ['0-7:3/2', 'not a CPU list: "0-7:3/2" (0-7:3/2 takes nothing)'],
    ['1,,2', 'not a CPU list: "1,,2" (expected numbers and ranges such as 0-3,8)'],
    ['-1', 'not a CPU list: "-1" (expected numbers and ranges such as 0-3,8)'],
    ['0x3', 'not a CPU list: "0x3" (expected numbers and ranges such as 0-3,8)'],
    ['1\n2', 'not a CPU list: "1\\n2" (expected numbers and ranges such as 0-3,8)'],
  ])('%j is refused in one sentence', (text, message) => {
    expect(() => parseCpuList(text)).toThrow(FormatError);
    expect(() => parseCpuList(text)).toThrow(message);
  });

  test('a long list that repeats every CPU is refused instead of being worked through', () => {
    expect(() => parseCpuList(new Array(5000).fill('0-65535').join(','))).toThrow(
      /^not a CPU list: .* \(it repeats itself too often\)$/,
    );
  });

  test('every other CPU of the largest machine can be listed', () => {
    const cpus = Array.from({ length: 32768 }, (_, i) => 2 * i);
    expect(parseCpuList(cpus.join(','))).toEqual(cpus);
  });

  test('what is printed is read back as the same CPUs', () => {
    holds(
      fc.property(cpuSet, (cpus) => {
        expect(parseCpuList(formatCpuList(cpus))).toEqual(cpus);
      }),
    );
  });

  test('a list as the kernel prints it is printed as it was', () => {
    holds(
      fc.property(cpuSet, (cpus) => {
        const text = formatCpuList(cpus);
        expect(formatCpuList(parseCpuList(`${text}\n`))).toBe(text);
      }),
    );
    expect(formatCpuList([0, 1, 2, 3, 8, 10, 11])).toBe('0-3,8,10-11');
  });

  test('a stride takes the first of every group, and nothing outside its range', () => {
    holds(
      fc.property(
        fc.nat(200),
        fc.nat(200),
        fc.integer({ min: 1, max: 20 }),
        fc.nat(20),
        (first, more, used, rest) => {
          const group = used + rest;
          const wanted = [];
          for (let cpu = first; cpu <= first + more; cpu++)
            if ((cpu - first) % group < used) wanted.push(cpu);
          expect(parseCpuList(`${first}-${first + more}:${used}/${group}`)).toEqual(wanted);
        },
      ),
    );
  });

  test('union, intersection and difference are those of sets, and stay sorted', () => {
    holds(
      fc.property(cpuSet, cpuSet, (a, b) => {
        const all = [...new Set([...a, ...b])].sort((x, y) => x - y);
        expect(union(a, b)).toEqual(all);
        expect(intersect(a, b)).toEqual(all.filter((cpu) => a.includes(cpu) && b.includes(cpu)));
        expect(subtract(a, b)).toEqual(all.filter((cpu) => a.includes(cpu) && !b.includes(cpu)));
      }),
    );
  });

  test('any other text is a FormatError with one line', () => {
    holds(
      fc.property(garbage('0123456789-,:/ \n()nul'), (text) => onlyFormatErrors(() => parseCpuList(text))),
    );
  });
});
