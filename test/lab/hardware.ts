/** The guest's hardware, as arguments of QEMU. Pure. */

/** What a test may choose; the rest is the same for all. */
export interface Hardware {
  /** An emulated VT-d; on by default. */
  readonly iommu?: boolean;
  /** Without it vfio refuses; on by default. */
  readonly interruptRemapping?: boolean;
  /** Whether shared1 is at the other end of the wire of the e1000e too; off by default. */
  readonly sharedWire?: boolean;
  /** Another slot for the NIC at 0000:00:05.0, as after a change of cards. */
  readonly e1000eSlot?: number;
}

export interface Nic {
  readonly name: 'e1000e' | 'virtio' | 'igb' | 'shared0' | 'shared1';
  readonly pci: string;
  readonly mac: string;
  /** As sysfs says it; -1 for a device of the root bus. */
  readonly node: number;
  /** The driver that Linux gives it. */
  readonly driver: string;
  /** The other end of its wire, in the machine's network namespace on this host. */
  readonly tap: string;
  readonly hostAddress: string;
  /** An address of that network that nobody has. */
  readonly guestAddress: string;
}

function nic(index: number, name: Nic['name'], pci: string, node: number, driver: string): Nic {
  return {
    name,
    pci,
    node,
    driver,
    mac: `52:54:00:0b:00:0${index}`,
    tap: `tap${index}`,
    hostAddress: `198.18.${index}.1`,
    guestAddress: `198.18.${index}.2`,
  };
}

/** Carries ssh and the default route. */
export const MANAGEMENT = { pci: '0000:00:02.0', mac: '52:54:00:0b:00:01', address: '10.0.2.15' } as const;
/** Where ssh answers, in the machine's network namespace on this host. */
export const SSH_PORT = 2222;

export const NICS = {
  e1000e: nic(2, 'e1000e', '0000:00:05.0', -1, 'e1000e'),
  /** Below an expander bridge of node 1, in an IOMMU group of its own. */
  virtio: nic(3, 'virtio', '0000:81:00.0', 1, 'virtio-pci'),
  /** Below a root port; has virtual functions. Only with QEMU 8 or later. */
  igb: nic(4, 'igb', '0000:01:00.0', -1, 'igb'),
  /** Below a bridge to conventional PCI, which makes them and the bridge one IOMMU group. */
  shared0: nic(5, 'shared0', '0000:02:01.0', -1, 'e1000'),
  shared1: nic(6, 'shared1', '0000:02:02.0', -1, 'e1000'),
} as const satisfies Record<string, Nic>;

/** CPUs 0-1 and 1536 MiB are node 0, CPUs 2-3 and as much are node 1; 21 apart. */
const NODE_MEGABYTES = 1536;

export interface Machinery {
  readonly hardware: Hardware;
  /** Holds the sockets, the serial log and the exchange folder of this machine. */
  readonly folder: string;
  readonly kvm: boolean;
  /** Whether this QEMU has the SR-IOV NIC. */
  readonly igb: boolean;
  readonly disk?: { readonly path: string; readonly format: 'raw' | 'qcow2' };
  readonly firmware?: { readonly code: string; readonly variables: string };
  /** A kernel that QEMU loads; without one the disk's own boot loader runs. */
  readonly kernel?: { readonly image: string; readonly initrd: string; readonly arguments: string };
  /** Whether the guest may see this host's files, read-only. */
  readonly hostRoot?: boolean;
  /** For a guest that must come up once only. */
  readonly noReboot?: boolean;
}

export function qemuArguments(machinery: Machinery): string[] {
  const { hardware, folder, kvm, igb, disk, firmware, kernel } = machinery;
  const iommu = hardware.iommu ?? true;
  const devices = (...list: string[]) => list.flatMap((device) => ['-device', device]);
  const hub = (name: string, tap: string) =>
    hardware.sharedWire && name === 'shared1' ? NICS.e1000e.tap.slice(3) : tap.slice(3);
  const wire = ({ name, tap }: Nic) => [
    ...['-netdev', `tap,id=${name}-tap,ifname=${tap},script=no,downscript=no`],
    // Raw frames for tests, beside the kernel's own traffic on the tap.
    ...['-netdev', `stream,id=${name}-raw,server=on,addr.type=unix,addr.path=${folder}/${name}.frames`],
    ...['tap', 'raw'].flatMap((end) => [
      '-netdev',
      `hubport,id=${name}-${end}-port,hubid=${hub(name, tap)},netdev=${name}-${end}`,
    ]),
    ...['-netdev', `hubport,id=${name}-port,hubid=${hub(name, tap)}`],
  ];
  const plug = ({ name, mac }: Nic, model: string, place: string) =>
    `${model},id=${name},netdev=${name}-port,mac=${mac},${place}`;
  const wired = Object.values(NICS).filter((each) => igb || each.name !== 'igb');
  // What a virtio device needs to have its memory translated, as vfio-pci demands.
  const translated = iommu ? ',iommu_platform=on,disable-legacy=on,ats=on' : '';
  return [
    ...['-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-machine', `q35,hpet=off${kvm && iommu ? ',kernel-irqchip=split' : ''}`],
    ...(kvm ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi', '-cpu', 'max']),
    ...['-smp', '4,sockets=2,cores=2,threads=1', '-m', `${2 * NODE_MEGABYTES}`],
    ...[0, 1].flatMap((node) => [
      ...['-object', `memory-backend-ram,id=memory${node},size=${NODE_MEGABYTES}M`],
      ...['-numa', `node,nodeid=${node},cpus=${2 * node}-${2 * node + 1},memdev=memory${node}`],
    ]),
    ...['-numa', 'dist,src=0,dst=1,val=21'],
    ...(iommu
      ? devices(
          `intel-iommu,intremap=${(hardware.interruptRemapping ?? true) ? 'on' : 'off'},caching-mode=on,device-iotlb=on`,
        )
      : []),
    ...['-chardev', `socket,id=monitor,path=${folder}/monitor,server=on,wait=off`],
    ...['-mon', 'chardev=monitor,mode=control'],
    ...[
      '-chardev',
      `socket,id=serial,path=${folder}/serial,server=on,wait=off,logfile=${folder}/serial.log,logappend=on`,
    ],
    ...['-serial', 'chardev:serial'],
    ...['-netdev', `user,id=management,restrict=on,hostfwd=tcp:127.0.0.1:${SSH_PORT}-:22`],
    // Every device has a place of its own, or QEMU might plug it into the expander bridge.
    ...devices(
      `virtio-net-pci,id=management-nic,netdev=management,mac=${MANAGEMENT.mac},bus=pcie.0,addr=2`,
      'virtio-serial-pci,id=channels,bus=pcie.0,addr=4',
    ),
    ...['-chardev', `socket,id=agent,path=${folder}/agent,server=on,wait=off`],
    ...devices('virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0'),
    ...['-fsdev', `local,id=exchange,path=${folder}/exchange,security_model=none,multidevs=remap`],
    ...devices('virtio-9p-pci,fsdev=exchange,mount_tag=exchange,bus=pcie.0,addr=6'),
    ...(machinery.hostRoot
      ? [
          ...['-fsdev', 'local,id=hostroot,path=/,security_model=none,readonly=on,multidevs=remap'],
          ...devices('virtio-9p-pci,fsdev=hostroot,mount_tag=hostroot,bus=pcie.0,addr=7'),
        ]
      : []),
    ...(disk
      ? [
          ...[
            '-drive',
            `if=none,id=disk,file=${disk.path},format=${disk.format},cache=writeback,discard=unmap`,
          ],
          ...devices('virtio-blk-pci,drive=disk,bus=pcie.0,addr=3,bootindex=1'),
        ]
      : []),
    ...(firmware
      ? [
          ...['-drive', `if=pflash,unit=0,format=raw,readonly=on,file=${firmware.code}`],
          ...['-drive', `if=pflash,unit=1,format=raw,file=${firmware.variables}`],
        ]
      : []),
    ...(kernel ? ['-kernel', kernel.image, '-initrd', kernel.initrd, '-append', kernel.arguments] : []),
    ...(machinery.noReboot ? ['-no-reboot'] : []),
    ...wired.flatMap(wire),
    ...devices(
      'pcie-root-port,id=port0,bus=pcie.0,addr=8,chassis=1',
      'pxb-pcie,id=expander,bus=pcie.0,addr=9,bus_nr=128,numa_node=1',
      'pcie-root-port,id=port1,bus=expander,chassis=2,slot=1',
      plug(NICS.e1000e, 'e1000e', `bus=pcie.0,addr=0x${(hardware.e1000eSlot ?? 5).toString(16)}`),
      plug(NICS.virtio, `virtio-net-pci${translated}`, 'bus=port1'),
      ...(igb ? [plug(NICS.igb, 'igb', 'bus=port0')] : []),
      'pcie-pci-bridge,id=conventional,bus=pcie.0,addr=0xa',
      plug(NICS.shared0, 'e1000', 'bus=conventional,addr=1'),
      plug(NICS.shared1, 'e1000', 'bus=conventional,addr=2'),
    ),
  ];
}
