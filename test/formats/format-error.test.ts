import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FormatError, quote } from '../../src/formats/format-error.ts';
import { anyText, holds } from './properties.ts';

describe('format errors', () => {
  test('say what the text is not, the text, and why', () => {
    const error = new FormatError('size', '2Q', 'expected a number');
    expect({ name: error.name, message: error.message }).toEqual({
      name: 'FormatError',
      message: 'not a size: "2Q" (expected a number)',
    });
  });

  test.each([
    ['plain', '"plain"'],
    ['two\nlines\t"', '"two\\nlines\\t\\""'],
    // Escape sequences would let a recorded host write to the operator's terminal; C1 holds a one-byte CSI.
    ['\u001b[2J\u009b2J\u007f', '"\\u001b[2J\\u009b2J\\u007f"'],
    // A line separator, and a mark that turns the rest of the line around.
    ['a\u2028b\u202ec\u2066', '"a\\u2028b\\u202ec\\u2066"'],
    ['x'.repeat(60), `"${'x'.repeat(60)}"`],
    ['x'.repeat(61), `"${'x'.repeat(57)}..."`],
    // A cut in the middle of a pair.
    [`${'x'.repeat(56)}\u{1f600}1234`, `"${'x'.repeat(56)}\\ud83d..."`],
  ])('%j is quoted as %s', (text, quoted) => {
    expect(quote(text)).toBe(quoted);
  });

  test('a quoted short text can be read back', () => {
    holds(
      fc.property(anyText, (text) => {
        const short = text.slice(0, 60);
        expect(JSON.parse(quote(short))).toBe(short);
      }),
    );
  });
});
