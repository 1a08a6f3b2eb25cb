import { readFileSync } from 'node:fs';
import { ToolError } from '../host/errors.ts';
import { openReadHost } from '../host/node-host.ts';
import { WatchedHost } from '../host/watched-host.ts';
import { identify } from '../probes/identity.ts';
import { observations } from '../probes/index.ts';
import { readServiceAccount } from '../probes/service-account.ts';
import { milliseconds, writeOut } from './stdio.ts';
import type { Message, Task } from './timed-sight.ts';

/**
 * The process that reads the host for a check with a deadline, because a read in the kernel that hangs can be left behind
 * with its process only. The task comes on standard input; what is about to be read and what was found go to standard
 * output, a line of JSON each.
 */
void work(JSON.parse(readFileSync(0, 'utf8')) as Task);

async function work({ root, look, refused, probes, account, patience }: Task): Promise<void> {
  try {
    const host = new WatchedHost(openReadHost(root), refused, (what) => say({ at: what }));
    for (const seen of observations(host, milliseconds, look, probes)) say({ seen });
    if (account !== undefined)
      say({ account: readServiceAccount(host, account.facts, account.user, account.unit) });
    if (patience !== undefined) {
      const identity = await identify(patience);
      if (identity !== undefined) say({ identity });
    }
    say({ done: true });
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    const { code, message, subject, hint, exitCode } = error;
    say({ error: { code, message, ...(subject && { subject }), ...(hint && { hint }), exitCode } });
  }
  // systeminformation may still wait for a program of its own.
  process.exit();
}

function say(message: Message): void {
  writeOut(`${JSON.stringify(message)}\n`);
}
