import { FormatError } from './format-error.ts';

const UNITS: Readonly<Record<string, number>> = { '': 0, k: 1, m: 2, g: 3, t: 4 };

/** Parses `2M`, `1G`, `2048 kB`, `1GiB` (powers of 1024, as the kernel's memparse) into bytes. */
export function parseSize(text: string): number {
  const match = /^(\d+)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (match === null)
    throw new FormatError('size', text, 'expected a number with K, M, G or T such as 2M or 1G');
  const bytes = Number(match[1]) * 1024 ** (UNITS[(match[2] ?? '').toLowerCase()] ?? 0);
  if (!Number.isSafeInteger(bytes)) throw new FormatError('size', text, 'too large');
  return bytes;
}

/** Prints bytes in the largest unit that divides them: `2M`, `1G`, `1536K`. */
export function formatSize(bytes: number): string {
  let value = bytes;
  let unit = '';
  for (const next of ['K', 'M', 'G', 'T']) {
    if (value === 0 || value % 1024 !== 0) break;
    value /= 1024;
    unit = next;
  }
  return `${value}${unit}`;
}

/** Prints bytes for people, rounded to three digits: `2.96 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${Number((bytes / 1024 ** power).toPrecision(3))} ${units[power]}`;
}
