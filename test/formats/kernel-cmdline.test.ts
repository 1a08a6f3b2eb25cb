import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FormatError } from '../../src/formats/format-error.ts';
import {
  type CommandLine,
  parseCommandLine,
  printCommandLine,
  sameName,
  setParameter,
  valuesOf,
} from '../../src/formats/kernel-cmdline.ts';
import { anyText, garbage, holds, onlyFormatErrors } from './properties.ts';

/** A name and value as the kernel would hand them to a parameter's handler, without the text they came from. */
const meaning = (text: string) =>
  parseCommandLine(text).parameters.map(({ name, value }) => (value === undefined ? [name] : [name, value]));

const set = (text: string, name: string, ...values: (string | undefined)[]) =>
  printCommandLine(setParameter(parseCommandLine(text), name, values));

// Quotes in every place, repeated keys, both spellings of a name, the end mark, odd white space.
const word = fc.constantFrom(
  'quiet',
  'isolcpus=2-3',
  'isolcpus=managed_irq,domain,2-7',
  'rcu_nocbs=2',
  'rcu-nocbs=3',
  'dyndbg="file drivers/net/* +p"',
  '"module.param=a b"',
  '"a="b',
  'x="',
  'root=UUID=1-2',
  '--',
  '=x',
  '"',
  'isolcpus',
);
const space = fc.constantFrom(' ', '  ', '\t', '\n', '\v', '\r\n');
const lineText = fc.oneof(
  garbage('ab_-="  \t\n'),
  fc
    .tuple(fc.constantFrom('', ' ', '\n'), fc.array(fc.tuple(word, space), { maxLength: 10 }), fc.boolean())
    .map(([start, words, end]) => {
      const text = start + words.flat().join('');
      return end ? text : text.trimEnd();
    }),
);
const key = fc.constantFrom('isolcpus', 'rcu_nocbs', 'rcu-nocbs', 'quiet', 'x', 'a', 'fresh.key');
const values = fc.array(fc.constantFrom(undefined, '', '2-3', 'a b', 'UUID=1', 'x"y"z', '\t'), {
  maxLength: 3,
});

const kernelPart = (line: CommandLine) => line.parameters.slice(0, line.kernelEnd);
const initPart = (line: CommandLine) => line.parameters.slice(line.kernelEnd);

describe('the kernel command line', () => {
  test('of a real machine is read as the kernel reads it', () => {
    const text =
      'BOOT_IMAGE=(hd0,gpt2)/vmlinuz-6.8.0 root=/dev/mapper/vg-root ro quiet isolcpus=managed_irq,domain,2-7 ' +
      'hugepagesz=1G hugepages=16 hugepagesz=2M hugepages=512 dyndbg="file ixgbe* +p" -- single\n';
    expect(meaning(text)).toEqual([
      ['BOOT_IMAGE', '(hd0,gpt2)/vmlinuz-6.8.0'],
      ['root', '/dev/mapper/vg-root'],
      ['ro'],
      ['quiet'],
      ['isolcpus', 'managed_irq,domain,2-7'],
      ['hugepagesz', '1G'],
      ['hugepages', '16'],
      ['hugepagesz', '2M'],
      ['hugepages', '512'],
      ['dyndbg', 'file ixgbe* +p'],
      ['--'],
      ['single'],
    ]);
    expect(parseCommandLine(text).kernelEnd).toBe(10);
    expect(valuesOf(parseCommandLine(text), 'hugepages')).toEqual(['16', '512']);
    expect(valuesOf(parseCommandLine(text), 'quiet')).toEqual(['']);
    expect(valuesOf(parseCommandLine(text), 'single')).toEqual([]);
  });

  // Each case worked through lib/cmdline.c, next_arg, by hand.
  test.each([
    ['"a=b c"', [['a', 'b c']]],
    ['a="b c" d', [['a', 'b c'], ['d']]],
    ['a="b c"d', [['a', 'b c"d']]],
    ['a=b" c"', [['a', 'b" c"']]],
    ['"quiet"', [['quiet']]],
    ['a="', [['a', '']]],
    ['"a="', [['a', '']]],
    ['"a="b c"', [['a', 'b'], ['c"']]],
    // Only one of two closing quotes is taken off.
    ['"a="b""', [['a', 'b"']]],
    ['a=', [['a', '']]],
    // A `=` in the first place is not the one that ends the name.
    ['=b', [['=b']]],
    ['=a=b', [['=a', 'b']]],
    ['a=b=c', [['a', 'b=c']]],
    ['"', [['']]],
    ['', []],
    [' \t\n\v\f\r', []],
  ])('%j means %j', (text, parameters) => {
    expect(meaning(text)).toEqual(parameters);
  });

  test.each([
    ['a -- b', 1],
    ['-- b -- c', 0],
    // kernel/params.c compares the name after the quotes are gone.
    ['a "--" b', 1],
    ['a --b c', 3],
    ['a --=x c', 3],
    ['a "b -- c', 2],
  ])('of %j the kernel reads %i parameters', (text, kernelEnd) => {
    expect(parseCommandLine(text).kernelEnd).toBe(kernelEnd);
  });

  test('any text is printed as it was read', () => {
    holds(
      fc.property(fc.oneof(lineText, anyText), (text) => {
        expect(printCommandLine(parseCommandLine(text))).toBe(text);
      }),
    );
  });

  test('dashes and underscores are equal in a name, and only there', () => {
    expect(sameName('rcu-nocb_poll', 'rcu_nocb-poll')).toBe(true);
    expect(sameName('rcu_nocb', 'rcunocb')).toBe(false);
    expect(valuesOf(parseCommandLine('rcu-nocbs=a-b rcu_nocbs=a_b'), 'rcu_nocbs')).toEqual(['a-b', 'a_b']);
  });
});

describe('setting a parameter', () => {
  test.each([
    ['at the end when it is new', 'quiet\n', ['2-3'], 'quiet isolcpus=2-3\n'],
    ['at the place of the first', 'a isolcpus=1  b isolcpus=2 c\n', ['4'], 'a isolcpus=4  b c\n'],
    ['before the end mark', 'a  --  isolcpus=1', ['2'], 'a  isolcpus=2  --  isolcpus=1'],
    ['with quotes where white space needs them', 'a', ['b c'], 'a isolcpus="b c"'],
    ['as a bare flag', 'a', [undefined], 'a isolcpus'],
    ['several times', 'a isolcpus=1 b', ['2', '3'], 'a isolcpus=2 isolcpus=3 b'],
    ['away', ' a\tisolcpus=1\tb\n', [], ' a\tb\n'],
    ['away from the start', 'isolcpus=1 b', [], 'b'],
    ['on an empty line', '\n', ['2'], 'isolcpus=2\n'],
    ['with the white space before it kept', 'a\tisolcpus=1 b', ['2'], 'a\tisolcpus=2 b'],
    ['not at all when it is there already', 'a  isolcpus="2-3" b', ['2-3'], 'a  isolcpus="2-3" b'],
    // The kernel would read what follows an open quote as part of it.
    ['before a quote that nobody closed', 'a b="c d', ['2'], 'a isolcpus=2 b="c d'],
  ])('puts it %s', (_where, text, wanted, result) => {
    expect(set(text, 'isolcpus', ...wanted)).toBe(result);
  });

  test('with the other spelling replaces the one that is there', () => {
    expect(set('rcu-nocbs=1 rcu_nocbs=2', 'rcu_nocbs', '3')).toBe('rcu_nocbs=3');
  });

  test.each([
    ['a', 'x"y'],
    ['a', '"x"'],
    ['a', 'x" "y'],
    ['a b', '1'],
    ['a=b', '1'],
    ['', undefined],
  ])(
    '%j=%j is refused: the grammar has no escapes, and it would be read as something else',
    (name, value) => {
      expect(() => setParameter(parseCommandLine('quiet'), name, [value])).toThrow(FormatError);
    },
  );

  test('gives the kernel exactly the wanted values, also when the printed line is read again', () => {
    holds(
      fc.property(lineText, key, values, (text, name, wanted) => {
        const line = setParameter(parseCommandLine(text), name, wanted);
        expect(parseCommandLine(printCommandLine(line))).toEqual(line);
        expect(valuesOf(line, name)).toEqual(wanted.map((value) => value ?? ''));
      }),
      { numRuns: 500 },
    );
  });

  test('keeps the text and the order of all other parameters, and all that belongs to init', () => {
    holds(
      fc.property(lineText, key, values, (text, name, wanted) => {
        const before = parseCommandLine(text);
        const after = setParameter(before, name, wanted);
        const others = (line: CommandLine) => kernelPart(line).filter((p) => !sameName(p.name, name));
        expect(others(after)).toEqual(others(before));
        expect(initPart(after)).toEqual(initPart(before));
      }),
      { numRuns: 500 },
    );
  });

  test('twice is the same as once', () => {
    holds(
      fc.property(lineText, key, values, (text, name, wanted) => {
        const once = setParameter(parseCommandLine(text), name, wanted);
        expect(setParameter(once, name, wanted)).toEqual(once);
      }),
      { numRuns: 500 },
    );
  });

  test('to what it is changes nothing', () => {
    holds(
      fc.property(lineText, key, (text, name) => {
        const line = parseCommandLine(text);
        const present = kernelPart(line).filter((p) => sameName(p.name, name));
        expect(
          setParameter(
            line,
            name,
            present.map((p) => p.value),
          ),
        ).toEqual(line);
      }),
    );
  });

  test('to nothing removes every occurrence', () => {
    holds(
      fc.property(lineText, key, (text, name) => {
        expect(valuesOf(setParameter(parseCommandLine(text), name, []), name)).toEqual([]);
      }),
    );
  });

  test('to a value of any text gives that value or a FormatError', () => {
    holds(
      fc.property(lineText, garbage('ab =" \n'), (text, value) => {
        onlyFormatErrors(() => {
          const line = setParameter(parseCommandLine(text), 'key', [value]);
          expect(valuesOf(parseCommandLine(printCommandLine(line)), 'key')).toEqual([value]);
        });
      }),
    );
  });
});
