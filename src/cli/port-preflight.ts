import { carriedBy, groupOf } from '../checks/nic.ts';
import { intersect, parseCpuList } from '../formats/cpu-list.ts';
import { FormatError } from '../formats/format-error.ts';
import { available, poolFolder } from '../formats/hugepage-pool.ts';
import { nearest } from '../formats/nearest.ts';
import { BIFURCATED, groupObstacles, interruptsUnderVfio, isUserspace } from '../formats/nic-drivers.ts';
import { parsePciAddress } from '../formats/pci-address.ts';
import { formatSize } from '../formats/size.ts';
import { EXIT, type ExitCode, ToolError } from '../host/errors.ts';
import type { Port } from '../native/client.ts';
import { MEMORY_MIB } from '../native/eal-arguments.ts';
import { pollCpuNear, type UsableCpus } from '../native/poll-cpu.ts';
import type { Facts, HugepagePool, PciFunction } from '../probes/facts.ts';

export interface PortRequest {
  /** As typed. */
  readonly pci: string;
  readonly cpu: number | undefined;
  readonly usable: UsableCpus;
  readonly mayOpen: (path: string) => boolean;
}

/**
 * Whether DPDK can drive this NIC, and from where. Looks before DPDK does, because DPDK says only that it failed. What
 * cannot be read is no reason to refuse: then DPDK's attempt tells.
 *
 * @throws ToolError with the thing, the cause and the remedy
 */
export function preflight(facts: Facts, request: PortRequest): { port: Port; cpu: number } {
  const nic = findNic(facts.pci.networkFunctions, request.pci, facts.iommu);
  const kernelInterface = BIFURCATED.includes(nic.driver.value ?? '');
  if (kernelInterface) checkBifurcated(nic, facts);
  else checkDriver(nic, facts);
  if (nic.driver.value === 'vfio-pci') checkVfio(nic, facts, request.mayOpen);
  else if (!kernelInterface) checkUio(nic, facts, request.mayOpen);
  checkDrivers(nic, facts.stacks.dpdk);

  const nodes = facts.numa.nodes.value ?? [];
  const cpusOf = (node: number) => parseCpuList(nodes.find(({ id }) => id === node)?.cpus ?? '');
  const node = nic.node.value;
  const near = node === undefined ? [] : cpusOf(node);
  const cpu = request.cpu ?? pollCpuNear(near, online(request.usable, facts.cpu.online));
  const cpuNode = nodes.find(({ id }) => cpusOf(id).includes(cpu))?.id;
  const memoryNode = node ?? cpuNode ?? 0;
  checkHugepages(nic, facts.hugepages.pools, memoryNode);

  const far = node !== undefined && cpuNode !== undefined && cpuNode !== node;
  const notes = far
    ? [`CPU ${cpu} is on node ${cpuNode} and the NIC on node ${node}: each packet crosses between them`]
    : [];
  return { port: { pci: nic.address, memoryNode, kernelInterface, notes }, cpu };
}

/** The kernel goes on listing an isolated CPU that was taken offline. */
function online({ allowed, isolated }: UsableCpus, { value }: Facts['cpu']['online']): UsableCpus {
  return { allowed, isolated: value === undefined ? isolated : intersect(isolated, parseCpuList(value)) };
}

function refusal(nic: PciFunction, code: string, exitCode: ExitCode, message: string, hint: string) {
  return new ToolError(code, message, { subject: nic.address, exitCode, hint });
}

function findNic(
  { value: all = [] }: Facts['pci']['networkFunctions'],
  typed: string,
  iommu: Facts['iommu'],
) {
  const address = canonical(typed, all);
  const found = all.find((nic) => nic.address === address);
  if (found !== undefined) return found;
  // The only place that also tells of functions that are no NICs.
  const members = iommu.groups.value?.flatMap((group) => group.members);
  const other = members?.find((member) => member.address === address);
  throw new ToolError(
    'NO_SUCH_NIC',
    other === undefined
      ? 'no network function of this host has this PCI address'
      : `is not a network function: its class is ${other.class}`,
    { subject: address, exitCode: EXIT.usage, hint: nicsLike(address, all) },
  );
}

function canonical(typed: string, all: readonly PciFunction[]): string {
  try {
    return parsePciAddress(typed);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new ToolError('USAGE', error.message, {
      subject: '--port',
      exitCode: EXIT.usage,
      hint: nicsLike(typed, all),
    });
  }
}

function nicsLike(typed: string, all: readonly PciFunction[]): string {
  if (all.length === 0) return 'this host shows no PCI network function; `--embedded` needs none';
  const near = nearest(
    typed,
    all.map((nic) => nic.address),
  );
  const some = all
    .slice(0, 8)
    .map((nic) => `${nic.address} (${nic.interfaces[0] ?? nic.driver.value ?? 'no driver'})`);
  const more = all.length > some.length ? ` and ${all.length - some.length} more` : '';
  return `${near === undefined ? '' : `did you mean ${near}? `}the NICs are ${some.join(', ')}${more}`;
}

function checkDriver(nic: PciFunction, facts: Facts): void {
  const driver = nic.driver.value;
  if (driver === undefined && nic.driver.absent !== 'missing') {
    throw refusal(
      nic,
      'DRIVER_UNKNOWN',
      EXIT.unexpected,
      `which driver has it cannot be read: ${nic.driver.reason}`,
      'run as root, and see the kernel log',
    );
  }
  if (driver === undefined) {
    throw refusal(
      nic,
      'NO_DRIVER',
      EXIT.refused,
      'no driver is bound, so nothing hands it to user space',
      'bind it to vfio-pci first',
    );
  }
  if (isUserspace(driver)) return;
  const { says, free } = carriedBy(nic, facts.network);
  throw refusal(
    nic,
    'KERNEL_DRIVER',
    EXIT.refused,
    `is bound to ${named(nic)}, which the kernel drives; it ${says}`,
    free
      ? 'bind it to vfio-pci first, or use --iface, which leaves it to the kernel'
      : 'choose a NIC that carries nothing and bind it to vfio-pci, or use --iface, which leaves it to the kernel',
  );
}

const named = ({ driver, interfaces }: PciFunction) =>
  `${driver.value}${interfaces.length === 0 ? '' : ` (${interfaces.join(', ')})`}`;

/** Once started such a driver takes all packets for the NIC's MAC address from the kernel (DPDK, nics/mlx5.rst). */
function checkBifurcated(nic: PciFunction, { network, stacks }: Facts): void {
  const { says, free } = carriedBy(nic, network);
  if (!free) {
    throw refusal(
      nic,
      'NIC_IN_USE',
      EXIT.refused,
      `${named(nic)}: it ${says}; DPDK would take its packets from the kernel`,
      'take the addresses and routes off the interface, or use --iface, which takes none',
    );
  }
  if (nic.driver.value === 'mlx5_core' && stacks.mlx5.value?.uverbs.length === 0) {
    throw refusal(
      nic,
      'NO_UVERBS',
      EXIT.differs,
      'stays on mlx5_core, correctly, but /dev/infiniband has no uverbs node, which its poll-mode driver opens',
      'modprobe mlx5_ib, and install rdma-core',
    );
  }
}

function checkVfio(nic: PciFunction, { iommu, userspaceIo }: Facts, mayOpen: PortRequest['mayOpen']): void {
  const id = nic.iommuGroup.value;
  const nodes = userspaceIo.vfioNodes.value?.map(({ path }) => path);
  const unsafe = `/dev/vfio/noiommu-${id}`;
  if (id !== undefined && nodes?.includes(unsafe)) {
    checkNode(nic, unsafe, userspaceIo.holders, mayOpen);
    return;
  }
  if (id === undefined) {
    if (nic.iommuGroup.absent !== 'missing') return;
    throw refusal(
      nic,
      'NO_IOMMU',
      EXIT.differs,
      'is bound to vfio-pci, but in no IOMMU group: the IOMMU is off',
      'turn on VT-d or AMD-Vi in the firmware, or give this virtual machine a virtual IOMMU; on Intel boot with intel_iommu=on',
    );
  }
  const group = groupOf(nic, iommu);
  const offenders = group === undefined ? [] : groupObstacles(group.members);
  if (offenders.length > 0) {
    throw refusal(
      nic,
      'GROUP_NOT_VIABLE',
      EXIT.refused,
      `IOMMU group ${id} is not viable: ${offenders.map((one) => `${one.address} is on ${one.driver}`).join(', ')}`,
      'unbind those functions too, or move the NIC to a slot with a group of its own',
    );
  }
  const path = `/dev/vfio/${id}`;
  if (nodes !== undefined && !nodes.includes(path)) {
    throw refusal(
      nic,
      'VFIO_NODE_MISSING',
      EXIT.differs,
      `is bound to vfio-pci, but ${path} is missing`,
      'reload vfio-pci, or let udev make the node; a container must be given /dev/vfio',
    );
  }
  const type1 = userspaceIo.modules.value?.vfio_iommu_type1;
  if (type1 === 'available' || type1 === 'absent') {
    throw refusal(
      nic,
      'VFIO_TYPE1_MISSING',
      EXIT.differs,
      'vfio_iommu_type1 is not loaded, and without it no IOMMU can be chosen',
      'modprobe vfio_iommu_type1',
    );
  }
  const { allowUnsafeInterrupts } = userspaceIo;
  const interrupts = interruptsUnderVfio(iommu.interruptRemapping.value, allowUnsafeInterrupts.value);
  // The kernel logs "No interrupt remapping support"; DPDK says "failed to select IOMMU type".
  if (interrupts === 'refused') {
    throw refusal(
      nic,
      'NO_INTERRUPT_REMAPPING',
      EXIT.differs,
      'interrupts are not remapped, so vfio refuses the NIC: it could raise any interrupt of this host',
      'turn on interrupt remapping (x2APIC) in the firmware, or in the virtual IOMMU (QEMU: intremap=on), and drop intremap=off from the boot line; ' +
        'or accept that risk: echo Y > /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts',
    );
  }
  checkNode(nic, path, userspaceIo.holders, mayOpen);
}

function checkUio(nic: PciFunction, { userspaceIo }: Facts, mayOpen: PortRequest['mayOpen']): void {
  const node = userspaceIo.uioNodes.value?.find(({ pci }) => pci === nic.address);
  if (node !== undefined) checkNode(nic, node.path, userspaceIo.holders, mayOpen);
}

/** Two processes cannot share a group; uio would let them, and both would drive the same registers. */
function checkNode(
  nic: PciFunction,
  path: string,
  holders: Facts['userspaceIo']['holders'],
  mayOpen: PortRequest['mayOpen'],
): void {
  const held = (holders.value ?? []).filter((holder) => holder.path === path);
  if (held.length > 0) {
    const who = [...new Set(held.map(({ program, pid }) => `${program}[${pid}]`))].join(', ');
    throw refusal(
      nic,
      'NIC_IN_USE',
      EXIT.refused,
      `${path} is held by ${who}`,
      'stop that program, or choose another NIC',
    );
  }
  if (mayOpen(path)) return;
  throw refusal(
    nic,
    'NOT_PRIVILEGED',
    EXIT.noPrivilege,
    `this user may not open ${path}`,
    `run it as root, or give the node to this user: chown USER ${path}`,
  );
}

/** In port mode EAL finds its drivers in this folder and nowhere else. A DPDK in an unusual place is not seen here. */
function checkDrivers(nic: PciFunction, { value: dpdk }: Facts['stacks']['dpdk']): void {
  if (dpdk === undefined || dpdk.drivers !== null) return;
  throw refusal(
    nic,
    'DPDK_NO_DRIVERS',
    EXIT.differs,
    `DPDK ${dpdk.version} is installed without a driver folder`,
    'install its poll-mode drivers (Debian: apt-get install librte-meta-net)',
  );
}

const NEEDED = MEMORY_MIB << 20;
const pagesFor = ({ size }: HugepagePool) => Math.ceil(NEEDED / size);

function checkHugepages(nic: PciFunction, pools: Facts['hugepages']['pools'], node: number): void {
  const near = (pools.value ?? [])
    .filter((pool) => pool.node === null || pool.node === node)
    .sort((a, b) => a.size - b.size);
  if (near.some((pool) => pool.free === null || available(pool) >= pagesFor(pool))) return;
  if (pools.absent !== undefined && pools.absent !== 'missing') return;
  // Not the small ones of arm64, nor larger ones than needed: a host that runs has few of those left to give.
  const pool = near.find(({ size }) => size >= 2 << 20) ?? near[0];
  const state = near.map((one) => `${available(one)} of ${formatSize(one.size)}`).join(', ');
  const needed = near.map((one) => `${pagesFor(one)} of ${formatSize(one.size)}`).join(' or ');
  throw refusal(
    nic,
    'HUGEPAGES_SHORT',
    EXIT.differs,
    pool === undefined
      ? `node ${node} has no hugepages; the port needs ${formatSize(NEEDED)} of them`
      : `node ${node} has too few free hugepages: ${state}; the port needs ${needed}`,
    pool === undefined
      ? 'use a kernel built with CONFIG_HUGETLBFS, or a NIC on a node with memory'
      : `echo ${(pool.total ?? 0) - available(pool) + pagesFor(pool)} > ${poolFolder(pool)}/nr_hugepages`,
  );
}
