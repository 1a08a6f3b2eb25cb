/** Starts QEMU so that it and all that it makes end with this process, whatever ends it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { made } from './cache.ts';
import type { FastGuest } from './guests.ts';
import { qemuArguments } from './hardware.ts';
import { must, say } from './programs.ts';

const QEMU = 'qemu-system-x86_64';
/** Every machine's folder begins so; a runner removes those whose process is gone. */
export const FOLDER_PREFIX = `${tmpdir()}/bypass-setup-lab-`;

export function machineFolder(): string {
  const folder = mkdtempSync(`${FOLDER_PREFIX}${process.pid}-`);
  mkdirSync(`${folder}/exchange`);
  return folder;
}

/**
 * In a network namespace of its own, which holds its taps and goes with it. `--pdeathsig` ends it with this process,
 * also after a kill -9.
 */
export function startQemu(folder: string, args: readonly string[]): ChildProcess {
  const log = openSync(`${folder}/qemu.log`, 'a');
  const script = `ip link set lo up; exec ${QEMU} "$@"`;
  const child = spawn(
    'unshare',
    ['--net', '--', 'setpriv', '--pdeathsig', 'KILL', '--', 'sh', '-c', script, QEMU, ...args],
    { stdio: ['ignore', log, log] },
  );
  closeSync(log);
  return child;
}

export function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });
}

/** Waits for a text on the serial line, for QEMU's end, or for the time to run out. */
async function serialSays(
  child: ChildProcess,
  folder: string,
  text: RegExp,
  milliseconds: number,
): Promise<boolean> {
  const until = Date.now() + milliseconds;
  const said = () =>
    existsSync(`${folder}/serial.log`) && text.test(readFileSync(`${folder}/serial.log`, 'utf8'));
  while (Date.now() < until) {
    if (said()) return true;
    if (child.exitCode !== null || child.signalCode !== null) return said();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return said();
}

/** Boots a new disk with a kernel of ours until it has installed its loader and turned itself off. */
export async function bootOnce(
  disk: string,
  kernel: { image: string; initrd: string; arguments: string },
): Promise<void> {
  const folder = machineFolder();
  try {
    const machinery = { hardware: { iommu: false }, folder, kvm: false, igb: false, noReboot: true };
    const child = startQemu(
      folder,
      qemuArguments({ ...machinery, kernel, disk: { path: disk, format: 'raw' } }),
    );
    const stop = setTimeout(() => child.kill('SIGKILL'), 240_000);
    await ended(child);
    clearTimeout(stop);
    const serial = existsSync(`${folder}/serial.log`) ? readFileSync(`${folder}/serial.log`, 'utf8') : '';
    if (!serial.includes('LAB-IMAGE-BOOTS')) {
      const log = readFileSync(`${folder}/qemu.log`, 'utf8');
      throw new Error(`the boot loader was not installed\n${serial.slice(-4000)}\n${log}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Whether this QEMU has the SR-IOV NIC (from version 8 on). */
export async function hasIgb(): Promise<boolean> {
  return (await must([QEMU, '-device', 'help'])).includes('name "igb"');
}

/**
 * Whether KVM boots a stock kernel here. A /dev/kvm can be there that starts the firmware and no more, so it is tried,
 * once a boot of this machine.
 */
export async function kvmWorks({ image, initrd }: FastGuest): Promise<boolean> {
  if (!existsSync('/dev/kvm')) return false;
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  const answer = await made('kvm', [boot, image], async (path) => {
    const folder = machineFolder();
    try {
      const kernel = { image, initrd, arguments: 'console=ttyS0 panic=-1' };
      const machinery = { hardware: {}, folder, kvm: true, igb: false, noReboot: true };
      const child = startQemu(folder, qemuArguments({ ...machinery, kernel }));
      const works = await serialSays(child, folder, /Linux version/, 10_000);
      child.kill('SIGKILL');
      await ended(child);
      say(works ? 'KVM works here' : 'KVM does not boot a kernel here: guests are emulated');
      mkdirSync(`${path}/${works ? 'yes' : 'no'}`, { recursive: true });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  return existsSync(`${answer}/yes`);
}
