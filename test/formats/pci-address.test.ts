import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FormatError } from '../../src/formats/format-error.ts';
import { isPciAddress, parsePciAddress } from '../../src/formats/pci-address.ts';
import { garbage, holds, onlyFormatErrors } from './properties.ts';

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
const address = fc
  .tuple(fc.oneof(fc.nat(0xffff), fc.nat(0xffffffff)), fc.nat(0xff), fc.nat(0x1f), fc.nat(7))
  .map(([domain, bus, device, fn]) => `${hex(domain, 4)}:${hex(bus, 2)}:${hex(device, 2)}.${fn}`);

describe('PCI addresses', () => {
  test.each([
    ['0000:3b:00.0', '0000:3b:00.0'],
    ['3b:00.0', '0000:3b:00.0'],
    [' 0000:3B:1F.7\n', '0000:3b:1f.7'],
    // Behind Intel VMD the domain has more than 16 bits.
    ['10000:e1:00.0', '10000:e1:00.0'],
    // sysfs never prints leading zeros beyond four digits, so that name would not exist there.
    ['00000000:3b:00.0', '0000:3b:00.0'],
    ['00010000:e1:00.0', '10000:e1:00.0'],
  ])('%j is %s', (text, canonical) => {
    expect(parsePciAddress(text)).toBe(canonical);
  });

  test.each([
    '',
    '3b:00',
    '3b:20.0',
    '3b:00.8',
    '000:3b:00.0',
    '123456789:3b:00.0',
    '0000:3b:00.0/driver',
    '../0000:3b:00.0',
    '0000:3b:00.0\n0000:3b:00.1',
    'virtio0',
  ])('%j is refused', (text) => {
    expect(() => parsePciAddress(text)).toThrow(FormatError);
    expect(isPciAddress(text)).toBe(false);
  });

  test('an address as sysfs prints it stays as it is', () => {
    holds(
      fc.property(address, (text) => {
        expect(isPciAddress(text)).toBe(true);
        expect(parsePciAddress(text)).toBe(text);
        expect(parsePciAddress(text.toUpperCase())).toBe(text);
        expect(parsePciAddress(text.padStart(16, '0'))).toBe(text);
      }),
    );
  });

  test('any other text is a FormatError with one line', () => {
    holds(
      fc.property(garbage('0123456789abcdef:. '), (text) => onlyFormatErrors(() => parsePciAddress(text))),
    );
  });
});
