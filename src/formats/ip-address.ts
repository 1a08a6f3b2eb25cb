/** An address as a number; an IPv4 address that is mapped into IPv6 is the IPv4 address. */
export interface IpAddress {
  readonly family: 'inet' | 'inet6';
  readonly value: bigint;
}

export interface IpPrefix extends IpAddress {
  readonly bits: number;
}

const WIDTH = { inet: 32, inet6: 128 } as const;
/** ::ffff:0:0/96 (RFC 4291, section 2.5.5.2). */
const MAPPED = 0xffffn;

/** `192.0.2.1`, `2001:db8::1`, `::ffff:192.0.2.1`; a zone after `%` is left out. Undefined when it is none of these. */
export function parseIp(text: string): IpAddress | undefined {
  const [address = ''] = text.split('%');
  if (!address.includes(':')) {
    const value = parseQuad(address);
    return value === undefined ? undefined : { family: 'inet', value };
  }
  const value = parseGroups(address);
  return value === undefined ? undefined : unmapped(value);
}

/** `192.0.2.0/24`; without a length it is the address alone. */
export function parsePrefix(text: string): IpPrefix | undefined {
  const [address = '', length, ...rest] = text.split('/');
  const ip = parseIp(address);
  if (ip === undefined || rest.length > 0) return undefined;
  const bits = length === undefined ? WIDTH[ip.family] : /^\d{1,3}$/.test(length) ? Number(length) : -1;
  return bits < 0 || bits > WIDTH[ip.family] ? undefined : { ...ip, bits };
}

/** The leading bits of an address: two of a family are in the same network when these are equal. */
export function leadingBits(address: IpAddress, bits: number): bigint {
  return address.value >> BigInt(WIDTH[address.family] - bits);
}

export function isInside(address: IpAddress, prefix: IpPrefix): boolean {
  return (
    address.family === prefix.family && leadingBits(address, prefix.bits) === leadingBits(prefix, prefix.bits)
  );
}

export function sameIp(a: IpAddress, b: IpAddress): boolean {
  return a.family === b.family && a.value === b.value;
}

const LOOPBACK = { inet: { value: 127n, bits: 8 }, inet6: { value: 1n, bits: 128 } } as const;
/** fe80::/10 (RFC 4291, section 2.5.6). */
const LINK_LOCAL = 0xfe80n >> 6n;

export function isUnspecified(address: IpAddress): boolean {
  return address.value === 0n;
}

export function isLoopback(address: IpAddress): boolean {
  const { value, bits } = LOOPBACK[address.family];
  return leadingBits(address, bits) === value;
}

/** Made by the kernel on every interface that is up, and the same network on all of them. IPv4's are configured. */
export function isLinkLocal(address: IpAddress): boolean {
  return address.family === 'inet6' && leadingBits(address, 10) === LINK_LOCAL;
}

/** From the bytes of struct in_addr or in6_addr. */
export function ipOfBytes(bytes: Iterable<number>): IpAddress {
  let value = 0n;
  let count = 0;
  for (const byte of bytes) {
    value = (value << 8n) | BigInt(byte);
    count++;
  }
  return count === 4 ? { family: 'inet', value } : unmapped(value);
}

/** As the kernel and inet_ntop(3) print it; IPv6 by RFC 5952. */
export function formatIp(address: IpAddress): string {
  if (address.family === 'inet') return groupsOf(address.value, 4, 8n).join('.');
  return ipv6Text(groupsOf(address.value, 8, 16n));
}

/** RFC 5952: lower case, the longest run of two or more zero groups as `::`, the first of equals. */
export function ipv6Text(groups: readonly number[]): string {
  let best = { start: -1, length: 1 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const words = groups.map((group) => group.toString(16));
  if (best.start < 0) return words.join(':');
  return `${words.slice(0, best.start).join(':')}::${words.slice(best.start + best.length).join(':')}`;
}

function unmapped(value: bigint): IpAddress {
  return value >> 32n === MAPPED
    ? { family: 'inet', value: value & 0xffff_ffffn }
    : { family: 'inet6', value };
}

function parseQuad(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    if (part === '' || part.length > 3 || !/^\d+$/.test(part) || Number(part) > 255) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function parseGroups(text: string): bigint | undefined {
  // The last two groups may be written as an IPv4 address.
  const dotted = /[^:]*\.[^:]*$/.exec(text)?.[0];
  const quad = dotted === undefined ? undefined : parseQuad(dotted);
  if (dotted !== undefined && quad === undefined) return undefined;
  const whole =
    dotted === undefined || quad === undefined
      ? text
      : `${text.slice(0, -dotted.length)}${(quad >> 16n).toString(16)}:${(quad & 0xffffn).toString(16)}`;
  const halves = whole.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], tail] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - head.length - (tail?.length ?? 0);
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = tail === undefined ? head : [...head, ...new Array<string>(missing).fill('0'), ...tail];
  let value = 0n;
  for (const group of groups) {
    if (group === '' || group.length > 4 || !/^[0-9a-f]+$/i.test(group)) return undefined;
    value = (value << 16n) | BigInt(Number.parseInt(group, 16));
  }
  return value;
}

function groupsOf(value: bigint, count: number, bits: bigint): number[] {
  const mask = (1n << bits) - 1n;
  return Array.from({ length: count }, (_, index) =>
    Number((value >> (BigInt(count - 1 - index) * bits)) & mask),
  );
}
