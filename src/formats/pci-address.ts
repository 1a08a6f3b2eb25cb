import { FormatError } from './format-error.ts';

/** domain:bus:device.function; the domain has 16 bits, or up to 32 behind Intel VMD (10000:e1:00.0). */
const FULL = /^([0-9a-f]{4,8}):([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/i;
const SHORT = /^([0-9a-f]{2}):([01][0-9a-f])\.([0-7])$/i;

/** The canonical form sysfs uses, lower case with domain. Accepts lspci's short form `3b:00.0`. */
export function parsePciAddress(text: string): string {
  const trimmed = text.trim().toLowerCase();
  if (SHORT.test(trimmed)) return `0000:${trimmed}`;
  // sysfs prints the domain with %04x: more digits only where they count.
  if (FULL.test(trimmed)) return trimmed.replace(/^0+(?=[0-9a-f]{4,}:)/, '');
  throw new FormatError('PCI address', text, 'expected domain:bus:device.function such as 0000:3b:00.0');
}

export function isPciAddress(text: string): boolean {
  return FULL.test(text);
}
