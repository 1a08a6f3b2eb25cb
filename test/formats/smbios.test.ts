import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseMemoryDevices } from '../../src/formats/smbios.ts';
import { holds } from './properties.ts';

/** A structure: header, the formatted area with words at their offsets, the strings and the closing NUL. */
function structure(type: number, length: number, words: Readonly<Record<number, number>>, strings: string[]) {
  const area = new Uint8Array(length);
  const view = new DataView(area.buffer);
  for (const [at, word] of Object.entries(words)) view.setUint16(Number(at), word, true);
  area[0] = type;
  area[1] = length;
  const text = strings.length === 0 ? '\0\0' : `${strings.join('\0')}\0\0`;
  return [...area, ...Buffer.from(text, 'latin1')];
}

// Offsets of DSP0134 7.18: 0x0c size, 0x10 and 0x11 string numbers, 0x1c extended size, 0x20 configured speed.
const NAMES = { 16: 0x0201 };
const dimm = (words: Readonly<Record<number, number>>, strings = ['DIMM_A1', 'NODE 0'], length = 0x28) =>
  structure(17, length, { ...NAMES, ...words }, strings);
const end = structure(127, 4, {}, []);
const BIOS = structure(0, 0x18, {}, ['American Megatrends', '2.1']);
const BOARD = structure(2, 0x0f, {}, []);

describe('the SMBIOS table', () => {
  test('gives every memory slot with its size and speed', () => {
    const table = Uint8Array.from([
      ...BIOS,
      ...dimm({ 12: 16384, 32: 3200 }),
      // 0x7fff: the size is in the dword at 0x1c, here 64 GiB.
      ...dimm({ 12: 0x7fff, 28: 0, 30: 1, 32: 4800 }, ['DIMM_B1 ', ' NODE 1']),
      ...BOARD,
      // Bit 15: the size is in KiB.
      ...dimm({ 12: 0x8000 | 512, 32: 0 }),
      ...dimm({ 12: 0 }),
      ...dimm({ 12: 0xffff }),
      ...end,
      ...dimm({ 12: 1 }),
    ]);
    const a1 = { locator: 'DIMM_A1', bank: 'NODE 0' };
    expect(parseMemoryDevices(table)).toEqual([
      { ...a1, megabytes: 16384, speed: 3200 },
      { locator: 'DIMM_B1', bank: 'NODE 1', megabytes: 65536, speed: 4800 },
      { ...a1, megabytes: 0.5, speed: 0 },
      { ...a1, megabytes: 0, speed: 0 },
      { ...a1, megabytes: 0, speed: 0 },
    ]);
  });

  test('of an old version has slots without a speed or an extended size', () => {
    expect(parseMemoryDevices(Uint8Array.from(dimm({ 12: 1024 }, undefined, 0x15)))).toEqual([
      { locator: 'DIMM_A1', bank: 'NODE 0', megabytes: 1024, speed: 0 },
    ]);
    expect(parseMemoryDevices(Uint8Array.from(dimm({ 12: 0x7fff }, undefined, 0x1b)))).toEqual([
      { locator: 'DIMM_A1', bank: 'NODE 0', megabytes: 0, speed: 0 },
    ]);
  });

  test('leaves strings empty that the firmware does not give', () => {
    expect(parseMemoryDevices(Uint8Array.from(structure(17, 0x28, { 12: 8, 16: 0x0900 }, [])))).toEqual([
      { locator: '', bank: '', megabytes: 8, speed: 0 },
    ]);
  });

  test('passes over a slot too short to hold its names', () => {
    expect(parseMemoryDevices(Uint8Array.from([...structure(17, 0x14, {}, []), ...dimm({ 12: 8 })]))).toEqual(
      [{ locator: 'DIMM_A1', bank: 'NODE 0', megabytes: 8, speed: 0 }],
    );
  });

  test('cut anywhere gives the structures before the cut, each of them whole', () => {
    const parts = [BIOS, dimm({ 12: 8 }), dimm({ 12: 16 }, ['DIMM_B1', 'NODE 1']), BOARD, dimm({ 12: 32 })];
    const table = Uint8Array.from(parts.flat());
    const whole = parseMemoryDevices(table);
    expect(whole.map((device) => device.megabytes)).toEqual([8, 16, 32]);
    for (let cut = 0; cut <= table.length; cut++) {
      let left = cut;
      let complete = 0;
      for (const part of parts) {
        left -= part.length;
        if (left >= 0 && part[0] === 17) complete++;
      }
      expect(parseMemoryDevices(table.subarray(0, cut))).toEqual(whole.slice(0, complete));
    }
  });

  test('ends at a structure that cannot be one', () => {
    expect(parseMemoryDevices(Uint8Array.from([17, 3, 0, 0, ...dimm({ 12: 8 })]))).toEqual([]);
  });

  test('with a string longer than any call takes arguments is read', () => {
    const table = Uint8Array.from([...dimm({ 12: 8 }, ['x'.repeat(300_000), 'NODE 0']), ...end]);
    expect(parseMemoryDevices(table)).toEqual([
      { locator: 'x'.repeat(300_000), bank: 'NODE 0', megabytes: 8, speed: 0 },
    ]);
  });

  test('of any bytes is read without an error', () => {
    const structures = fc
      .array(fc.tuple(fc.constantFrom(0, 17, 127), fc.nat(255), fc.uint8Array({ maxLength: 80 })), {
        maxLength: 6,
      })
      .map((parts) => Uint8Array.from(parts.flatMap(([type, length, rest]) => [type, length, ...rest])));
    holds(fc.property(fc.oneof(structures, fc.uint8Array()), (bytes) => void parseMemoryDevices(bytes)));
  });
});
