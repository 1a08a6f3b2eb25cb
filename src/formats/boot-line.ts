import { formatCpuList, parseCpuList } from './cpu-list.ts';
import { type CommandLine, parseCommandLine, sameName } from './kernel-cmdline.ts';
import { parseSize } from './size.ts';

/** A boot line with arguments of ours among those of others. Whatever is not ours stays as it is written. */

/** Legal more than once, each with an effect of its own: one of ours is added, none of others is taken away. */
export const REPEATED: readonly string[] = [
  'console',
  'earlycon',
  'memmap',
  'pci',
  'module_blacklist',
  'modprobe.blacklist',
];
const CPU_LISTS = ['isolcpus', 'nohz_full', 'rcu_nocbs', 'irqaffinity', 'kthread_cpus'];
/** Comma lists of which each word counts (drivers/iommu/intel/iommu.c, intel_iommu_setup; arch/x86/kernel/pci-dma.c). */
const WORD_LISTS = ['intel_iommu', 'amd_iommu', 'iommu'];

export interface Argument {
  readonly name: string;
  readonly value: string | undefined;
}

export function parseArgument(text: string): Argument {
  const [parameter] = parseCommandLine(text).parameters;
  return { name: parameter?.name ?? '', value: parameter?.value };
}

/**
 * What makes two arguments the same setting: the key, and for hugepages the size too, because `hugepages=` belongs to
 * the `hugepagesz=` before it (Documentation/admin-guide/kernel-parameters.txt). `pages` is the size that counts where no
 * size was given. For keys that may be repeated, the whole argument.
 */
function slots(argumentsOf: readonly Argument[], pages: string): string[] {
  let size = pages;
  return argumentsOf.map(({ name, value }) => {
    if (sameName(name, 'hugepagesz')) size = bytesOf(value ?? '');
    if (sameName(name, 'hugepagesz') || sameName(name, 'hugepages')) return `hugepages of ${size}`;
    const plain = name.replaceAll('-', '_');
    return REPEATED.includes(name) ? `${plain}=${value}` : plain;
  });
}

function bytesOf(size: string): string {
  try {
    return `${parseSize(size)}`;
  } catch {
    return size;
  }
}

function defaultPages(all: readonly Argument[]): string {
  const given = all.filter(({ name }) => sameName(name, 'default_hugepagesz')).at(-1)?.value;
  return bytesOf(given ?? '2M');
}

/** Whether what stands there does what is wanted. */
function satisfies({ name, value }: Argument, wanted: Argument): boolean {
  if (value === wanted.value) return true;
  if (value === undefined || wanted.value === undefined) return false;
  const plain = name.replaceAll('-', '_');
  if (CPU_LISTS.includes(plain)) return sameCpus(value, wanted.value);
  if (WORD_LISTS.includes(plain)) {
    const words = value.split(',');
    return !words.includes('off') && wanted.value.split(',').every((word) => words.includes(word));
  }
  return plain.endsWith('hugepagesz') && bytesOf(value) === bytesOf(wanted.value);
}

/**
 * The list of isolcpus=[flag-list,]cpu-list, or none where its flags leave the scheduler's domains alone: without a flag
 * it is `domain`, and those the kernel does not know are skipped (kernel/sched/isolation.c, housekeeping_isolcpus_setup).
 */
export function isolatedBy(value: string): string {
  const flags = /^(?:[a-z_]+,)*/.exec(value)?.[0] ?? '';
  const words = flags.split(',').filter((word) => ['nohz', 'domain', 'managed_irq'].includes(word));
  return words.length === 0 || words.includes('domain') ? value.slice(flags.length) : '';
}

/** Without a flag isolcpus= is `domain`. */
function sameCpus(a: string, b: string): boolean {
  try {
    const [one, other] = [a, b].map((text) => {
      const flags = /^(?:[a-z_]+,)*/.exec(text)?.[0] ?? '';
      const words = flags === '' ? ['domain'] : flags.split(',').filter(Boolean);
      return `${words.sort().join()} ${formatCpuList(parseCpuList(text.slice(flags.length)))}`;
    });
    return one === other;
  } catch {
    return false;
  }
}

interface Split {
  readonly line: CommandLine;
  /** For each parameter of the kernel's part: whether it is a setting of ours. */
  readonly ours: readonly boolean[];
}

/** Of a retired key only the value that was ours: what others say of it is theirs again. */
function split(text: string, keys: readonly Argument[], retired: readonly Argument[] = []): Split {
  const line = parseCommandLine(text);
  const kernel = line.parameters.slice(0, line.kernelEnd);
  const pages = defaultPages([...kernel, ...keys]);
  const own = new Set(slots(keys, pages));
  const gone = slots(retired, pages);
  const isGone = (slot: string, { value }: Argument) =>
    gone.some(
      (other, index) =>
        other === slot && (slot.startsWith('hugepages of') || retired[index]?.value === value),
    );
  const ours = slots(kernel, pages).map((slot, index) => {
    const parameter = kernel[index];
    return own.has(slot) || (parameter !== undefined && isGone(slot, parameter));
  });
  return { line, ours };
}

/** Each argument as this line spells it already, where that does the same: `intel_iommu=on,sm_on` for `intel_iommu=on`. */
export function spelledAs(text: string, wanted: readonly string[]): string[] {
  const { line, ours } = split(text, wanted.map(parseArgument));
  const present = line.parameters.filter((_, index) => ours[index]);
  return wanted.map((one) => {
    const want = parseArgument(one);
    const same = present.find((other) => sameName(other.name, want.name) && satisfies(other, want));
    return same === undefined || /[\s"'$\\]/.test(same.text) ? one : same.text;
  });
}

/**
 * The line with `wanted` in it once each, and without any other value of their keys. `retired` are arguments of ours that
 * are wanted no longer. A line that is right already comes back as it is.
 */
export function mergeArguments(
  text: string,
  wanted: readonly string[],
  retired: readonly string[] = [],
): string {
  const want = wanted.map(parseArgument);
  const { line, ours } = split(text, want, retired.map(parseArgument));
  const present = line.parameters.slice(0, line.kernelEnd).filter((_, index) => ours[index]);
  const right =
    present.length === want.length &&
    // The order of hugepages counts; that of all else does not.
    inOrder(present, want) &&
    want.every((one) => present.some((other) => sameName(one.name, other.name) && satisfies(other, one)));
  return right ? text : replaceOurs({ line, ours }, spelledAs(text, wanted));
}

/** Those of `wanted` that a line does not have; none when it is right. */
export function lostArguments(line: string, wanted: readonly string[]): string[] {
  if (mergeArguments(line, wanted) === line) return [];
  const lost = wanted.filter((text) => mergeArguments(line, [text]) !== line);
  // Pages count in pairs, so that each alone may look right.
  return lost.length > 0 ? lost : [...wanted];
}

export interface ReservedPages {
  /** null: dealt out over all nodes. */
  readonly node: number | null;
  /** Octets of one page. */
  readonly size: number;
  readonly count: number;
}

/** The pages that `hugepagesz=1G hugepages=0:4,1:4` asks for; a count without a size before it is of the default size. */
export function reservedBy(argumentsOf: readonly Argument[]): ReservedPages[] {
  let size = parseSize(argumentsOf.find(({ name }) => sameName(name, 'default_hugepagesz'))?.value ?? '2M');
  return argumentsOf.flatMap(({ name, value = '' }) => {
    if (sameName(name, 'hugepagesz')) size = parseSize(value);
    if (!sameName(name, 'hugepages')) return [];
    return value.split(',').map((part): ReservedPages => {
      const [node, count] = part.includes(':') ? part.split(':') : [null, part];
      return { node: node === null ? null : Number(node), size, count: Number(count) };
    });
  });
}

function inOrder(present: readonly Argument[], want: readonly Argument[]): boolean {
  const pages = (all: readonly Argument[]) =>
    all
      .filter(({ name }) => name === 'hugepagesz' || name === 'hugepages')
      .map(({ name, value }) => (name === 'hugepagesz' ? bytesOf(value ?? '') : `${name}=${value}`))
      .join(' ');
  return pages(present) === pages(want);
}

/** Of an undo: the line as it was, but for what others have changed since. */
export function restoreArguments(text: string, before: string, ours: readonly string[]): string {
  const keys = ours.map(parseArgument);
  const now = split(text, keys);
  const then = split(before, keys);
  if (foreign(now) === foreign(then)) return before;
  const kernel = then.line.parameters.slice(0, then.line.kernelEnd);
  const old = kernel.filter((_, index) => then.ours[index]).map((parameter) => parameter.text);
  const have = now.line.parameters.filter((_, index) => now.ours[index]).map((parameter) => parameter.text);
  return old.join(' ') === have.join(' ') ? text : replaceOurs(now, old);
}

/** What stands in a line under keys of ours, as it is written. */
export function ownArguments(text: string, ours: readonly string[]): string[] {
  const { line, ours: own } = split(text, ours.map(parseArgument));
  return line.parameters.filter((_, index) => own[index]).map((parameter) => parameter.text);
}

/** The arguments of others, and nothing else: what must be the same before and after. */
export function foreignArguments(text: string, ours: readonly string[]): string {
  return foreign(split(text, ours.map(parseArgument)));
}

function foreign({ line, ours }: Split): string {
  return line.parameters
    .filter((_, index) => !ours[index])
    .map((parameter) => parameter.text)
    .join(' ');
}

/** Ours go before `--` and before a quote that nobody closed, which would swallow them. */
function replaceOurs({ line, ours }: Split, wanted: readonly string[]): string {
  const parts: { readonly gap: string; readonly text: string }[] = [];
  const last = line.parameters[line.kernelEnd - 1];
  const open = last !== undefined && last.text.split('"').length % 2 === 0;
  const end = open ? line.kernelEnd - 1 : line.kernelEnd;
  const place = () => parts.push(...wanted.map((text) => ({ gap: ' ', text })));
  line.parameters.forEach((parameter, index) => {
    if (index === end) place();
    if (!ours[index]) parts.push({ gap: line.gaps[index] ?? '', text: parameter.text });
  });
  if (end === line.parameters.length) place();
  return (
    parts.map(({ gap, text }, index) => (index === 0 ? (line.gaps[0] ?? '') : gap || ' ') + text).join('') +
    (line.gaps.at(-1) ?? '')
  );
}
