import { startDetached } from '../host/detached.ts';
import { ToolError } from '../host/errors.ts';
import type { Engine } from './engine.ts';
import type { Deadline } from './journal.ts';

/** systemd gives its clients this folder; sd_booted(3). */
const SYSTEMD = '/run/systemd/system';
const PATIENCE = 20_000;

export function deadlineIn(seconds: number, { now, uptime, bootId }: Engine['clock']): Deadline {
  return {
    deadline: new Date(now().getTime() + seconds * 1000).toISOString(),
    uptime: uptime() + seconds,
    bootId,
  };
}

/**
 * Has the run undone at the deadline whatever becomes of this process, its terminal and its ssh connection. What is
 * started reads the deadline from the journal; with systemd it is a timer of process 1, otherwise a process that waits.
 */
export async function arm(engine: Engine, run: string, seconds: number): Promise<void> {
  const { host, self } = engine;
  const command: [string, ...string[]] = [...self, 'undo', run, '--unless-confirmed'];
  if (!hasSystemd(engine)) {
    await startDetached(host.live ? command : [...command, '--root', host.root]);
    return;
  }
  const result = await host.run(
    [
      'systemd-run',
      `--unit=${unit(run)}`,
      `--on-active=${Math.ceil(seconds)}s`,
      '--timer-property=AccuracySec=100ms',
      '--collect',
      '--quiet',
      '--',
      ...command,
    ],
    { timeout: PATIENCE },
  );
  if (result.exitCode !== 0) {
    throw new ToolError('DEAD_MAN_NOT_ARMED', `systemd-run: ${result.stderr.trim()}`, {
      subject: unit(run),
      hint: 'without --confirm-within nothing undoes the run by itself',
    });
  }
}

/** Takes the timer away. The process without systemd looks into the journal every second, and ends by itself. */
export async function disarm(engine: Engine, run: string): Promise<void> {
  if (!hasSystemd(engine)) return;
  try {
    await engine.host.run(['systemctl', 'stop', `${unit(run)}.timer`], { timeout: PATIENCE });
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    // Then it fires, and finds in the journal that there is nothing to do.
  }
}

function unit(run: string): string {
  return `bypass-setup-undo-${run}`;
}

function hasSystemd({ host }: Engine): boolean {
  return host.live && host.stat(SYSTEMD)?.type === 'directory';
}
