/** A virtual server for tests: boot it, work in it, cut its power, look at its wires. */
import type { ChildProcess } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { Frames } from './frames.ts';
import { diskImage, fastGuest, type Loader, type Suite } from './guests.ts';
import { type Hardware, type Machinery, NICS, type Nic, qemuArguments, SSH_PORT } from './hardware.ts';
import { JsonSocket, NoAnswer } from './json-socket.ts';
import { must, type Outcome, run } from './programs.ts';
import { ended, hasIgb, kvmWorks, machineFolder, startQemu } from './qemu.ts';

export interface MachineOptions {
  /**
   * `fast` starts in some 15 s, shows this host's files below a memory overlay and forgets everything; its kernel
   * arguments are given here. The others boot their own disk through their own loader, and keep what they write.
   */
  readonly guest: 'fast' | Loader;
  /** Debian 12 unless said otherwise; for a disk. */
  readonly suite?: Suite;
  readonly hardware?: Hardware;
  /** For the fast guest. */
  readonly kernelArguments?: string;
}

/** What an emulated boot may take on a busy machine. */
const BOOT_MS = 240_000;
/** Debian 13's kernel says so when the host was too busy, and does not recover. */
const STUCK = /Kernel panic|timer wakeup didn't happen|rcu_sched kthread starved/;
const ATTEMPTS = 3;
/**
 * A guest that was there and is not any more. Emulators lose one now and then; the tests of the lab are tried once more
 * on a new one if they fail with these words (vitest.config.ts), so what a test did to its guest shows all the same.
 */
const LOST = 'the guest is lost';

export class Machine {
  private child: ChildProcess | undefined;
  private agent: JsonSocket | undefined;
  private monitor: JsonSocket | undefined;
  private exchanged = 0;
  private readonly folder: string;
  private machinery: Machinery;
  private readonly sshKey: string | undefined;

  private constructor(folder: string, machinery: Machinery, sshKey: string | undefined) {
    this.folder = folder;
    this.machinery = machinery;
    this.sshKey = sshKey;
  }

  /** Boots on a fresh overlay and waits until programs can be run in it. */
  static async boot(options: MachineOptions): Promise<Machine> {
    const fast = await fastGuest();
    const folder = machineFolder();
    const common = {
      hardware: options.hardware ?? {},
      folder,
      kvm: await kvmWorks(fast),
      igb: await hasIgb(),
    };
    let machine: Machine;
    if (options.guest === 'fast') {
      const words = [
        ...[
          'console=ttyS0',
          'panic=-1',
          'net.ifnames=0',
          `lab.kernel=${fast.folder}`,
          `lab.agent=${fast.agent}`,
        ],
        ...['lab.management=52:54:00:0b:00:01', options.kernelArguments ?? ''],
      ];
      const kernel = { image: fast.image, initrd: fast.initrd, arguments: words.join(' ').trim() };
      machine = new Machine(folder, { ...common, kernel, hostRoot: true, noReboot: true }, undefined);
    } else {
      const { path, key } = await diskImage(options.suite ?? 'bookworm', options.guest);
      const overlay = `${folder}/disk.qcow2`;
      await must(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', path, '-F', 'raw', overlay]);
      let firmware: Machinery['firmware'];
      if (options.guest === 'systemd-boot') {
        copyFileSync('/usr/share/OVMF/OVMF_VARS_4M.fd', `${folder}/variables.fd`);
        firmware = { code: '/usr/share/OVMF/OVMF_CODE_4M.fd', variables: `${folder}/variables.fd` };
      }
      const disk = { path: overlay, format: 'qcow2' as const };
      machine = new Machine(folder, { ...common, disk, ...(firmware ? { firmware } : {}) }, key);
    }
    try {
      await machine.start();
      return machine;
    } catch (error) {
      await machine.stop();
      throw error;
    }
  }

  /** Whether the SR-IOV NIC is there. */
  get hasIgb(): boolean {
    return this.machinery.igb;
  }

  /**
   * Turns it on; `boot` has done so. After `cutPower` it comes up on what its disk has kept, with other hardware if that
   * is given.
   */
  async start(hardware: Hardware = this.machinery.hardware): Promise<void> {
    this.machinery = { ...this.machinery, hardware };
    for (let attempt = 1; ; attempt++) {
      try {
        await this.powerOn();
        return;
      } catch (error) {
        await this.cutPower();
        if (attempt === ATTEMPTS || !STUCK.test(this.serialLog())) throw error;
      }
    }
  }

  private async powerOn(): Promise<void> {
    this.child = startQemu(this.folder, qemuArguments(this.machinery));
    this.monitor = await this.connect('monitor');
    await this.monitor.ask('qmp_capabilities');
    for (const { tap, hostAddress, name } of Object.values(NICS)) {
      if (name === 'igb' && !this.hasIgb) continue;
      await this.onHost(['ip', 'address', 'add', `${hostAddress}/24`, 'dev', tap]);
      await this.onHost(['ip', 'link', 'set', tap, 'up']);
    }
    this.agent = await this.connect('agent');
    await this.answers();
    await this.settled();
  }

  /** The agent starts early; what a test looks at, such as the network, may come after it. */
  private async settled(): Promise<void> {
    if (this.sshKey !== undefined) await this.run('systemctl is-system-running --wait');
  }

  private async connect(name: string): Promise<JsonSocket> {
    for (let tries = 0; tries < 200; tries++) {
      this.mustRun();
      try {
        return await JsonSocket.open(`${this.folder}/${name}`);
      } catch {
        await sleep(100);
      }
    }
    throw new Error(`QEMU does not open its ${name} socket`);
  }

  private async answers(notBoot?: string): Promise<void> {
    const until = Date.now() + BOOT_MS;
    const from = this.serialLog().length;
    while (Date.now() < until) {
      this.mustRun();
      if (STUCK.test(this.serialLog().slice(from))) break;
      try {
        await this.ask('guest-ping', {}, 3000);
        if (notBoot === undefined || (await this.bootId()) !== notBoot) return;
      } catch {
        // Not up yet.
      }
      await sleep(300);
    }
    throw this.lost('it does not come up');
  }

  private mustRun(): void {
    const { child } = this;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) return;
    const log = existsSync(`${this.folder}/qemu.log`) ? readFileSync(`${this.folder}/qemu.log`, 'utf8') : '';
    throw new Error(`QEMU has ended\n${log}${this.serialLog().slice(-3000)}`);
  }

  private async ask(command: string, given: object, timeout?: number): Promise<unknown> {
    if (this.agent === undefined) throw new Error('the machine is off');
    return await this.agent.ask(command, given, timeout);
  }

  private lost(how: string): Error {
    return new Error(`${LOST}: ${how}; its last words:\n${this.serialLog().slice(-3000)}`);
  }

  /** Whether programs can be run in it. */
  async lives(timeout?: number): Promise<boolean> {
    try {
      await this.ask('guest-ping', {}, timeout);
      return true;
    } catch {
      return false;
    }
  }

  /** Runs a shell script as root to its end. `timeout` in milliseconds; then it is killed and the code is 124 or 137. */
  run(script: string, options: { input?: string; timeout?: number } = {}): Promise<Outcome> {
    const outcome = this.runToEnd(script, options);
    // A test that fails while this runs is over; it is not to fail again.
    outcome.catch(() => {});
    return outcome;
  }

  private async runToEnd(script: string, options: { input?: string; timeout?: number }): Promise<Outcome> {
    const timeout = options.timeout ?? 120_000;
    const started = (await this.answer('guest-exec', {
      path: '/usr/bin/timeout',
      arg: ['--kill-after=2', String(Math.ceil(timeout / 1000)), '/bin/sh', '-c', script],
      env: ENVIRONMENT,
      'capture-output': true,
      ...(options.input === undefined ? {} : { 'input-data': Buffer.from(options.input).toString('base64') }),
    })) as { pid: number };
    for (const until = Date.now() + timeout + 60_000; Date.now() < until; await sleep(50)) {
      const status = (await this.answer('guest-exec-status', { pid: started.pid })) as ExecStatus;
      if (!status.exited) continue;
      return {
        code: status.exitcode ?? 128 + (status.signal ?? 0),
        stdout: Buffer.from(status['out-data'] ?? '', 'base64').toString(),
        stderr: Buffer.from(status['err-data'] ?? '', 'base64').toString(),
      };
    }
    throw this.lost(`"${script}" does not end, nor does timeout(1) end it`);
  }

  private async answer(command: string, given: object): Promise<unknown> {
    try {
      return await this.ask(command, given);
    } catch (error) {
      throw error instanceof NoAnswer ? this.lost(error.message) : error;
    }
  }

  /** Runs a script that must succeed; gives what it printed. */
  async must(script: string, options?: { input?: string; timeout?: number }): Promise<string> {
    const { code, stdout, stderr } = await this.run(script, options);
    if (code !== 0) throw new Error(`in the guest, "${script}" ended with ${code}\n${stdout}${stderr}`);
    return stdout;
  }

  /** Copies a file or folder of this host into the guest, as `to`. */
  async copyIn(from: string, to: string): Promise<void> {
    const name = `${this.exchanged++}-${basename(from)}`;
    cpSync(from, `${this.folder}/exchange/${name}`, { recursive: true, preserveTimestamps: true });
    await this.exchange(
      `mkdir -p "$(dirname '${to}')" && cp -a --no-preserve=ownership "$x/${name}" '${to}'`,
    );
    rmSync(`${this.folder}/exchange/${name}`, { recursive: true });
  }

  /** Copies a file or folder of the guest to this host, as `to`. */
  async copyOut(from: string, to: string): Promise<void> {
    const name = `${this.exchanged++}-out`;
    await this.exchange(`cp -a '${from}' "$x/${name}"`);
    cpSync(`${this.folder}/exchange/${name}`, to, { recursive: true });
    rmSync(`${this.folder}/exchange/${name}`, { recursive: true });
  }

  /** Mounted for the copying alone: QEMU saves no state of a guest that has it mounted. */
  private async exchange(script: string): Promise<void> {
    const mount = 'mkdir -p $x && mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 exchange $x';
    await this.must(`x=/run/exchange; ${mount} && { ${script}; code=$?; umount $x; exit $code; }`);
  }

  async bootId(): Promise<string> {
    return (await this.must('cat /proc/sys/kernel/random/boot_id')).trim();
  }

  /** Reboots through the guest's own loader and waits. */
  async reboot(): Promise<void> {
    const before = await this.bootId();
    await this.run('(sleep 0.2; systemctl reboot) >/dev/null 2>&1 &');
    await this.answers(before);
    await this.settled();
  }

  /** As when the plug is pulled: what the guest's kernel had not written to its disk is lost. */
  async cutPower(): Promise<void> {
    this.agent?.close();
    this.monitor?.close();
    this.agent = undefined;
    this.monitor = undefined;
    if (this.child === undefined) return;
    this.child.kill('SIGKILL');
    await ended(this.child);
    this.child = undefined;
  }

  /** Turns it off and removes all that it kept. */
  async stop(): Promise<void> {
    await this.cutPower();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Keeps memory and disk as they are now; not for the fast guest, whose files are this host's, nor for UEFI. */
  snapshot(name: string): Promise<void> {
    return this.command(`savevm ${name}`);
  }

  /** Goes back to a snapshot, in some seconds. Connections that were open on this side then are not open now. */
  async restore(name: string): Promise<void> {
    await this.command(`loadvm ${name}`);
    await this.answers();
  }

  private async command(line: string): Promise<void> {
    const said = await this.monitor?.ask('human-monitor-command', { 'command-line': line }, 300_000);
    if (typeof said === 'string' && said.trim() !== '') throw new Error(`${line}: ${said.trim()}`);
  }

  serialLog(): string {
    const path = `${this.folder}/serial.log`;
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  /** Takes the link of a NIC away, or gives it back: `set_link` of QEMU's monitor. */
  async link(nic: Nic | 'management', up: boolean): Promise<void> {
    await this.monitor?.ask('set_link', { name: nic === 'management' ? 'management-nic' : nic.name, up });
  }

  /** Runs a program of this host in the namespace that holds the other ends of the guest's wires. */
  onHost(argv: readonly [string, ...string[]], timeout = 120_000): Promise<Outcome> {
    this.mustRun();
    return run(['nsenter', '--target', String(this.child?.pid), '--net', '--', ...argv], { timeout });
  }

  /** The same as `run`, over ssh through the management NIC, as an administrator would. */
  ssh(command: string, timeout?: number): Promise<Outcome> {
    return this.onHost(this.sshArguments(command), timeout);
  }

  sshArguments(command?: string): [string, ...string[]] {
    if (this.sshKey === undefined) throw new Error('the fast guest has no ssh');
    const options = [
      'StrictHostKeyChecking=no',
      'UserKnownHostsFile=/dev/null',
      'LogLevel=ERROR',
      'ConnectTimeout=30',
    ];
    return [
      ...(['ssh', '-i', this.sshKey, '-p', String(SSH_PORT)] as [string, ...string[]]),
      ...options.flatMap((option) => ['-o', option]),
      'root@127.0.0.1',
      ...(command === undefined ? [] : [command]),
    ];
  }

  /** Raw frames on the wire of a NIC. */
  frames(nic: Nic): Promise<Frames> {
    return Frames.open(`${this.folder}/${nic.name}.frames`);
  }

  /** What to put before a command of this host so that it sees the other ends of the wires. */
  get enter(): string {
    return `nsenter --target ${this.child?.pid} --net`;
  }

  /** Path of the serial line, for a terminal. */
  get serial(): string {
    return `${this.folder}/serial`;
  }

  /** What helps to understand a failure, as far as the guest still answers. */
  async keepArtefacts(folder: string): Promise<void> {
    mkdirSync(folder, { recursive: true });
    for (const name of ['serial.log', 'qemu.log']) {
      if (existsSync(`${this.folder}/${name}`)) copyFileSync(`${this.folder}/${name}`, `${folder}/${name}`);
    }
    // Where each CPU of a guest that is lost has stopped.
    const registers = await this.monitor
      ?.ask('human-monitor-command', { 'command-line': 'info registers -a' })
      .catch(String);
    writeFileSync(`${folder}/registers`, `${registers}`);
    if (!(await this.lives())) return;
    const questions = {
      'kernel.log': 'dmesg',
      'journal.log': 'journalctl --boot --no-pager',
      'host.tree': 'bypass-setup capture',
      'runs.log': 'head -n 10000 /var/lib/bypass-setup/runs/*/journal.ndjson',
    };
    for (const [name, script] of Object.entries(questions)) {
      try {
        const { stdout, stderr } = await this.run(script, { timeout: 30_000 });
        writeFileSync(`${folder}/${name}`, stdout + stderr);
      } catch (error) {
        writeFileSync(`${folder}/${name}`, `${error}`);
      }
    }
  }
}

interface ExecStatus {
  readonly exited: boolean;
  readonly exitcode?: number;
  readonly signal?: number;
  readonly 'out-data'?: string;
  readonly 'err-data'?: string;
}

const ENVIRONMENT = [
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  'HOME=/root',
  'LANG=C.UTF-8',
  'NO_COLOR=1',
];

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Waits until something holds, looked at several times a second. Fails with what was waited for after `seconds`. */
export async function until(what: string, holds: () => Promise<boolean>, seconds = 120): Promise<void> {
  for (const end = Date.now() + seconds * 1000; !(await holds()); await sleep(300)) {
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`);
  }
}
