import { ToolError } from '../host/errors.ts';
import type { Host } from '../host/host.ts';
import { lastLine } from './run.ts';

/** Milliseconds: some drivers load firmware when they are bound or unbound. */
const DEADLINE = 60_000;

/**
 * Writes to an attribute of a device in a child process with a deadline. Binding, unbinding and driver_override take
 * the device's lock (drivers/base/bus.c, drivers/base/driver.c), which a held vfio device keeps for ever: such a write
 * cannot be interrupted, and made by this process it would end every chance to report or to undo. `tee` because every
 * system has it, it makes one write(2) of what it reads, and its error carries the kernel's words (in English).
 */
export async function writeToDevice(host: Host, path: string, value: string): Promise<void> {
  const result = await host.run(['env', 'LC_ALL=C', 'tee', path], {
    input: value === '' ? '\n' : value,
    timeout: DEADLINE,
  });
  if (result.timedOut) {
    throw new ToolError(
      'STUCK_IN_KERNEL',
      `the write of "${value}" did not return within ${DEADLINE / 1000} s`,
      {
        subject: path,
        hint: 'a process holds the device; end it (see /proc/*/fd), and the write completes; else reboot',
      },
    );
  }
  if (result.exitCode !== 0) {
    throw new ToolError('WRITE_REFUSED', `the kernel refused "${value}": ${lastLine(result.stderr)}`, {
      subject: path,
    });
  }
}
