import { ownArguments } from '../../formats/boot-line.ts';
import { OWN } from '../../formats/own-files.ts';
import { bootMemory } from '../../plan/boot-arguments.ts';
import { refused, run } from '../run.ts';
import { entriesOf, type Loader, type Order, ours } from './loader.ts';
import { chosenLine } from './rpm-ostree.ts';

/** bootc-loader-entries(8): arguments by source, of which this is ours; those of other sources are not ours to replace. */
const SOURCE = 'bypass-setup';

export const bootc: Loader = {
  files: [],
  onlyDefault: true,
  noTrial: 'bootc makes the new deployment the default at once',

  refuse({ bootLoader }, order) {
    const line = chosenLine(bootLoader.entries.value ?? []);
    const known = [...earlier(order), ...order.after.arguments];
    // One of ours that stands twice has a source that we cannot change, too.
    const foreign = ownArguments(line, ours(order)).filter(
      (text, index, all) => !known.includes(text) || all.indexOf(text) !== index,
    );
    if (foreign.length === 0) return;
    throw refused(
      'BOOT_ARGUMENT_OF_OTHERS',
      foreign.join(' '),
      'the image or another source gives this argument, and bootc replaces none but our own',
      'take it out of /usr/lib/bootc/kargs.d in the image',
    );
  },

  commands: (order) => [setOptions(added(order.after.memory.text)).join(' ')],

  async write({ after }, host) {
    await run(host, setOptions(added(after.memory.text)), { timeout: 10 * 60_000 });
  },

  async takeBack(order, host) {
    const now = ownArguments(chosenLine(entriesOf(host)), ours(order));
    if (now.join(' ') === earlier(order).join(' ')) return;
    await run(host, setOptions(earlier(order)), { timeout: 10 * 60_000 });
  },
};

/** What this source said before. */
function earlier({ before }: Order): readonly string[] {
  return added(before.files[OWN.bootArguments]?.text ?? null);
}

/** What the image gives is not given twice. */
function added(text: string | null): readonly string[] {
  if (text === null) return [];
  return bootMemory({ [OWN.bootArguments]: { value: { text, mode: 0 }, from: '' } })?.added ?? [];
}

function setOptions(words: readonly string[]): string[] {
  const argv = ['bootc', 'loader-entries', 'set-options-for-source', '--source', SOURCE];
  return words.length === 0 ? argv : [...argv, '--options', words.join(' ')];
}
