import { mergeArguments } from '../../formats/boot-line.ts';
import type { Host } from '../../host/host.ts';
import { editedLine, type Loader, type Order, restoreFile } from './loader.ts';

/** The firmware reads one line of cmdline.txt and no comments; there is no tool. */
export const raspberryPi: Loader = {
  files: [],
  noTrial: 'the firmware tries one boot line once only with a second boot partition (tryboot)',

  commands: (order) =>
    cmdlines(order).map((path) => `sed -i '1s/$/ ${order.after.arguments.join(' ')}/' ${path}`),

  async write(order, host) {
    const { arguments: wanted, retired } = order.after;
    edit(order, host, (text) => editedLine(text, (line) => mergeArguments(line, wanted, retired)));
  },

  async takeBack(order, host) {
    for (const path of cmdlines(order)) {
      const before = order.before.files[path];
      if (before !== undefined) restoreFile(host, path, before, order, editedLine);
    }
  },
};

function edit(order: Order, host: Host, change: (text: string) => string): void {
  for (const path of cmdlines(order)) {
    const text = host.readText(path);
    if (text !== undefined) host.replaceFile(path, change(text));
  }
}

function cmdlines({ before }: Order): string[] {
  return Object.keys(before.files).filter((path) => path.endsWith('/cmdline.txt'));
}
