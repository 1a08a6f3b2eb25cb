import { posix } from 'node:path';
import { NOTICE } from '../formats/own-files.ts';
import { ToolError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import type { Engine } from './engine.ts';
import { type Journal, readRuns } from './journal.ts';
import { JournalHost } from './journal-host.ts';
import { withLock } from './lock.ts';
import { isWaiting } from './recover.ts';

/** systemd gives its clients this folder; sd_booted(3). */
const SYSTEMD = '/run/systemd/system';
const UNIT = '/etc/systemd/system/bypass-setup-resume.service';
/** A drop-in instead of a link in a .wants folder: a file can be taken back byte for byte. */
const WANTS = '/etc/systemd/system/multi-user.target.d/90-bypass-setup-resume.conf';
const HEADER = '# Written by bypass-setup for the run at work; goes with its end.\n';
const FOLDER_TOO = '# The folder multi-user.target.d was made for it.\n';

/**
 * Has `bypass-setup resume` started by the next boot, whatever becomes of this process and the power. It is a net below
 * the run and no part of it: where it cannot be spread, that is said, and the run goes on.
 */
export function spreadResume(engine: Engine, journal: Journal): void {
  const { host, self } = engine;
  if (!hasSystemd(host)) return;
  const journalled = writing(host, journal);
  try {
    const made = host.readText(UNIT)?.includes(FOLDER_TOO) || host.stat(posix.dirname(WANTS)) === undefined;
    journalled.replaceFile(UNIT, `${HEADER}${made ? FOLDER_TOO : ''}${unit(self)}`, 0o644);
    journalled.replaceFile(WANTS, `${HEADER}[Unit]\nWants=${posix.basename(UNIT)}\n`, 0o644);
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    engine.say(`nothing resumes this run after a reboot (${error.message}); type then: bypass-setup resume`);
  }
}

/** Does the work under the lock, and has no boot resume what has come to its end by then. */
export function settled<T>(engine: Engine, work: () => Promise<T>): Promise<T> {
  return withLock(engine, async () => {
    if (engine.host.stat(NOTICE) !== undefined) engine.host.remove(NOTICE);
    try {
      return await work();
    } finally {
      foldResume(engine);
    }
  });
}

/** Takes it away once no run needs it any more. */
function foldResume(engine: Engine): void {
  const { host, clock } = engine;
  if (!host.live) return;
  const journals = readRuns(host, { host, now: clock.now });
  const last = journals.at(-1);
  if (last === undefined) return;
  if (
    journals.some((journal) => journal.outcome === undefined || isWaiting(journal) || needsReboot(journal))
  ) {
    if (hasSystemd(host)) return;
    engine.say('there is no systemd to finish this after a reboot; type then: bypass-setup resume');
    return;
  }
  const text = host.readText(UNIT);
  const folder = posix.dirname(WANTS);
  const there = [
    ...leftovers(host, WANTS),
    WANTS,
    ...(text?.includes(FOLDER_TOO) ? [folder] : []),
    ...leftovers(host, UNIT),
    // Last, because it says whose the folder is.
    UNIT,
  ].filter((path) => host.stat(path) !== undefined);
  const journalled = writing(host, last);
  try {
    for (const path of there) {
      if (path !== folder || host.list(folder)?.length === 0) journalled.remove(path);
    }
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    engine.say(`${UNIT} could not be removed: ${error.message}`);
  }
}

/** What a crash in the middle of `replaceFile` leaves beside the file. */
function leftovers(host: Host, path: string): string[] {
  const folder = posix.dirname(path);
  const names = (host.list(folder) ?? []).filter(
    (name) => name.startsWith(`.${posix.basename(path)}.`) && name.endsWith('.tmp'),
  );
  return names.map((name) => `${folder}/${name}`);
}

/** Whether some of it works only after a reboot, and nobody has looked yet whether it does. */
export function needsReboot({ outcome, header, resumed }: Journal): boolean {
  const reboots = header.plan.changes.some(({ effect }) => effect === 'reboot');
  return outcome === 'applied' && reboots && resumed === undefined;
}

function writing(host: Host, journal: Journal): Host {
  return new JournalHost(host, (command) => journal.tell({ line: 'write', command }));
}

function hasSystemd(host: Host): boolean {
  return host.live && host.stat(SYSTEMD)?.type === 'directory';
}

/** After the network, because a run may have touched it; not before any service, which could wait for it for ever. */
function unit(self: readonly string[]): string {
  return `[Unit]
Description=Finish what bypass-setup began before the reboot
After=network.target bypass-setup.service bypass-setup-hugepages.service

[Service]
Type=oneshot
ExecStart=${[...self, 'resume'].map(quoted).join(' ')}
# Not ready is its result, and no failure of the boot.
SuccessExitStatus=2 3
`;
}

/** systemd.syntax(7) and systemd.service(5), "Command lines": % and $ are its own. */
function quoted(word: string): string {
  const plain = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w@+=:,./%$-]+$/.test(plain) ? plain : `"${plain.replace(/["\\]/g, '\\$&')}"`;
}
