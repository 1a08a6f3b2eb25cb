import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArchive } from '../src/formats/text-archive.ts';
import {
  addCpus,
  addInterface,
  addInterrupts,
  addNode,
  addPci,
  configSpace,
  HostBuilder,
  linkVirtualFunction,
} from '../test/support/host-builder.ts';

const NODES = 8;
const PHYSICAL = 8;
const VIRTUAL = 16;
const OTHERS = 376;

/**
 * As much host as a server has today: 256 CPUs in 32 cache domains on 8 nodes, 512 PCI functions of which 136 are for
 * the network, 1,200 interrupts; or as many functions in a smaller one.
 */
export function largeServer(cores = 128, interrupts = 1200): string {
  const host = new HostBuilder();
  const cpus = Array.from({ length: 2 * cores }, (_, cpu) => cpu);
  const all = `0-${2 * cores - 1}`;
  host.lines('/proc/sys/kernel', {
    osrelease: '6.12.0',
    'random/boot_id': '00000000-0000-4000-8000-000000000000',
  });
  host.lines('/proc', {
    cmdline: 'intel_iommu=on iommu=pt isolcpus=managed_irq,domain,16-31 nohz_full=16-31',
  });
  host.lines('/sys/devices/system/cpu', {
    possible: all,
    present: all,
    online: all,
    isolated: '16-31',
    nohz_full: '16-31',
  });
  const core = (index: number) => ({
    cpus: [index, index + cores],
    package: index < cores / 2 ? 0 : 1,
    core: index,
  });
  const pairs = Array.from({ length: cores }, (_, index) => core(index));
  const caches = Array.from({ length: cores / 4 }, (_, index) => ({
    cpus: [0, cores].flatMap((first) => [0, 1, 2, 3].map((cpu) => first + 4 * index + cpu)),
    size: '32768K',
  }));
  addCpus(host, pairs, caches);
  for (const cpu of cpus) {
    host.lines(`/sys/devices/system/cpu/cpufreq/policy${cpu}`, {
      related_cpus: cpu,
      scaling_driver: 'acpi-cpufreq',
      scaling_governor: 'performance',
      scaling_min_freq: 1_500_000,
      scaling_max_freq: 3_700_000,
      cpuinfo_max_freq: 3_700_000,
    });
  }
  // What is read of isolated CPUs alone; the deep state is off, so that each of them is looked at.
  for (const cpu of cpus) {
    const folder = `/sys/devices/system/cpu/cpu${cpu}`;
    host.lines(`${folder}/power`, { pm_qos_resume_latency_us: 0 });
    host.lines(`${folder}/thermal_throttle`, { core_throttle_count: 0 });
    for (const [state, name, latency, disable] of [
      [0, 'POLL', 0, 0],
      [1, 'C1', 1, 0],
      [2, 'C2', 18, 1],
    ] as const) {
      host.lines(`${folder}/cpuidle/state${state}`, { name, latency, disable });
    }
  }
  for (let id = 0; id < NODES; id++) {
    const size = cores / NODES;
    const range = (first: number) => `${first + id * size}-${first + (id + 1) * size - 1}`;
    addNode(host, {
      id,
      cpus: `${range(0)},${range(cores)}`,
      distance: Array.from({ length: NODES }, (_, other) => (other === id ? 10 : 32)).join(' '),
      total: 98_304_000,
      free: 60_000_000,
      hugepages: { 2048: [1024, 1024], 1048576: [16, 8] },
    });
  }
  addFunctions(host);
  for (const name of ['vfio', 'vfio_pci', 'vfio_iommu_type1'])
    host.lines(`/sys/module/${name}`, { initstate: 'live' });
  const links = Array.from({ length: PHYSICAL }, (_, index) => ({
    name: `eth${index}`,
    index: index + 2,
    permanentAddress: macOf(index),
  }));
  host.answers({ links, addresses: [], routes: [], rules: [], neighbours: [], drivers: {} });
  addInterrupts(
    host,
    cpus,
    Array.from({ length: interrupts }, (_, index) => ({
      irq: 100 + index,
      chip: `IR-PCI-MSIX-0000:${bus(index % PHYSICAL)}:00.0 ${index}-edge`,
      action: `ice-eth${index % PHYSICAL}-TxRx-${index}`,
      cpu: index % 16,
      count: 1000,
    })),
  );
  return host.archive();
}

/** What it shall be: all its virtual functions, each found by its address, are opened by one account. */
export function largeProfile(): string {
  const nics = Array.from({ length: PHYSICAL * VIRTUAL }, (_, index) => ({
    name: `vf${index}`,
    match: { address: virtualAddress(Math.floor(index / VIRTUAL), index % VIRTUAL) },
    role: 'data',
    stack: 'dpdk',
  }));
  return JSON.stringify({ version: 1, nics, service: { user: 'trader' } });
}

function virtualAddress(physical: number, number: number): string {
  return `0000:${bus(physical)}:${(2 + (number >> 3)).toString(16).padStart(2, '0')}.${number & 7}`;
}

const macOf = (index: number) => `02:00:00:00:00:0${index}`;

const bus = (index: number) => (0x10 + index).toString(16);

function addFunctions(host: HostBuilder): void {
  let group = 0;
  for (let index = 0; index < PHYSICAL; index++) {
    const above = `/sys/devices/pci0000:${bus(index)}/0000:${bus(index)}:01.0`;
    const common = { above, class: '0x020000', node: index, localCpus: '0-15', config: config() } as const;
    const physical = addPci(host, {
      ...common,
      address: `0000:${bus(index)}:00.0`,
      id: '8086:159b',
      driver: 'ice',
      group: group++,
      link: ['16.0 GT/s PCIe', 16, '16.0 GT/s PCIe', 16],
      errors: [0, 0, 0],
      sriov: [128, VIRTUAL],
    });
    addInterface(host, {
      name: `eth${index}`,
      index: index + 2,
      address: macOf(index),
      device: physical,
      queues: 64,
    });
    for (let number = 0; number < VIRTUAL; number++) {
      const address = virtualAddress(index, number);
      const virtual = addPci(host, {
        ...common,
        address,
        id: '8086:1889',
        driver: 'vfio-pci',
        group: group++,
      });
      linkVirtualFunction(host, physical, number, virtual);
    }
  }
  for (let index = 0; index < OTHERS; index++) {
    const address = `0001:${(index >> 3).toString(16).padStart(2, '0')}:00.${index & 7}`;
    addPci(host, {
      address,
      above: '/sys/devices/pci0001:00',
      class: '0x010802',
      id: '144d:a80a',
      driver: 'nvme',
      group: group++,
      node: 0,
    });
  }
  host.lines('/sys/class/iommu/dmar0', { address: '0xfed90000' });
}

const config = () => configSpace({ id: '8086:159b', maxPayload: 256, maxReadRequest: 512, aspm: 0 });

/** Unpacks an archive, because reading real files is what is measured. */
export function unpack(archive: string, folder: string): void {
  for (const entry of parseArchive(archive)) {
    const path = `${folder}/${entry.path}`;
    mkdirSync(entry.kind === 'dir' ? path : dirname(path), { recursive: true });
    if (entry.kind === 'file') writeFileSync(path, entry.bytes);
    if (entry.kind === 'link') symlinkSync(entry.target, path);
  }
}
