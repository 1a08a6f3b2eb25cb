/** A memory slot: SMBIOS structure type 17 (DMTF DSP0134, section 7.18). */
export interface MemoryDevice {
  readonly locator: string;
  readonly bank: string;
  /** 0 for an empty slot. */
  readonly megabytes: number;
  /** Configured speed in MT/s, 0 when the firmware does not say. */
  readonly speed: number;
}

const MEMORY_DEVICE = 17;
const END_OF_TABLE = 127;

/** Reads the structure table as /sys/firmware/dmi/tables/DMI has it. A cut table gives the structures before the cut. */
export function parseMemoryDevices(bytes: Uint8Array): MemoryDevice[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const devices: MemoryDevice[] = [];
  for (let at = 0; at + 4 <= view.byteLength; ) {
    const type = view.getUint8(at);
    const length = view.getUint8(at + 1);
    if (length < 4 || at + length > view.byteLength || type === END_OF_TABLE) break;
    const { strings, end } = stringsAfter(bytes, at + length);
    if (end > view.byteLength) break;
    if (type === MEMORY_DEVICE && length >= 0x15) {
      const string = (offset: number) => strings[view.getUint8(at + offset) - 1] ?? '';
      devices.push({
        locator: string(0x10),
        bank: string(0x11),
        megabytes: memorySize(view, at, length),
        speed: length >= 0x22 ? view.getUint16(at + 0x20, true) : 0,
      });
    }
    at = end;
  }
  return devices;
}

function memorySize(view: DataView, at: number, length: number): number {
  const size = view.getUint16(at + 0x0c, true);
  if (size === 0xffff) return 0;
  // 0x7fff: see the extended size. Bit 15: the unit is KiB.
  if (size === 0x7fff) return length >= 0x20 ? view.getUint32(at + 0x1c, true) & 0x7fffffff : 0;
  return size & 0x8000 ? (size & 0x7fff) / 1024 : size;
}

/** The string set that follows a structure: strings with NUL ends, then one more NUL. */
function stringsAfter(bytes: Uint8Array, start: number): { strings: string[]; end: number } {
  const strings: string[] = [];
  let at = start;
  while (at < bytes.length && bytes[at] !== 0) {
    let end = at;
    while (end < bytes.length && bytes[end] !== 0) end++;
    strings.push(new TextDecoder('latin1').decode(bytes.subarray(at, end)).trim());
    at = end + 1;
  }
  return { strings, end: strings.length === 0 ? at + 2 : at + 1 };
}
