/** What DPDK's environment abstraction layer is started with. Typed, so that no text of a user's becomes an option. */
export interface EalOptions {
  /** CPU of the poll loop. */
  cpu: number;
  /** Memory in MiB, from ordinary pages. */
  memoryMiB?: number;
  /** Kernel interface for net_af_packet; without it no device is made. */
  iface?: string;
}

/**
 * The kernel's rule (dev_valid_name(): no '/', no white space, at most 15 octets, not "." or "..") without ':' and ','
 * which mean something to ioctl aliases and to EAL's device arguments.
 */
const INTERFACE_NAME = /^(?!\.{1,2}$)[^\s/:,\p{Cc}]{1,15}$/u;

export function isInterfaceName(name: string): boolean {
  return INTERFACE_NAME.test(name) && Buffer.byteLength(name) <= 15;
}

/** argv for rte_eal_init(). Throws a RangeError for values that a caller should have refused. */
export function ealArguments({ cpu, memoryMiB = 64, iface }: EalOptions): string[] {
  if (!Number.isInteger(cpu) || cpu < 0) throw new RangeError(`not a CPU: ${cpu}`);
  if (!Number.isInteger(memoryMiB) || memoryMiB < 16) throw new RangeError(`too little memory: ${memoryMiB}`);
  if (iface !== undefined && !isInterfaceName(iface)) throw new RangeError(`not an interface name: ${iface}`);
  return [
    'bypass-setup',
    // lcore 0 on that CPU: `-l` would refuse CPUs from RTE_MAX_LCORE on.
    '--lcores',
    `0@${cpu}`,
    '--no-pci',
    // Ordinary pages: the loop must run where no hugepage is configured yet. (--in-memory excludes --no-huge.)
    '--no-huge',
    '-m',
    String(memoryMiB),
    // Nothing for a secondary process: no shared configuration, no telemetry socket.
    '--no-shconf',
    '--no-telemetry',
    '--iova-mode=va',
    '--file-prefix=bypass-setup',
    '--log-level=lib.eal:warning',
    ...(iface === undefined ? [] : ['--vdev', `net_af_packet0,iface=${iface}`]),
  ];
}
