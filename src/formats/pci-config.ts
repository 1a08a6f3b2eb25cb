/**
 * PCI configuration space by capability look-up (PCI Express Base Specification 5.0, chapter 7;
 * include/uapi/linux/pci_regs.h). Without root sysfs gives only the first 64 bytes, which hold no capability.
 */
export interface PciConfig {
  /** PCI Express capability found; false for conventional PCI, undefined when the space was cut before the list. */
  readonly express: boolean | undefined;
  /** Device Control bits 7:5, bytes. */
  readonly maxPayload?: number;
  /** Device Capabilities bits 2:0, bytes. */
  readonly maxPayloadSupported?: number;
  /** Device Control bits 14:12, bytes. */
  readonly maxReadRequest?: number;
  /** Device Control bit 4. */
  readonly relaxedOrdering?: boolean;
  /** Link Control bits 1:0. */
  readonly aspm?: 'disabled' | 'L0s' | 'L1' | 'L0s L1';
  /** Device Serial Number extended capability, `xx-xx-…` most significant byte first, as lspci prints it. */
  readonly serial?: string;
}

const CAP_ID_EXP = 0x10;
const EXT_CAP_ID_DSN = 0x0003;
const ASPM = ['disabled', 'L0s', 'L1', 'L0s L1'] as const;

export function parsePciConfig(bytes: Uint8Array): PciConfig {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // A device that fell off the bus reads as ones; less than the header says nothing.
  if (view.byteLength <= 64 || view.getUint16(0, true) === 0xffff) return { express: undefined };
  const express = findCapability(view, CAP_ID_EXP);
  if (express === undefined) return { express: false };
  if (express + 18 > view.byteLength) return { express: undefined };
  const control = view.getUint16(express + 8, true);
  const serial = findSerial(view);
  return {
    express: true,
    maxPayload: 128 << ((control >> 5) & 7),
    maxPayloadSupported: 128 << (view.getUint32(express + 4, true) & 7),
    maxReadRequest: 128 << ((control >> 12) & 7),
    relaxedOrdering: (control & 0x10) !== 0,
    aspm: ASPM[(view.getUint16(express + 16, true) & 3) as 0 | 1 | 2 | 3],
    ...(serial === undefined ? {} : { serial }),
  };
}

/** Where the capability is; beyond the end when the space was cut before the list ends. */
function findCapability(view: DataView, id: number): number | undefined {
  // Status register bit 4: a capability list exists.
  if ((view.getUint16(6, true) & 0x10) === 0) return undefined;
  let at = view.getUint8(0x34) & ~3;
  // 48 is the most capabilities that fit; the kernel uses the same bound against loops (PCI_FIND_CAP_TTL).
  for (let ttl = 0; ttl < 48 && at >= 0x40; ttl++) {
    if (at + 2 > view.byteLength) return at;
    if (view.getUint8(at) === id) return at;
    at = view.getUint8(at + 1) & ~3;
  }
  return undefined;
}

function findSerial(view: DataView): string | undefined {
  let at = 0x100;
  for (let ttl = 0; ttl < 480 && at >= 0x100 && at + 12 <= view.byteLength; ttl++) {
    const header = view.getUint32(at, true);
    if (header === 0 || header === 0xffffffff) return undefined;
    if ((header & 0xffff) === EXT_CAP_ID_DSN) {
      const serial = Array.from({ length: 8 }, (_, i) =>
        view
          .getUint8(at + 11 - i)
          .toString(16)
          .padStart(2, '0'),
      );
      return serial.every((byte) => byte === '00') ? undefined : serial.join('-');
    }
    at = (header >>> 20) & ~3;
  }
  return undefined;
}
