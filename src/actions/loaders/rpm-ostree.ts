import { ownArguments } from '../../formats/boot-line.ts';
import { run } from '../run.ts';
import { entriesOf, type Loader, ours } from './loader.ts';

/** A new deployment is downloaded from nowhere, but written and hard-linked. */
const DEPLOY = 10 * 60_000;

/** rpm-ostree(1), kargs: one call, which makes one deployment; while another transaction runs it fails. */
export const rpmOstree: Loader = {
  files: [],
  onlyDefault: true,
  noTrial: 'rpm-ostree makes the new deployment the default at once',

  commands(order) {
    const line = order.before.lines[order.before.chosen ?? ''] ?? '';
    return [kargs(ownArguments(line, ours(order)), order.after.arguments).join(' ')];
  },

  async write(order, host) {
    const line = order.before.lines[order.before.chosen ?? ''] ?? '';
    await run(host, kargs(ownArguments(line, ours(order)), order.after.arguments), { timeout: DEPLOY });
  },

  async takeBack(order, host) {
    const now = ownArguments(chosenLine(entriesOf(host)), ours(order));
    const was = ownArguments(order.before.lines[order.before.chosen ?? ''] ?? '', ours(order));
    if (now.join(' ') === was.join(' ')) return;
    await run(host, kargs(now, was), { timeout: DEPLOY });
  },
};

export function chosenLine(entries: ReturnType<typeof entriesOf>): string {
  return entries.find(({ isDefault }) => isDefault)?.line ?? '';
}

function kargs(remove: readonly string[], append: readonly string[]): string[] {
  return [
    'rpm-ostree',
    'kargs',
    ...remove.map((text) => `--delete-if-present=${text}`),
    ...append.map((text) => `--append=${text}`),
  ];
}
