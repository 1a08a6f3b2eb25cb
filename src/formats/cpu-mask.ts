import type { CpuSet } from './cpu-list.ts';
import { FormatError } from './format-error.ts';

/** Parses the kernel's mask syntax: 32-bit groups in hex, most significant first, `3,00000000`. */
export function parseCpuMask(text: string): CpuSet {
  const groups = text.trim().replace(/^0x/i, '').split(',');
  const cpus: number[] = [];
  if (groups.length > 2048) throw new FormatError('CPU mask', text, 'too long for any kernel');
  groups.reverse().forEach((group, index) => {
    if (!/^[0-9a-f]{1,8}$/i.test(group)) {
      throw new FormatError('CPU mask', text, 'expected groups of up to 8 hex digits such as 3,ffffffff');
    }
    const bits = Number.parseInt(group, 16);
    for (let bit = 0; bit < 32; bit++) if ((bits >>> bit) & 1) cpus.push(index * 32 + bit);
  });
  return cpus;
}

/** Prints a mask as the kernel does: all groups but the first with 8 digits. */
export function formatCpuMask(cpus: CpuSet): string {
  const groups: number[] = [];
  for (const cpu of cpus) {
    const index = cpu >> 5;
    while (groups.length <= index) groups.push(0);
    groups[index] = ((groups[index] ?? 0) | (1 << (cpu & 31))) >>> 0;
  }
  const [first, ...rest] = groups.reverse();
  return [(first ?? 0).toString(16), ...rest.map((group) => group.toString(16).padStart(8, '0'))].join(',');
}

/** The same with as many digits as another mask of this kernel has, which pads each to its number of CPUs. */
export function formatCpuMaskLike(cpus: CpuSet, like: string): string {
  const groups = like.trim().split(',');
  const printed = formatCpuMask(cpus).split(',');
  const filled = [...Array(Math.max(0, groups.length - printed.length)).fill('0'), ...printed];
  return filled
    .map((group, index) => group.padStart(index === 0 ? (groups[0]?.length ?? 1) : 8, '0'))
    .join(',');
}
