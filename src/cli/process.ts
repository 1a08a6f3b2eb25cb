import { uptime } from 'node:os';
import { ACTIONS } from '../actions/index.ts';
import type { Engine } from '../engine/engine.ts';
import { shellWords } from '../formats/shell-words.ts';
import { ToolError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import { openHost } from '../host/node-host.ts';
import { usageError } from './arguments.ts';
import type { Context } from './context.ts';
import { VERSION } from './version.ts';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** While a question stands, a signal does what it always does. */
export type WithSignals = <T>(question: () => T) => T;

/**
 * Does work that changes the host. From here on no signal ends this process: the engine asks whether one came and stops
 * in good order. A closed ssh connection is SIGHUP.
 */
export async function withEngine<T>(
  context: Context,
  work: (engine: Engine, withSignals: WithSignals) => Promise<T>,
): Promise<T> {
  let signal: string | undefined;
  const note = (name: NodeJS.Signals) => {
    signal ??= name;
  };
  const hold = () => SIGNALS.forEach((name) => void process.on(name, note));
  const letGo = () => SIGNALS.forEach((name) => void process.off(name, note));
  hold();
  try {
    return await work(
      engineFor(context, () => signal),
      (question) => {
        letGo();
        try {
          return question();
        } finally {
          hold();
        }
      },
    );
  } finally {
    letGo();
  }
}

function engineFor({ values, now, err }: Context, interrupted: Engine['interrupted']): Engine {
  const { SUDO_USER: sudoUser, SSH_CONNECTION: ssh } = process.env;
  const machine = openHost('/');
  return {
    host: writableHost(values.root ?? '/'),
    actions: ACTIONS,
    tool: VERSION,
    pid: process.pid,
    command: shellWords(['bypass-setup', ...process.argv.slice(2)]),
    who: {
      uid: process.getuid?.() ?? -1,
      ...(sudoUser === undefined ? {} : { sudoUser }),
      ...(ssh === undefined ? {} : { ssh }),
    },
    self: [process.execPath, process.argv[1] ?? ''],
    clock: {
      now,
      // uv_uptime(3) reads CLOCK_BOOTTIME.
      uptime,
      bootId: machine.readText('/proc/sys/kernel/random/boot_id')?.trim() ?? '',
    },
    interrupted,
    say: (sentence) => err(`${sentence}\n`),
  };
}

/** The host as something that can be written to; a recorded one cannot. */
export function writableHost(root: string): Host {
  try {
    return openHost(root);
  } catch (error) {
    if (!(error instanceof ToolError) || error.message !== 'is not a directory') throw error;
    throw usageError(
      `--root ${root}`,
      'is a recorded host, which can be read only',
      'plan, apply --check and undo --list take it; the others take / or a directory',
    );
  }
}
