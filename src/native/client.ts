import { existsSync, readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { EXIT, ToolError } from '../host/errors.ts';
import { openReadHost } from '../host/node-host.ts';
import { runChild } from './child.ts';
import { accountFiles } from './core-account.ts';
import { findCounters } from './counter-sources.ts';
import { type EalDevice, ealArguments, isInterfaceName } from './eal-arguments.ts';
import { addonStale, type Header } from './figures.ts';
import type { Place } from './gate.ts';
import { addonError, findInstallation, type Installation, requireInstallation } from './installation.ts';
import type { ValidateResult } from './messages.ts';
import { namespaceCommand } from './namespaces.ts';
import { type Cpus, chooseCpus, cpuNotAllowed, statusField } from './poll-cpu.ts';
import { VALIDATOR_ADDRESS, validateResultOf } from './result.ts';
import { openSharedPage } from './shared-page.ts';

/** What to drive packets through. */
type ValidateTarget =
  /** A veth pair in namespaces of its own; the kernel is peer and judge. Needs no NIC and no privilege. */
  | { mode: 'embedded' }
  /** The self-test on a ring in memory. */
  | { mode: 'ring' }
  /** The poll loop alone, on a ring that nobody fills: what disturbs it comes from the host. */
  | { mode: 'quiet' }
  /** A kernel interface. Without an address nothing is answered, only counted and measured. */
  | { mode: 'interface'; iface: string; address?: string }
  /** A NIC that DPDK drives, as the pre-flight of the command line found it. Without an address as above. */
  | { mode: 'port'; port: Port; address?: string };

export interface Port {
  pci: string;
  /** NUMA node of the memory: the NIC's, or the poll loop's where the firmware does not name it. */
  memoryNode: number;
  /** Whether its kernel driver stays, and the interface with it. */
  kernelInterface: boolean;
  /** For the result document. */
  notes: readonly string[];
}

export interface ValidateOptions {
  target: ValidateTarget;
  /** Length of the measured window; 0.2 to 86400. */
  seconds: number;
  /** CPU of the poll loop; by default the last one that this process may use. */
  cpu?: number;
  /** Empty polls per clock reading; 4 by default. 1 measures finest and polls slowest. */
  stride?: 1 | 2 | 4 | 8;
  /** All CPUs that belong to poll loops now: everything but the loops is kept off them. */
  pollCpus?: readonly number[];
  /** Gaps longer than this are counted apart, in nanoseconds. */
  gapLimitNs?: number;
}

/** Figures while the loop runs. */
export interface LiveFigures {
  /** Of the measured window so far. */
  seconds: number;
  polls: number;
  received: number;
  answeredArp: number;
  answeredIcmp: number;
  droppedTx: number;
  /** Longest gap so far, in nanoseconds; 0 while none exceeded the threshold. */
  maxGapNs: number;
}

export interface ValidateHooks {
  signal?: AbortSignal;
  /** Called about ten times a second. */
  onProgress?: (live: LiveFigures) => void;
  /** The window waits until all runs of this gate are set up. */
  gate?: Place | undefined;
  /** Where the bundled child and the addon are; found from this file's own place by default. */
  installation?: Installation;
}

const KERNEL_MODULE_HINT = 'load the kernel module with `modprobe veth`, or use the self-test';

/** Failures of the child that mean "not in this environment", so that the self-test can still show something. */
const NOT_HERE = new Set(['NAMESPACE', 'VETH']);

const CAP_NET_RAW = 13n;

function usage(message: string, subject: string, hint?: string): ToolError {
  return new ToolError('USAGE', message, {
    subject,
    ...(hint === undefined ? {} : { hint }),
    exitCode: EXIT.usage,
  });
}

function checkInterface({ iface, address }: { iface: string; address?: string }): void {
  if (!isInterfaceName(iface)) throw usage('not an interface name', JSON.stringify(iface));
  if (!existsSync(`/sys/class/net/${iface}`)) {
    throw new ToolError('NO_SUCH_INTERFACE', 'there is no such network interface', {
      subject: iface,
      hint: '`bypass-setup probe` lists the interfaces of this host',
      exitCode: EXIT.usage,
    });
  }
  const type = readFileSync(`/sys/class/net/${iface}/type`, 'utf8').trim();
  if (type !== '1') {
    throw new ToolError('NOT_ETHERNET', `its link type is ${type}, not Ethernet (ARPHRD_ETHER)`, {
      subject: iface,
      exitCode: EXIT.usage,
    });
  }
  if (((BigInt(`0x${statusField('CapEff')}`) >> CAP_NET_RAW) & 1n) === 0n) {
    throw new ToolError('NOT_PRIVILEGED', 'polling a kernel interface needs CAP_NET_RAW', {
      subject: iface,
      hint: 'run it as root; `--embedded` needs no privilege',
      exitCode: EXIT.noPrivilege,
    });
  }
  const flags = Number(readFileSync(`/sys/class/net/${iface}/flags`, 'utf8'));
  if (flags % 2 === 0) {
    throw new ToolError('INTERFACE_DOWN', 'the interface is down, so no packet can arrive', {
      subject: iface,
      hint: `ip link set ${iface} up`,
      exitCode: EXIT.differs,
    });
  }
  if (address !== undefined) checkAddress(iface, address);
}

/** The validator answers for an address of its own: one that a host may have, and that nobody here has. */
function checkAddress(device: string, address: string): void {
  if (!isIPv4(address)) throw usage('not an IPv4 address', JSON.stringify(address));
  const first = Number(address.split('.')[0]);
  if (first === 0 || first === 127 || first >= 224) throw usage('no host can have this address', address);
  for (const own of ownAddresses()) {
    const [ip = '', bits = '32'] = own.split('/');
    if (ip === address) {
      throw new ToolError('ADDRESS_IN_USE', `the kernel itself answers for ${address}`, {
        subject: device,
        hint: 'give the validator an unused address of that network',
        exitCode: EXIT.usage,
      });
    }
    const host = 2 ** (32 - Number(bits)) - 1;
    const same = ((ipNumber(ip) ^ ipNumber(address)) & ~host) === 0;
    const part = (ipNumber(address) & host) >>> 0;
    if (host > 1 && same && (part === 0 || part === host)) {
      throw usage(`it is the ${part === 0 ? 'network' : 'broadcast'} address of ${own}`, address);
    }
  }
}

/** The kernel's own list: Node's leaves out interfaces without a link, and the kernel answers for those too. */
function ownAddresses(): string[] {
  const known = openReadHost('/').ask('addresses');
  if ('answer' in known)
    return known.answer.filter(({ family }) => family === 'inet').map(({ address }) => address);
  return Object.values(networkInterfaces()).flatMap((all) =>
    (all ?? []).map(({ cidr, address }) => cidr ?? address),
  );
}

function ipNumber(address: string): number {
  return address.split('.').reduce((sum, octet) => (sum << 8) | Number(octet), 0);
}

/** What must not change while packets are counted: which interface it is, that it is up, and that it kept its link. */
function interfaceState(iface: string): string | undefined {
  try {
    const read = (name: string) => readFileSync(`/sys/class/net/${iface}/${name}`, 'utf8').trim();
    const up = Number(read('flags')) % 2;
    return [read('ifindex'), up, up === 1 ? read('carrier') : 0, read('carrier_down_count')].join(' ');
  } catch {
    return undefined;
  }
}

function live({ words, verdicts }: Header): LiveFigures {
  return {
    seconds: words.tscHz === 0 ? 0 : words.runCycles / words.tscHz,
    polls: words.polls,
    received: words.received,
    answeredArp: verdicts['answered-arp'],
    answeredIcmp: verdicts['answered-icmp'],
    droppedTx: words.droppedTx,
    maxGapNs: words.tscHz === 0 ? 0 : (words.gapMax * 1e9) / words.tscHz,
  };
}

/** The child said why there is no result. */
function failure(
  attempt: Attempt,
  { code, message }: { code: string; message: string },
  subject: string,
  log: string,
): ToolError {
  const words = log.trim().split('\n').slice(-5).join('\n');
  const withHint = { subject, ...(words === '' ? {} : { hint: `DPDK said:\n${words}` }) };
  switch (code) {
    case 'ADDON_LOAD':
      return addonError(attempt.installation, message);
    case 'ADDON_STALE':
      return addonStale();
    case 'PORT_COUNT':
      if (attempt.mode === 'port') return portNotOpened(subject, words);
      return new ToolError(
        'PORT_NOT_OPENED',
        `DPDK started, but it could not open the port (${message})`,
        withHint,
      );
    case 'CPU_NOT_ALLOWED':
      return cpuNotAllowed(attempt.cpus.cpu, message);
    case 'VETH':
      return new ToolError('VETH', message, { subject, hint: KERNEL_MODULE_HINT });
    default:
      return new ToolError(code, message, withHint);
  }
}

/** EAL says nothing where none of its drivers knows the device (pci_probe_all_drivers()). */
function portNotOpened(pci: string, words: string): ToolError {
  const hint = 'its poll-mode driver may not be installed (Debian: librte-meta-net holds them all)';
  return new ToolError(
    'PORT_NOT_OPENED',
    'DPDK started, but none of its drivers knows the device, or the one that does could not open it',
    { subject: pci, hint: words === '' ? hint : `${hint}; DPDK said:\n${words}` },
  );
}

/**
 * Drives packets through the poll loop and says whether they came back right.
 *
 * The loop runs in a child process; when the promise settles, the child and all that it made are gone.
 *
 * @throws ToolError USAGE, NO_SUCH_INTERFACE, NOT_ETHERNET, INTERFACE_DOWN, ADDRESS_IN_USE, NOT_PRIVILEGED,
 *   CPU_NOT_ALLOWED, WORKER_NOT_BUILT, ADDON_NOT_BUILT, ADDON_STALE, DPDK_MISSING, ADDON_LOAD, DISK_FULL,
 *   SHARED_MEMORY, PORT_NOT_OPENED, VALIDATOR_START, VALIDATOR_CRASHED, VALIDATOR_HUNG, INTERRUPTED, or a code of the child's
 *   (EAL_INIT, MEMPOOL, PORT_START, NETLINK, JUDGE, SECCOMP)
 */
export async function validate(options: ValidateOptions, hooks: ValidateHooks = {}): Promise<ValidateResult> {
  const { target, seconds } = options;
  if (!(seconds >= 0.2 && seconds <= 86_400))
    throw usage('the duration must be from 0.2 to 86400 seconds', `${seconds}`);
  if (target.mode === 'interface') checkInterface(target);
  if (target.mode === 'port' && target.address !== undefined) checkAddress(target.port.pci, target.address);
  const cpus = chooseCpus(options.cpu, options.pollCpus);
  const installation = hooks.installation ?? findInstallation();
  requireInstallation(installation);

  const attempt = (mode: Attempt['mode'], prefix: string[], insteadOf?: Attempt['insteadOf']) =>
    run({
      mode,
      prefix,
      options,
      cpus,
      installation,
      hooks,
      ...(insteadOf === undefined ? {} : { insteadOf }),
    });

  if (target.mode !== 'embedded') return attempt(target.mode, []);
  const namespaces = await namespaceCommand();
  if ('forbidden' in namespaces)
    return attempt('ring', [], { mode: 'embedded', because: namespaces.forbidden });
  try {
    return await attempt('embedded', namespaces.argv);
  } catch (error) {
    if (!(error instanceof ToolError && NOT_HERE.has(error.code))) throw error;
    return attempt('ring', [], { mode: 'embedded', because: error.message });
  }
}

function addressOf(target: ValidateTarget): string | null {
  if (target.mode === 'interface' || target.mode === 'port') return target.address ?? null;
  return target.mode === 'quiet' ? null : VALIDATOR_ADDRESS;
}

interface Attempt {
  mode: ValidateResult['mode'];
  /** Set where this is not the mode that was asked for. */
  insteadOf?: { mode: ValidateResult['mode']; because: string };
  prefix: string[];
  options: ValidateOptions;
  cpus: Cpus;
  installation: Installation;
  hooks: ValidateHooks;
}

async function run(attempt: Attempt): Promise<ValidateResult> {
  const { mode, insteadOf, prefix, options, cpus, installation, hooks } = attempt;
  const { target } = options;
  const port = target.mode === 'port' ? target.port : undefined;
  const iface = target.mode === 'interface' ? target.iface : null;
  const kernelDevice = mode === 'embedded' ? 'bypass0' : iface;
  const address = addressOf(target);
  const device: EalDevice | undefined = kernelDevice === null ? port : { iface: kernelDevice };
  const before = iface === null ? undefined : interfaceState(iface);
  const page = openSharedPage();
  const counters = findCounters(cpus.cpu);
  try {
    const { message, log } = await runChild({
      prefix,
      workerPath: installation.workerPath,
      page,
      signal: hooks.signal,
      onTick: () => hooks.onProgress?.(live(page.header())),
      onWaiting: () => hooks.gate?.arrive(() => page.go()),
      config: {
        mode,
        ealArguments: ealArguments({ cpu: cpus.cpu, ...(device === undefined ? {} : { device }) }),
        cpu: cpus.cpu,
        otherCpus: cpus.others,
        files: accountFiles(cpus.cpu),
        counters: counters.readable,
        wait: hooks.gate !== undefined,
        durationMs: Math.round(options.seconds * 1000),
        stride: options.stride ?? 4,
        address: address === null ? [] : address.split('.').map(Number),
        pci: port?.pci ?? '',
        kernelInterface: iface !== null || port?.kernelInterface === true,
        parentPid: process.pid,
        addonPath: installation.addonPath,
      },
    });
    if (message.type === 'failure') {
      throw failure(attempt, message, kernelDevice ?? port?.pci ?? 'ring', log);
    }
    return validateResultOf({
      mode,
      iface: kernelDevice,
      pci: port?.pci ?? null,
      address,
      cpu: cpus.cpu,
      ...(insteadOf === undefined ? {} : { insteadOf }),
      notes: port?.notes ?? [],
      worker: message,
      absentCounters: counters.absent,
      gapLimitNs: options.gapLimitNs,
      figures: page.figures(),
      disturbed: iface !== null && interfaceState(iface) !== before,
    });
  } finally {
    hooks.gate?.leave();
    page.close();
  }
}
