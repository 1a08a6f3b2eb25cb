import { describe, expect, test } from 'vitest';
import { absent, factsOf, fixtureHost, known, pciFunction, theValue, withFiles } from '../support/hosts.ts';

const DEVICES = '/sys/bus/pci/devices';
const smt = factsOf(fixtureHost('two-socket-smt'));
const vm = factsOf(fixtureHost('firecracker-vm'));
const sparse = factsOf(fixtureHost('offline-sparse'));
const arm = factsOf(fixtureHost('arm64-server'));

test('[A1] every network function is listed with address, vendor, device, driver and interface name', () => {
  const list = theValue(smt.pci.networkFunctions).map((nic) => [
    nic.address,
    nic.vendor,
    nic.device,
    nic.driver,
    nic.interfaces,
  ]);
  const driver = (address: string, name: string) => known(name, `${DEVICES}/${address}/driver`);
  expect(list).toEqual([
    ['0000:04:00.0', '0x8086', '0x1521', driver('0000:04:00.0', 'igb'), ['eno1']],
    ['0000:04:00.1', '0x8086', '0x1521', driver('0000:04:00.1', 'igb'), ['eno2']],
    ['0000:3b:00.0', '0x15b3', '0x1019', driver('0000:3b:00.0', 'mlx5_core'), ['enp59s0np0']],
    ['0000:af:00.0', '0x8086', '0x1592', driver('0000:af:00.0', 'ice'), ['ens5f0']],
    ['0000:af:00.1', '0x8086', '0x1592', driver('0000:af:00.1', 'vfio-pci'), []],
    ['0000:af:01.0', '0x8086', '0x1889', driver('0000:af:01.0', 'iavf'), ['ens5f0v0']],
    [
      '0000:af:01.1',
      '0x8086',
      '0x1889',
      absent('missing', 'no driver is bound', `${DEVICES}/0000:af:01.1/driver`),
      [],
    ],
  ]);
});

test('[A1] an interface below a virtio device, and a function in a PCI domain of five digits', () => {
  expect(pciFunction(vm, '0000:00:03.0')).toMatchObject({
    vendor: '0x1af4',
    device: '0x1041',
    driver: known('virtio-pci', `${DEVICES}/0000:00:03.0/driver`),
    interfaces: ['eth0'],
  });
  expect(theValue(sparse.pci.networkFunctions).map((nic) => [nic.address, nic.interfaces])).toEqual([
    ['10000:e1:00.0', ['eth0']],
  ]);
});

test('[A1] a host without PCI devices, and one whose class files are garbage', () => {
  const none = factsOf(withFiles('two-socket-smt', { '/sys/bus/pci': null }));
  expect(none.pci.networkFunctions).toEqual(absent('missing', 'the host has no PCI devices', DEVICES));
  const garbled = factsOf(
    withFiles('offline-sparse', {
      '/sys/devices/pci0000:e0/0000:e0:05.5/pci10000:e0/10000:e0:02.0/10000:e1:00.0/class': '0x02zz00\n',
    }),
  );
  expect(garbled.pci.networkFunctions).toEqual(known([], DEVICES));
});

describe('[A2] the NUMA node of a NIC', () => {
  const path = (address: string) => `${DEVICES}/${address}/numa_node`;
  const ice = '/sys/devices/pci0000:ae/0000:ae:02.0/0000:af:00.0';

  test('with the CPUs that are near it', () => {
    expect(pciFunction(smt, '0000:3b:00.0').node).toEqual(known(0, path('0000:3b:00.0')));
    expect(pciFunction(smt, '0000:af:00.0').node).toEqual(known(1, path('0000:af:00.0')));
    expect(pciFunction(smt, '0000:af:00.0').localCpus).toEqual(
      known('16-31,48-63', `${DEVICES}/0000:af:00.0/local_cpulist`),
    );
    expect(pciFunction(sparse, '10000:e1:00.0').node).toEqual(known(2, path('10000:e1:00.0')));
  });

  test('−1 is unknown, and never node 0', () => {
    expect(pciFunction(smt, '0000:04:00.0').node).toEqual(
      absent('missing', 'the firmware names no node (-1)', path('0000:04:00.0')),
    );
  });

  test.each([
    ['no such file', null, absent('missing', 'no such file', path('0000:af:00.0'))],
    ['EACCES', { denied: 'EACCES' }, absent('denied', 'EACCES: needs root', path('0000:af:00.0'))],
    ['EIO', { denied: 'EIO' }, absent('unsupported', 'the kernel answers EIO', path('0000:af:00.0'))],
    [
      'garbage',
      'one\n',
      absent('garbled', 'not a number: "one" (expected a whole number)', path('0000:af:00.0')),
    ],
  ])('%s', (_, change, fact) => {
    const facts = factsOf(withFiles('two-socket-smt', { [`${ice}/numa_node`]: change }));
    expect(pciFunction(facts, '0000:af:00.0').node).toEqual(fact);
  });
});

const MEMORY = '/var/lib/bypass-setup/nics.json';

test('[A3] the MAC address is shown, and remembered after the interface is gone', () => {
  const interfaces = theValue(smt.network.interfaces);
  const ice = interfaces.find((entry) => entry.name === 'ens5f0');
  expect([ice?.address, ice?.permanentAddress]).toEqual([
    known('02:00:5e:00:af:00', '/sys/class/net/ens5f0/address'),
    known('02:00:5e:00:af:00', 'RTM_GETLINK'),
  ]);
  // Nothing in sysfs knows the address of the port that vfio-pci holds.
  expect(interfaces.filter((entry) => entry.pci === '0000:af:00.1')).toEqual([]);
  expect(pciFunction(smt, '0000:af:00.1').remembered).toEqual(
    known({ driver: 'ice', address: '02:00:5e:00:af:01', interface: 'ens5f1' }, MEMORY),
  );
});

test('the driver from before the binding is read from the state file', () => {
  const bound = pciFunction(smt, '0000:af:00.1');
  expect([bound.driver, bound.driverOverride]).toEqual([
    known('vfio-pci', `${DEVICES}/0000:af:00.1/driver`),
    known('vfio-pci', `${DEVICES}/0000:af:00.1/driver_override`),
  ]);
  expect(theValue(bound.remembered).driver).toBe('ice');
  expect(pciFunction(smt, '0000:af:00.0').remembered).toEqual(
    absent('missing', 'this tool never took it from the kernel', MEMORY),
  );
});

test.each([
  ['no file', null, absent('missing', 'no such file', MEMORY)],
  ['a file of another user', { denied: 'EACCES' }, absent('denied', 'EACCES: needs root', MEMORY)],
  [
    'an entry without fields',
    '{"0000:af:00.1": {"driver": "ice"}}',
    absent('garbled', 'fields are missing', MEMORY),
  ],
  ['an empty entry', '{"0000:af:00.1": null}', absent('garbled', 'fields are missing', MEMORY)],
  [
    'no JSON',
    '{"0000:af',
    absent('garbled', 'not a JSON document: "{\\"0000:af" (it does not parse)', MEMORY),
  ],
  ['no object', '7', absent('garbled', 'not a NIC memory: "7" (expected an object)', MEMORY)],
])('what is remembered of a NIC: %s', (_, change, fact) => {
  const facts = factsOf(withFiles('two-socket-smt', { [MEMORY]: change }));
  expect(pciFunction(facts, '0000:af:00.1').remembered).toEqual(fact);
});

describe('[A5] PCIe link speed and width, MPS and MRRS', () => {
  const folder = `${DEVICES}/0000:3b:00.0`;
  const real = '/sys/devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0';
  const varied = (changes: Parameters<typeof withFiles>[1]) =>
    pciFunction(factsOf(withFiles('two-socket-smt', changes)), '0000:3b:00.0');

  test('a card that has half of its lanes, by capability look-up in its configuration space', () => {
    const nic = pciFunction(smt, '0000:3b:00.0');
    expect(nic.link).toEqual(
      known(
        { speed: '8.0 GT/s PCIe', width: 8, maxSpeed: '16.0 GT/s PCIe', maxWidth: 16 },
        `${folder}/current_link_speed`,
      ),
    );
    expect([nic.maxPayload, nic.maxReadRequest, nic.aspm, nic.serial]).toEqual([
      known(256, `${folder}/config`),
      known(512, `${folder}/config`),
      known('disabled', `${folder}/config`),
      known('b8-ce-f6-03-00-a1-b2-c3', `${folder}/config`),
    ]);
    expect(nic.errors).toEqual(
      known({ correctable: 3, nonfatal: 0, fatal: 0 }, `${folder}/aer_dev_correctable`),
    );
    expect(nic.powerState).toEqual(known('D0', `${folder}/power_state`));
  });

  test('other settings of the same registers', () => {
    const ice = pciFunction(smt, '0000:af:00.0');
    expect([theValue(ice.maxPayload), theValue(ice.maxReadRequest)]).toEqual([512, 4096]);
    const igb = pciFunction(smt, '0000:04:00.0');
    expect(theValue(igb.aspm)).toBe('L1');
    expect(igb.serial).toEqual(
      absent('missing', 'the device does not say', `${DEVICES}/0000:04:00.0/config`),
    );
  });

  test('a virtual machine without PCI Express', () => {
    const nic = pciFunction(vm, '0000:00:03.0');
    expect(nic.link).toEqual(absent('missing', 'no such file', `${DEVICES}/0000:00:03.0/current_link_speed`));
    expect(nic.maxPayload).toEqual(
      absent('missing', 'not a PCI Express device', `${DEVICES}/0000:00:03.0/config`),
    );
  });

  test('an ordinary user reads the header alone', () => {
    const nic = pciFunction(sparse, '10000:e1:00.0');
    const denied = absent(
      'denied',
      'only the first 64 bytes are readable: needs root',
      `${DEVICES}/10000:e1:00.0/config`,
    );
    expect([nic.maxPayload, nic.maxReadRequest, nic.aspm, nic.serial]).toEqual([
      denied,
      denied,
      denied,
      denied,
    ]);
    expect(theValue(nic.link)).toEqual({ speed: 'Unknown', width: 0, maxSpeed: 'Unknown', maxWidth: 255 });
  });

  test('a device that fell off the bus', () => {
    expect(varied({ [`${real}/config`]: new Uint8Array(256).fill(0xff) }).maxPayload).toEqual(
      absent('garbled', 'all bits are ones: the device no longer answers', `${folder}/config`),
    );
  });

  test('a link without a width, and error counters that do not add up', () => {
    expect(varied({ [`${real}/current_link_width`]: null }).link).toEqual(
      absent('garbled', 'not a number: "" (expected a whole number)', `${folder}/current_link_speed`),
    );
    expect(varied({ [`${real}/aer_dev_fatal`]: 'TOTAL_ERR_FATAL 99999999999999999999\n' }).errors).toEqual(
      absent(
        'garbled',
        'not a number: "99999999999999999999" (expected a whole number)',
        `${folder}/aer_dev_correctable`,
      ),
    );
  });

  test('[J11] the other end of each link, and what lets it sleep, also without root', () => {
    const port = '/sys/devices/pci0000:b0/0000:b0:02.0';
    const bridgeOf = (changes: Parameters<typeof withFiles>[1]) =>
      factsOf(withFiles('ready-server', changes)).pci.bridges.find(
        ({ address }) => address === '0000:b0:02.0',
      );
    const at = `${DEVICES}/0000:b0:02.0`;
    const full = { speed: '16.0 GT/s PCIe', width: 16, maxSpeed: '16.0 GT/s PCIe', maxWidth: 16 };
    expect(bridgeOf({})).toEqual({
      address: '0000:b0:02.0',
      link: known(full, `${at}/current_link_speed`),
      maxPayload: known(256, `${at}/config`),
      aspm: known('disabled', `${at}/config`),
      errors: known({ correctable: 0, nonfatal: 0, fatal: 0 }, `${at}/aer_dev_correctable`),
    });
    const cut = { [`${port}/config`]: new Uint8Array(64).fill(1) };
    expect(bridgeOf(cut)?.aspm.absent).toBe('denied');
    const seen = { [`${port}/link/l0s_aspm`]: '0\n', [`${port}/link/l1_aspm`]: '1\n' };
    expect(bridgeOf({ ...cut, ...seen })?.aspm).toEqual(known('L1', `${at}/link`));
    expect(bridgeOf({ ...cut, ...seen, [`${port}/link/l1_aspm`]: '0\n' })?.aspm).toEqual(
      known('disabled', `${at}/link`),
    );
  });
});

test('[A6] the bridges above a NIC tell which ones share a root port', () => {
  const upstream = Object.fromEntries(
    theValue(smt.pci.networkFunctions).map((nic) => [nic.address, nic.upstream]),
  );
  expect(upstream).toEqual({
    '0000:04:00.0': ['0000:00:1c.0'],
    '0000:04:00.1': ['0000:00:1c.0'],
    '0000:3b:00.0': ['0000:3a:00.0'],
    '0000:af:00.0': ['0000:ae:02.0'],
    '0000:af:00.1': ['0000:ae:02.0'],
    '0000:af:01.0': ['0000:ae:02.0'],
    '0000:af:01.1': ['0000:ae:02.0'],
  });
  // Behind an Intel VMD controller the path goes through two domains.
  expect(pciFunction(sparse, '10000:e1:00.0').upstream).toEqual(['0000:e0:05.5', '10000:e0:02.0']);
  expect(pciFunction(vm, '0000:00:03.0').upstream).toEqual([]);
});

test('the firmware of every NIC is read, to be held against a minimum', () => {
  const firmware = Object.fromEntries(
    theValue(smt.network.interfaces).map((entry) => [entry.name, entry.firmware]),
  );
  const from = 'ETHTOOL_GDRVINFO';
  expect(firmware).toEqual({
    eno1: known('1.63, 0x80000a05', from),
    eno2: known('1.63, 0x80000a05', from),
    enp59s0np0: known('16.35.3502 (MT_0000000080)', from),
    ens5f0: known('4.40 0x8001c7d4 1.3534.0', from),
    ens5f0v0: absent('missing', 'the driver does not say', from),
    lo: absent('missing', 'the driver does not say', from),
  });
  expect(theValue(sparse.network.interfaces)[0]?.firmware).toEqual(
    absent('unsupported', 'the recorded host holds no such answer', from),
  );
});

describe('memory slots', () => {
  const TABLE = '/sys/firmware/dmi/tables/DMI';
  const slots = (change: Parameters<typeof withFiles>[1][string]) =>
    factsOf(withFiles('two-socket-smt', { [TABLE]: change })).machine.memoryDevices;

  test('with the empty ones, by socket', () => {
    const slot = (locator: string, bank: string, megabytes: number, speed: number) => ({
      locator,
      bank,
      megabytes,
      speed,
    });
    expect(smt.machine.memoryDevices).toEqual(
      known(
        [
          slot('A1', 'NODE 1', 32768, 3200),
          slot('A2', 'NODE 1', 32768, 3200),
          slot('A3', 'NODE 1', 0, 0),
          slot('A4', 'NODE 1', 0, 0),
          slot('B1', 'NODE 2', 32768, 3200),
          slot('B2', 'NODE 2', 32768, 3200),
          slot('B3', 'NODE 2', 0, 0),
          slot('B4', 'NODE 2', 0, 0),
        ],
        TABLE,
      ),
    );
  });

  test('absent without a table, without the right to read it, and without a slot in it', () => {
    expect(slots(null)).toEqual(absent('missing', 'no SMBIOS table', TABLE));
    expect(sparse.machine.memoryDevices).toEqual(absent('denied', 'EACCES: needs root', TABLE));
    expect(slots('')).toEqual(absent('missing', 'the table describes no memory slot', TABLE));
    expect(slots('garbage of every kind')).toEqual(
      absent('missing', 'the table describes no memory slot', TABLE),
    );
  });
});

describe('[A9] sockets, cores and their SMT siblings', () => {
  const CPU = '/sys/devices/system/cpu';

  test('two sockets, two nodes, two threads a core', () => {
    expect(smt.cpu.cores).toEqual(
      known(
        Array.from({ length: 32 }, (_, n) => ({
          cpus: `${n},${n + 32}`,
          package: n < 16 ? 0 : 1,
          core: n % 16,
          node: n < 16 ? 0 : 1,
          kind: null,
        })),
        CPU,
      ),
    );
    expect(smt.cpu.smt).toEqual(known({ active: true, control: 'on' }, `${CPU}/smt/active`));
  });

  test('CPUs that are off are left out, and nodes keep their numbers', () => {
    expect([sparse.cpu.possible, sparse.cpu.present, sparse.cpu.online]).toEqual([
      known('0-15', `${CPU}/possible`),
      known('0-15', `${CPU}/present`),
      known('0-3,8-11', `${CPU}/online`),
    ]);
    expect(theValue(sparse.cpu.cores).map((core) => [core.cpus, core.package, core.node])).toEqual([
      ['0', 0, 0],
      ['1', 0, 0],
      ['2', 0, 0],
      ['3', 0, 0],
      ['8', 1, 2],
      ['9', 1, 2],
      ['10', 1, 2],
      ['11', 1, 2],
    ]);
    expect(sparse.cpu.smt).toEqual(absent('missing', 'no such file', `${CPU}/smt/active`));
  });

  test('ARM: no vendor, model, flags or package', () => {
    expect(arm.cpu).toMatchObject({
      vendor: absent('missing', 'no "vendor_id" line', '/proc/cpuinfo'),
      model: absent('missing', 'no "model name" line', '/proc/cpuinfo'),
      flags: absent('missing', 'no "flags" line', '/proc/cpuinfo'),
    });
    expect(theValue(arm.cpu.cores)[3]).toEqual({ cpus: '3', package: null, core: 3, node: 0, kind: null });
  });

  test('each kind of core of a hybrid processor', () => {
    const facts = factsOf(
      withFiles('bond-vlan', {
        '/sys/devices/cpu_core/cpus': '0-1\n',
        '/sys/devices/cpu_atom/cpus': '2\n',
        '/sys/devices/cpu_lowpower/cpus': '3\n',
      }),
    );
    expect(theValue(facts.cpu.cores).map((core) => core.kind)).toEqual([
      'performance',
      'performance',
      'efficient',
      'efficient',
    ]);
  });

  test('no CPU is lost or counted twice when the siblings are contradictory', () => {
    const topology = (cpu: number) => `${CPU}/cpu${cpu}/topology`;
    const facts = factsOf(
      withFiles('bond-vlan', {
        [`${topology(0)}/thread_siblings_list`]: '0-1\n',
        [`${topology(1)}/core_id`]: '0\n',
        [`${topology(2)}/thread_siblings_list`]: '1-2\n',
        [`${topology(2)}/core_id`]: '0\n',
        [`${topology(3)}/thread_siblings_list`]: 'garbage\n',
      }),
    );
    expect(theValue(facts.cpu.cores).map((core) => core.cpus)).toEqual(['0-1', '2', '3']);
  });

  test('the list of CPUs that are on is unreadable: all that have a folder count', () => {
    const facts = factsOf(withFiles('bond-vlan', { [`${CPU}/online`]: { denied: 'EACCES' } }));
    expect(facts.cpu.online).toEqual(absent('denied', 'EACCES: needs root', `${CPU}/online`));
    expect(theValue(facts.cpu.cores)).toHaveLength(4);
  });
});

describe('[A10] which CPUs share a level 3 cache', () => {
  const from = '/sys/devices/system/cpu';

  test('one for each socket', () => {
    expect(smt.cpu.l3).toEqual(
      known(
        [
          { cpus: '0-15,32-47', size: 24576 * 1024 },
          { cpus: '16-31,48-63', size: 24576 * 1024 },
        ],
        from,
      ),
    );
  });

  test('several for each socket, and a CPU that does not describe its caches', () => {
    expect(sparse.cpu.l3).toEqual(
      known(
        [
          { cpus: '0-1', size: 32 << 20 },
          { cpus: '2-3', size: 32 << 20 },
          { cpus: '8,10-11', size: 32 << 20 },
        ],
        from,
      ),
    );
  });

  test('a cache of level 4 does not hide it; without a size the size is unknown', () => {
    const cache = `${from}/cpu0/cache`;
    const facts = factsOf(
      withFiles('bond-vlan', {
        [`${cache}/index4/level`]: '4\n',
        [`${cache}/index4/shared_cpu_list`]: '0\n',
        [`${cache}/index3/size`]: null,
      }),
    );
    expect(facts.cpu.l3).toEqual(known([{ cpus: '0-3', size: null }], from));
  });

  test('no level 3', () => {
    const changes = [0, 1, 2, 3].map((cpu) => [`${from}/cpu${cpu}/cache/index3`, null] as const);
    const facts = factsOf(withFiles('bond-vlan', Object.fromEntries(changes)));
    expect(facts.cpu.l3).toEqual(absent('missing', 'no level 3 cache is described', from));
  });
});

describe('[A11] whether the IOMMU is on', () => {
  const UNITS = '/sys/class/iommu';
  const TABLES = '/sys/firmware/acpi/tables';

  test('the units in use: Intel, AMD, ARM', () => {
    expect(smt.iommu.units).toEqual(known(['dmar0', 'dmar1'], UNITS));
    expect(sparse.iommu.units).toEqual(known(['ivhd0', 'ivhd1'], UNITS));
    expect(arm.iommu.units).toEqual(known(['smmu3.0x0000000009050000'], UNITS));
  });

  test('off', () => {
    expect(vm.iommu).toEqual({
      units: absent('missing', 'no IOMMU is in use', UNITS),
      table: absent('unsupported', 'the kernel shows no ACPI tables', TABLES),
      groups: absent('missing', 'no IOMMU groups', '/sys/kernel/iommu_groups'),
      interruptRemapping: known(false, '/proc/interrupts'),
    });
  });

  test('the table of the firmware, whether or not it is in use', () => {
    const table = (name: string) =>
      factsOf(withFiles('bond-vlan', { [`${TABLES}/FACP`]: '', [`${TABLES}/${name}`]: '' })).iommu.table;
    expect(table('DMAR')).toEqual(known('DMAR', TABLES));
    expect(table('IVRS')).toEqual(known('IVRS', TABLES));
    expect(table('APIC')).toEqual(absent('missing', 'no table DMAR or IVRS', TABLES));
    expect(factsOf(withFiles('bond-vlan', { [TABLES]: { denied: 'EACCES' } })).iommu.table.absent).toBe(
      'denied',
    );
  });

  test('interrupt remapping, by the names of the chips', () => {
    expect(smt.iommu.interruptRemapping).toEqual(known(true, '/proc/interrupts'));
    // A GICv3 translation service tells devices apart without one.
    expect(arm.iommu.interruptRemapping).toEqual(known(true, '/proc/interrupts'));
    expect(sparse.iommu.interruptRemapping).toEqual(absent('missing', 'no such file', '/proc/interrupts'));
  });
});

test('[A12] every member of an IOMMU group with its class and driver', () => {
  const group = theValue(smt.iommu.groups).find(({ id }) => id === 7);
  expect(group?.members).toEqual([
    { address: '0000:00:1c.0', class: '0x060400', driver: 'pcieport' },
    { address: '0000:04:00.0', class: '0x020000', driver: 'igb' },
    { address: '0000:04:00.1', class: '0x020000', driver: 'igb' },
  ]);
  expect(pciFunction(smt, '0000:04:00.0').iommuGroup).toEqual(
    known(7, `${DEVICES}/0000:04:00.0/iommu_group`),
  );
  expect(pciFunction(vm, '0000:00:03.0').iommuGroup).toEqual(
    absent('missing', 'no IOMMU group', `${DEVICES}/0000:00:03.0/iommu_group`),
  );
  // Members need not be on a PCI bus, or have a driver.
  expect(theValue(arm.iommu.groups)[0]?.members).toEqual([
    { address: 'ARMH0011:00', class: 'unknown', driver: 'sbsa-uart' },
  ]);
  expect(theValue(smt.iommu.groups).find(({ id }) => id === 121)?.members).toEqual([
    { address: '0000:af:01.1', class: '0x020000', driver: null },
  ]);
});

test('[A13] the domain type of every IOMMU group', () => {
  const types = theValue(smt.iommu.groups).map(({ id, type }) => [id, type]);
  const type = (id: number, name: string) => [id, known(name, `/sys/kernel/iommu_groups/${id}/type`)];
  expect(types).toEqual([
    type(7, 'identity'),
    type(19, 'identity'),
    type(20, 'identity'),
    type(83, 'identity'),
    type(84, 'identity'),
    type(85, 'DMA'),
    type(120, 'DMA-FQ'),
    type(121, 'DMA-FQ'),
  ]);
  expect(theValue(sparse.iommu.groups).map((group) => group.type)).toEqual([
    absent('denied', 'EACCES: needs root', '/sys/kernel/iommu_groups/0/type'),
    absent('denied', 'EACCES: needs root', '/sys/kernel/iommu_groups/1/type'),
  ]);
});

describe('[A14] Secure Boot and lockdown', () => {
  const LOCKDOWN = '/sys/kernel/security/lockdown';
  const VARIABLE = '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c';
  const both = (changes: Parameters<typeof withFiles>[1]) => {
    const { lockdown, secureBoot } = factsOf(withFiles('two-socket-smt', changes)).kernel;
    return [lockdown, secureBoot];
  };

  test('off, on, and stricter', () => {
    expect(both({})).toEqual([known('none', LOCKDOWN), known(false, VARIABLE)]);
    const { lockdown, secureBoot } = factsOf(fixtureHost('bond-vlan')).kernel;
    expect([lockdown, secureBoot]).toEqual([known('integrity', LOCKDOWN), known(true, VARIABLE)]);
    expect(both({ [LOCKDOWN]: 'none integrity [confidentiality]\n' })[0]).toEqual(
      known('confidentiality', LOCKDOWN),
    );
  });

  test('a host without UEFI, and firmware without the variable', () => {
    expect([vm.kernel.lockdown, vm.kernel.secureBoot]).toEqual([
      absent('missing', 'no such file', LOCKDOWN),
      absent('missing', 'not started by UEFI', VARIABLE),
    ]);
    const other = '/sys/firmware/efi/efivars/BootOrder-8be4df61-93ca-11d2-aa0d-00e098032b8c';
    expect(both({ [VARIABLE]: null, [other]: Uint8Array.of(7, 0, 0, 0, 1, 0) })[1]).toEqual(
      absent('missing', 'the firmware has no such variable', VARIABLE),
    );
    expect(both({ [VARIABLE]: null, '/sys/firmware/efi/fw_platform_size': '64\n' })[1]).toEqual(
      absent('unsupported', 'efivarfs is not mounted', VARIABLE),
    );
  });

  test('what makes no sense is never "off"', () => {
    expect(both({ [LOCKDOWN]: 'none integrity\n', [VARIABLE]: '1' })).toEqual([
      absent('garbled', 'not a lockdown mode: "none integrity" (no known mode is marked)', LOCKDOWN),
      absent('garbled', '1 bytes where five are expected', VARIABLE),
    ]);
    expect(both({ [LOCKDOWN]: { denied: 'EACCES' }, [VARIABLE]: { denied: 'EPERM' } })).toEqual([
      absent('denied', 'EACCES: needs root', LOCKDOWN),
      absent('denied', 'EPERM: needs root', VARIABLE),
    ]);
  });
});

describe('[A15] the build options of the kernel', () => {
  const PACKED = '/proc/config.gz';
  const DEBIAN = '/boot/config-6.1.0-28-amd64';

  test('from /boot, from the modules folder, and from the kernel itself', () => {
    expect(smt.kernel.buildOptions).toEqual(
      known(
        {
          NO_HZ_FULL: 'y',
          RCU_NOCB_CPU: 'y',
          CPU_ISOLATION: 'y',
          CPUSETS: 'y',
          VFIO: 'm',
          VFIO_PCI: 'm',
          VFIO_IOMMU_TYPE1: 'm',
          VFIO_NOIOMMU: 'y',
          UIO_PCI_GENERIC: 'm',
          HUGETLBFS: 'y',
          INTEL_IOMMU: 'y',
          AMD_IOMMU: 'y',
          IRQ_REMAP: 'y',
          PCI_IOV: 'y',
          XDP_SOCKETS: 'y',
          NET_RX_BUSY_POLL: 'y',
          OSNOISE_TRACER: 'y',
          PREEMPT_RT: 'n',
          NUMA: 'y',
        },
        DEBIAN,
      ),
    );
    const red = factsOf(fixtureHost('bond-vlan')).kernel.buildOptions;
    expect(red.from).toBe('/lib/modules/6.12.0-55.9.1.el10_0.x86_64/config');
    expect(theValue(red)).toMatchObject({ NO_HZ_FULL: 'y', VFIO: 'm', RCU_NOCB_CPU: 'y', HUGETLBFS: 'n' });
    expect(vm.kernel.buildOptions.from).toBe(PACKED);
    expect(theValue(vm.kernel.buildOptions)).toMatchObject({ NO_HZ_FULL: 'n', RCU_NOCB_CPU: 'y', VFIO: 'n' });
  });

  test('unknown when nothing tells, or what tells is no configuration', () => {
    const none = `neither this file nor ${DEBIAN} nor /lib/modules/6.1.0-28-amd64/config`;
    expect(factsOf(withFiles('two-socket-smt', { [DEBIAN]: null })).kernel.buildOptions).toEqual(
      absent('missing', none, PACKED),
    );
    expect(factsOf(withFiles('two-socket-smt', { [DEBIAN]: 'no such thing\n' })).kernel.buildOptions).toEqual(
      absent('garbled', 'not a kernel configuration: "no such thing" (it sets no option)', DEBIAN),
    );
    expect(factsOf(withFiles('firecracker-vm', { [PACKED]: 'not packed' })).kernel.buildOptions).toEqual(
      absent('garbled', 'not a gzip file: "" (incorrect header check)', PACKED),
    );
  });
});

describe('[A16] virtual machine or bare metal', () => {
  const DMI = '/sys/class/dmi/id';
  const hypervisor = (changes: Parameters<typeof withFiles>[1]) =>
    factsOf(withFiles('bond-vlan', changes)).machine.hypervisor;

  test('bare metal', () => {
    expect(smt.machine.hypervisor).toEqual(
      absent('missing', 'the processor reports no hypervisor', '/proc/cpuinfo'),
    );
  });

  test('by the processor alone', () => {
    expect(vm.machine.hypervisor).toEqual(known('unnamed', '/proc/cpuinfo'));
  });

  test.each([
    ['VMware, Inc.', 'vmware'],
    ['QEMU', 'qemu'],
    ['Amazon EC2', 'amazon'],
    ['Microsoft Corporation', 'unnamed'],
    ['Xen', 'xen'],
  ])('%s', (vendor, name) => {
    const fact = hypervisor({ [`${DMI}/sys_vendor`]: `${vendor}\n`, [`${DMI}/product_name`]: 'Other\n' });
    expect(fact).toEqual(known(name, name === 'unnamed' ? '/proc/cpuinfo' : `${DMI}/sys_vendor`));
  });

  test('the vendor of a cloud on its bare-metal machines', () => {
    const changes = { [`${DMI}/sys_vendor`]: 'Amazon EC2\n', '/proc/cpuinfo': 'flags\t\t: fpu tsc\n' };
    expect(hypervisor(changes)).toEqual(
      absent('missing', 'the processor reports no hypervisor', '/proc/cpuinfo'),
    );
  });

  test('ARM, where no flag tells', () => {
    expect(arm.machine.hypervisor).toEqual(known('qemu', `${DMI}/sys_vendor`));
    expect(factsOf(withFiles('arm64-server', { [DMI]: null })).machine.hypervisor).toEqual(
      absent('missing', 'no processor flags to tell', '/proc/cpuinfo'),
    );
  });

  test('Xen tells by itself', () => {
    expect(hypervisor({ '/sys/hypervisor/type': 'xen\n' })).toEqual(known('xen', '/sys/hypervisor/type'));
  });

  test('a container is another matter', () => {
    expect(vm.machine.container).toEqual(known('docker', '/.dockerenv'));
    expect(sparse.machine.container).toEqual(known('lxc', '/run/systemd/container'));
    expect(smt.machine.container).toEqual(
      absent('missing', 'none of the marks of a container', '/run/systemd/container'),
    );
  });
});

describe('[J5] what makes the running kernel and the machine the ones that were accepted', () => {
  test('build, host name, date of the firmware and mitigations of the recorded server', () => {
    const { kernel, machine, cpu } = factsOf(fixtureHost('two-socket-smt'));
    expect(kernel.build).toEqual(
      known('#1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1 (2024-11-22)', '/proc/sys/kernel/version'),
    );
    expect(kernel.hostname).toEqual(known('feed-1', '/proc/sys/kernel/hostname'));
    expect(machine.firmwareDate).toEqual(known('08/22/2024', '/sys/class/dmi/id/bios_date'));
    expect(theValue(cpu.mitigations).meltdown).toBe('Not affected');
  });

  test('mitigations that are not told, or must not be read', () => {
    const folder = '/sys/devices/system/cpu/vulnerabilities';
    const mitigations = (changes: Parameters<typeof withFiles>[1]) =>
      factsOf(withFiles('two-socket-smt', changes)).cpu.mitigations;
    expect(mitigations({ [folder]: null })).toEqual(absent('missing', 'the kernel names none', folder));
    expect(mitigations({ [`${folder}/meltdown`]: { denied: 'EACCES' } })).toEqual(
      absent('denied', 'EACCES: needs root', folder),
    );
  });
});
