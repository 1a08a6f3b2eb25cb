import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatIp,
  ipOfBytes,
  isInside,
  isLinkLocal,
  isLoopback,
  isUnspecified,
  parseIp,
  parsePrefix,
  sameIp,
} from '../../src/formats/ip-address.ts';
import { holds } from './properties.ts';

const ip = (text: string) => {
  const address = parseIp(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
};
const prefix = (text: string) => {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(`${text} is no prefix`);
  return parsed;
};

describe('an address', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['0.0.0.0', '0.0.0.0'],
    ['2001:db8::1', '2001:db8::1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::', '::'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
  ])('%s is %s', (text, same) => {
    expect(formatIp(ip(text))).toBe(same);
  });

  test.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '1.2.3.x',
    '-1.2.3.4',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    '12345::',
    'g::',
    'host',
    '::1.2.3',
    '1.2.3.4/8',
  ])('%j is none', (text) => {
    expect(parseIp(text)).toBeUndefined();
  });

  test('of every kind is printed so that it is read again', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc.array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 }),
    );
    holds(
      fc.property(bytes, (raw) => {
        const address = ipOfBytes(raw);
        expect(parseIp(formatIp(address))).toEqual(address);
      }),
    );
  });

  test('tells what it stands for', () => {
    expect([ip('127.9.9.9'), ip('::1'), ip('128.0.0.1'), ip('::2')].map(isLoopback)).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect([ip('fe80::1'), ip('febf::1'), ip('fec0::1'), ip('169.254.0.1')].map(isLinkLocal)).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect([ip('0.0.0.0'), ip('::'), ip('::1')].map(isUnspecified)).toEqual([true, true, false]);
    expect(sameIp(ip('0.0.0.1'), ip('::1'))).toBe(false);
  });
});

describe('a prefix', () => {
  test.each([
    ['192.0.2.0/24', '192.0.2.255', true],
    ['192.0.2.0/24', '192.0.3.0', false],
    ['192.0.2.7/24', '192.0.2.9', true],
    ['0.0.0.0/0', '203.0.113.1', true],
    ['::/0', '203.0.113.1', false],
    ['2001:db8::/33', '2001:db8:7fff::', true],
    ['2001:db8::/33', '2001:db8:8000::', false],
    ['192.0.2.1', '192.0.2.1', true],
    ['192.0.2.1', '192.0.2.2', false],
  ])('%s, %s: %s', (network, address, inside) => {
    expect(isInside(ip(address), prefix(network))).toBe(inside);
  });

  test.each(['192.0.2.0/33', '2001:db8::/129', '192.0.2.0/', '192.0.2.0/-1', '192.0.2.0/8/8', 'x/8'])(
    '%j is none',
    (text) => {
      expect(parsePrefix(text)).toBeUndefined();
    },
  );

  test('contains its own addresses and no others', () => {
    const word = fc.integer({ min: 0, max: 0xffff_ffff });
    holds(
      fc.property(word, word, fc.integer({ min: 0, max: 32 }), (a, b, bits) => {
        const quad = (value: number) => formatIp({ family: 'inet', value: BigInt(value) });
        const common = Math.clz32(a ^ b);
        expect(isInside(ip(quad(a)), prefix(`${quad(b)}/${bits}`))).toBe(common >= bits);
      }),
    );
  });
});
