import { posix } from 'node:path';
import { entryValues, withOptions } from '../../formats/boot-entry.ts';
import { mergeArguments } from '../../formats/boot-line.ts';
import { TRIAL_ENTRY } from '../../formats/own-files.ts';
import { ToolError } from '../../host/errors.ts';
import type { ReadHost } from '../../host/host.ts';
import { removeTrial, TRIAL_FILES, trialLine, writeTrial } from '../boot-trial.ts';
import { putBack } from '../file.ts';
import { run } from '../run.ts';
import { editedEntry, editedLine, entriesOf, type Loader, type Order, restoreFile } from './loader.ts';

const KERNEL_CMDLINE = '/etc/kernel/cmdline';
/** It copies a kernel and an initramfs to the boot partition. */
const INSTALL = 5 * 60_000;

/** kernel-install(8): the line of every entry is made of /etc/kernel/cmdline, for each kernel anew. */
export const systemdBoot: Loader = {
  files: TRIAL_FILES,

  commands(order) {
    if (order.after.trial !== null) {
      return [`# ${TRIAL_ENTRY}.conf: the default entry once more`, ...oneShot(`${TRIAL_ENTRY}.conf`)];
    }
    return [
      `echo '${nextLine(order)}' > ${KERNEL_CMDLINE}`,
      'kernel-install add VERSION KERNEL INITRD   # for each kernel',
    ];
  },

  async write(order, host) {
    const { trial } = order.after;
    if (trial === null) {
      host.replaceFile(KERNEL_CMDLINE, `${nextLine(order)}\n`);
      for (const argv of installs(host)) await run(host, argv, { timeout: INSTALL });
      return;
    }
    const chosen = chosenPath(order.before);
    const path = trialPath(order);
    if (chosen === undefined || path === undefined)
      throw new ToolError('BOOT_ENTRY_MISSING', 'there is no default entry', { subject: TRIAL_ENTRY });
    host.replaceFile(path, trialEntry(host.readText(chosen) ?? '', order));
    const lines = installs(host).map((argv) => `${argv.join(' ')} &&`);
    writeTrial(
      host,
      order,
      `cat >${KERNEL_CMDLINE} <<'BYPASS_SETUP_END' &&\n${nextLine(order)}\nBYPASS_SETUP_END\n  ${lines.join('\n  ')}\n  rm -f ${path} && sync`,
    );
    for (const argv of oneShot(posix.basename(path)).map((line) => line.split(' '))) await run(host, argv);
  },

  async takeBack(order, host) {
    const { before, after } = order;
    const trial = trialPath(order);
    if (after.trial !== null && trial !== undefined) {
      if (host.stat(trial) !== undefined) await run(host, ['bootctl', 'set-oneshot', '']);
      putBack(host, trial, { text: null, mode: null, folders: [] });
    }
    removeTrial(host, order);
    for (const [path, old] of Object.entries(before.files)) {
      if (path.endsWith('.conf') && before.lines[entryId(path)] !== undefined)
        restoreFile(host, path, old, order, editedEntry);
    }
    const line = before.files[KERNEL_CMDLINE];
    if (line !== undefined) {
      if (line.text === null) putBack(host, KERNEL_CMDLINE, line);
      else restoreFile(host, KERNEL_CMDLINE, line, order, editedLine);
    }
    // Kernels that were installed since.
    for (const { id, path, line: options, managed } of entriesOf(host)) {
      const clean = (text: string) => mergeArguments(text, [], after.arguments);
      if (managed && before.lines[id] === undefined && clean(options) !== options)
        host.replaceFile(path, editedEntry(host.readText(path) ?? '', clean));
    }
  },

  left(order, host) {
    const trial = trialPath(order);
    if (order.after.trial !== null && trial !== undefined && host.stat(trial) !== undefined)
      return `${trial} is left over`;
    const line = order.before.files[KERNEL_CMDLINE];
    return line?.text === null && host.stat(KERNEL_CMDLINE) !== undefined
      ? `${KERNEL_CMDLINE} is still there`
      : undefined;
  },
};

const entryId = (path: string) => posix.basename(path, '.conf');

const oneShot = (name: string) => [`bootctl set-oneshot ${name}`];

/** Beside the default entry. */
function trialPath({ before }: Order): string | undefined {
  const chosen = chosenPath(before);
  return chosen && `${posix.dirname(chosen)}/${TRIAL_ENTRY}.conf`;
}

const chosenPath = ({ files, chosen }: Order['before']) =>
  Object.keys(files).find((path) => path.endsWith(`/${chosen}.conf`));

/** Without the file kernel-install takes the line of the running kernel; here it gets that of the default entry. */
function nextLine({ before, after }: Order): string {
  const line = before.files[KERNEL_CMDLINE]?.text ?? before.lines[before.chosen ?? ''] ?? '';
  return mergeArguments(line.trim(), after.arguments, after.retired);
}

/** Debian keeps its kernels in /boot, others beside the modules. */
function installs(host: ReadHost): string[][] {
  const versions = entriesOf(host)
    .filter(({ managed }) => managed)
    .flatMap(({ path }) => entryValues(host.readText(path) ?? '', 'version'));
  return [...new Set(versions)].flatMap((version) => {
    const there = (path: string) => host.stat(path) !== undefined;
    const kernel = [`/boot/vmlinuz-${version}`, `/usr/lib/modules/${version}/vmlinuz`].find(there);
    const initrd = [`/boot/initrd.img-${version}`, `/boot/initramfs-${version}.img`].filter(there);
    return kernel === undefined ? [] : [['kernel-install', 'add', version, kernel, ...initrd]];
  });
}

/** Without a sort key and with the lowest version it comes after every other entry, and is nobody's default. */
function trialEntry(text: string, order: Order): string {
  const lines = text
    .split('\n')
    .filter((line) => !/^\s*(title|version|sort-key|machine-id)\s/.test(line))
    .join('\n');
  return `title bypass-setup: new boot line, tried once\nversion 0\n${withOptions(lines, trialLine(order))}`;
}
