import { createHash } from 'node:crypto';
import {
  foreignArguments,
  lostArguments,
  mergeArguments,
  ownArguments,
  spelledAs,
} from '../formats/boot-line.ts';
import { OWN } from '../formats/own-files.ts';
import { ToolError } from '../host/errors.ts';
import { type BootMemory, bootMemory, unknownArguments, wantedArguments } from '../plan/boot-arguments.ts';
import type { BootEntry, BootLoaderKind, Fact } from '../probes/facts.ts';
import { notInEffect } from './boot-effect.ts';
import { defineAction, type PlanContext, type Step } from './define.ts';
import { type FileBefore, fileBefore, missingFolders, notPutBack, putBack } from './file.ts';
import { LOADERS } from './loaders/index.ts';
import {
  type BootAfter,
  type BootBefore,
  entriesOf,
  type Loader,
  notRestored,
  type Order,
  wrongEntries,
} from './loaders/loader.ts';
import { refused } from './run.ts';

/**
 * Kernel arguments, written through the tool of whatever started this host. Proven twice: every entry is read again at
 * once, and after the boot the check of the same name looks at what is in force.
 */
export const bootArgumentsAction = defineAction({
  name: 'boot-arguments',

  plan(context, note) {
    const { facts, profile } = context;
    const chosen = (facts.bootLoader.entries.value ?? []).find(({ isDefault }) => isDefault);
    const wanted = spelledAs(chosen?.line ?? '', wantedArguments(facts, profile, note));
    const memory = bootMemory(facts.ownFiles.files);
    const retired = (memory?.added ?? []).filter(
      (old) => !wanted.some((text) => foreignArguments(old, [text]) === ''),
    );
    if (wanted.length === 0 && retired.length === 0) return [];
    const { loader, entries } = facts.bootLoader;
    const running = facts.kernel.commandLine.value ?? '';
    const isRight = (line: string) => mergeArguments(line, wanted, retired) === line;
    if (loader.absent !== undefined) {
      if (!isRight(running))
        note(`no boot loader is known here; the boot line needs: ${wanted.join(' ')}`, 'unmet');
      return [];
    }
    if (loader.value === 'uki') {
      if (isRight(running)) return [];
      throw refused(
        'BOOT_LINE_SIGNED',
        loader.from,
        'the boot line is a part of the signed image, and nothing on this host can change it',
        `build the image with this in its command line: ${wanted.join(' ')}`,
      );
    }
    const found = readable(entries, loader.value);
    const kind = LOADERS[loader.value];
    const managed = found.filter(({ managed, isDefault }) => managed && (isDefault || !kind.onlyDefault));
    const unchanged = managed.length > 0 && managed.every(({ line }) => isRight(line));
    if (unchanged && (memory === undefined || memory.arguments.join(' ') === wanted.join(' '))) {
      const missing = lostArguments(running, wanted);
      if (missing.length > 0)
        note(`in the boot line, and in force from the next boot on: ${missing.join(' ')}`, 'unmet');
      return [];
    }
    if (!unchanged && memory !== undefined && memory.arguments.join(' ') === wanted.join(' ')) {
      const why = keptFrom(memory, context, running);
      if (why !== undefined) {
        note(why, 'unmet');
        return [];
      }
    }
    return [step(context, loader.value, found, { wanted, retired, unchanged, memory })];
  },

  async apply(change, host) {
    const order = orderOf(change);
    await loaderOf(order).write(order, host);
    const wrong = wrongEntries(entriesOf(host), order, loaderOf(order));
    if (wrong !== undefined) throw new ToolError('BOOT_ENTRIES_WRONG', wrong, { subject: change.target });
    host.replaceFile(OWN.bootArguments, order.after.memory.text);
  },

  verify(change, host) {
    const order = orderOf(change);
    if (host.readText(OWN.bootArguments) !== order.after.memory.text)
      return `${OWN.bootArguments} is not written`;
    return wrongEntries(entriesOf(host), order, loaderOf(order));
  },

  inForce(change, host) {
    return notInEffect(orderOf(change).after.arguments, host);
  },

  async revert(change, host) {
    const order = orderOf(change);
    await loaderOf(order).takeBack(order, host);
    for (const [path, before] of ownFiles(order)) putBack(host, path, before);
  },

  holdsBefore(change, host) {
    const order = orderOf(change);
    for (const [path, before] of ownFiles(order)) {
      const wrong = notPutBack(host, path, before);
      if (wrong !== undefined) return wrong;
    }
    return loaderOf(order).left?.(order, host) ?? notRestored(entriesOf(host), order, loaderOf(order));
  },
});

function orderOf({ before, after }: Pick<Step, 'before' | 'after'>): Order {
  return { before: before as BootBefore, after: after as BootAfter };
}

function loaderOf({ before }: Order): Loader {
  return LOADERS[before.loader as Exclude<BootLoaderKind, 'uki'>];
}

/** Those that no loader of this list writes in its own way. */
function ownFiles({ before }: Order): [string, FileBefore][] {
  return Object.entries(before.files).filter(([path]) => (Object.values(OWN) as string[]).includes(path));
}

function readable(entries: Fact<BootEntry[]>, loader: BootLoaderKind): BootEntry[] {
  if (entries.absent === undefined) return entries.value;
  throw refused(
    'BOOT_ENTRIES_UNREADABLE',
    entries.from,
    `the entries of ${loader} cannot be read: ${entries.reason}`,
    entries.absent === 'denied' ? 'run as root' : 'make them with the own tool of the loader first',
  );
}

/** Written once and not there any more, or not to be the default yet: why it is not written again. */
function keptFrom(memory: BootMemory, { facts }: PlanContext, running: string): string | undefined {
  const line = memory.arguments.join(' ');
  if (memory.trial !== undefined) {
    if (memory.bootId === facts.kernel.bootId.value)
      return `the boot line is tried at the next boot: ${line}`;
    const result = facts.ownFiles.files[OWN.trialResult]?.value?.text.trim();
    if (running.includes(`bypass_setup.trial=${memory.trial}`) && result === undefined)
      return 'this is the boot with the new boot line; whether the host is well is judged now';
    return `the new boot line was tried and not kept (${result ?? 'the host did not come up with it'}): ${line}; it is not tried again before "bypass-setup undo"`;
  }
  if (memory.bootId === facts.kernel.bootId.value) return undefined;
  // Something else makes the entries, and would do so again: writing and booting would never end.
  if (mergeArguments(running, memory.arguments) === running) return undefined;
  return `the boot line was written before this boot and is neither in force nor in ${facts.bootLoader.entries.from}: something else makes these entries. It is not written again before "bypass-setup undo": ${line}`;
}

interface Wish {
  readonly wanted: readonly string[];
  readonly retired: readonly string[];
  /** The entries are right already. */
  readonly unchanged: boolean;
  readonly memory: BootMemory | undefined;
}

function step(context: PlanContext, kind: BootLoaderKind, entries: readonly BootEntry[], wish: Wish): Step {
  const { facts, profile } = context;
  const { wanted, retired, unchanged, memory } = wish;
  const loader = LOADERS[kind as Exclude<BootLoaderKind, 'uki'>];
  const trial = profile.boot?.trial === true && !unchanged && wanted.length > 0;
  if (trial && loader.noTrial !== undefined)
    throw refused('TRIAL_IMPOSSIBLE', kind, loader.noTrial, 'leave out boot.trial');
  const { tool } = facts.bootLoader;
  if (tool.absent !== undefined && kind !== 'raspberry-pi')
    throw refused('BOOT_TOOL_MISSING', tool.from, `${kind} is written with it, and it is not installed`);
  const release = facts.kernel.release.value ?? '';
  const unknown = unknownArguments(facts);
  const number = 1 + numberOf(facts.ownFiles.files[OWN.bootArguments]?.value?.text);
  const written: BootMemory & { number: number } = {
    arguments: wanted,
    added: wanted.filter((text) => memory?.added.includes(text) || !stands(text, entries)),
    bootId: facts.kernel.bootId.value ?? '',
    ...(trial ? { trial: digest([...wanted, `${number}`]) } : {}),
    unknown: unknown.length === 0 ? {} : { [release]: unknown },
    number,
  };
  const before: BootBefore = {
    loader: kind,
    lines: Object.fromEntries(entries.map(({ id, line }) => [id, line])),
    chosen: entries.find(({ isDefault }) => isDefault)?.id ?? null,
    files: Object.fromEntries([
      ...[OWN.bootArguments, ...loader.files].map((path) => [path, fileBefore(context, path)] as const),
      ...Object.entries(facts.bootLoader.files).map(
        ([path, fact]) => [path, loaderFile(context, path, fact)] as const,
      ),
    ]),
    next: facts.bootLoader.environment.value?.next ?? null,
    options: facts.bootLoader.environment.value?.options ?? null,
    environment: facts.bootLoader.environment.absent !== 'missing',
    route: (facts.network.routes.value ?? []).some(
      ({ destination, family }) => destination === 'default' && family === 'inet',
    ),
    number,
  };
  const after: BootAfter = {
    arguments: wanted,
    retired,
    earlier: memory?.arguments ?? [],
    trial: written.trial ?? null,
    memory: { text: `${JSON.stringify(written, null, 2)}\n` },
  };
  const order = { before, after };
  loader.refuse?.(facts, order);
  return {
    target: facts.bootLoader.entries.from,
    before,
    after,
    scope: 'persistent',
    effect: 'reboot',
    summary: summary(order),
    commands: loader.commands(order, facts),
  };
}

function stands(text: string, entries: readonly BootEntry[]): boolean {
  const line = entries.find(({ isDefault }) => isDefault)?.line ?? '';
  return ownArguments(line, [text]).includes(text);
}

function summary({ before, after }: Order): string {
  if (after.arguments.length === 0) return `take out of the boot line: ${after.retired.join(' ')}`;
  const verb = after.trial === null ? 'boot with' : 'try once to boot with';
  const old = ownArguments(before.lines[before.chosen ?? ''] ?? '', [...after.arguments, ...after.earlier]);
  const gone = old.filter((text) => !after.arguments.includes(text));
  return `${verb} ${after.arguments.join(' ')}${gone.length === 0 ? '' : ` instead of ${gone.join(' ')}`}`;
}

function loaderFile(
  { facts }: PlanContext,
  path: string,
  fact: Fact<{ text: string; mode: number }>,
): FileBefore {
  const folders = missingFolders(facts.ownFiles.folders, path).filter((folder) => folder !== '/boot');
  if (fact.absent === undefined) return { text: fact.value.text, mode: fact.value.mode, folders: [] };
  if (fact.absent === 'missing') return { text: null, mode: null, folders };
  throw refused('FILE_UNREADABLE', path, `it cannot be changed, because it cannot be read: ${fact.reason}`);
}

function numberOf(text: string | undefined): number {
  try {
    const { number } = JSON.parse(text ?? '{}') as { number?: unknown };
    return typeof number === 'number' ? number : 0;
  } catch {
    return 0;
  }
}

function digest(words: readonly string[]): string {
  return createHash('sha256').update(words.join('\n')).digest('hex').slice(0, 12);
}
