import type { Link } from '../../src/formats/netlink.ts';
import {
  addCpus,
  addInterface,
  addInterrupts,
  addNode,
  addPci,
  addSockets,
  HostBuilder,
} from './host-builder.ts';

const RELEASE = '6.12.0-55.9.1.el10_0.x86_64';
const COMMAND_LINE = [
  `BOOT_IMAGE=(hd0,gpt2)/vmlinuz-${RELEASE} root=/dev/mapper/rhel-root ro`,
  'isolcpus=domian,2-3 nohz_full=2-N rcu_nocbs=2 rcu_nocbs=2-7 isolcpu=3 hugepagesz=3M hugepages=7 -- single',
].join(' ');

/** Eight ports under everything that an interface can hide beneath; a Red Hat host whose command line has mistakes. */
export function bondVlan(): string {
  const host = new HostBuilder();
  addSystem(host);
  addPorts(host);
  addStack(host);
  addAnswers(host);
  addSockets(host, []);
  return host.archive();
}

function addSystem(host: HostBuilder): void {
  host.lines('/proc/sys/kernel', {
    osrelease: RELEASE,
    tainted: 512,
    'random/boot_id': 'a-boot',
    printk: '4 4 1 7',
  });
  host.lines('/proc', { cmdline: COMMAND_LINE, mounts: 'proc /proc proc rw 0 0' });
  host.set('/etc/os-release', 'NAME="Red Hat Enterprise Linux"\nID="rhel"\nVERSION_ID="10.0"\n');
  host.set(`/lib/modules/${RELEASE}/config`, 'CONFIG_NO_HZ_FULL=y\nCONFIG_VFIO=m\nCONFIG_RCU_NOCB_CPU=y\n');
  host.lines('/sys/kernel/security', { lockdown: 'none [integrity] confidentiality' });
  host.set(
    '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c',
    Uint8Array.of(6, 0, 0, 0, 1),
  );
  host.set('/boot/grub2/grub.cfg', '');
  host.set(`/boot/loader/entries/0123456789abcdef-${RELEASE}.conf`, `options ${COMMAND_LINE}\n`);
  host.set('/etc/default/grub', 'GRUB_ENABLE_BLSCFG=true\n');
  addCpus(
    host,
    [0, 1, 2, 3].map((cpu) => ({ cpus: [cpu], package: 0, core: cpu })),
    [{ cpus: [0, 1, 2, 3], size: '16M' }],
  );
  host.lines('/sys/devices/system/cpu', {
    possible: '0-3',
    present: '0-3',
    online: '0-3',
    isolated: '2-3',
    nohz_full: '2-3',
    'smt/active': 0,
    'smt/control': 'notsupported',
  });
  addNode(host, {
    id: 0,
    cpus: '0-3',
    distance: '10',
    total: 16384000,
    free: 8192000,
    hugepages: { 2048: [0, 0] },
  });
  host.set(
    '/proc/meminfo',
    'MemTotal:       16384000 kB\nMemFree:        8192000 kB\nHugepagesize:       2048 kB\n',
  );
  host.set('/proc/cpuinfo', 'vendor_id\t: GenuineIntel\nmodel name\t: Test\nflags\t\t: tsc hypervisor\n');
  host.lines('/sys/class/dmi/id', {
    sys_vendor: 'VMware, Inc.',
    product_name: 'VMware7,1',
    bios_version: 'VMW71',
  });
  for (const cpu of [0, 1, 2, 3]) {
    host.lines(`/sys/kernel/debug/sched/fair_server/cpu${cpu}`, { runtime: cpu < 2 ? 50000000 : 0 });
  }
  addInterrupts(
    host,
    [0, 1, 2, 3],
    [{ irq: 24, chip: 'PCI-MSI 1-edge', action: 'ens1f0', cpu: 1, count: 9 }],
  );
}

const PORTS = [
  ['0000:17:00.0', 'ens1f0'],
  ['0000:17:00.1', 'ens1f1'],
  ['0000:31:00.0', 'ens2f0'],
  ['0000:31:00.1', 'ens2f1'],
  ['0000:4b:00.0', 'ens3f0'],
  ['0000:4b:00.1', 'ens3f1'],
  ['0000:65:00.0', 'ens4f0'],
  ['0000:65:00.1', 'ens4f1'],
] as const;

const MASTERS: Readonly<Record<string, string>> = {
  ens1f0: 'bond0',
  ens1f1: 'bond0',
  ens2f0: 'br0',
  ens3f0: 'vrf-blue',
};
const UPPERS: Readonly<Record<string, readonly string[]>> = { ens3f1: ['mac0'] };

function addPorts(host: HostBuilder): void {
  PORTS.forEach(([address, name], index) => {
    const device = addPci(host, {
      address,
      above: `/sys/devices/pci${address.slice(0, 7)}/${address.slice(0, 7)}:01.0`,
      class: '0x020000',
      id: '8086:1572',
      driver: 'i40e',
      node: 0,
    });
    const master = MASTERS[name];
    addInterface(host, {
      name,
      index: 2 + index,
      address: `02:00:5e:00:00:0${2 + index}`,
      device,
      speed: 10000,
      ...(master === undefined ? {} : { master, uppers: [master] }),
      ...(UPPERS[name] === undefined ? {} : { uppers: UPPERS[name] }),
    });
  });
}

function addStack(host: HostBuilder): void {
  host.set('/sys/class/net/bonding_masters', 'bond0\n');
  const address = '02:00:5e:00:00:02';
  addInterface(host, {
    name: 'bond0',
    index: 20,
    address,
    type: 'bond',
    lowers: ['ens1f0', 'ens1f1'],
    uppers: ['bond0.10', 'bond0.20'],
  });
  host.lines('/sys/devices/virtual/net/bond0/bonding', { slaves: 'ens1f0 ens1f1' });
  addInterface(host, { name: 'bond0.10', index: 21, address, type: 'vlan', lowers: ['bond0'] });
  addInterface(host, { name: 'bond0.20', index: 22, address, type: 'vlan', lowers: ['bond0'] });
  addInterface(host, {
    name: 'br0',
    index: 23,
    address: '02:00:5e:00:00:04',
    type: 'bridge',
    lowers: ['ens2f0'],
  });
  host.link('/sys/devices/virtual/net/br0/brif/ens2f0', '/sys/class/net/ens2f0');
  addInterface(host, {
    name: 'vrf-blue',
    index: 24,
    address: '02:00:5e:00:00:24',
    type: 'vrf',
    lowers: ['ens3f0'],
  });
  addInterface(host, {
    name: 'mac0',
    index: 25,
    address: '02:00:5e:00:00:25',
    type: 'macvlan',
    lowers: ['ens3f1'],
  });
  addInterface(host, { name: 'tunl0', index: 26, address: '0.0.0.0', state: 'down' });
  // No link in sysfs tells what a tunnel runs over: only IFLA_LINK.
  addInterface(host, { name: 'gre1', index: 27, address: '192.0.2.65', state: 'unknown' });
  addInterface(host, { name: 'veth0', index: 28, address: '02:00:5e:00:00:28' });
}

function addAnswers(host: HostBuilder): void {
  const hardware: Link[] = PORTS.map(([, name], index) => ({ index: 2 + index, name }));
  const v4 = { family: 'inet', table: 254, type: 'unicast' } as const;
  const v6 = { family: 'inet6', table: 254, type: 'unicast' } as const;
  host.answers({
    links: [
      ...hardware,
      { index: 20, name: 'bond0', kind: 'bond' },
      { index: 21, name: 'bond0.10', kind: 'vlan', lower: 20 },
      { index: 22, name: 'bond0.20', kind: 'vlan', lower: 20 },
      { index: 23, name: 'br0', kind: 'bridge' },
      { index: 24, name: 'vrf-blue', kind: 'vrf' },
      { index: 25, name: 'mac0', kind: 'macvlan', lower: 7 },
      { index: 26, name: 'tunl0', kind: 'ipip', lower: 0 },
      { index: 27, name: 'gre1', kind: 'gre', lower: 8 },
      { index: 28, name: 'veth0', kind: 'veth', lower: 2 },
    ],
    addresses: [
      { family: 'inet', address: '192.0.2.10/24', interface: 21 },
      { family: 'inet6', address: 'fe80::10/64', interface: 21 },
      { family: 'inet6', address: '2001:db8:20::10/64', interface: 22 },
      { family: 'inet', address: '198.51.100.3/24', interface: 23 },
      { family: 'inet', address: '203.0.113.25/24', interface: 25 },
      { family: 'inet', address: '10.9.0.1/30', interface: 27 },
    ],
    routes: [
      { ...v4, destination: 'default', gateway: '192.0.2.1', interfaces: [21], priority: 400 },
      { ...v6, destination: 'default', gateway: 'fe80::1', interfaces: [22], priority: 1024 },
      { ...v4, destination: '192.0.2.0/24', interfaces: [21] },
      { ...v4, destination: '10.1.0.0/16', gateway: '10.0.100.1', interfaces: [5], table: 100 },
      { ...v4, destination: 'default', gateway: '10.0.200.1', interfaces: [6], table: 1001 },
      { ...v4, destination: '10.255.0.0/16', interfaces: [], type: 'blackhole' },
      { ...v4, destination: '10.2.0.0/16', gateway: '192.0.2.2', interfaces: [21, 23] },
      { ...v4, destination: '192.0.2.10/32', interfaces: [21], table: 255, type: 'local' },
    ],
    rules: [
      { family: 'inet', priority: 0, table: 255 },
      { family: 'inet', priority: 1000, table: 100, from: '10.0.100.0/24', mark: 7 },
      { family: 'inet', priority: 32766, table: 254 },
    ],
    neighbours: [
      {
        family: 'inet6',
        address: 'fe80::1',
        interface: 22,
        state: 'stale',
        linkAddress: '02:00:5e:00:00:01',
      },
    ],
    drivers: {
      ens1f0: {
        driver: 'i40e',
        version: RELEASE,
        firmware: '9.50 0x8000f25e 23.0.8',
        busInfo: '0000:17:00.0',
      },
    },
    kernelLog: [
      `<5>[    0.000000] Linux version ${RELEASE} (builder@localhost) #1 SMP PREEMPT_DYNAMIC`,
      `<6>[    0.000000] Command line: ${COMMAND_LINE}`,
      '<6>[    0.000000] isolcpus: Skipped unknown flag domian',
      "<6>[    0.000000] rcu: \tNote: kernel parameter 'rcu_nocbs=', 'nohz_full', or 'isolcpus=' contains nonexistent CPUs.",
      '<6>[    0.000000] rcu: \tOffload RCU callbacks from CPUs: 2-3.',
      '<3>[    0.004000] HugeTLB: unsupported hugepagesz=3M',
      '<4>[    0.004000] HugeTLB: hugepages=7 does not follow a valid hugepagesz, ignoring',
      '<5>[    0.010000] Unknown kernel command line parameters "isolcpu=3", will be passed to user space.',
      '<6>[    0.020000] HugeTLB: registered 2.00 MiB page size, pre-allocated 0 pages',
      '',
    ].join('\n'),
  });
}
