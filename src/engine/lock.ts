import { EXIT, errnoText, HostError, ToolError } from '../host/errors.ts';
import type { Host, Lock } from '../host/host.ts';
import type { Engine } from './engine.ts';

/** flock(2) on a file: the kernel ends it with its holder, so that no lock is ever stale. The text names the holder. */
export const LOCK_FILE = '/run/bypass-setup.lock';

/** The winner writes its name a moment after it has the lock. */
const LOOKS = 20;
const LOOK_MS = 10;

/** Does the work while no other run can. */
export async function withLock<T>(engine: Engine, work: () => Promise<T>): Promise<T> {
  const lock = await take(engine);
  if (lock === undefined) {
    throw new ToolError('LOCKED', `another run is at work: ${await holder(engine.host)}`, {
      subject: LOCK_FILE,
      exitCode: EXIT.locked,
      hint: 'try again when it has ended',
    });
  }
  try {
    return await work();
  } finally {
    lock.release();
  }
}

async function take({ host, pid, command, clock }: Engine): Promise<Lock | undefined> {
  const text = JSON.stringify({ pid, command, since: clock.now().toISOString() });
  try {
    return await host.lock(LOCK_FILE, `${text}\n`);
  } catch (error) {
    if (!(error instanceof HostError) || error.exitCode !== EXIT.noPrivilege) throw error;
    throw new ToolError('LOCK_DENIED', `cannot be locked: ${errnoText(error.cause)}`, {
      subject: LOCK_FILE,
      exitCode: EXIT.noPrivilege,
      hint: 'run it as root',
    });
  }
}

async function holder(host: Host): Promise<string> {
  for (let look = 0; look < LOOKS; look++) {
    const text = host.readText(LOCK_FILE) ?? '';
    if (text.endsWith('\n')) return describe(text);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return 'a process that has not given its name';
}

function describe(text: string): string {
  try {
    const { pid, command, since } = JSON.parse(text) as Record<string, unknown>;
    return `process ${pid} (${command}), since ${since}`;
  } catch {
    return JSON.stringify(text.trim());
  }
}
