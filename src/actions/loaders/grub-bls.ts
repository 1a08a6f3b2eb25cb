import { mergeArguments, ownArguments } from '../../formats/boot-line.ts';
import { grubEnvironment } from '../../formats/grub-config.ts';
import type { Host } from '../../host/host.ts';
import { run } from '../run.ts';
import { editedEntry, editedLine, entriesOf, type Loader, type Order, ours, restoreFile } from './loader.ts';

const KERNEL_CMDLINE = '/etc/kernel/cmdline';
const DEFAULT = '/etc/default/grub';
const ENVIRONMENT = '/boot/grub2/grubenv';

/**
 * RHEL, Fedora and what comes from them. grubby knows where each release keeps its line: in the entries, in grubenv
 * (`$kernelopts`, RHEL 8), in /etc/kernel/cmdline for kernels to come. grub2-mkconfig does not reach the entries.
 */
export const grubBls: Loader = {
  files: [],
  noTrial: 'grubby has no entry for one boot only',

  commands: (order) => [grubby(order).join(' ')],

  async write(order, host) {
    await run(host, grubby(order), { timeout: 60_000 });
    // Older versions of grubby leave the line of kernels to come alone.
    const text = host.readText(KERNEL_CMDLINE);
    if (text === undefined) return;
    const { arguments: wanted, retired } = order.after;
    const next = editedLine(text, (line) => mergeArguments(line, wanted, retired));
    if (next !== text) host.replaceFile(KERNEL_CMDLINE, next);
  },

  async takeBack(order, host) {
    const { before } = order;
    for (const [path, old] of Object.entries(before.files)) {
      if (path.endsWith('.conf')) restoreFile(host, path, old, order, editedEntry);
      else if (path === DEFAULT) restoreFile(host, path, old, order, editedDefault);
      else if (path === KERNEL_CMDLINE) restoreFile(host, path, old, order, editedLine);
    }
    await restoreOptions(host, order);
    // Kernels that were installed since.
    for (const { id, path, line, managed } of entriesOf(host)) {
      const text = host.readText(path) ?? '';
      const clean = (options: string) => mergeArguments(options, [], order.after.arguments);
      if (managed && before.lines[id] === undefined && clean(line) !== line)
        host.replaceFile(path, editedEntry(text, clean));
    }
  },
};

async function restoreOptions(host: Host, { before }: Order): Promise<void> {
  const now = grubEnvironment(host.readText(ENVIRONMENT) ?? '').get('kernelopts');
  if (before.options === null || now === before.options) return;
  await run(host, ['grub2-editenv', ENVIRONMENT, 'set', `kernelopts=${before.options}`]);
}

/** Each value that stands there is named, because grubby takes away all of a key or one value. */
function grubby(order: Order): string[] {
  const { after, before } = order;
  const lines = Object.values(before.lines);
  const stale = [...new Set(lines.flatMap((line) => ownArguments(line, ours(order))))];
  return [
    'grubby',
    '--update-kernel=ALL',
    ...(stale.length === 0 ? [] : [`--remove-args=${stale.join(' ')}`]),
    ...(after.arguments.length === 0 ? [] : [`--args=${after.arguments.join(' ')}`]),
  ];
}

/** GRUB_CMDLINE_LINUX="…", which grubby keeps the same. */
function editedDefault(text: string, edit: (line: string) => string): string {
  return text.replace(/^(GRUB_CMDLINE_LINUX=")(.*)(")$/m, (_, head: string, line: string, tail: string) =>
    [head, edit(line), tail].join(''),
  );
}
