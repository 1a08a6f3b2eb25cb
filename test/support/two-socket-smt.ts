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
  linkVirtualFunction,
  smbiosTable,
} from './host-builder.ts';

const RELEASE = '6.1.0-28-amd64';
const COMMAND_LINE = [
  `BOOT_IMAGE=/boot/vmlinuz-${RELEASE} root=/dev/mapper/vg-root ro intel_iommu=on iommu=pt`,
  'isolcpus=managed_irq,domain,17-31,49-63 nohz_full=17-31,49-63 rcu_nocbs=17-31,49-63 irqaffinity=0-16,32-48',
  'default_hugepagesz=1G hugepagesz=1G hugepages=20 quiet',
].join(' ');
const NODE_CPUS = ['0-15,32-47', '16-31,48-63'] as const;

/** Bare metal, two sockets with SMT, prepared for one low-latency application that runs on a port of the second. */
export function twoSocketSmt(): string {
  const host = new HostBuilder();
  addSystem(host);
  addProcessors(host);
  addMemory(host);
  addNics(host);
  addServices(host);
  addUserspaceIo(host);
  addSockets(host, [
    { local: '0.0.0.0:22' },
    { local: '[::]:22' },
    { local: '192.0.2.17:22', remote: '198.51.100.7:50314' },
  ]);
  return host.archive();
}

function addSystem(host: HostBuilder): void {
  host.lines('/proc/sys/kernel', {
    osrelease: RELEASE,
    version: '#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)',
    hostname: 'feed-1',
    'random/boot_id': '5f0e6c1e-0d0c-4b0a-9a58-0c1d2e3f4a5b',
    tainted: 0,
    modules_disabled: 0,
    numa_balancing: 0,
    watchdog: 0,
    nmi_watchdog: 0,
    soft_watchdog: 0,
    hung_task_timeout_secs: 0,
    sched_rt_runtime_us: -1,
    timer_migration: 0,
    printk: '3\t4\t1\t7',
  });
  host.lines('/proc/sys/vm', { swappiness: 10, stat_interval: 120 });
  host.lines('/proc/sys/net/core', { busy_poll: 50, busy_read: 50 });
  host.lines('/proc', { cmdline: COMMAND_LINE });
  host.set(
    '/usr/lib/os-release',
    'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n',
  );
  host.set('/etc/os-release', { link: '../usr/lib/os-release' });
  host.set(
    `/boot/config-${RELEASE}`,
    [
      '#',
      `# Automatically generated file; DO NOT EDIT.`,
      `# Linux/x86 6.1.119 Kernel Configuration`,
      '#',
      'CONFIG_CPU_ISOLATION=y',
      'CONFIG_NO_HZ_FULL=y',
      'CONFIG_RCU_NOCB_CPU=y',
      'CONFIG_CPUSETS=y',
      '# CONFIG_PREEMPT_RT is not set',
      'CONFIG_NUMA=y',
      'CONFIG_HUGETLBFS=y',
      'CONFIG_PCI_IOV=y',
      'CONFIG_XDP_SOCKETS=y',
      'CONFIG_NET_RX_BUSY_POLL=y',
      'CONFIG_UIO_PCI_GENERIC=m',
      'CONFIG_VFIO=m',
      'CONFIG_VFIO_PCI=m',
      'CONFIG_VFIO_IOMMU_TYPE1=m',
      'CONFIG_VFIO_NOIOMMU=y',
      'CONFIG_INTEL_IOMMU=y',
      'CONFIG_AMD_IOMMU=y',
      'CONFIG_IRQ_REMAP=y',
      'CONFIG_OSNOISE_TRACER=y',
      '',
    ].join('\n'),
  );
  const entry = (name: string, id: string, line: string) =>
    `menuentry '${name}' --class debian $menuentry_id_option '${id}' {\n\tlinux\t${line}\n}\n`;
  const line = COMMAND_LINE.replace('BOOT_IMAGE=', '');
  host.set(
    '/boot/grub/grub.cfg',
    '### BEGIN /etc/grub.d/10_linux ###\n' +
      entry('Debian GNU/Linux', 'gnulinux-simple-vg-root', line) +
      `submenu 'Advanced options' $menuentry_id_option 'gnulinux-advanced-vg-root' {\n` +
      entry(`Debian GNU/Linux, with Linux ${RELEASE}`, `gnulinux-${RELEASE}-advanced-vg-root`, line) +
      entry(
        `Debian GNU/Linux, with Linux ${RELEASE} (recovery mode)`,
        `gnulinux-${RELEASE}-recovery-vg-root`,
        `/boot/vmlinuz-${RELEASE} root=/dev/mapper/vg-root ro single`,
      ) +
      '}\n### END /etc/grub.d/10_linux ###\n',
  );
  host.set('/usr/sbin/grub-mkconfig', '');
  host.set('/usr/sbin/update-grub', '');
  host.lines('/sys/kernel/security', { lockdown: '[none] integrity confidentiality' });
  // Attributes first, then the value: not enforced.
  host.set(
    '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c',
    Uint8Array.of(6, 0, 0, 0, 0),
  );
  host.lines('/sys/class/dmi/id', {
    sys_vendor: 'Example Computer Corporation',
    product_name: 'Rack Server 2U',
    bios_version: '2.19.1',
    bios_date: '08/22/2024',
  });
  host.answers({
    kernelLog: [
      `<5>[    0.000000] Linux version ${RELEASE} (builder@localhost) #1 SMP PREEMPT_DYNAMIC`,
      `<6>[    0.000000] Command line: ${COMMAND_LINE}`,
      '<6>[    0.000000] rcu: \tOffload RCU callbacks from CPUs: 17-31,49-63.',
      '<6>[    0.000000] NO_HZ: Full dynticks CPUs: 17-31,49-63.',
      '<6>[    0.512000] HugeTLB: registered 1.00 GiB page size, pre-allocated 20 pages',
      '',
    ].join('\n'),
  });
}

function addProcessors(host: HostBuilder): void {
  const cores = Array.from({ length: 32 }, (_, n) => ({
    cpus: [n, n + 32],
    package: n < 16 ? 0 : 1,
    core: n % 16,
  }));
  const socket = (first: number) => Array.from({ length: 16 }, (_, n) => [first + n, first + n + 32]).flat();
  addCpus(
    host,
    cores,
    [0, 16].map((first) => ({ cpus: socket(first).sort((a, b) => a - b), size: '24576K' })),
  );
  const cpu = '/sys/devices/system/cpu';
  host.lines(cpu, {
    possible: '0-63',
    present: '0-63',
    online: '0-63',
    isolated: '17-31,49-63',
    nohz_full: '17-31,49-63',
    'smt/active': 1,
    'smt/control': 'on',
    'cpuidle/current_driver': 'intel_idle',
    'intel_pstate/no_turbo': 0,
  });
  host.lines(`${cpu}/vulnerabilities`, {
    meltdown: 'Not affected',
    mmio_stale_data: 'Mitigation: Clear CPU buffers; SMT vulnerable',
    spectre_v2: 'Mitigation: Enhanced / Automatic IBRS; IBPB: conditional',
  });
  for (const [index, [name, latency, disable]] of (
    [
      ['POLL', 0, 0],
      ['C1', 1, 0],
      ['C6', 170, 1],
    ] as const
  ).entries()) {
    host.lines(`${cpu}/cpu0/cpuidle/state${index}`, { name, latency, disable });
    // Of the isolated CPUs what a tuner has set: the others are as deep as they came.
    for (const n of [...Array(15).keys()].flatMap((k) => [17 + k, 49 + k])) {
      if (index > 0) host.lines(`${cpu}/cpu${n}/cpuidle/state${index}`, { disable });
    }
  }
  for (let n = 0; n < 64; n++) {
    host.lines(`${cpu}/cpufreq/policy${n}`, {
      related_cpus: n,
      scaling_driver: 'intel_pstate',
      scaling_governor: 'performance',
      // The last one was forgotten.
      scaling_min_freq: n === 63 ? 800000 : 3500000,
      scaling_max_freq: 3500000,
      cpuinfo_max_freq: 3500000,
      energy_performance_preference: 'performance',
    });
  }
  addXeon(host, 'Intel(R) Xeon(R) Gold 6326 CPU @ 2.90GHz');
  host.lines('/sys/devices/virtual/workqueue', { cpumask: '0001ffff,0001ffff' });
  host.lines('/proc/1', { status: 'Name:\tsystemd\nCpus_allowed_list:\t0-16,32-48' });
  host.lines('/proc/irq', { default_smp_affinity: '0001ffff,0001ffff' });
  addInterrupts(
    host,
    Array.from({ length: 64 }, (_, n) => n),
    [
      { irq: 0, chip: 'IR-IO-APIC 2-edge', action: 'timer', cpu: 0, count: 41 },
      { irq: 98, chip: 'IR-PCI-MSIX-0000:04:00.0 1-edge', action: 'eno1-TxRx-0', cpu: 3, count: 91822 },
      { irq: 140, chip: 'IR-PCI-MSIX-0000:af:00.0 1-edge', action: 'ice-ens5f0-TxRx-0', cpu: 20, count: 7 },
      {
        irq: 171,
        chip: 'IR-PCI-MSIX-0000:3b:00.0 1-edge',
        action: 'mlx5_comp0@pci:0000:3b:00.0',
        cpu: 5,
        count: 0,
      },
    ],
  );
}

function addMemory(host: HostBuilder): void {
  addNode(host, {
    id: 0,
    cpus: NODE_CPUS[0],
    distance: '10 21',
    total: 65685412,
    free: 48120004,
    hugepages: { 1048576: [4, 4], 2048: [0, 0] },
  });
  addNode(host, {
    id: 1,
    cpus: NODE_CPUS[1],
    distance: '21 10',
    total: 66053556,
    free: 41200132,
    hugepages: { 1048576: [16, 12], 2048: [1024, 1000] },
  });
  host.set(
    '/proc/meminfo',
    'MemTotal:       131738968 kB\nMemFree:        89320136 kB\nMemAvailable:   90102400 kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\nHugepagesize:    1048576 kB\n',
  );
  host.set(
    '/proc/mounts',
    [
      'sysfs /sys sysfs rw,nosuid,nodev,noexec,relatime 0 0',
      'hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=1024M 0 0',
      'hugetlbfs /mnt/huge\\0402M hugetlbfs rw,relatime,gid=120,mode=1770,pagesize=2M 0 0',
      '',
    ].join('\n'),
  );
  addLogin(host);
  host.lines('/sys/fs/cgroup/user.slice/user-0.slice/session-3.scope', {
    'hugetlb.1GB.max': 'max',
    'hugetlb.2MB.max': '1073741824',
  });
  host.set('/sys/fs/cgroup/cpuset.cpus.isolated', '\n');
  host.lines('/sys/kernel/mm', { 'transparent_hugepage/enabled': 'always [madvise] never', 'ksm/run': 0 });
  // Half of the slots of each socket are empty.
  host.set(
    '/sys/firmware/dmi/tables/DMI',
    smbiosTable(
      ['A1', 'A2', 'A3', 'A4', 'B1', 'B2', 'B3', 'B4'].map((locator, index) => ({
        locator,
        bank: `NODE ${index < 4 ? 1 : 2}`,
        megabytes: index % 4 < 2 ? 32768 : 0,
        speed: index % 4 < 2 ? 3200 : 0,
      })),
    ),
  );
}

function addNics(host: HostBuilder): void {
  addIommuUnits(host, ['dmar0', 'dmar1']);
  host.lines('/sys/module/pcie_aspm/parameters', {
    policy: '[default] performance powersave powersupersave ',
  });
  // The chipset's port does not separate what is behind it: one group for the port and both functions.
  const chipset = addPci(host, {
    address: '0000:00:1c.0',
    above: '/sys/devices/pci0000:00',
    class: '0x060400',
    id: '8086:a190',
    driver: 'pcieport',
    group: 7,
  });
  const management = [0, 1].map((port) =>
    addPci(host, {
      address: `0000:04:00.${port}`,
      above: chipset,
      class: '0x020000',
      id: '8086:1521',
      subsystem: '8086:0001',
      driver: 'igb',
      group: 7,
      link: ['5.0 GT/s PCIe', 4, '5.0 GT/s PCIe', 4],
      config: configSpace({ id: '8086:1521', maxPayload: 256, maxReadRequest: 512, aspm: 2 }),
    }),
  );
  const mellanoxPort = addPci(host, {
    address: '0000:3a:00.0',
    above: '/sys/devices/pci0000:3a',
    class: '0x060400',
    id: '8086:347a',
    driver: 'pcieport',
    group: 19,
    node: 0,
  });
  const mellanox = addPci(host, {
    address: '0000:3b:00.0',
    above: mellanoxPort,
    class: '0x020000',
    id: '15b3:1019',
    subsystem: '15b3:0008',
    driver: 'mlx5_core',
    group: 20,
    node: 0,
    localCpus: NODE_CPUS[0],
    // A board that gives the card half of its lanes.
    link: ['8.0 GT/s PCIe', 8, '16.0 GT/s PCIe', 16],
    config: configSpace({
      id: '15b3:1019',
      maxPayload: 256,
      maxReadRequest: 512,
      aspm: 0,
      serial: 'b8cef60300a1b2c3',
    }),
    errors: [3, 0, 0],
  });
  const icePort = addPci(host, {
    address: '0000:ae:02.0',
    above: '/sys/devices/pci0000:ae',
    class: '0x060400',
    id: '8086:347c',
    driver: 'pcieport',
    group: 83,
    node: 1,
  });
  const ice = [0, 1].map((port) =>
    addPci(host, {
      address: `0000:af:00.${port}`,
      above: icePort,
      class: '0x020000',
      id: '8086:1592',
      subsystem: '8086:0002',
      driver: port === 0 ? 'ice' : 'vfio-pci',
      ...(port === 0 ? {} : { override: 'vfio-pci' }),
      group: 84 + port,
      node: 1,
      localCpus: NODE_CPUS[1],
      link: ['16.0 GT/s PCIe', 16, '16.0 GT/s PCIe', 16],
      config: configSpace({
        id: '8086:1592',
        maxPayload: 512,
        maxReadRequest: 4096,
        aspm: 0,
        serial: 'b49691ffff00aa10',
      }),
      errors: [0, 0, 0],
      sriov: [128, port === 0 ? 2 : 0],
    }),
  );
  for (const index of [0, 1]) {
    const virtual = addPci(host, {
      address: `0000:af:01.${index}`,
      above: icePort,
      class: '0x020000',
      id: '8086:1889',
      ...(index === 0 ? { driver: 'iavf' } : {}),
      group: 120 + index,
      node: 1,
      localCpus: NODE_CPUS[1],
    });
    linkVirtualFunction(host, ice[0] ?? '', index, virtual);
  }
  for (const [group, type] of [
    [7, 'identity'],
    [19, 'identity'],
    [20, 'identity'],
    [83, 'identity'],
    [84, 'identity'],
    [85, 'DMA'],
    [120, 'DMA-FQ'],
    [121, 'DMA-FQ'],
  ] as const) {
    host.lines(`/sys/kernel/iommu_groups/${group}`, { type });
  }
  addInterface(host, { name: 'lo', index: 1, address: '00:00:00:00:00:00', mtu: 65536, state: 'unknown' });
  addInterface(host, {
    name: 'eno1',
    index: 2,
    address: '02:00:5e:00:04:00',
    device: management[0] ?? '',
    speed: 1000,
    queues: 2,
    downs: 2,
    rps: [0, 1, 2, 3],
    xps: [33],
  });
  addInterface(host, {
    name: 'eno2',
    index: 3,
    address: '02:00:5e:00:04:01',
    device: management[1] ?? '',
    state: 'down',
  });
  host.set(`${management[1]}/net/eno2/carrier`, { denied: 'EINVAL' });
  host.set(`${management[1]}/net/eno2/speed`, { denied: 'EINVAL' });
  addInterface(host, {
    name: 'enp59s0np0',
    index: 4,
    address: '02:00:5e:00:3b:00',
    device: mellanox,
    speed: 100000,
    mtu: 9000,
    queues: 4,
  });
  addInterface(host, {
    name: 'ens5f0',
    index: 5,
    address: '02:00:5e:00:af:00',
    device: ice[0] ?? '',
    speed: 100000,
    queues: 2,
  });
  addInterface(host, {
    name: 'ens5f0v0',
    index: 6,
    address: '02:00:5e:00:af:20',
    device: `${icePort}/0000:af:01.0`,
    state: 'down',
  });
  for (const [clock, device, name] of [
    ['ptp0', mellanox, 'mlx5_ptp'],
    ['ptp1', ice[0] ?? '', 'ice-0000-af-00-0-clk'],
  ] as const) {
    host.lines(`${device}/ptp/${clock}`, { clock_name: name });
    host.link(`/sys/class/ptp/${clock}`, `${device}/ptp/${clock}`);
  }
  const main = { table: 254, type: 'unicast', family: 'inet' } as const;
  host.answers({
    links: [
      { index: 1, name: 'lo' },
      { index: 2, name: 'eno1', permanentAddress: '02:00:5e:00:04:00' },
      { index: 3, name: 'eno2', permanentAddress: '02:00:5e:00:04:01', xdpProgram: 17 },
      { index: 4, name: 'enp59s0np0', permanentAddress: '02:00:5e:00:3b:00' },
      { index: 5, name: 'ens5f0', permanentAddress: '02:00:5e:00:af:00', altNames: ['enp175s0f0'] },
      { index: 6, name: 'ens5f0v0' },
    ],
    addresses: [
      { family: 'inet', address: '127.0.0.1/8', interface: 1 },
      { family: 'inet', address: '192.0.2.17/24', interface: 2 },
      { family: 'inet6', address: 'fe80::5eff:fe00:400/64', interface: 2 },
    ],
    routes: [
      { ...main, destination: 'default', gateway: '192.0.2.1', interfaces: [2] },
      { ...main, destination: '192.0.2.0/24', interfaces: [2], source: '192.0.2.17' },
      { ...main, destination: '192.0.2.17/32', interfaces: [2], table: 255, type: 'local' },
    ],
    rules: [
      { family: 'inet', priority: 0, table: 255 },
      { family: 'inet', priority: 32766, table: 254 },
    ],
    neighbours: [
      {
        family: 'inet',
        address: '192.0.2.1',
        interface: 2,
        linkAddress: '02:00:5e:00:00:01',
        state: 'reachable',
      },
    ],
    drivers: {
      eno1: { driver: 'igb', version: RELEASE, firmware: '1.63, 0x80000a05', busInfo: '0000:04:00.0' },
      eno2: { driver: 'igb', version: RELEASE, firmware: '1.63, 0x80000a05', busInfo: '0000:04:00.1' },
      enp59s0np0: {
        driver: 'mlx5_core',
        version: RELEASE,
        firmware: '16.35.3502 (MT_0000000080)',
        busInfo: '0000:3b:00.0',
      },
      ens5f0: {
        driver: 'ice',
        version: RELEASE,
        firmware: '4.40 0x8001c7d4 1.3534.0',
        busInfo: '0000:af:00.0',
      },
      ens5f0v0: { driver: 'iavf', version: RELEASE, firmware: 'N/A', busInfo: '0000:af:01.0' },
    },
  });
  host.set(
    '/var/lib/bypass-setup/nics.json',
    `${JSON.stringify(
      {
        '0000:af:00.1': { driver: 'ice', address: '02:00:5e:00:af:01', interface: 'ens5f1' },
        '0000:b0:00.0': { driver: 'ixgbe', address: '02:00:5e:00:b0:00', interface: 'ens6' },
      },
      null,
      2,
    )}\n`,
  );
}

function addServices(host: HostBuilder): void {
  const units = '/usr/lib/systemd/system';
  for (const unit of ['irqbalance', 'tuned', 'networking', 'chrony'])
    host.set(`${units}/${unit}.service`, '');
  host.set(`${units}/apt-daily-upgrade.timer`, '');
  const wants = '/etc/systemd/system/multi-user.target.wants';
  for (const unit of ['tuned', 'networking', 'chrony']) {
    host.set(`${wants}/${unit}.service`, { link: `${units}/${unit}.service` });
  }
  const slice = '/sys/fs/cgroup/system.slice';
  host.lines(slice, { 'tuned.service/cgroup.procs': 1312 });
  // The daemon moved itself one level down: only the events of its own group tell.
  host.set(`${slice}/chrony.service/cgroup.procs`, '');
  host.set(`${slice}/chrony.service/cgroup.events`, 'populated 1\nfrozen 0\n');
  host.set('/etc/tuned/active_profile', 'network-latency\n');
  host.set('/etc/default/irqbalance', '# as shipped\nIRQBALANCE_BANNED_CPULIST=17-31,49-63\n');
}

function addUserspaceIo(host: HostBuilder): void {
  for (const name of ['vfio', 'vfio_pci', 'vfio_iommu_type1']) {
    host.lines(`/sys/module/${name}`, { initstate: 'live' });
  }
  host.lines('/sys/module', {
    'vfio/parameters/enable_unsafe_noiommu_mode': 'N',
    'vfio_pci/parameters/disable_idle_d3': 'N',
    'vfio_iommu_type1/parameters/dma_entry_limit': 65535,
    'mlx5_core/initstate': 'live',
  });
  host.set('/sys/bus/pci/drivers/vfio-pci', 'a folder');
  host.set(`/lib/modules/${RELEASE}/modules.builtin`, 'kernel/fs/configfs/configfs.ko\n');
  host.set(
    `/lib/modules/${RELEASE}/modules.dep`,
    [
      'kernel/drivers/uio/uio.ko:',
      'kernel/drivers/uio/uio_pci_generic.ko: kernel/drivers/uio/uio.ko',
      'kernel/drivers/vfio/pci/vfio-pci.ko: kernel/drivers/vfio/vfio.ko',
      '',
    ].join('\n'),
  );
  host.set('/dev/vfio/vfio', '');
  host.set('/dev/vfio/85', '');
  host.set('/proc/4242/fd/7', { link: '/dev/vfio/85' });
  host.set('/proc/4242/fd/8', { link: '/dev/vfio/vfio' });
  host.lines('/proc/4242', { comm: 'dpdk-testpmd' });
  host.set('/proc/1/fd', { denied: 'EACCES' });
  for (const device of ['mlx5_0', 'irdma0']) host.set(`/sys/class/infiniband/${device}`, 'a folder');
  for (const node of ['rdma_cm', 'uverbs0', 'uverbs1']) host.set(`/dev/infiniband/${node}`, '');
  const libraries = '/usr/lib/x86_64-linux-gnu';
  host.set(`${libraries}/librte_eal.so.23`, { link: 'librte_eal.so.23.0' });
  host.set(`${libraries}/librte_eal.so.23.0`, '');
  host.set(`${libraries}/dpdk/pmds-23.0`, 'a folder');
  host.set(`${libraries}/pkgconfig/libdpdk.pc`, 'Name: DPDK\nVersion: 22.11.7\n');
}
