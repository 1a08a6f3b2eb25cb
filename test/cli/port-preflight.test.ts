import { describe, expect, it } from 'vitest';
import { type PortRequest, preflight } from '../../src/cli/port-preflight.ts';
import { ToolError } from '../../src/host/errors.ts';
import { type Change, factsOf, withFiles } from '../support/hosts.ts';

type Changes = Readonly<Record<string, Change>>;

const NIC = '0000:af:00.1';
const HUGE = '/sys/devices/system/node/node1/hugepages';
const DPDK = '/usr/lib/x86_64-linux-gnu/dpdk/pmds-23.0';

/** The recorded host, without the program that holds the NIC. */
const FREE: Changes = { '/proc/4242': null };
const USABLE = { allowed: [0, 1, 16, 32], isolated: [17, 18, 31, 49, 63] };

function plan(changes: Changes = {}, request: Partial<PortRequest> = {}, base: Changes = FREE) {
  const facts = factsOf(withFiles('two-socket-smt', { ...base, ...changes }));
  return preflight(facts, { pci: NIC, cpu: undefined, usable: USABLE, mayOpen: () => true, ...request });
}

function refused(changes: Changes, request: Partial<PortRequest> = {}, base: Changes = FREE) {
  try {
    plan(changes, request, base);
  } catch (error) {
    if (error instanceof ToolError) return { exitCode: error.exitCode, text: error.format() };
    throw error;
  }
  throw new Error('it was not refused');
}

/** The function's own folder, where files of it are changed. */
const folder = (address: string) => `/sys/devices/pci0000:ae/0000:ae:02.0/${address}`;
const driverOf = (address: string, driver: string): Changes => ({
  [`${folder(address)}/driver`]: { link: `../../../../bus/pci/drivers/${driver}` },
});
const interrupts = 'CPU0\n 98:  3  PCI-MSI 1-edge eno1\n';

describe('a port that DPDK can drive', () => {
  it('is polled on an isolated CPU of its node, with memory of that node', () => {
    expect(plan()).toEqual({
      port: { pci: NIC, memoryNode: 1, kernelInterface: false, notes: [] },
      cpu: 63,
    });
  });

  it.each([
    ['an isolated CPU of its node', USABLE, undefined, 63],
    ['an isolated CPU of its node that is online', { ...USABLE, isolated: [31, 64] }, undefined, 31],
    ['else any isolated CPU', { allowed: [0, 16], isolated: [3, 4] }, undefined, 4],
    ['else the last allowed one of its node', { allowed: [0, 16, 32], isolated: [] }, undefined, 16],
    ['else the last allowed one', { allowed: [0, 1], isolated: [] }, undefined, 1],
    ['the one that was asked for', USABLE, 2, 2],
  ])('[F4] %s', (_, usable, cpu, chosen) => {
    const { port, cpu: got } = plan({}, { usable, cpu });
    expect(got).toBe(chosen);
    // CPUs 16 to 31 and 48 to 63 are those of node 1.
    const far = chosen < 16;
    expect(port.notes).toEqual(
      far ? [`CPU ${chosen} is on node 0 and the NIC on node 1: each packet crosses between them`] : [],
    );
    expect(port.memoryNode).toBe(1);
  });

  it('takes the memory of the poll CPU where the firmware names no node', () => {
    const unknown = { [`${folder(NIC)}/numa_node`]: '-1\n' };
    expect(plan(unknown).port).toMatchObject({ memoryNode: 1, notes: [] });
    expect(plan(unknown, { cpu: 0 }).port).toMatchObject({ memoryNode: 0, notes: [] });
  });

  it('is named in any spelling', () => {
    expect(plan({}, { pci: 'AF:00.1' }).port.pci).toBe(NIC);
  });

  it('in no-IOMMU mode needs neither group nor remapping', () => {
    const noiommu = {
      '/dev/vfio/85': null,
      '/dev/vfio/noiommu-85': '',
      '/proc/interrupts': interrupts,
      '/sys/module/vfio_iommu_type1': null,
    };
    expect(plan(noiommu).port.pci).toBe(NIC);
    expect(refused(noiommu, { mayOpen: () => false }).text).toContain('may not open /dev/vfio/noiommu-85');
  });

  it('may be on a uio driver, and is refused while another program has it', () => {
    const uio: Changes = {
      ...driverOf(NIC, 'uio_pci_generic'),
      '/sys/class/uio/uio3': { link: `../../devices/pci0000:ae/0000:ae:02.0/${NIC}/uio/uio3` },
      [`${folder(NIC)}/uio/uio3/device`]: { link: `../../../${NIC}` },
    };
    expect(plan(uio).port.kernelInterface).toBe(false);
    expect(refused({ ...uio, '/proc/77/comm': 'vpp\n', '/proc/77/fd/5': { link: '/dev/uio3' } })).toEqual({
      exitCode: 4,
      text: `error[NIC_IN_USE] ${NIC}: /dev/uio3 is held by vpp[77]\nhint: stop that program, or choose another NIC`,
    });
    expect(plan({ ...uio, '/proc/77/comm': 'vpp\n', '/proc/77/fd/5': { link: '/dev/uio4' } }).cpu).toBe(63);
  });

  it('[J16] stays on a bifurcated driver', () => {
    const mellanox = { pci: '0000:3b:00.0', mayOpen: () => false };
    expect(plan({ '/dev/infiniband/uverbs0': '' }, mellanox).port).toMatchObject({
      kernelInterface: true,
      memoryNode: 0,
    });
  });
});

describe('a port that DPDK cannot drive', () => {
  const NICS =
    'the NICs are 0000:04:00.0 (eno1), 0000:04:00.1 (eno2), 0000:3b:00.0 (enp59s0np0), 0000:af:00.0 (ens5f0), ' +
    '0000:af:00.1 (vfio-pci), 0000:af:01.0 (ens5f0v0), 0000:af:01.1 (no driver)';

  it.each<[string, string, string]>([
    ['eth0', `error[USAGE] --port: not a PCI address: "eth0"`, NICS],
    ['0000:af:00.9', 'error[USAGE] --port: not a PCI address', 'did you mean 0000:af:00.'],
    [
      '0000:af:00.2',
      'error[NO_SUCH_NIC] 0000:af:00.2: no network function of this host has this PCI address',
      NICS,
    ],
    ['00:1c.0', 'error[NO_SUCH_NIC] 0000:00:1c.0: is not a network function: its class is 0x060400', NICS],
  ])('%s is no NIC of this host', (pci, message, hint) => {
    const { exitCode, text } = refused({}, { pci });
    expect(exitCode).toBe(64);
    expect(text).toContain(message);
    expect(text).toContain(hint);
  });

  it.each<[string, Changes, Partial<PortRequest>, number, string, string]>([
    [
      'is on its kernel driver and carries something',
      {},
      { pci: '0000:04:00.0' },
      4,
      'KERNEL_DRIVER] 0000:04:00.0: is bound to igb (eno1), which the kernel drives; it carries ssh connection from 198.51.100.7, 192.0.2.17/24, default route',
      'choose a NIC that carries nothing and bind it to vfio-pci',
    ],
    [
      'is on its kernel driver and carries nothing',
      {},
      { pci: '0000:af:00.0' },
      4,
      'KERNEL_DRIVER] 0000:af:00.0: is bound to ice (ens5f0), which the kernel drives; it carries nothing',
      'bind it to vfio-pci first',
    ],
    [
      'has no driver',
      {},
      { pci: '0000:af:01.1' },
      4,
      'NO_DRIVER] 0000:af:01.1: no driver is bound',
      'bind it to vfio-pci first',
    ],
    [
      '[A12] shares its group with functions the kernel drives',
      {
        '/sys/kernel/iommu_groups/85/devices/0000:04:00.0': {
          link: '../../../../devices/pci0000:00/0000:00:1c.0/0000:04:00.0',
        },
        '/sys/kernel/iommu_groups/85/devices/0000:3b:00.0': {
          link: '../../../../devices/pci0000:3a/0000:3a:00.0/0000:3b:00.0',
        },
      },
      {},
      4,
      'GROUP_NOT_VIABLE] 0000:af:00.1: IOMMU group 85 is not viable: 0000:04:00.0 is on igb, 0000:3b:00.0 is on mlx5_core',
      'unbind those functions too',
    ],
    [
      '[A11] is in no IOMMU group',
      { [`${folder(NIC)}/iommu_group`]: null },
      {},
      2,
      'NO_IOMMU] 0000:af:00.1: is bound to vfio-pci, but in no IOMMU group: the IOMMU is off',
      'turn on VT-d or AMD-Vi in the firmware',
    ],
    [
      '[J9] has no interrupt remapping, and vfio was not told to do without',
      { '/proc/interrupts': interrupts },
      {},
      2,
      'NO_INTERRUPT_REMAPPING] 0000:af:00.1: interrupts are not remapped, so vfio refuses the NIC',
      'echo Y > /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts',
    ],
    [
      'has no vfio node',
      { '/dev/vfio/85': null },
      {},
      2,
      'VFIO_NODE_MISSING] 0000:af:00.1: is bound to vfio-pci, but /dev/vfio/85 is missing',
      'let udev make the node',
    ],
    [
      'lacks vfio_iommu_type1',
      { '/sys/module/vfio_iommu_type1': null },
      {},
      2,
      'VFIO_TYPE1_MISSING] 0000:af:00.1: vfio_iommu_type1 is not loaded',
      'modprobe vfio_iommu_type1',
    ],
    [
      'has a node that this user may not open',
      {},
      { mayOpen: (path) => path !== '/dev/vfio/85' },
      77,
      'NOT_PRIVILEGED] 0000:af:00.1: this user may not open /dev/vfio/85',
      'chown USER /dev/vfio/85',
    ],
    [
      '[D6] finds too few free hugepages on its node',
      {
        [`${HUGE}/hugepages-1048576kB/free_hugepages`]: '0\n',
        [`${HUGE}/hugepages-2048kB/free_hugepages`]: '31\n',
      },
      {},
      2,
      'HUGEPAGES_SHORT] 0000:af:00.1: node 1 has too few free hugepages: 31 of 2M, 0 of 1G; the port needs 32 of 2M or 1 of 1G',
      'echo 1025 > /sys/devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages',
    ],
    [
      '[D6] finds hugepages that are promised to others',
      {
        '/sys/kernel/mm/hugepages/hugepages-1048576kB/resv_hugepages': '12\n',
        '/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages': '1000\n',
      },
      {},
      2,
      'too few free hugepages: 0 of 2M, 0 of 1G',
      'nr_hugepages',
    ],
    [
      'finds a DPDK without drivers',
      { [DPDK]: null },
      {},
      2,
      'DPDK_NO_DRIVERS] 0000:af:00.1: DPDK 22.11.7 is installed without a driver folder',
      'librte-meta-net',
    ],
    [
      '[J16] is bifurcated and lacks its uverbs node',
      { '/dev/infiniband': null },
      { pci: '0000:3b:00.0' },
      2,
      'NO_UVERBS] 0000:3b:00.0: stays on mlx5_core, correctly',
      'modprobe mlx5_ib',
    ],
  ])('%s', (_, changes, request, exitCode, message, hint) => {
    const { exitCode: got, text } = refused(changes, request);
    expect(text).toContain(message);
    expect(text).toContain(hint);
    expect(got).toBe(exitCode);
  });

  it('[B5] is held by another process', () => {
    expect(refused({}, {}, {})).toEqual({
      exitCode: 4,
      text: `error[NIC_IN_USE] ${NIC}: /dev/vfio/85 is held by dpdk-testpmd[4242]\nhint: stop that program, or choose another NIC`,
    });
  });

  it('is bifurcated and carries an address, which DPDK would take away', () => {
    const carrying = {
      '/.kernel/addresses.json': JSON.stringify({
        answer: [{ family: 'inet', address: '198.51.100.9/24', interface: 4 }],
      }),
    };
    const { exitCode, text } = refused(carrying, { pci: '0000:3b:00.0' });
    expect(exitCode).toBe(4);
    expect(text).toContain('NIC_IN_USE] 0000:3b:00.0: mlx5_core (enp59s0np0): it carries 198.51.100.9/24');
  });
});

describe('what cannot be read, or is enough, is no reason to refuse', () => {
  it.each<[string, Changes]>([
    ['[J9] whether interrupts are remapped', { '/proc/interrupts': { denied: 'EACCES' } }],
    [
      '[J9] remapping is missing, and vfio was told to do without',
      {
        '/proc/interrupts': interrupts,
        '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts': 'Y\n',
      },
    ],
    ['[A12] the members of the group', { '/sys/kernel/iommu_groups/85/devices': { denied: 'EACCES' } }],
    [
      'how many hugepages are free',
      {
        [`${HUGE}/hugepages-1048576kB/free_hugepages`]: '0\n',
        [`${HUGE}/hugepages-2048kB/free_hugepages`]: { denied: 'EACCES' },
      },
    ],
    ['the folder of vfio nodes', { '/dev/vfio': { denied: 'EACCES' } }],
    ['where DPDK is', { '/usr/lib/x86_64-linux-gnu': null }],
    [
      '[D6] one size with enough free pages is enough',
      { [`${HUGE}/hugepages-2048kB/free_hugepages`]: '0\n' },
    ],
  ])('%s', (_, changes) => {
    expect(plan(changes).port.pci).toBe(NIC);
  });
});
