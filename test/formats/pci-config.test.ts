import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parsePciConfig } from '../../src/formats/pci-config.ts';
import { holds } from './properties.ts';

/** A configuration space of the given size with little-endian words put at their places. */
function space(size: number, words: Readonly<Record<number, number>>): Uint8Array {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x1572_8086, true);
  for (const [at, word] of Object.entries(words)) view.setUint32(Number(at), word, true);
  return bytes;
}

const HAS_LIST = { 4: 0x0010_0000 };

/** An X710: power management at 0x40, MSI-X at 0x70, PCI Express at 0xa0, then AER at 0x100 and DSN at 0x140. */
const CONVENTIONAL = {
  ...HAS_LIST,
  52: 0x40,
  64: 0x0000_7001,
  112: 0x0000_a011,
  160: 0x0002_0010,
  // Device Capabilities: 512 bytes of payload. Control: relaxed ordering, payload 256, read requests of 512.
  164: 0x0000_0002,
  168: 0x0000_2030,
  // Link Control: ASPM L1.
  176: 0x0000_0002,
};
const WITH_SERIAL = {
  ...CONVENTIONAL,
  256: 0x1401_0001,
  320: 0x0001_0003,
  324: 0xfe32_1c68,
  328: 0x3cfd_feff,
};
const EXPRESS = {
  express: true,
  maxPayload: 256,
  maxPayloadSupported: 512,
  maxReadRequest: 512,
  relaxedOrdering: true,
  aspm: 'L1',
};

describe('PCI configuration space', () => {
  test('of an Express device gives payload, read request, ordering, ASPM and the serial number', () => {
    expect(parsePciConfig(space(4096, WITH_SERIAL))).toEqual({
      ...EXPRESS,
      serial: '3c-fd-fe-ff-fe-32-1c-68',
    });
  });

  test('is read from the middle of a larger buffer', () => {
    const larger = new Uint8Array(5000).fill(0xff);
    larger.set(space(4096, WITH_SERIAL), 7);
    expect(parsePciConfig(larger.subarray(7, 4103))).toEqual({
      ...EXPRESS,
      serial: '3c-fd-fe-ff-fe-32-1c-68',
    });
  });

  test('of the legacy size has no serial number', () => {
    expect(parsePciConfig(space(256, CONVENTIONAL))).toEqual(EXPRESS);
  });

  test('with an empty serial number has none', () => {
    expect(parsePciConfig(space(4096, { ...WITH_SERIAL, 324: 0, 328: 0 }))).toEqual(EXPRESS);
  });

  test.each([
    [0x0000, { maxPayload: 128, maxReadRequest: 128, relaxedOrdering: false, aspm: 'disabled' }],
    [0x5000, { maxPayload: 128, maxReadRequest: 4096, relaxedOrdering: false, aspm: 'disabled' }],
    [0x00a0, { maxPayload: 4096, maxReadRequest: 128, relaxedOrdering: false, aspm: 'disabled' }],
  ])('decodes Device Control %i', (control, expected) => {
    expect(parsePciConfig(space(256, { ...CONVENTIONAL, 168: control, 176: 0 }))).toEqual({
      express: true,
      maxPayloadSupported: 512,
      ...expected,
    });
  });

  test.each([
    [0, 'disabled'],
    [1, 'L0s'],
    [2, 'L1'],
    [3, 'L0s L1'],
  ])('decodes ASPM control %i as %s', (control, aspm) => {
    expect(parsePciConfig(space(256, { ...CONVENTIONAL, 176: control }))).toEqual({ ...EXPRESS, aspm });
  });

  test.each([
    ['without the capability bit', { ...CONVENTIONAL, 4: 0 }],
    ['with an empty list', { ...HAS_LIST, 52: 0 }],
    ['with a list that holds no Express capability', { ...HAS_LIST, 52: 0x40, 64: 0x0000_0001 }],
    ['with a list that runs in a circle', { ...HAS_LIST, 52: 0x40, 64: 0x0000_5001, 80: 0x0000_4005 }],
    ['with a capability that points at itself', { ...HAS_LIST, 52: 0x40, 64: 0x0000_4001 }],
    ['with a list that points into the header', { ...HAS_LIST, 52: 0x10, 16: 0x0000_0010 }],
  ])('%s is conventional', (_what, words) => {
    expect(parsePciConfig(space(4096, words))).toEqual({ express: false });
  });

  test.each([
    ['the 64 bytes that an ordinary user gets', space(4096, WITH_SERIAL).subarray(0, 64)],
    ['nothing', new Uint8Array()],
    ['less than the header', space(10, {})],
    ['the ones of a device that fell off the bus', new Uint8Array(4096).fill(0xff)],
    // Cut in front of the list's next part, and in the middle of the Express capability: neither says "conventional".
    ['a space cut inside the list', space(4096, WITH_SERIAL).subarray(0, 0x80)],
    ['a space cut inside the Express capability', space(4096, WITH_SERIAL).subarray(0, 0xa8)],
  ])('of %s says nothing', (_what, bytes) => {
    expect(parsePciConfig(bytes)).toEqual({ express: undefined });
  });

  test.each([
    ['runs in a circle', { ...WITH_SERIAL, 256: 0x1401_0001, 320: 0x1001_0001 }],
    ['points below its start', { ...WITH_SERIAL, 256: 0x0401_0001 }],
    ['is all ones', { ...WITH_SERIAL, 256: 0xffff_ffff }],
    ['ends', { ...WITH_SERIAL, 256: 0x0001_0001 }],
    ['leads beyond the space', { ...WITH_SERIAL, 256: 0xffc1_0001 }],
  ])('has no serial number when the extended list %s', (_what, words) => {
    expect(parsePciConfig(space(4096, words))).toEqual(EXPRESS);
  });

  test('of any bytes, cut anywhere, is read without an error', () => {
    const real = space(4096, WITH_SERIAL);
    const damaged = fc
      .tuple(
        fc.nat(4096),
        fc.array(fc.tuple(fc.oneof(fc.nat(0x180), fc.nat(4095)), fc.nat(255)), { maxLength: 30 }),
      )
      .map(([size, changes]) => {
        const bytes = real.slice();
        for (const [at, byte] of changes) bytes[at] = byte;
        return bytes.subarray(0, size);
      });
    holds(
      fc.property(
        fc.oneof(damaged, fc.uint8Array({ maxLength: 512 })),
        (bytes) => void parsePciConfig(bytes),
      ),
    );
  });
});
