import { isPciAddress } from '../formats/pci-address.ts';

/** What DPDK's environment abstraction layer is started with. Typed, so that no text of a user's becomes an option. */
export interface EalOptions {
  /** CPU of the poll loop. */
  cpu: number;
  /** Without one no device is made. */
  device?: EalDevice;
}

export type EalDevice =
  /** A kernel interface, driven by net_af_packet. */
  | { iface: string }
  /** A PCI function, with hugepages of this NUMA node. */
  | { pci: string; memoryNode: number };

/** In MiB. A poll-mode driver's packet buffers alone take tens of them (DPDK, linux_gsg/sys_reqs.rst). */
export const MEMORY_MIB = 64;

/**
 * The kernel's rule (dev_valid_name(): no '/', no white space, at most 15 octets, not "." or "..") without ':' and ','
 * which mean something to ioctl aliases and to EAL's device arguments.
 */
const INTERFACE_NAME = /^(?!\.{1,2}$)[^\s/:,\p{Cc}]{1,15}$/u;

export function isInterfaceName(name: string): boolean {
  return INTERFACE_NAME.test(name) && Buffer.byteLength(name) <= 15;
}

/** argv for rte_eal_init(). Throws a RangeError for values that a caller should have refused. */
export function ealArguments({ cpu, device }: EalOptions): string[] {
  if (!isIndex(cpu)) throw new RangeError(`not a CPU: ${cpu}`);
  return [
    'bypass-setup',
    // lcore 0 on that CPU: `-l` would refuse CPUs from RTE_MAX_LCORE on.
    '--lcores',
    `0@${cpu}`,
    // Nothing for a secondary process: no telemetry socket, and below no shared configuration either.
    '--no-telemetry',
    '--file-prefix=bypass-setup',
    '--log-level=lib.eal:warning',
    ...(device !== undefined && 'pci' in device ? portArguments(device) : softwareArguments(device)),
  ];
}

function softwareArguments(device: { iface: string } | undefined): string[] {
  if (device !== undefined && !isInterfaceName(device.iface))
    throw new RangeError(`not an interface name: ${device.iface}`);
  return [
    '--no-pci',
    // Ordinary pages: the loop must run where no hugepage is configured yet. (--in-memory excludes --no-huge.)
    '--no-huge',
    '-m',
    String(MEMORY_MIB),
    '--no-shconf',
    '--iova-mode=va',
    ...(device === undefined ? [] : ['--vdev', `net_af_packet0,iface=${device.iface}`]),
  ];
}

function portArguments({ pci, memoryNode }: { pci: string; memoryNode: number }): string[] {
  if (!isPciAddress(pci)) throw new RangeError(`not a PCI address: ${pci}`);
  if (!isIndex(memoryNode)) throw new RangeError(`not a NUMA node: ${memoryNode}`);
  return [
    '--allow',
    pci,
    // Hugepages without a file in a hugetlbfs mount; implies --no-shconf.
    '--in-memory',
    // Even so EAL would lock each such mount and delete what a crashed application left there (clear_hugedir() in
    // lib/eal/linux/eal_hugepage_info.c). A folder that cannot exist takes the mounts out of its sight.
    '--huge-dir',
    '/proc/no-hugetlbfs',
    // One amount for each node, from node 0 on (eal_parse_socket_arg()).
    '--socket-mem',
    [...Array.from({ length: memoryNode }, () => 0), MEMORY_MIB].join(','),
  ];
}

const isIndex = (value: number): boolean => Number.isInteger(value) && value >= 0;
