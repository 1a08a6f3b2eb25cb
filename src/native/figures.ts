import { ToolError } from '../host/errors.ts';

/**
 * The page through which the poll loop shows its figures: an array of little-endian 64-bit words. The list is the same as
 * in figures.h; test/native/figures.test.ts compares the two.
 */
export const WORDS = [
  'sequence',
  'magic',
  'version',
  'stop',
  'go',
  'state',
  'heartbeat',
  'tscHz',
  'tscStep',
  'stride',
  'threshold',
  'runCycles',
  'polls',
  'batches',
  'gaps',
  'gapMax',
  'busyMax',
  'busyCycles',
  'received',
  'sent',
  'droppedTx',
  'octetsReceived',
] as const;

/** Reasons, in the order of packet.h. The first two are answers. */
export const VERDICTS = [
  'answered-arp',
  'answered-icmp',
  'truncated',
  'not-for-us',
  'other-ethertype',
  'bad-source',
  'bad-arp',
  'arp-not-request',
  'arp-other-address',
  'arp-conflict',
  'bad-ip-header',
  'bad-ip-checksum',
  'ip-other-address',
  'fragment',
  'other-protocol',
  'other-icmp',
  'bad-icmp-checksum',
] as const;

export const MAGIC = 0x3147464e50595842n;
export const VERSION = 2;
export const VERDICT_SLOTS = 32;

/** Histograms: exact below 32 cycles, then 32 buckets per octave up to 2^41 cycles. */
const SUB_BITS = 5;
const TOP_BIT = 40;
export const BUCKETS = ((TOP_BIT - SUB_BITS + 1) << SUB_BITS) + (1 << SUB_BITS);

export const FIGURES_BYTES = (WORDS.length + VERDICT_SLOTS + 3 * BUCKETS) * 8;
/** The part that changes while the loop runs, without the histograms. */
export const HEADER_BYTES = (WORDS.length + VERDICT_SLOTS) * 8;
export const STOP_OFFSET = WORDS.indexOf('stop') * 8;
export const GO_OFFSET = WORDS.indexOf('go') * 8;

export const STATE = { nothing: 0, starting: 1, waiting: 2, measuring: 3, done: 4 } as const;

type Word = (typeof WORDS)[number];
export type VerdictName = (typeof VERDICTS)[number];

export interface Header {
  words: Record<Word, number>;
  verdicts: Record<VerdictName, number>;
}

export interface Figures extends Header {
  /** Gaps above the threshold, all of them. */
  gap: number[];
  /** One gap in 1024, of any length. */
  sample: number[];
  /** Time per batch. */
  busy: number[];
}

/** Index of the bucket that `cycles` falls into. */
export function bucketOf(cycles: number): number {
  if (cycles < 1 << SUB_BITS) return cycles;
  const top = Math.floor(Math.log2(cycles));
  const bucket = ((top - SUB_BITS + 1) << SUB_BITS) + (Math.floor(cycles / 2 ** (top - SUB_BITS)) % 32);
  return Math.min(bucket, BUCKETS - 1);
}

/** Smallest number of cycles in a bucket. */
export function bucketFloor(bucket: number): number {
  const octave = bucket >> SUB_BITS;
  const within = bucket % (1 << SUB_BITS);
  return octave === 0 ? within : (2 ** SUB_BITS + within) * 2 ** (octave - 1);
}

/** The addon's list of figures is not this one. */
export function addonStale(): ToolError {
  return new ToolError('ADDON_STALE', 'was built from another version', {
    subject: 'native addon',
    hint: 'rebuild it with `npm run build:native`',
  });
}

const word = (page: Buffer, index: number): number => Number(page.readBigUInt64LE(index * 8));

/**
 * Decodes HEADER_BYTES or more. The page must be from one moment: see `readStable` in shared-page.ts.
 *
 * @throws ToolError ADDON_STALE when it is another version's
 */
export function decodeHeader(page: Buffer): Header {
  const magic = page.readBigUInt64LE(WORDS.indexOf('magic') * 8);
  const version = word(page, WORDS.indexOf('version'));
  // All zero: the child has not got that far yet.
  if (magic !== 0n && (magic !== MAGIC || version !== VERSION)) {
    throw addonStale();
  }
  const words = Object.fromEntries(WORDS.map((name, i) => [name, word(page, i)]));
  const verdicts = Object.fromEntries(VERDICTS.map((name, i) => [name, word(page, WORDS.length + i)]));
  return { words: words as Header['words'], verdicts: verdicts as Header['verdicts'] };
}

export function decodeFigures(page: Buffer): Figures {
  const histogram = (nth: number) =>
    Array.from({ length: BUCKETS }, (_, i) => word(page, WORDS.length + VERDICT_SLOTS + nth * BUCKETS + i));
  return { ...decodeHeader(page), gap: histogram(0), sample: histogram(1), busy: histogram(2) };
}

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);

/** Upper edge of the bucket that holds the value of this rank (1 = the smallest), or undefined beyond the last. */
function edgeOfRank(counts: readonly number[], rank: number): number | undefined {
  let seen = 0;
  for (const [bucket, count] of counts.entries()) {
    seen += count;
    if (count > 0 && seen >= rank) return bucketFloor(bucket + 1);
  }
  return undefined;
}

/**
 * The length, in cycles, that this share of all gaps does not exceed. Rounded up to the edge of a bucket.
 *
 * Gaps above the threshold were counted one by one. The others were only counted together, and the sample says how they
 * are spread; with no sample the threshold itself is the honest bound.
 */
export function gapPercentile({ words, gap, sample }: Figures, share: number): number {
  const below = words.gaps - sum(gap);
  const rank = Math.ceil(share * words.gaps);
  if (rank > below) return Math.min(edgeOfRank(gap, rank - below) ?? words.gapMax, words.gapMax);
  // With the threshold itself where it has a bucket of its own (below 64), without the bucket that it shares with others.
  const short = sample.slice(0, bucketOf(words.threshold + 1));
  const edge = edgeOfRank(short, Math.ceil((rank / below) * sum(short)));
  return Math.min(edge ?? words.threshold, words.threshold);
}

/** The same for batches, which are all counted; 0 without any. */
export function busyPercentile({ words, busy }: Figures, share: number): number {
  return Math.min(edgeOfRank(busy, Math.ceil(share * sum(busy))) ?? 0, words.busyMax);
}

/** Number of gaps of at least this many cycles; exact at the edges of buckets, otherwise up to 3.1 % too high. */
export function gapsFrom(gap: readonly number[], cycles: number): number {
  return sum(gap.slice(bucketOf(cycles)));
}

/** Gaps by octave of cycles: `[from, count]`, empty ones left out. */
export function gapOctaves({ words, gap }: Figures): { from: number; to: number; count: number }[] {
  const octaves = [{ from: 0, to: words.threshold, count: words.gaps - sum(gap) }];
  for (let from = words.threshold; from <= 2 ** TOP_BIT; from *= 2) {
    // The last bucket also holds whatever is longer.
    const end = from === 2 ** TOP_BIT ? BUCKETS : bucketOf(from * 2);
    const count = sum(gap.slice(bucketOf(from), end));
    octaves.push({ from, to: from * 2, count });
  }
  return octaves.filter(({ count }) => count > 0);
}
