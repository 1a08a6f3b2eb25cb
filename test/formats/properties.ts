import * as fc from 'fast-check';
import { expect } from 'vitest';
import { FormatError } from '../../src/formats/format-error.ts';

/** fc.assert of a synchronous property; its own type leaves open whether there is a promise to wait for. */
export const holds: <T>(property: fc.IProperty<T>, parameters?: fc.Parameters<T>) => void = fc.assert;

/** UTF-16 units of any kind, halves of pairs too. */
export const anyText = fc
  .array(fc.oneof(fc.nat(0x7f), fc.nat(0xffff)), { maxLength: 200 })
  .map((units) => String.fromCharCode(...units));

/** Any text, and text made of a grammar's own characters, which comes much nearer to its corners. */
export function garbage(alphabet: string): fc.Arbitrary<string> {
  return fc.oneof(anyText, fc.string({ unit: fc.constantFrom(...alphabet), maxLength: 60 }));
}

/** Runs a parser that may refuse, but only with a FormatError whose message fits on one line of a terminal. */
export function onlyFormatErrors(parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    const { message } = error as FormatError;
    // Control characters, line and paragraph separators, and marks that turn the writing direction.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(message).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
    // 60 characters quoted, each at most \u0000 long, and twice at most; the rest is ours.
    expect(message.length).toBeLessThan(900);
  }
}

/** Runs what a careless way takes many seconds for, at the size the caller chose. */
export function quickly<T>(call: () => T): T {
  const start = performance.now();
  const result = call();
  expect(performance.now() - start).toBeLessThan(2000);
  return result;
}
