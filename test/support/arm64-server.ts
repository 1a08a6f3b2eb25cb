import { addCpus, addInterface, addInterrupts, addNode, addPci, HostBuilder } from './host-builder.ts';

/** No processor flags, no model name, no packages, and devices that are not on a PCI bus. */
export function arm64Server(): string {
  const host = new HostBuilder();
  addCpus(
    host,
    [0, 1, 2, 3].map((cpu) => ({ cpus: [cpu], package: -1, core: cpu })),
    [{ cpus: [0, 1, 2, 3], size: '32768K' }],
  );
  host.lines('/sys/devices/system/cpu', {
    possible: '0-3',
    present: '0-3',
    online: '0-3',
    'smt/active': 0,
    'smt/control': 'notimplemented',
  });
  host.set(
    '/proc/cpuinfo',
    [
      'processor\t: 0',
      'BogoMIPS\t: 50.00',
      'Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics',
      'CPU implementer\t: 0x41',
      'CPU part\t: 0xd0c',
      '',
    ].join('\n'),
  );
  host.lines('/proc/sys/kernel', { osrelease: '6.12.9-arm64' });
  host.lines('/proc', { cmdline: 'nohz_full=all irqaffinity=0' });
  host.lines('/sys/devices/system/clocksource/clocksource0', {
    current_clocksource: 'arch_sys_counter',
    available_clocksource: 'arch_sys_counter ',
  });
  host.lines('/sys/class/dmi/id', { sys_vendor: 'QEMU', product_name: 'KVM Virtual Machine' });
  addNode(host, {
    id: 0,
    cpus: '0-3',
    distance: '10',
    total: 8388608,
    free: 4194304,
    hugepages: { 64: [0, 0], 524288: [2, 2] },
  });
  host.set(
    '/proc/meminfo',
    'MemTotal:        8388608 kB\nMemAvailable:    4194304 kB\nHugepagesize:       2048 kB\n',
  );
  host.set('/sys/class/iommu/smmu3.0x0000000009050000', 'a folder');
  const nic = addPci(host, {
    address: '0000:01:00.0',
    above: '/sys/devices/pci0000:00/0000:00:01.0',
    class: '0x020000',
    id: '15b3:101d',
    driver: 'mlx5_core',
    group: 3,
    node: 0,
    localCpus: '0-3',
  });
  addInterface(host, { name: 'enp1s0', index: 2, address: '02:00:5e:00:01:00', device: nic, speed: 100000 });
  host.lines('/sys/kernel/iommu_groups', { '0/type': 'DMA', '3/type': 'DMA-FQ' });
  host.link('/sys/kernel/iommu_groups/0/devices/ARMH0011:00', '/sys/devices/platform/ARMH0011:00');
  host.link('/sys/devices/platform/ARMH0011:00/driver', '/sys/bus/platform/drivers/sbsa-uart');
  addInterrupts(
    host,
    [0, 1, 2, 3],
    [
      { irq: 11, chip: 'GICv3 27 Level', action: 'arch_timer', cpu: 0, count: 5000 },
      {
        irq: 48,
        chip: 'ITS-PCI-MSIX-0000:01:00.0 1 Edge',
        action: 'mlx5_comp0@pci:0000:01:00.0',
        cpu: 2,
        count: 12,
      },
    ],
  );
  return host.archive();
}
