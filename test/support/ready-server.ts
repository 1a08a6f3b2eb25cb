import { readFileSync } from 'node:fs';
import { parseArchive, printArchive } from '../../src/formats/text-archive.ts';
import { RecordingHost } from '../../src/host/recording-host.ts';
import { readServiceAccount } from '../../src/probes/service-account.ts';
import { loadProfile } from '../../src/profile/load.ts';
import { resolveProfile } from '../../src/profile/resolve.ts';
import { addLoader } from './boot-loaders.ts';
import {
  addCpus,
  addInterface,
  addInterrupts,
  addIommuUnits,
  addLogin,
  addNode,
  addPci,
  addSockets,
  addXeon,
  configSpace,
  HostBuilder,
  smbiosTable,
} from './host-builder.ts';
import { changed, factsOf } from './hosts.ts';
import { KernelSimulator } from './kernel-simulator.ts';
import { applyAll, planFor } from './little-engine.ts';

const RELEASE = '6.1.0-28-amd64';
const NODE_CPUS = ['0-3,8-11', '4-7,12-15'] as const;
export const READY_PROFILE = new URL('../fixtures/hosts/ready-server.yaml', import.meta.url);

/**
 * A server as its maker and Debian leave it, on which the tool then does its own work on the simulated kernel, until
 * nothing is left to do; and one boot with the line that it wrote. What is recorded is what the probes then see.
 */
export async function readyServer(): Promise<string> {
  const kernel = new KernelSimulator(parseArchive(installed()));
  const profile = await loadProfile('ready-server.yaml', readFileSync(READY_PROFILE));
  const plan = () => planFor(kernel, resolveProfile(profile, factsOf(kernel)));
  await applyAll(plan().changes, kernel, []);
  const kernelLog = reboot(kernel);
  // Each boot asks for new interrupts, and its runtime settings are those of the kernel again: this is the same work.
  await applyAll(plan().changes, kernel, []);
  const left = plan().changes;
  if (left.length > 0) throw new Error(`not ready: ${left.map(({ id }) => id).join(', ')}`);
  const recording = new RecordingHost(kernel);
  readServiceAccount(recording, factsOf(recording), 'trader', 'feed.service');
  return printArchive(
    changed(recording.recorded(), {
      '/.kernel/kernelLog.json': `${JSON.stringify({ answer: kernelLog }, null, 1)}\n`,
      // The simulator's folders have no owner of their own; these are the options of the mounts.
      '/dev/hugepages1G': { dir: '770 0:1001' },
      '/dev/hugepages2M': { dir: '770 0:1001' },
    }),
  );
}

/** What the kernel makes of the line that the loader would now give it; gives what it says of it. */
function reboot(kernel: KernelSimulator): string {
  const entry = factsOf(kernel).bootLoader.entries.value?.find(({ isDefault }) => isDefault);
  const line = entry?.line ?? '';
  const value = (name: string) => new RegExp(`(?:^| )${name}=(\\S+)`).exec(line)?.[1] ?? '';
  const isolated = value('nohz_full');
  const put = (path: string, text: string) => kernel.putBytes(path, new TextEncoder().encode(`${text}\n`));
  put('/proc/cmdline', `BOOT_IMAGE=/boot/vmlinuz-${RELEASE} ${line}`);
  put('/proc/sys/kernel/random/boot_id', '7b1f0c52-3c1e-4e57-9a34-52b1d8f1a0c6');
  put('/sys/devices/system/cpu/isolated', isolated);
  put('/sys/devices/system/cpu/nohz_full', isolated);
  put('/proc/sys/kernel/watchdog_cpumask', value('irqaffinity'));
  put('/proc/1/status', `Name:\tsystemd\nCpus_allowed_list:\t${value('irqaffinity')}`);
  const [node = '', count = ''] = value('hugepages').split(':');
  const pool = `/sys/devices/system/node/node${node}/hugepages/hugepages-1048576kB`;
  put(`${pool}/nr_hugepages`, count);
  put(`${pool}/free_hugepages`, count);
  return bootLog(line, isolated);
}

function bootLog(line: string, isolated: string): string {
  return [
    `<5>[    0.000000] Linux version ${RELEASE} (builder@localhost) #1 SMP PREEMPT_DYNAMIC`,
    `<6>[    0.000000] Command line: ${line}`,
    `<6>[    0.000000] rcu: \tOffload RCU callbacks from CPUs: ${isolated}.`,
    `<6>[    0.000000] NO_HZ: Full dynticks CPUs: ${isolated}.`,
    '',
  ].join('\n');
}

function installed(): string {
  const host = new HostBuilder();
  addSystem(host);
  addProcessors(host);
  addMemory(host);
  addNics(host);
  addAccount(host);
  addSockets(host, [{ local: '0.0.0.0:22' }, { local: '192.0.2.17:22', remote: '198.51.100.7:50314' }]);
  return host.archive();
}

function addSystem(host: HostBuilder): void {
  host.lines('/proc/sys/kernel', {
    osrelease: RELEASE,
    'random/boot_id': '5f0e6c1e-0d0c-4b0a-9a58-0c1d2e3f4a5b',
    'random/uuid': '2f1b5a3e-9c1d-4c3a-8f58-0c1d2e3f4a5b',
    tainted: 0,
    modules_disabled: 0,
    numa_balancing: 1,
    watchdog: 1,
    nmi_watchdog: 1,
    soft_watchdog: 1,
    watchdog_cpumask: '0-15',
    hung_task_timeout_secs: 120,
    sched_rt_runtime_us: 950000,
    timer_migration: 1,
    printk: '7\t4\t1\t7',
  });
  host.lines('/proc/sys/vm', { swappiness: 60, stat_interval: 1, drop_caches: 0, compact_memory: '' });
  host.lines('/proc/sys/net/core', { busy_poll: 0, busy_read: 0 });
  host.lines('/proc', { cmdline: 'quiet' });
  host.set(
    '/usr/lib/os-release',
    'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n',
  );
  host.set('/etc/os-release', { link: '../usr/lib/os-release' });
  const options = ['CPU_ISOLATION', 'NO_HZ_FULL', 'RCU_NOCB_CPU', 'CPUSETS', 'NUMA', 'HUGETLBFS', 'PCI_IOV'];
  host.set(
    `/boot/config-${RELEASE}`,
    [
      ...[...options, 'INTEL_IOMMU', 'IRQ_REMAP'].map((name) => `CONFIG_${name}=y`),
      ...['VFIO', 'VFIO_PCI', 'VFIO_IOMMU_TYPE1'].map((name) => `CONFIG_${name}=m`),
      '',
    ].join('\n'),
  );
  addLoader(host, 'grub-debian', 'quiet');
  host.set('/usr/sbin/mkinitramfs', '');
  host.set(`/boot/initrd.img-${RELEASE}`, 'the image that the distribution built\n');
  host.lines('/sys/kernel/security', { lockdown: '[none] integrity confidentiality' });
  host.set(
    '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c',
    Uint8Array.of(6, 0, 0, 0, 0),
  );
  host.lines('/sys/class/dmi/id', {
    sys_vendor: 'Example Computer Corporation',
    product_name: 'Rack Server 1U',
    bios_version: '3.4.0',
  });
  host.set('/run/systemd/system', 'a folder');
  host.set('/run/udev/control', '');
  host.set('/usr/lib/systemd/system/irqbalance.service', '');
  host.lines('/sys/fs/cgroup/system.slice', { 'irqbalance.service/cgroup.procs': 700 });
  host.set('/etc/systemd/system/multi-user.target.wants/irqbalance.service', {
    link: '/usr/lib/systemd/system/irqbalance.service',
  });
  host.set('/etc/default/irqbalance', '# as shipped\n');
  host.lines('/sys/fs/cgroup', {
    'cgroup.controllers': 'cpuset cpu memory hugetlb',
    'cgroup.subtree_control': 'memory',
    'cpuset.cpus.isolated': '',
  });
  host.set(
    `/lib/modules/${RELEASE}/modules.dep`,
    ['vfio/vfio', 'vfio/vfio_iommu_type1', 'vfio/pci/vfio-pci']
      .map((name) => `kernel/drivers/${name}.ko:\n`)
      .join(''),
  );
  host.set('/proc/1/fd', 'a folder');
  const libraries = '/usr/lib/x86_64-linux-gnu';
  host.set(`${libraries}/librte_eal.so.23`, '');
  host.set(`${libraries}/dpdk/pmds-23.0`, 'a folder');
  host.set(`${libraries}/pkgconfig/libdpdk.pc`, 'Name: DPDK\nVersion: 22.11.7\n');
}

function addProcessors(host: HostBuilder): void {
  const cores = Array.from({ length: 8 }, (_, n) => ({
    cpus: [n, n + 8],
    package: n < 4 ? 0 : 1,
    core: n % 4,
  }));
  addCpus(host, cores, [
    { cpus: [0, 1, 2, 3, 8, 9, 10, 11], size: '24576K' },
    { cpus: [4, 5, 6, 7, 12, 13, 14, 15], size: '24576K' },
  ]);
  const cpu = '/sys/devices/system/cpu';
  host.lines(cpu, {
    possible: '0-15',
    present: '0-15',
    online: '0-15',
    isolated: '',
    nohz_full: '(null)',
    'smt/active': 1,
    'smt/control': 'on',
    'cpuidle/current_driver': 'intel_idle',
    'intel_pstate/no_turbo': 0,
  });
  for (let n = 0; n < 16; n++) {
    host.lines(`${cpu}/cpu${n}/power`, { pm_qos_resume_latency_us: 0 });
    for (const [index, [name, latency]] of [
      ['POLL', 0] as const,
      ['C1', 1] as const,
      ['C6', 170] as const,
    ].entries()) {
      host.lines(`${cpu}/cpu${n}/cpuidle/state${index}`, { name, latency, disable: 0 });
    }
    host.lines(`${cpu}/cpufreq/policy${n}`, {
      related_cpus: n,
      scaling_driver: 'intel_pstate',
      scaling_governor: 'powersave',
      scaling_available_governors: 'performance powersave',
      scaling_min_freq: 800000,
      scaling_max_freq: 3500000,
      cpuinfo_min_freq: 800000,
      cpuinfo_max_freq: 3500000,
      energy_performance_preference: 'balance_performance',
      energy_performance_available_preferences: 'default performance balance_performance power',
    });
  }
  addXeon(host, 'Intel(R) Xeon(R) Silver 4309Y CPU @ 2.80GHz');
  host.lines('/sys/devices/virtual/workqueue', { cpumask: 'ffff', 'writeback/cpumask': 'ffff' });
  host.lines('/proc/1', { status: 'Name:\tsystemd\nCpus_allowed_list:\t0-15' });
  host.lines('/proc/irq', { default_smp_affinity: 'ffff' });
  addInterrupts(
    host,
    Array.from({ length: 16 }, (_, n) => n),
    [
      { irq: 0, chip: 'IR-IO-APIC 2-edge', action: 'timer', cpu: 0, count: 41 },
      { irq: 98, chip: 'IR-PCI-MSIX-0000:04:00.0 1-edge', action: 'eno1-TxRx-0', cpu: 3, count: 91822 },
      { irq: 140, chip: 'IR-PCI-MSIX-0000:ca:00.0 1-edge', action: 'ice-ens9f0-TxRx-0', cpu: 5, count: 7 },
    ],
  );
}

function addMemory(host: HostBuilder): void {
  for (const id of [0, 1]) {
    addNode(host, {
      id,
      cpus: NODE_CPUS[id] ?? '',
      distance: id === 0 ? '10 21' : '21 10',
      total: 65685412,
      free: 60120004,
      hugepages: { 1048576: [0, 0], 2048: [0, 0] },
    });
    host.lines(`/sys/devices/system/node/node${id}`, { compact: '' });
  }
  for (const size of [1048576, 2048]) {
    host.lines(`/sys/kernel/mm/hugepages/hugepages-${size}kB`, { resv_hugepages: 0 });
  }
  host.set(
    '/proc/meminfo',
    'MemTotal:       131370824 kB\nMemFree:        120240008 kB\nMemAvailable:   121102400 kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\nHugepagesize:       2048 kB\n',
  );
  host.set('/dev/hugepages', 'a folder');
  host.set(
    '/proc/mounts',
    [
      'sysfs /sys sysfs rw,nosuid,nodev,noexec,relatime 0 0',
      '/dev/vda1 / ext4 rw 0 0',
      'hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=2M 0 0',
      '',
    ].join('\n'),
  );
  addLogin(host);
  host.lines('/sys/kernel/mm', {
    'transparent_hugepage/enabled': 'always [madvise] never',
    'ksm/run': 0,
  });
  host.set(
    '/sys/firmware/dmi/tables/DMI',
    smbiosTable(
      ['A', 'B', 'C', 'D'].flatMap((channel) =>
        [1, 2].map((socket) => ({
          locator: `CPU${socket}_DIMM_${channel}1`,
          bank: `NODE ${socket}`,
          megabytes: 16384,
          speed: 3200,
        })),
      ),
    ),
  );
}

function addNics(host: HostBuilder): void {
  addIommuUnits(host, ['dmar0', 'dmar1']);
  host.lines('/sys/module/pcie_aspm/parameters', {
    policy: '[default] performance powersave powersupersave ',
  });
  const link = (lanes: number) => {
    const speed = lanes === 4 ? '5.0 GT/s PCIe' : '16.0 GT/s PCIe';
    return [speed, lanes, speed, lanes] as const;
  };
  const express = (id: string, serial?: string) => ({
    config: configSpace({
      id,
      maxPayload: 256,
      maxReadRequest: 512,
      aspm: 0,
      ...(serial === undefined ? {} : { serial }),
    }),
    errors: [0, 0, 0] as const,
  });
  const port = (address: string, root: string, group: number, node: number) =>
    addPci(host, {
      address,
      above: `/sys/devices/${root}`,
      class: '0x060400',
      id: '8086:347c',
      driver: 'pcieport',
      group,
      node,
      link: link(node === 0 ? 4 : 16),
      ...express('8086:347c'),
    });
  const nic = (
    address: string,
    above: string,
    id: string,
    driver: string,
    group: number,
    node: number,
    more: { serial?: string; vfs?: number } = {},
  ) =>
    addPci(host, {
      address,
      above,
      class: '0x020000',
      id,
      subsystem: '8086:0002',
      driver,
      group,
      node,
      localCpus: NODE_CPUS[node] ?? '',
      link: link(node === 0 ? 4 : 16),
      ...express(id, more.serial),
      ...(more.vfs === undefined ? {} : { sriov: [more.vfs, 0] as const }),
    });
  const management = nic('0000:04:00.0', port('0000:00:1c.0', 'pci0000:00', 6, 0), '8086:1521', 'igb', 7, 0);
  const feed = nic('0000:b1:00.0', port('0000:b0:02.0', 'pci0000:b0', 83, 1), '8086:1592', 'ice', 84, 1, {
    serial: 'b49691ffff00b100',
    vfs: 128,
  });
  const orders = nic('0000:ca:00.0', port('0000:c9:02.0', 'pci0000:c9', 85, 1), '8086:1592', 'ice', 86, 1, {
    serial: 'b49691ffff00ca00',
    vfs: 128,
  });
  for (const folder of [management, feed, orders]) host.lines(`${folder}/power`, { control: 'on' });
  for (const group of [6, 7, 83, 84, 85, 86]) {
    host.lines(`/sys/kernel/iommu_groups/${group}`, { type: 'identity' });
  }
  const interfaces = [
    { name: 'eno1', index: 2, address: '02:00:5e:00:04:00', device: management, speed: 1000 },
    { name: 'ens8f0', index: 3, address: '02:00:5e:00:b1:00', device: feed, speed: 100000 },
    { name: 'ens9f0', index: 4, address: '02:00:5e:00:ca:00', device: orders, speed: 100000 },
  ];
  addInterface(host, { name: 'lo', index: 1, address: '00:00:00:00:00:00', mtu: 65536, state: 'unknown' });
  for (const entry of interfaces) addInterface(host, entry);
  const main = { table: 254, type: 'unicast', family: 'inet' } as const;
  host.answers({
    links: [
      { index: 1, name: 'lo' },
      ...interfaces.map(({ name, index, address }) => ({ index, name, permanentAddress: address })),
    ],
    addresses: [
      { family: 'inet', address: '127.0.0.1/8', interface: 1 },
      { family: 'inet', address: '192.0.2.17/24', interface: 2 },
    ],
    routes: [
      { ...main, destination: 'default', gateway: '192.0.2.1', interfaces: [2] },
      { ...main, destination: '192.0.2.0/24', interfaces: [2], source: '192.0.2.17' },
    ],
    rules: [
      { family: 'inet', priority: 0, table: 255 },
      { family: 'inet', priority: 32766, table: 254 },
    ],
    neighbours: [],
    kernelLog: '',
    drivers: {
      eno1: { driver: 'igb', version: RELEASE, firmware: '1.63, 0x80000a05', busInfo: '0000:04:00.0' },
      ens8f0: {
        driver: 'ice',
        version: RELEASE,
        firmware: '4.40 0x8001c7d4 1.3534.0',
        busInfo: '0000:b1:00.0',
      },
      ens9f0: {
        driver: 'ice',
        version: RELEASE,
        firmware: '4.40 0x8001c7d4 1.3534.0',
        busInfo: '0000:ca:00.0',
      },
    },
  });
}

/** The simulated udev gives what is for a group to number 1001. */
function addAccount(host: HostBuilder): void {
  host.set('/etc/passwd', 'root:x:0:0::/root:/bin/sh\ntrader:x:990:1001::/:/usr/sbin/nologin\n');
  host.set('/etc/group', 'root:x:0:\ntrader:x:1001:\n');
  host.set('/etc/systemd/system/feed.service', '[Service]\nUser=trader\nExecStart=/usr/local/bin/feed\n');
}
