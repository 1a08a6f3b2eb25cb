import { mergeArguments, restoreArguments } from '../../formats/boot-line.ts';
import { appendedArguments } from '../../formats/snap-state.ts';
import type { Host, ReadHost } from '../../host/host.ts';
import { run } from '../run.ts';
import { type Loader, ours } from './loader.ts';

/** snapd, overlord/configstate/configcore/kernel.go: for a grade that is `dangerous`; else the gadget must allow them. */
const KEY = 'system.kernel.dangerous-cmdline-append';
const SET = 5 * 60_000;

export const ubuntuCore: Loader = {
  files: [],
  noTrial: 'snapd tries a new boot line by itself, and goes back to the old one when that does not come up',

  commands: ({ after }) => [`snap set system ${KEY}="${after.arguments.join(' ')}"`],

  async write(order, host) {
    const old = appended(host);
    await append(host, mergeArguments(old, order.after.arguments, order.after.retired).trim());
  },

  async takeBack(order, host) {
    const now = appended(host);
    const was = restoreArguments(now, order.before.options ?? '', ours(order)).trim();
    if (now.trim() !== was) await append(host, was);
  },
};

function appended(host: ReadHost): string {
  return appendedArguments(host.readText('/var/lib/snapd/state.json') ?? '');
}

async function append(host: Host, line: string): Promise<void> {
  await run(
    host,
    line === '' ? ['snap', 'unset', 'system', KEY] : ['snap', 'set', 'system', `${KEY}=${line}`],
    {
      timeout: SET,
    },
  );
}
