import { FormatError } from './format-error.ts';

/** CPU or node numbers, ascending, without repeats. */
export type CpuSet = readonly number[];

/** Far above the kernel's largest NR_CPUS (8192), so that a garbled file cannot ask for gigabytes. */
const LARGEST_CPU = 65535;

/**
 * Parses the kernel's list syntax: `0-3,8`, with strides `0-31:2/4` (take 2 of every 4).
 * Source: Documentation/admin-guide/kernel-parameters.rst, "cpu lists". The empty text is the empty set.
 */
export function parseCpuList(text: string): CpuSet {
  const trimmed = text.trim();
  // The kernel prints "(null)" where a mask was never allocated (nohz_full without nohz_full=).
  if (trimmed === '' || trimmed === '(null)') return [];
  const cpus = new Set<number>();
  let visits = 0;
  for (const part of trimmed.split(',')) {
    const match = /^(\d+)(?:-(\d+)(?::(\d+)\/(\d+))?)?$/.exec(part.trim());
    if (match === null) throw new FormatError('CPU list', text, 'expected numbers and ranges such as 0-3,8');
    const first = Number(match[1]);
    const last = match[2] === undefined ? first : Number(match[2]);
    const used = match[3] === undefined ? 1 : Number(match[3]);
    const group = match[4] === undefined ? 1 : Number(match[4]);
    if (last < first) throw new FormatError('CPU list', text, `the range ${part.trim()} runs backwards`);
    if (last > LARGEST_CPU) throw new FormatError('CPU list', text, `${last} is beyond any CPU number`);
    if (used === 0 || group < used) throw new FormatError('CPU list', text, `${part.trim()} takes nothing`);
    visits += last - first + 1;
    if (visits > 16 * LARGEST_CPU) throw new FormatError('CPU list', text, 'it repeats itself too often');
    for (let start = first; start <= last; start += group) {
      for (let cpu = start; cpu < start + used && cpu <= last; cpu++) cpus.add(cpu);
    }
  }
  return [...cpus].sort((a, b) => a - b);
}

/** Prints the shortest list the kernel itself would print: `0-3,8`; the empty set is the empty text. */
export function formatCpuList(cpus: CpuSet): string {
  const parts: string[] = [];
  for (let i = 0; i < cpus.length; ) {
    const first = cpus[i] as number;
    let last = first;
    while (cpus[i + 1] === last + 1) {
      last++;
      i++;
    }
    i++;
    parts.push(first === last ? `${first}` : `${first}-${last}`);
  }
  return parts.join(',');
}

export function intersect(a: CpuSet, b: CpuSet): CpuSet {
  const other = new Set(b);
  return a.filter((cpu) => other.has(cpu));
}

export function subtract(a: CpuSet, b: CpuSet): CpuSet {
  const other = new Set(b);
  return a.filter((cpu) => !other.has(cpu));
}

export function union(a: CpuSet, b: CpuSet): CpuSet {
  return [...new Set([...a, ...b])].sort((x, y) => x - y);
}

/** What is left of some CPUs when others are taken out; where nothing is left, those to use instead. */
export function keepOff(cpus: CpuSet, taken: CpuSet, instead: CpuSet): CpuSet {
  const left = subtract(cpus, taken);
  return left.length > 0 ? left : instead;
}
