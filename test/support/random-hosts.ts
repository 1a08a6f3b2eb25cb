import * as fc from 'fast-check';
import { parseArchive } from '../../src/formats/text-archive.ts';
import type { ResolvedNic, ResolvedProfile, UserspaceDriver } from '../../src/profile/resolved.ts';
import { addLoader, type LoaderName } from './boot-loaders.ts';
import { addInterface, addPci, configSpace, HostBuilder } from './host-builder.ts';
import { KernelSimulator } from './kernel-simulator.ts';

const RELEASE = '6.1.0-28-amd64';
const SERIAL = '00-11-22-ff-ff-33-44-0';

interface RandomNic {
  readonly driver: 'e1000e' | 'i40e' | 'igb' | 'mlx5_core' | 'sfc' | 'none' | 'vfio-pci';
  readonly serial: boolean;
  readonly override: 'nothing' | 'own' | 'vfio-pci';
  readonly up: boolean;
  readonly mtu: 1500 | 9000;
  readonly addresses: boolean;
  readonly bond: boolean;
  readonly wanted: UserspaceDriver | null | 'not in the profile';
  readonly sriov: boolean;
  /** Of each wanted virtual function: what is set and where it goes. */
  readonly vfs: readonly { readonly settings: boolean; readonly driver: 'vfio-pci' | null }[];
}

interface RandomPool {
  readonly total: number;
  readonly used: number;
  /** Of the used ones; they are there only as long as they are used. */
  readonly surplus: number;
  /** Pages that the profile asks for; 0: it does not speak of them. */
  readonly wanted: number;
}

export interface RandomHost {
  readonly nics: readonly RandomNic[];
  readonly iommu: boolean;
  readonly loaded: readonly ('vfio' | 'vfio_pci' | 'vfio_iommu_type1')[];
  readonly managers: readonly ('NetworkManager' | 'systemd-networkd')[];
  readonly initramfs: 'none' | 'mkinitramfs' | 'dracut';
  readonly service: boolean;
  readonly persistent: boolean;
  readonly foreign: boolean;
  readonly kernelNames: boolean;
  readonly sharedGroup: boolean;
  readonly remapping: boolean;
  readonly lockdown: boolean;
  /** The NICs are the ports of one card. */
  readonly twins?: boolean;
  readonly pages: {
    /** Of each of two nodes, in pages of 2M and of 1G. */
    readonly pools: readonly RandomPool[];
    readonly mounted: boolean;
    readonly atBoot: boolean;
    readonly pieces: { readonly first: number; readonly compacted: number; readonly dropped: number };
    /** GiB of each node, all of them free. */
    readonly memory: number;
    /** A folder where one would be mounted. */
    readonly folder: boolean;
  };
  readonly systemd: boolean;
  /** A process holds every vfio group that there is. */
  readonly held: boolean;
  /** The boot line can be written, and the profile allows no NIC without an IOMMU. */
  readonly boot?: {
    readonly loader: LoaderName;
    readonly line: string;
    readonly vendor: string;
    /** Of the firmware; none: it shows no tables at all. */
    readonly table: 'DMAR' | 'IVRS' | 'FACP' | 'none';
  };
}

const seldom = fc.oneof({ weight: 7, arbitrary: fc.constant(false) }, fc.constant(true));

const nic: fc.Arbitrary<RandomNic> = fc.record({
  driver: fc.constantFrom('e1000e', 'i40e', 'igb', 'e1000e', 'i40e', 'mlx5_core', 'none', 'vfio-pci'),
  serial: fc.boolean(),
  override: fc.constantFrom('nothing', 'nothing', 'nothing', 'own', 'vfio-pci'),
  up: fc.boolean(),
  mtu: fc.constantFrom(1500, 9000),
  addresses: fc.boolean(),
  bond: fc.boolean(),
  wanted: fc.constantFrom('vfio-pci', 'vfio-pci', 'vfio-pci', 'uio_pci_generic', null, 'not in the profile'),
  sriov: fc.boolean(),
  vfs: fc.array(fc.record({ settings: fc.boolean(), driver: fc.constantFrom('vfio-pci', null) }), {
    maxLength: 2,
  }),
});

const pool: fc.Arbitrary<RandomPool> = fc
  .record({ total: fc.nat(4), used: fc.nat(4), surplus: fc.nat(2), wanted: fc.nat(4) })
  .map(({ total, used, surplus, wanted }) => {
    const inUse = Math.min(used, total);
    // The kernel gives a surplus page back as soon as one is free.
    return { total, used: inUse, surplus: inUse === total ? Math.min(surplus, inUse) : 0, wanted };
  });

export const noPages: RandomHost['pages'] = {
  pools: [0, 1, 2, 3].map(() => ({ total: 0, used: 0, surplus: 0, wanted: 0 })),
  mounted: false,
  atBoot: false,
  pieces: { first: 1000, compacted: 0, dropped: 0 },
  memory: 512,
  folder: false,
};

const pages: fc.Arbitrary<RandomHost['pages']> = fc.oneof(
  fc.constant(noPages),
  fc.record({
    pools: fc.array(pool, { minLength: 4, maxLength: 4 }),
    mounted: fc.boolean(),
    atBoot: fc.boolean(),
    // In three rounds there is always enough in the end: what fails is not a law's.
    pieces: fc.constantFrom(
      { first: 1000, compacted: 0, dropped: 0 },
      { first: 1, compacted: 8, dropped: 0 },
      { first: 0, compacted: 1, dropped: 8 },
    ),
    memory: fc.constantFrom(32, 32, 32, 6),
    folder: fc.boolean(),
  }),
);

export const randomHost: fc.Arbitrary<RandomHost> = fc.record({
  nics: fc.array(nic, { minLength: 1, maxLength: 3 }),
  iommu: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, fc.constant(false)),
  loaded: fc.subarray(['vfio', 'vfio_pci', 'vfio_iommu_type1']),
  managers: fc.subarray(['NetworkManager', 'systemd-networkd']),
  initramfs: fc.constantFrom('none', 'mkinitramfs', 'dracut'),
  service: fc.boolean(),
  persistent: fc.boolean(),
  foreign: fc.boolean(),
  kernelNames: fc.boolean(),
  sharedGroup: seldom,
  remapping: seldom.map((no) => !no),
  lockdown: seldom,
  held: seldom,
  pages,
  systemd: fc.boolean(),
});

const addressOf = ({ twins }: RandomHost, index: number) =>
  twins ? `0000:01:00.${index}` : `0000:0${index + 1}:00.0`;
const macOf = (index: number) => `02:00:5e:00:00:${(index + 1).toString(16).padStart(2, '0')}`;
const nameOf = (index: number) => `enp${index + 1}s0`;

const groupOf = (random: RandomHost, index: number) => (random.sharedGroup ? 10 : index + 10);

export function simulate(random: RandomHost): KernelSimulator {
  const host = new HostBuilder();
  host.lines('/proc/sys/kernel', {
    osrelease: RELEASE,
    'random/boot_id': 'a-boot',
    'random/uuid': '2f1b5a3e-9c1d-4c3a-8f58-0c1d2e3f4a5b',
    modules_disabled: 0,
  });
  host.lines('/proc', { cmdline: 'quiet' });
  host.set('/proc/interrupts', `     CPU0\n24: 7 ${random.remapping ? 'IR-' : ''}PCI-MSI 1-edge eth\n`);
  host.lines('/sys/kernel/security', {
    lockdown: random.lockdown ? 'none [integrity] confidentiality' : '[none] integrity confidentiality',
  });
  host.set('/proc/1/fd', 'a folder');
  host.set(
    `/lib/modules/${RELEASE}/modules.dep`,
    ['vfio/vfio', 'vfio/vfio_iommu_type1', 'vfio/pci/vfio-pci', 'uio/uio', 'uio/uio_pci_generic']
      .map((name) => `kernel/drivers/${name}.ko:\n`)
      .join(''),
  );
  host.set('/etc/systemd/system/trader.service', '');
  host.set('/run/udev/control', '');
  for (const name of random.managers) {
    host.set(`/usr/lib/systemd/system/${name}.service`, '');
    host.lines(`/sys/fs/cgroup/system.slice/${name}.service`, { 'cgroup.procs': 812 });
  }
  if (random.initramfs !== 'none') {
    host.set(random.initramfs === 'dracut' ? '/usr/bin/dracut' : '/usr/sbin/mkinitramfs', '');
    host.set(`/boot/initrd.img-${RELEASE}`, 'the old image\n');
  }
  if (random.foreign) {
    host.set('/etc/modprobe.d/bypass-setup.conf', 'options something else\n');
    host.set('/var/lib/bypass-setup/initramfs.json', '{"images": {"/boot/other": "0"}}\n');
  }
  if (random.iommu) host.set('/sys/class/iommu/dmar0', 'a folder');
  addNics(host, random);
  addPages(host, random);
  if (random.systemd) host.set('/run/systemd/system', 'a folder');
  if (random.boot !== undefined) addBoot(host, random.boot);
  const simulator = new KernelSimulator(parseArchive(host.archive()));
  if (random.loaded.length > 0) simulator.modprobe(random.loaded);
  if (random.nics.some(({ driver }) => driver === 'vfio-pci')) {
    simulator.modprobe(['vfio_pci', 'vfio_iommu_type1']);
    if (!random.iommu) simulator.write('/sys/module/vfio/parameters/enable_unsafe_noiommu_mode', 'Y');
    random.nics.forEach(({ driver }, index) => {
      if (driver !== 'vfio-pci') return;
      const folder = `/sys/bus/pci/devices/${addressOf(random, index)}`;
      const before = simulator.readText(`${folder}/driver_override`) ?? '';
      simulator.write(`${folder}/driver_override`, 'vfio-pci');
      simulator.write('/sys/bus/pci/drivers_probe', addressOf(random, index));
      simulator.write(`${folder}/driver_override`, before.includes('null') ? '\n' : before.trim());
    });
  }
  if (random.held) {
    for (const name of simulator.list('/dev/vfio') ?? [])
      if (name !== 'vfio') simulator.hold(4242, `/dev/vfio/${name}`);
  }
  simulator.faults = { kernelNames: random.kernelNames, pieces: random.pages.pieces };
  return simulator;
}

function addBoot(host: HostBuilder, { loader, line, vendor, table }: NonNullable<RandomHost['boot']>): void {
  addLoader(host, loader, line);
  host.lines('/proc', { cmdline: line });
  host.set('/proc/cpuinfo', `processor\t: 0\nvendor_id\t: ${vendor}\n\n`);
  if (table !== 'none') host.set(`/sys/firmware/acpi/tables/${table}`, '');
}

const SIZES = [2048, 1048576] as const;

const poolsOf = ({ pages: { pools } }: RandomHost) =>
  pools.map((entry, index) => ({ ...entry, node: index >> 1, kilobytes: SIZES[index & 1] ?? 2048 }));

function addPages(host: HostBuilder, random: RandomHost): void {
  const kilobytes = random.pages.memory << 20;
  const poolFolder = (folder: string, size: number) => `${folder}/hugepages/hugepages-${size}kB`;
  for (const { node, kilobytes: size, total, used, surplus } of poolsOf(random)) {
    const folder = `/sys/devices/system/node/node${node}`;
    host.lines(folder, { cpulist: node, distance: node === 0 ? '10 21' : '21 10', compact: '' });
    host.set(
      `${folder}/meminfo`,
      `Node ${node} MemTotal: ${kilobytes} kB\nNode ${node} MemFree: ${kilobytes} kB\n`,
    );
    host.lines(poolFolder(folder, size), {
      nr_hugepages: total,
      free_hugepages: total - used,
      surplus_hugepages: surplus,
    });
    host.lines(poolFolder('/sys/kernel/mm', size), { resv_hugepages: 0 });
  }
  host.set('/proc/meminfo', `MemTotal: ${2 * kilobytes} kB\nMemAvailable: ${2 * kilobytes} kB\n`);
  host.lines('/proc/sys/vm', { drop_caches: 0, compact_memory: '' });
  host.set('/proc/mounts', 'proc /proc proc rw 0 0\n');
  if (random.pages.folder) host.set('/dev/hugepages2M', 'a folder');
}

function hugepagesOf(random: RandomHost): ResolvedProfile['hugepages'] {
  const { mounted, atBoot } = random.pages;
  return poolsOf(random).flatMap(({ node, kilobytes, wanted: count }) => {
    if (count === 0) return [];
    const late = atBoot && random.persistent && kilobytes > 2048;
    return [
      {
        node,
        size: kilobytes * 1024,
        count,
        ...(late ? { atBoot: true as const } : {}),
        ...(mounted ? { mounted: true as const } : {}),
      },
    ];
  });
}

function addNics(host: HostBuilder, random: RandomHost): void {
  const memory: Record<string, object> = {};
  const bonded: string[] = [];
  for (const driver of ['e1000e', 'iavf']) {
    for (const file of ['bind', 'unbind', 'new_id']) host.set(`/sys/bus/pci/drivers/${driver}/${file}`, '');
  }
  const answers = {
    links: [{ index: 90, name: 'bond0', kind: 'bond' }] as {
      index: number;
      name: string;
      kind?: string;
      permanentAddress?: string;
    }[],
    addresses: [] as { family: 'inet' | 'inet6'; address: string; interface: number; broadcast?: string }[],
    routes: [] as {
      family: 'inet';
      destination: string;
      gateway?: string;
      interfaces: number[];
      table: number;
      type: string;
    }[],
  };
  random.nics.forEach((entry, index) => {
    const address = addressOf(random, index);
    const kernel = entry.driver !== 'none' && entry.driver !== 'vfio-pci';
    const override =
      entry.override === 'nothing' ? undefined : entry.override === 'own' ? entry.driver : 'vfio-pci';
    const device = addPci(host, {
      address,
      above: '/sys/devices/pci0000:00',
      class: '0x020000',
      id: `8086:10d${index % 2}`,
      subsystem: '8086:0001',
      config: configSpace({
        id: `8086:10d${index % 2}`,
        maxPayload: 128,
        maxReadRequest: 512,
        aspm: 0,
        ...(entry.serial ? { serial: (SERIAL + index).replaceAll('-', '') } : {}),
      }),
      ...(kernel ? { driver: entry.driver } : {}),
      ...(override === undefined || override === 'none' ? {} : { override }),
      ...(random.iommu ? { group: groupOf(random, index) } : {}),
      ...(entry.sriov ? { sriov: [7, 0] as const } : {}),
    });
    if (random.iommu) host.lines(`/sys/kernel/iommu_groups/${groupOf(random, index)}`, { type: 'DMA' });
    if (entry.driver === 'vfio-pci') {
      memory[address] = { driver: 'igb', address: macOf(index), interface: nameOf(index) };
    }
    if (!kernel) return;
    const number = index + 2;
    const bond = entry.bond && entry.up;
    if (bond) bonded.push(nameOf(index));
    addInterface(host, {
      name: nameOf(index),
      index: number,
      address: bond ? '02:00:5e:00:00:90' : macOf(index),
      device,
      mtu: entry.mtu,
      state: entry.up ? 'up' : 'down',
      ...(bond ? { master: 'bond0', uppers: ['bond0'] } : {}),
    });
    answers.links.push({ index: number, name: nameOf(index), permanentAddress: macOf(index) });
    if (!entry.addresses || bond) return;
    answers.addresses.push({
      family: 'inet',
      address: `192.0.2.${number}/24`,
      interface: number,
      // As systemd-networkd sets one and `ip address add` does not.
      ...(entry.up ? { broadcast: '192.0.2.255' } : {}),
    });
    if (!entry.up) return;
    answers.addresses.push({ family: 'inet6', address: `2001:db8::${number}/64`, interface: number });
    const main = { family: 'inet', interfaces: [number], table: 254, type: 'unicast' } as const;
    answers.routes.push({
      ...main,
      interfaces: [number],
      destination: `198.51.${number}.0/24`,
      gateway: `192.0.2.${number + 100}`,
    });
  });
  addInterface(host, {
    name: 'bond0',
    index: 90,
    address: '02:00:5e:00:00:90',
    type: 'bond',
    lowers: bonded,
  });
  host.lines('/sys/devices/virtual/net/bond0/bonding', { slaves: bonded.sort().join(' ') });
  host.answers(answers as Parameters<HostBuilder['answers']>[0]);
  if (Object.keys(memory).length > 0) {
    host.set('/var/lib/bypass-setup/nics.json', `${JSON.stringify(memory, null, 2)}\n`);
  }
}

export function profileOf(random: RandomHost): ResolvedProfile {
  const nics = random.nics.flatMap((entry, index): ResolvedNic[] => {
    if (entry.wanted === 'not in the profile') return [];
    return [
      {
        name: `nic${index}`,
        address: addressOf(random, index),
        identity: {
          vendor: '0x8086',
          device: `0x10d${index % 2}`,
          subsystem: '0x8086:0x0001',
          ...(entry.serial ? { serial: SERIAL + index } : {}),
        },
        role: 'data',
        stack: entry.wanted === null ? 'kernel' : 'dpdk',
        driver: entry.wanted,
        allowNoIommu: random.boot === undefined,
        ...(entry.sriov && entry.vfs.length > 0 && entry.driver !== 'none'
          ? {
              vfs: entry.vfs.map((vf, number) => ({
                index: number,
                driver: vf.driver,
                ...(vf.settings && entry.wanted === null
                  ? { mac: `02:00:5e:10:0${number}:0${index}`, vlan: 7, trust: true, spoofCheck: false }
                  : {}),
              })),
            }
          : {}),
      },
    ];
  });
  return {
    nics,
    hugepages: hugepagesOf(random),
    persistent: random.persistent,
    ...(random.service ? { service: { user: 'trader', group: 'trader', unit: 'trader.service' } } : {}),
  };
}
