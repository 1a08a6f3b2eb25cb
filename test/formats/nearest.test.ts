import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nearest } from '../../src/formats/nearest.ts';
import { anyText, holds, quickly } from './properties.ts';

const KEYS = ['name', 'match', 'role', 'stack', 'driver', 'allow-no-iommu', 'vfs'];

describe('nearest', () => {
  it.each([
    ['rolle', 'role'],
    ['rloe', 'role'],
    ['dirver', 'driver'],
    ['allow_no_iommu', 'allow-no-iommu'],
    ['vf', 'vfs'],
  ])('%s is %s', (word, expected) => {
    expect(nearest(word, KEYS)).toBe(expected);
  });

  it.each(['', 'speed', 'x', 'matching'])('%j is none of them', (word) => {
    expect(nearest(word, KEYS)).toBeUndefined();
  });

  it('a word with itself, and a word with two neighbours swapped, is that word', () => {
    const swapped = fc.constantFrom(...KEYS.filter((key) => key.length > 3)).chain((key) =>
      fc.nat(key.length - 2).map((at) => {
        return [key, key.slice(0, at) + key.charAt(at + 1) + key.charAt(at) + key.slice(at + 2)] as const;
      }),
    );
    holds(
      fc.property(swapped, ([key, word]) => {
        expect(nearest(key, KEYS)).toBe(key);
        expect(nearest(word, KEYS)).toBe(key);
      }),
    );
  });

  it('takes any text, and a long one without long work', () => {
    holds(fc.property(anyText, (word) => void nearest(word, KEYS)));
    quickly(() => nearest('r'.repeat(1 << 20), KEYS));
  });
});
