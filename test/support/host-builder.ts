import { posix } from 'node:path';
import { formatCpuList } from '../../src/formats/cpu-list.ts';
import { formatCpuMask } from '../../src/formats/cpu-mask.ts';
import { type ArchiveEntry, printArchive } from '../../src/formats/text-archive.ts';
import type { KernelAnswers } from '../../src/host/host.ts';
import { type Change, changed } from './hosts.ts';

/** Writes the files of a host that nobody has recorded, in the shape in which a kernel would show it. */
export class HostBuilder {
  private entries = new Map<string, ArchiveEntry>();

  set(path: string, change: Exclude<Change, null>): this {
    for (const entry of changed([], { [path]: change })) this.entries.set(entry.path, entry);
    return this;
  }

  /** Files with one line each. */
  lines(folder: string, files: Readonly<Record<string, string | number>>): this {
    for (const [name, value] of Object.entries(files)) this.set(`${folder}/${name}`, `${value}\n`);
    return this;
  }

  /** A symbolic link as sysfs makes them: relative. */
  link(path: string, target: string): this {
    return this.set(path, { link: posix.relative(posix.dirname(path), target) });
  }

  answers(answers: Partial<KernelAnswers>): this {
    for (const [question, answer] of Object.entries(answers)) {
      this.set(`/.kernel/${question}.json`, `${JSON.stringify({ answer }, null, 1)}\n`);
    }
    return this;
  }

  archive(): string {
    return printArchive([...this.entries.values()]);
  }
}

export interface Core {
  readonly cpus: readonly number[];
  readonly package: number;
  readonly core: number;
}

export interface Cache {
  readonly cpus: readonly number[];
  readonly size: string;
}

export function addCpus(host: HostBuilder, cores: readonly Core[], l3: readonly Cache[]): void {
  for (const { cpus, core, package: socket } of cores) {
    for (const cpu of cpus) {
      const folder = `/sys/devices/system/cpu/cpu${cpu}`;
      host.lines(`${folder}/topology`, {
        core_id: core,
        physical_package_id: socket,
        thread_siblings_list: formatCpuList(cpus),
      });
      const cache = l3.find((candidate) => candidate.cpus.includes(cpu));
      if (cache === undefined) continue;
      host.lines(`${folder}/cache/index2`, { level: 2, shared_cpu_list: formatCpuList(cpus), size: '1280K' });
      host.lines(`${folder}/cache/index3`, {
        level: 3,
        shared_cpu_list: formatCpuList(cache.cpus),
        size: cache.size,
      });
    }
  }
}

export interface Node {
  readonly id: number;
  readonly cpus: string;
  readonly distance: string;
  /** kB */
  readonly total: number;
  readonly free: number;
  /** By page size in kB: total and free. */
  readonly hugepages: Readonly<Record<number, readonly [number, number]>>;
}

export function addNode(host: HostBuilder, node: Node): void {
  const folder = `/sys/devices/system/node/node${node.id}`;
  host.lines(folder, { cpulist: node.cpus, distance: node.distance });
  host.set(
    `${folder}/meminfo`,
    `Node ${node.id} MemTotal:       ${node.total} kB\nNode ${node.id} MemFree:        ${node.free} kB\n`,
  );
  for (const [size, [total, free]] of Object.entries(node.hugepages)) {
    host.lines(`${folder}/hugepages/hugepages-${size}kB`, {
      nr_hugepages: total,
      free_hugepages: free,
      surplus_hugepages: 0,
    });
  }
}

export interface PciDevice {
  readonly address: string;
  /** The folders above it in /sys/devices. */
  readonly above: string;
  readonly class: string;
  /** vendor:device */
  readonly id: string;
  readonly subsystem?: string;
  readonly driver?: string;
  readonly override?: string;
  readonly group?: number;
  readonly node?: number;
  readonly localCpus?: string;
  readonly link?: readonly [speed: string, width: number, maxSpeed: string, maxWidth: number];
  readonly config?: Uint8Array;
  readonly errors?: readonly [correctable: number, nonfatal: number, fatal: number];
  readonly sriov?: readonly [total: number, enabled: number];
}

/** Gives the folder of the device. */
export function addPci(host: HostBuilder, device: PciDevice): string {
  const folder = `${device.above}/${device.address}`;
  const [vendor = '', model = ''] = device.id.split(':');
  host.link(`/sys/bus/pci/devices/${device.address}`, folder);
  host.lines(folder, {
    class: device.class,
    vendor: `0x${vendor}`,
    device: `0x${model}`,
    driver_override: device.override ?? '(null)',
    numa_node: device.node ?? -1,
    power_state: 'D0',
    modalias: `pci:v0000${vendor.toUpperCase()}d0000${model.toUpperCase()}`,
  });
  if (device.localCpus !== undefined) host.lines(folder, { local_cpulist: device.localCpus });
  if (device.subsystem !== undefined) {
    const [maker = '', card = ''] = device.subsystem.split(':');
    host.lines(folder, { subsystem_vendor: `0x${maker}`, subsystem_device: `0x${card}` });
  }
  if (device.driver !== undefined) host.link(`${folder}/driver`, `/sys/bus/pci/drivers/${device.driver}`);
  if (device.group !== undefined) {
    const group = `/sys/kernel/iommu_groups/${device.group}`;
    host.link(`${folder}/iommu_group`, group);
    host.link(`${group}/devices/${device.address}`, folder);
  }
  if (device.link !== undefined) {
    const [speed, width, maxSpeed, maxWidth] = device.link;
    host.lines(folder, {
      current_link_speed: speed,
      current_link_width: width,
      max_link_speed: maxSpeed,
      max_link_width: maxWidth,
    });
  }
  if (device.config !== undefined) host.set(`${folder}/config`, device.config);
  if (device.errors !== undefined) {
    const [correctable, nonfatal, fatal] = device.errors;
    host.set(
      `${folder}/aer_dev_correctable`,
      `RxErr ${correctable}\nBadTLP 0\nTOTAL_ERR_COR ${correctable}\n`,
    );
    host.set(`${folder}/aer_dev_nonfatal`, `Undefined 0\nTOTAL_ERR_NONFATAL ${nonfatal}\n`);
    host.set(`${folder}/aer_dev_fatal`, `Undefined 0\nTOTAL_ERR_FATAL ${fatal}\n`);
  }
  if (device.sriov !== undefined) {
    const [total, enabled] = device.sriov;
    host.lines(folder, { sriov_totalvfs: total, sriov_numvfs: enabled, sriov_drivers_autoprobe: 1 });
  }
  return folder;
}

/** A virtual function is linked to its physical one in both directions. */
export function linkVirtualFunction(
  host: HostBuilder,
  physical: string,
  index: number,
  virtual: string,
): void {
  host.link(`${physical}/virtfn${index}`, virtual);
  host.link(`${virtual}/physfn`, physical);
}

export interface ConfigSpace {
  readonly id: string;
  /** Bytes. */
  readonly maxPayload: number;
  readonly maxReadRequest: number;
  /** Link Control, bits 1:0. */
  readonly aspm: number;
  /** 16 hex digits. */
  readonly serial?: string;
}

/** The configuration space of a PCI Express device up to where only zeros follow: header, MSI-X, PCIe, serial number. */
export function configSpace(space: ConfigSpace): Uint8Array {
  const bytes = new Uint8Array(0x120);
  const view = new DataView(bytes.buffer);
  const [vendor = '', device = ''] = space.id.split(':');
  view.setUint16(0, Number.parseInt(vendor, 16), true);
  view.setUint16(2, Number.parseInt(device, 16), true);
  // Status: a capability list exists; its first entry is not the one that is looked for.
  view.setUint16(6, 0x10, true);
  view.setUint8(0x34, 0x70);
  view.setUint8(0x70, 0x11);
  view.setUint8(0x71, 0xa0);
  view.setUint8(0xa0, 0x10);
  const code = (size: number) => Math.log2(size / 128);
  view.setUint32(0xa4, 2, true);
  view.setUint16(0xa8, (code(space.maxPayload) << 5) | (code(space.maxReadRequest) << 12), true);
  view.setUint16(0xb0, space.aspm, true);
  if (space.serial !== undefined) {
    // Advanced error reporting (header alone) first, then the serial number.
    view.setUint32(0x100, 0x1101_0001, true);
    view.setUint32(0x110, 0x0001_0003, true);
    const digits = space.serial.match(/../g) ?? [];
    digits.reverse().forEach((pair, index) => {
      view.setUint8(0x114 + index, Number.parseInt(pair, 16));
    });
  }
  return bytes;
}

export interface Interface {
  readonly name: string;
  readonly index: number;
  readonly address: string;
  /** The folder of the PCI function, or none. */
  readonly device?: string;
  readonly state?: string;
  readonly mtu?: number;
  /** Mbit/s; −1 where the driver does not know. */
  readonly speed?: number;
  readonly queues?: number;
  /** CPUs that steer packets of the first receive and transmit queue. */
  readonly rps?: readonly number[];
  readonly xps?: readonly number[];
  readonly downs?: number;
  readonly type?: string;
  readonly master?: string;
  readonly uppers?: readonly string[];
  readonly lowers?: readonly string[];
}

export function addInterface(host: HostBuilder, net: Interface): void {
  const folder = folderOf(net);
  const state = net.state ?? 'up';
  host.link(`/sys/class/net/${net.name}`, folder);
  host.lines(folder, {
    address: net.address,
    ifindex: net.index,
    mtu: net.mtu ?? 1500,
    operstate: state,
    carrier: state === 'up' ? 1 : 0,
    carrier_down_count: net.downs ?? 0,
    speed: net.speed ?? -1,
    napi_defer_hard_irqs: 0,
    gro_flush_timeout: 0,
    uevent: `${net.type === undefined ? '' : `DEVTYPE=${net.type}\n`}INTERFACE=${net.name}\nIFINDEX=${net.index}`,
  });
  for (let queue = 0; queue < (net.queues ?? 1); queue++) {
    host.lines(`${folder}/queues/rx-${queue}`, {
      rps_cpus: formatCpuMask(queue === 0 ? (net.rps ?? []) : []),
    });
    host.lines(`${folder}/queues/tx-${queue}`, {
      xps_cpus: formatCpuMask(queue === 0 ? (net.xps ?? []) : []),
    });
  }
  if (net.device !== undefined) host.link(`${folder}/device`, net.device);
  // The links to other interfaces go through /sys/class/net, and so need no look at where those are.
  if (net.master !== undefined) host.link(`${folder}/master`, `/sys/class/net/${net.master}`);
  for (const upper of net.uppers ?? []) host.link(`${folder}/upper_${upper}`, `/sys/class/net/${upper}`);
  for (const lower of net.lowers ?? []) host.link(`${folder}/lower_${lower}`, `/sys/class/net/${lower}`);
}

function folderOf(net: Interface): string {
  return `${net.device ?? '/sys/devices/virtual'}/net/${net.name}`;
}

export interface InterruptLine {
  readonly irq: number;
  readonly chip: string;
  readonly action: string;
  readonly cpu: number;
  readonly count: number;
}

export function addInterrupts(
  host: HostBuilder,
  cpus: readonly number[],
  lines: readonly InterruptLine[],
): void {
  const header = `     ${cpus.map((cpu) => `CPU${cpu}`).join(' ')}\n`;
  const rows = lines.map(({ irq, chip, action, cpu, count }) => {
    const counts = cpus.map((column) => (column === cpu ? count : 0)).join(' ');
    return `${irq}: ${counts} ${chip} ${action}\n`;
  });
  const local = `LOC: ${cpus.map(() => 1000).join(' ')} Local timer interrupts\nERR: 0\n`;
  host.set('/proc/interrupts', header + rows.join('') + local);
  for (const { irq, cpu } of lines) {
    host.lines(`/proc/irq/${irq}`, { effective_affinity_list: cpu, smp_affinity_list: formatCpuList(cpus) });
  }
}

export interface Module {
  readonly locator: string;
  readonly bank: string;
  /** 0 for an empty slot. */
  readonly megabytes: number;
  readonly speed: number;
}

/** An SMBIOS table of memory devices (DMTF DSP0134, structure type 17). */
export function smbiosTable(modules: readonly Module[]): Uint8Array {
  const structures = modules.flatMap((module, index) => {
    const body = new Uint8Array(0x28);
    const view = new DataView(body.buffer);
    view.setUint8(0, 17);
    view.setUint8(1, body.length);
    view.setUint16(2, 0x1100 + index, true);
    // From 32 GiB on the size stands in the extended field.
    const extended = module.megabytes > 0x7ffe;
    view.setUint16(0x0c, extended ? 0x7fff : module.megabytes, true);
    view.setUint8(0x10, 1);
    view.setUint8(0x11, 2);
    if (extended) view.setUint32(0x1c, module.megabytes, true);
    view.setUint16(0x20, module.speed, true);
    return [...body, ...new TextEncoder().encode(`${module.locator}\0${module.bank}\0\0`)];
  });
  return Uint8Array.from([...structures, 127, 4, 0xfe, 0xff, 0, 0]);
}

export interface Socket {
  readonly protocol?: 'tcp' | 'udp';
  /** Address and port, `192.0.2.1:22` or `[2001:db8::1]:22`. */
  readonly local: string;
  /** Nothing for a socket that listens. */
  readonly remote?: string;
}

/** The four tables of sockets, as net/ipv4/tcp_ipv4.c and its siblings print them. */
export function addSockets(host: HostBuilder, sockets: readonly Socket[]): void {
  for (const protocol of ['tcp', 'udp'] as const) {
    for (const family of [4, 6] as const) {
      const own = sockets.filter(
        (socket) =>
          (socket.protocol ?? 'tcp') === protocol && (socket.local.startsWith('[') ? 6 : 4) === family,
      );
      const rows = own.map(({ local, remote }, index) => {
        const nobody = family === 6 ? '[::]:0' : '0.0.0.0:0';
        const state = remote === undefined ? (protocol === 'tcp' ? '0A' : '07') : '01';
        return `   ${index}: ${socketEnd(local)} ${socketEnd(remote ?? nobody)} ${state} 00000000:00000000 00:00000000 00000000     0        0 ${1000 + index} 1 0000000000000000 100 0 0 10 0\n`;
      });
      const header =
        '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
      host.set(`/proc/net/${protocol}${family === 6 ? '6' : ''}`, header + rows.join(''));
    }
  }
}

/** Words of 32 bits in the order of a little-endian processor. */
function socketEnd(text: string): string {
  const [, address = '', port = ''] = /^\[?([^\]]*)\]?:(\d+)$/.exec(text) ?? [];
  const mapped = /^::ffff:(.*\..*)$/.exec(address)?.[1];
  const quad = (dotted: string) =>
    dotted.split('.').map((part) => Number(part).toString(16).padStart(2, '0'));
  const bytes =
    mapped !== undefined
      ? [...new Array<string>(10).fill('00'), 'ff', 'ff', ...quad(mapped)]
      : address.includes(':')
        ? (groupsOf(address).join('').match(/../g) ?? [])
        : quad(address);
  const words = Array.from({ length: bytes.length / 4 }, (_, word) => bytes.slice(word * 4, word * 4 + 4));
  const hex = words.map((word) => word.reverse().join('')).join('');
  return `${hex}:${Number(port).toString(16).padStart(4, '0')}`.toUpperCase();
}

function groupsOf(address: string): string[] {
  const [head = '', tail] = address.split('::').map((half) => half.split(':').filter(Boolean).join(':'));
  const before = head.split(':').filter(Boolean);
  const after = (tail ?? '').split(':').filter(Boolean);
  const zeros = new Array<string>(8 - before.length - after.length).fill('0');
  return [...before, ...zeros, ...after].map((group) => group.padStart(4, '0'));
}

/** The processor as the kernel describes it, and its clock. */
export function addXeon(host: HostBuilder, model: string): void {
  host.set(
    '/proc/cpuinfo',
    [
      'processor\t: 0',
      'vendor_id\t: GenuineIntel',
      `model name\t: ${model}`,
      'microcode\t: 0xd0003d1',
      'flags\t\t: fpu msr apic constant_tsc aperfmperf x2apic nonstop_tsc pdpe1gb hwp tsc_known_freq',
      '',
    ].join('\n'),
  );
  host.lines('/sys/devices/system/clocksource/clocksource0', {
    current_clocksource: 'tsc',
    available_clocksource: 'tsc hpet acpi_pm ',
  });
  host.lines('/sys/devices/system/machinecheck/machinecheck0', { check_interval: 300 });
}

export function addIommuUnits(host: HostBuilder, units: readonly string[]): void {
  for (const unit of units) {
    host.link(`/sys/class/iommu/${unit}`, `/sys/devices/virtual/iommu/${unit}`);
    host.set(`/sys/devices/virtual/iommu/${unit}`, 'a folder');
  }
}

/** Of who looks: root, logged in. */
export function addLogin(host: HostBuilder): void {
  host.lines('/proc/self', {
    cgroup: '0::/user.slice/user-0.slice/session-3.scope',
    limits:
      'Limit                     Soft Limit           Hard Limit           Units\n' +
      'Max locked memory         unlimited            unlimited            bytes',
  });
}
