import { addCpus, addInterface, addNode, addPci, HostBuilder } from './host-builder.ts';

/**
 * What firmware, hot-plugging and containers leave out: nodes 0 and 2 without a 1, CPUs that are off, one CPU that does
 * not describe its caches, a PCI domain of five digits, no processor flags, and an ordinary user's eyes.
 */
export function offlineSparse(): string {
  const host = new HostBuilder();
  const cores = [0, 1, 2, 3, 8, 9, 10, 11].map((cpu) => ({
    cpus: [cpu],
    package: cpu < 8 ? 0 : 1,
    core: cpu % 8,
  }));
  addCpus(host, cores, [
    { cpus: [0, 1], size: '32768K' },
    { cpus: [2, 3], size: '32768K' },
    { cpus: [8, 10, 11], size: '32768K' },
  ]);
  const cpu = '/sys/devices/system/cpu';
  for (const off of [4, 5, 6, 7, 12, 13, 14, 15]) host.lines(`${cpu}/cpu${off}`, { online: 0 });
  host.lines(cpu, { possible: '0-15', present: '0-15', online: '0-3,8-11', nohz_full: '  (null)' });
  host.set(`${cpu}/isolated`, '\n');
  // Files where nothing is meant to be CPU folders.
  host.lines(cpu, { 'cpuidle/current_driver': 'none', 'cpufreq/boost': 1 });
  host.set(
    '/proc/cpuinfo',
    'processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 72F3 8-Core Processor\n',
  );
  addNode(host, {
    id: 0,
    cpus: '0-3',
    distance: '10 32',
    total: 33554432,
    free: 16777216,
    hugepages: { 2048: [512, 512] },
  });
  addNode(host, { id: 2, cpus: '8-11', distance: '32 10', total: 33554432, free: 16000000, hugepages: {} });
  // The pool is there, but nothing tells how much of it is free.
  host.lines('/sys/devices/system/node/node2/hugepages/hugepages-2048kB', { nr_hugepages: 512 });
  host.set(
    '/proc/meminfo',
    'MemTotal:       67108864 kB\nMemFree:        32777216 kB\nHugePages_Total:    1024\n',
  );
  host.lines('/proc/sys/kernel', { osrelease: '4.18.0-553.el8_10.x86_64' });
  host.set('/boot/config-4.18.0-553.el8_10.x86_64', { denied: 'EACCES' });
  host.set('/sys/firmware/dmi/tables/DMI', { denied: 'EACCES' });
  host.set('/sys/kernel/debug/sched/fair_server', { denied: 'EACCES' });
  host.set('/sys/firmware/acpi', 'a folder');
  host.set('/run/systemd/container', 'lxc\n');
  for (const [unit, group] of [
    ['ivhd0', 0],
    ['ivhd1', 1],
  ] as const) {
    host.set(`/sys/class/iommu/${unit}`, 'a folder');
    host.set(`/sys/kernel/iommu_groups/${group}/type`, { denied: 'EACCES' });
  }
  const vmd = '/sys/devices/pci0000:e0/0000:e0:05.5/pci10000:e0/10000:e0:02.0';
  const nic = addPci(host, {
    address: '10000:e1:00.0',
    above: vmd,
    class: '0x020000',
    id: '14e4:1750',
    driver: 'bnxt_en',
    group: 1,
    node: 2,
    localCpus: '8-11',
    // Without root: the header alone.
    config: new Uint8Array(64).fill(1),
  });
  host.set(`${nic}/current_link_speed`, 'Unknown\n');
  host.lines(nic, { current_link_width: 0, max_link_speed: 'Unknown', max_link_width: 255 });
  addPci(host, {
    address: '0000:01:00.0',
    above: '/sys/devices/pci0000:00',
    class: '0x010802',
    id: '144d:a80a',
    driver: 'nvme',
    group: 0,
  });
  addInterface(host, { name: 'eth0', index: 2, address: '02:00:5e:00:e1:00', device: nic, speed: 25000 });
  host.set(
    '/proc/net/route',
    [
      'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
      'eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0',
      'eth0\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0',
      '',
    ].join('\n'),
  );
  host.set(
    '/proc/net/ipv6_route',
    [
      '20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0',
      '00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0',
      '00000000000000000000000000000001 80 00000000000000000000000000000000 00 00000000000000000000000000000000 00000000 00000001 00000000 80200001       lo',
      '',
    ].join('\n'),
  );
  host.set(
    '/proc/net/arp',
    [
      'IP address       HW type     Flags       HW address            Mask     Device',
      '192.0.2.1        0x1         0x2         02:00:5e:00:00:01     *        eth0',
      '192.0.2.9        0x1         0x0         00:00:00:00:00:00     *        eth0',
      '',
    ].join('\n'),
  );
  return host.archive();
}
