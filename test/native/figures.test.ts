import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BUCKETS,
  bucketFloor,
  bucketOf,
  FIGURES_BYTES,
  type Figures,
  gapOctaves,
  gapPercentile,
  gapsFrom,
  MAGIC,
  VERDICT_SLOTS,
  VERDICTS,
  VERSION,
  WORDS,
} from '../../src/native/figures.ts';
import { loadAddon, noAddon } from './support.ts';

describe('the shared page', () => {
  it('is the same in C++ and in TypeScript', (ctx) => {
    if (noAddon !== undefined) return ctx.skip(noAddon);
    expect(loadAddon().layout()).toEqual({
      magic: MAGIC,
      version: VERSION,
      words: [...WORDS],
      verdicts: [...VERDICTS],
      verdictSlots: VERDICT_SLOTS,
      buckets: BUCKETS,
      bytes: FIGURES_BYTES,
    });
  });

  it('puts every length into the same bucket in C++ and in TypeScript', (ctx) => {
    if (noAddon !== undefined) return ctx.skip(noAddon);
    const addon = loadAddon();
    fc.assert(
      fc.property(fc.oneof(fc.nat(5000), fc.maxSafeNat()), (cycles) => {
        expect(bucketOf(cycles)).toBe(addon.bucketOf(cycles));
      }),
    );
  });

  it('has buckets that join without a gap and are at most 1/32 wide', () => {
    for (let bucket = 0; bucket < BUCKETS - 1; ++bucket) {
      const floor = bucketFloor(bucket);
      const next = bucketFloor(bucket + 1);
      expect(bucketOf(floor)).toBe(bucket);
      expect(bucketOf(next - 1)).toBe(bucket);
      if (floor >= 32) expect((next - floor) / floor).toBeLessThanOrEqual(1 / 32);
    }
  });
});

/** What the loop would publish for these gaps, with every gap in the sample. */
function figuresOf(gaps: readonly number[], threshold: number): Figures {
  const gap = new Array<number>(BUCKETS).fill(0);
  const sample = new Array<number>(BUCKETS).fill(0);
  for (const cycles of gaps) {
    const bucket = bucketOf(cycles);
    sample[bucket] = (sample[bucket] ?? 0) + 1;
    if (cycles > threshold) gap[bucket] = (gap[bucket] ?? 0) + 1;
  }
  const above = gaps.filter((cycles) => cycles > threshold);
  const words = Object.fromEntries(WORDS.map((name) => [name, 0])) as Figures['words'];
  const verdicts = Object.fromEntries(VERDICTS.map((name) => [name, 0])) as Figures['verdicts'];
  Object.assign(words, { threshold, gaps: gaps.length, gapMax: Math.max(0, ...above) });
  return { words, verdicts, gap, sample, busy: new Array<number>(BUCKETS).fill(0) };
}

const gapLists = fc.array(
  fc.oneof(fc.integer({ min: 10, max: 300 }), fc.integer({ min: 10, max: 10_000_000 })),
  {
    minLength: 1,
    maxLength: 300,
  },
);

describe('[H1] percentiles of gaps', () => {
  it('are never below the true value and at most one bucket above it', () => {
    fc.assert(
      fc.property(gapLists, fc.constantFrom(0.5, 0.9, 0.99, 0.999, 1), (gaps, share) => {
        const sorted = [...gaps].sort((a, b) => a - b);
        const truth = sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
        const shown = gapPercentile(figuresOf(gaps, 256), share);
        expect(shown).toBeGreaterThanOrEqual(truth);
        expect(shown).toBeLessThanOrEqual(Math.max(truth + 1, truth * (1 + 1 / 32)));
      }),
    );
  });

  it('count gaps of just the threshold among the short ones where cycles are long', () => {
    const gaps = [...new Array<number>(50).fill(1), ...new Array<number>(50).fill(4)];
    expect(gapPercentile(figuresOf(gaps, 4), 0.99)).toBe(4);
    expect(gapPercentile(figuresOf(gaps, 4), 0.5)).toBe(2);
  });

  it('fall back to the threshold, an honest bound, when nothing was sampled', () => {
    const figures = { ...figuresOf([40, 41, 42], 256), sample: new Array<number>(BUCKETS).fill(0) };
    expect(gapPercentile(figures, 0.5)).toBe(256);
  });

  it('lose no gap in the histogram', () => {
    fc.assert(
      fc.property(gapLists, (gaps) => {
        const figures = figuresOf(gaps, 256);
        const total = gapOctaves(figures).reduce((sum, { count }) => sum + count, 0);
        expect(total).toBe(gaps.length);
        expect(gapOctaves(figuresOf([...gaps, 2 ** 40, 2 ** 41 - 1, 2 ** 45], 256)).at(-1)).toEqual({
          from: 2 ** 40,
          to: 2 ** 41,
          count: 3,
        });
        expect(gapsFrom(figures.gap, 512)).toBe(gaps.filter((cycles) => cycles >= 512).length);
      }),
    );
  });
});
