import { describe, expect, it } from 'vitest';
import { EXIT, ToolError } from '../../src/host/errors.ts';
import { loadProfile } from '../../src/profile/load.ts';
import { resolveProfile } from '../../src/profile/resolve.ts';
import type { ResolvedProfile } from '../../src/profile/resolved.ts';
import { type Change, factsOf, fixtureHost, withFiles } from '../support/hosts.ts';

const DEVICES = '/sys/devices';
const ICE = `${DEVICES}/pci0000:ae/0000:ae:02.0`;
/** The NICs of the recorded host, as they are matched. */
const MANAGEMENT = 'mac: 02:00:5e:00:04:00';
const MLX = 'mac: 02:00:5e:00:3b:00';
const PF = 'mac: 02:00:5e:00:af:00';
const FEED = 'mac: 02:00:5e:00:af:01';

async function resolve(
  text: string,
  changes: Readonly<Record<string, Change>> = {},
  host = 'two-socket-smt',
) {
  return resolveProfile(
    await loadProfile('p.yaml', `version: 1\n${text}\n`),
    factsOf(withFiles(host, changes)),
  );
}

async function refusal(...args: Parameters<typeof resolve>): Promise<ToolError> {
  try {
    await resolve(...args);
  } catch (error) {
    if (error instanceof ToolError) return error;
    throw error;
  }
  throw new Error('it was resolved');
}

/** Code, exit code, and what is said of which part. */
async function problem(...args: Parameters<typeof resolve>): Promise<[string, number, string]> {
  const { code, exitCode, subject, message } = await refusal(...args);
  return [code, exitCode, `${subject}: ${message}`];
}

const nic = (match: string, rest = '', name = 'x') =>
  `{ name: ${name}, match: { ${match} }, role: data${rest} }`;
const nics = (...all: string[]) => `nics: [${all.join(', ')}]`;

async function driverOf(match: string, rest: string, changes: Readonly<Record<string, Change>> = {}) {
  const { nics: found } = await resolve(nics(nic(match, rest)), changes);
  return found[0]?.driver;
}

describe('which NIC is meant', () => {
  it.each([
    ['address: 0000:af:00.0', '0000:af:00.0'],
    ['address: 3B:00.0', '0000:3b:00.0'],
    ['mac: 02:00:5E:00:AF:00', '0000:af:00.0'],
    ['interface: ens5f0', '0000:af:00.0'],
    ['serial: B8-CE-F6-03-00-A1-B2-C3', '0000:3b:00.0'],
    ['address: 0000:3b:00.0, mac: 02:00:5e:00:3b:00, interface: enp59s0np0', '0000:3b:00.0'],
    // Ports of one card share their serial number.
    ['serial: b4-96-91-ff-ff-00-aa-10, interface: ens5f0', '0000:af:00.0'],
  ])('[C3] %s is %s', async (match, address) => {
    expect((await resolve(nics(nic(match)))).nics[0]?.address).toBe(address);
  });

  it.each(['mac: 02:00:5e:00:af:01', 'interface: ens5f1'])(
    '[C3] %s is still found after it has left the kernel',
    async (match) => {
      const { nics: found } = await resolve(nics(nic(match)));
      expect(found[0]).toMatchObject({ address: '0000:af:00.1', identity: { mac: '02:00:5e:00:af:01' } });
    },
  );

  it('[C3] the identity is kept with vendor, device, subsystem, serial number and MAC address', async () => {
    expect((await resolve(nics(nic(MLX)))).nics[0]?.identity).toEqual({
      vendor: '0x15b3',
      device: '0x1019',
      subsystem: '0x15b3:0x0008',
      serial: 'b8-ce-f6-03-00-a1-b2-c3',
      mac: '02:00:5e:00:3b:00',
    });
  });

  it('a port of a bond is not found by the MAC address that the bond gave it', async () => {
    const text = nics(nic('mac: 02:00:5e:00:00:02'));
    const [code, , message] = await problem(text, {}, 'bond-vlan');
    expect([code, message]).toEqual([
      'PROFILE_UNRESOLVED',
      'x: no NIC of this host has mac 02:00:5e:00:00:02',
    ]);
  });

  it.each<[string, string]>([
    ['mac: 02:00:5e:00:99:99', 'x: no NIC of this host has mac 02:00:5e:00:99:99'],
    [
      'serial: b4-96-91-ff-ff-00-aa-10',
      'x: serial b4-96-91-ff-ff-00-aa-10 matches 0000:af:00.0 (ens5f0), 0000:af:00.1 (ens5f1); add a field that tells them apart',
    ],
    ['interface: lo', 'x: interface lo is no NIC but a virtual interface'],
  ])('%s: %s', async (match, message) => {
    expect(await problem(nics(nic(match)))).toEqual(['PROFILE_UNRESOLVED', EXIT.usage, message]);
  });

  it('a bond is no NIC, and its ports are named', async () => {
    const [, , message] = await problem(nics(nic('interface: bond0')), {}, 'bond-vlan');
    expect(message).toBe('x: interface bond0 is no NIC but a bond over ens1f0, ens1f1');
  });

  it('one NIC cannot be two', async () => {
    const text = nics(nic(MLX, '', 'a'), nic('address: 3b:00.0', '', 'b'));
    expect((await problem(text))[2]).toBe('b: is 0000:3b:00.0 (enp59s0np0), and so is a');
  });

  it('a serial number that needs root is not called missing', async () => {
    const text = nics(nic('serial: b8-ce-f6-03-00-a1-b2-c3'));
    const config = `${DEVICES}/pci0000:3a/0000:3a:00.0/0000:3b:00.0/config`;
    expect((await problem(text, { [config]: { denied: 'EACCES' } }))[2]).toBe(
      'x: no NIC of this host has serial b8-ce-f6-03-00-a1-b2-c3, as far as can be read without root',
    );
  });
});

describe('[J15] when slot and identity disagree, it is refused and both are named', () => {
  it.each<[string, string]>([
    [
      'address: 0000:3b:00.0, mac: 02:00:5e:00:af:00',
      'x: slot and identity disagree: address 0000:3b:00.0 is 0000:3b:00.0 (enp59s0np0) with mac 02:00:5e:00:3b:00; mac 02:00:5e:00:af:00 is 0000:af:00.0 (ens5f0) with mac 02:00:5e:00:af:00',
    ],
    [
      'address: 0000:3b:00.0, mac: 02:00:5e:00:99:99',
      'x: slot and identity disagree: address 0000:3b:00.0 is 0000:3b:00.0 (enp59s0np0) with mac 02:00:5e:00:3b:00; no NIC has mac 02:00:5e:00:99:99',
    ],
    [
      'address: 0000:99:00.0, mac: 02:00:5e:00:3b:00',
      'x: slot and identity disagree: no NIC has address 0000:99:00.0; mac 02:00:5e:00:3b:00 is 0000:3b:00.0 (enp59s0np0) with mac 02:00:5e:00:3b:00',
    ],
    [
      'address: 0000:3b:00.0, serial: b4-96-91-ff-ff-00-aa-10',
      'x: slot and identity disagree: address 0000:3b:00.0 is 0000:3b:00.0 (enp59s0np0) with mac 02:00:5e:00:3b:00; serial b4-96-91-ff-ff-00-aa-10 is 0000:af:00.0 (ens5f0) with mac 02:00:5e:00:af:00, 0000:af:00.1 (ens5f1) with mac 02:00:5e:00:af:01',
    ],
    [
      'interface: eno1, mac: 02:00:5e:00:3b:00',
      'x: slot and identity disagree: mac 02:00:5e:00:3b:00 is 0000:3b:00.0 (enp59s0np0) with mac 02:00:5e:00:3b:00; interface eno1 is 0000:04:00.0 (eno1) with mac 02:00:5e:00:04:00',
    ],
  ])('%s', async (match, message) => {
    expect(await problem(nics(nic(match)))).toEqual(['NIC_IDENTITY_DISAGREES', EXIT.refused, message]);
  });

  it('a NIC in the right slot whose MAC address nobody knows is not taken for the right one', async () => {
    const text = nics(nic('address: 0000:af:00.1, mac: 02:00:5e:00:af:01'));
    expect(await problem(text, { '/var/lib/bypass-setup/nics.json': null })).toEqual([
      'NIC_IDENTITY_UNKNOWN',
      EXIT.refused,
      'x: address 0000:af:00.1 is 0000:af:00.1, but whether that has mac 02:00:5e:00:af:01 cannot be known',
    ]);
  });

  it('among other problems it decides the exit code', async () => {
    const text = `${nics(nic('mac: 02:00:5e:00:99:99', '', 'a'), nic('address: 0000:3b:00.0, mac: 02:00:5e:00:af:00', '', 'b'))}\ncores: { isolated: 99 }`;
    const error = await refusal(text);
    expect([error.code, error.exitCode, error.subject]).toEqual([
      'NIC_IDENTITY_DISAGREES',
      EXIT.refused,
      'profile',
    ]);
    expect(error.message.split('\n').map((line) => line.slice(0, 36))).toEqual([
      'this host cannot give what is asked ',
      '  a: no NIC of this host has mac 02:',
      '  b: slot and identity disagree: add',
      '  cores: CPUs 99 are not online; thi',
    ]);
  });
});

describe('driver: auto', () => {
  const mlx = `${DEVICES}/pci0000:3a/0000:3a:00.0/0000:3b:00.0`;
  const sfc: Readonly<Record<string, Change>> = {
    [`${ICE}/0000:af:00.0/driver`]: { link: '../../../../bus/pci/drivers/sfc' },
  };

  it('is vfio-pci for dpdk, and the kernel driver for everything else', async () => {
    expect(await driverOf(FEED, ', stack: dpdk')).toBe('vfio-pci');
    for (const stack of ['kernel', 'busy-poll', 'af-xdp', 'onload', 'ef-vi', 'tcpdirect']) {
      expect(await driverOf(FEED, `, stack: ${stack}`)).toBeNull();
    }
  });

  it.each(['mlx4_core', 'mlx5_core', 'mana'])(
    '[B7] %s stays, and naming vfio-pci is refused',
    async (driver) => {
      const changes: Readonly<Record<string, Change>> = {
        [`${mlx}/driver`]: { link: `../../../../bus/pci/drivers/${driver}` },
        [`${mlx}/vendor`]: '0x1234\n',
      };
      expect(await driverOf(MLX, ', stack: dpdk', changes)).toBeNull();
      expect(await problem(nics(nic(MLX, ', stack: dpdk, driver: vfio-pci')), changes)).toEqual([
        'NIC_STAYS',
        EXIT.refused,
        'x: 0000:3b:00.0 (enp59s0np0) must stay on its kernel driver: DPDK works on top of it, not of vfio-pci; write "driver: auto"',
      ]);
    },
  );

  it('[B7] a Mellanox NIC that somebody bound to vfio-pci is known by its vendor, and goes back', async () => {
    const bound: Readonly<Record<string, Change>> = {
      [`${mlx}/driver`]: { link: '../../../../bus/pci/drivers/vfio-pci' },
      [`${mlx}/net`]: null,
      '/sys/class/net/enp59s0np0': null,
    };
    expect(await driverOf('address: 3b:00.0', ', stack: dpdk', bound)).toBeNull();
  });

  it('[B8] a Solarflare NIC stays on sfc; for DPDK it can be told to go, but not below Onload', async () => {
    const onload = {
      '/proc/driver/onload/version': 'onload 8.1.3\n',
      '/sys/module/onload/version': '8.1.3\n',
    };
    expect(await driverOf(PF, ', stack: dpdk', sfc)).toBeNull();
    expect(await driverOf(PF, ', stack: dpdk, driver: vfio-pci', sfc)).toBe('vfio-pci');
    const [code, exitCode] = await problem(nics(nic(PF, ', stack: dpdk, driver: vfio-pci')), {
      ...sfc,
      ...onload,
    });
    expect([code, exitCode]).toEqual(['NIC_STAYS', EXIT.refused]);
  });

  it('driver: kernel is taken at its word', async () => {
    expect(await driverOf(FEED, ', stack: dpdk, driver: kernel')).toBeNull();
  });
});

describe('without an IOMMU', () => {
  const vm = 'mac: 02:00:5e:00:00:09';

  it('[B20] allow-no-iommu is taken from the NIC; the plan judges the rest, for it may turn the IOMMU on', async () => {
    for (const allowNoIommu of [false, true]) {
      const { nics: found } = await resolve(
        nics(nic(vm, `, stack: dpdk, allow-no-iommu: ${allowNoIommu}`)),
        {},
        'bond-vlan',
      );
      expect(found[0]).toMatchObject({ driver: 'vfio-pci', allowNoIommu });
    }
  });

  it('[B20] what is not asked for is not allowed where there is an IOMMU either', async () => {
    expect((await resolve(nics(nic(FEED, ', stack: dpdk')))).nics[0]?.allowNoIommu).toBe(false);
  });

  it('[B19] UIO is had by name, beside allow-no-iommu', async () => {
    for (const driver of ['uio_pci_generic', 'igb_uio']) {
      expect(await driverOf(FEED, `, stack: dpdk, driver: ${driver}, allow-no-iommu: true`)).toBe(driver);
    }
  });

  it('[B19] a virtual function has no legacy interrupt for uio_pci_generic', async () => {
    const text = nics(
      nic('address: af:01.0', ', stack: dpdk, driver: uio_pci_generic, allow-no-iommu: true'),
    );
    expect((await problem(text))[2]).toBe(
      'x: 0000:af:01.0 (ens5f0v0) is a virtual function, without the legacy interrupt that uio_pci_generic needs',
    );
  });
});

describe('virtual functions', () => {
  it('the physical function stays, and they are bound for dpdk', async () => {
    const { nics: found } = await resolve(
      nics(
        nic(
          PF,
          ', stack: dpdk, vfs: [{ mac: 02:00:5E:00:AF:10, vlan: 0, trust: true, spoof-check: false }, { driver: kernel }]',
        ),
      ),
    );
    expect(found[0]?.driver).toBeNull();
    expect(found[0]?.vfs).toEqual([
      { index: 0, mac: '02:00:5e:00:af:10', vlan: 0, trust: true, spoofCheck: false, driver: 'vfio-pci' },
      { index: 1, driver: null },
    ]);
  });

  it('are left to the kernel for other stacks, unless named', async () => {
    const { nics: found } = await resolve(nics(nic(PF, ', vfs: [{}, { driver: vfio-pci }]')));
    expect(found[0]?.vfs?.map(({ driver }) => driver)).toEqual([null, 'vfio-pci']);
  });

  it('are left alone, or taken away, as the profile says; without any, the NIC itself is bound', async () => {
    expect((await resolve(nics(nic(PF, ', stack: dpdk')))).nics[0]).not.toHaveProperty('vfs');
    const { nics: found } = await resolve(nics(nic(PF, ', stack: dpdk, vfs: 0')));
    expect(found[0]).toMatchObject({ vfs: [], driver: 'vfio-pci' });
  });

  it('[B7] of a Mellanox NIC stay on their kernel driver too', async () => {
    const sriov = {
      [`${DEVICES}/pci0000:3a/0000:3a:00.0/0000:3b:00.0/sriov_totalvfs`]: '8\n',
      [`${DEVICES}/pci0000:3a/0000:3a:00.0/0000:3b:00.0/sriov_numvfs`]: '0\n',
    };
    const { nics: found } = await resolve(nics(nic(MLX, ', stack: dpdk, vfs: 1')), sriov);
    expect(found[0]?.vfs).toEqual([{ index: 0, driver: null }]);
    const [code] = await problem(nics(nic(MLX, ', stack: dpdk, vfs: [{ driver: vfio-pci }]')), sriov);
    expect(code).toBe('NIC_STAYS');
  });

  it.each<[string, string, string]>([
    [PF, 'vfs: 129', 'x: 0000:af:00.0 (ens5f0) has at most 128 virtual functions, not 129'],
    [MANAGEMENT, 'vfs: 1', 'x: 0000:04:00.0 (eno1) has no SR-IOV, or it is turned off in the firmware'],
    ['address: af:01.0', 'vfs: 1', 'x: 0000:af:01.0 (ens5f0v0) is a virtual function itself'],
  ])('%s, %s: refused', async (match, vfs, message) => {
    expect((await problem(nics(nic(match, `, ${vfs}`))))[2]).toBe(message);
  });
});

describe('hugepages', () => {
  const dpdk = (...matches: string[]) =>
    nics(...matches.map((match, n) => nic(match, ', stack: dpdk', `n${n}`)));
  const pages = async (text: string, changes = {}, host?: string) =>
    (await resolve(text, changes, host)).hugepages;

  it('are left alone where the profile does not speak of them', async () => {
    expect(await pages(dpdk(FEED))).toEqual([]);
  });

  it('auto is 1 GiB of 2M pages for each NIC that needs them, on its node', async () => {
    expect(await pages(`${dpdk(FEED, MLX)}\nhugepages: auto`)).toEqual([
      { node: 0, size: 2 << 20, count: 512 },
      { node: 1, size: 2 << 20, count: 512 },
    ]);
    expect(await pages(`${dpdk(FEED, PF)}\nhugepages: auto`)).toEqual([
      { node: 1, size: 2 << 20, count: 1024 },
    ]);
    expect(await pages(`${nics(nic(FEED, ', stack: af-xdp'))}\nhugepages: auto`)).toEqual([]);
  });

  it('auto takes the default size where there are none of 2M', async () => {
    expect(await pages(`${dpdk('interface: enp1s0')}\nhugepages: auto`, {}, 'arm64-server')).toEqual([
      { node: 0, size: 512 << 20, count: 2 },
    ]);
  });

  it('auto leaves half of a node to everything else', async () => {
    const small = {
      '/sys/devices/system/node/node1/meminfo': 'Node 1 MemTotal: 2097151 kB\nNode 1 MemFree: 1000 kB\n',
    };
    expect((await problem(`${dpdk(FEED)}\nhugepages: auto`, small))[2]).toBe(
      'hugepages: auto would take 1 GiB of the 2 GiB of node 1; say how much it may be',
    );
  });

  it('a list says size, and number or amount, on a node or beside each NIC', async () => {
    const list = '[{ node: 0, size: 1G, total: 4G }, { size: 2M, count: 100 }]';
    expect(await pages(`${dpdk(FEED)}\nhugepages: ${list}`)).toEqual([
      { node: 0, size: 1 << 30, count: 4, atBoot: true },
      { node: 1, size: 2 << 20, count: 100 },
    ]);
  });

  it('[D2] [D3] [D10] pages of 1G are for the next boot, where nothing else is said', async () => {
    const one = async (keys: string, rest = '') =>
      (await pages(`${dpdk(FEED)}${rest}\nhugepages: [{ node: 0, count: 1, ${keys} }]`))[0];
    expect(await one('size: 1G')).toMatchObject({ atBoot: true });
    expect(await one('size: 1G', '\npersistent: false')).not.toHaveProperty('atBoot');
    expect(await one('size: 1G, when: runtime')).not.toHaveProperty('atBoot');
    expect(await one('size: 2M')).not.toHaveProperty('atBoot');
    expect(await one('size: 2M, when: boot')).toMatchObject({ atBoot: true });
    expect(await one('size: 2M, mount: true')).toMatchObject({ mounted: true });
  });

  it('[D3] 1G without a pool needs pdpe1gb, and a boot to make the pool', async () => {
    const folder = (node: number) => `/sys/devices/system/node/node${node}/hugepages/hugepages-1048576kB`;
    const none = { [folder(0)]: null, [folder(1)]: null };
    const text = (when: string) =>
      `${dpdk(FEED)}\nhugepages: [{ node: 0, size: 1G, count: 1, when: ${when} }]`;
    expect(await pages(text('boot'), none)).toMatchObject([{ atBoot: true }]);
    const message = 'hugepages[0]: node 0 has no pages of 1G, but of 2M';
    expect((await problem(text('runtime'), none))[2]).toBe(message);
    const cpuinfo = (fixtureHost('two-socket-smt').readText('/proc/cpuinfo') ?? '').replaceAll('pdpe1gb', '');
    expect((await problem(text('boot'), { ...none, '/proc/cpuinfo': cpuinfo }))[2]).toBe(message);
  });

  it.each<[string, string]>([
    ['[{ node: 5, size: 2M, count: 1 }]', 'hugepages[0]: this host has no node 5 with hugepages'],
    ['[{ node: 0, size: 512M, count: 1 }]', 'hugepages[0]: node 0 has no pages of 512M, but of 1G, 2M'],
    ['[{ node: 0, size: 1G, count: 64 }]', 'hugepages: 64 GiB are asked for on node 0, which has 62.6 GiB'],
    [
      '[{ node: 1, size: 2M, count: 1 }, { size: 2M, count: 2 }]',
      'hugepages: pages of 2M on node 1 are asked for twice',
    ],
  ])('%s: %s', async (list, message) => {
    expect((await problem(`${dpdk(FEED)}\nhugepages: ${list}`))[2]).toBe(message);
  });

  it('node: auto needs a NIC that says where it is', async () => {
    const list = 'hugepages: [{ size: 2M, count: 1 }]';
    expect((await problem(`nics: []\n${list}`))[2]).toBe(
      'hugepages[0]: node is auto, but no NIC of this profile needs hugepages; name a node',
    );
    expect((await problem(`${dpdk(MANAGEMENT)}\n${list}`))[2]).toBe(
      'hugepages[0]: the firmware does not say which node n0 is on; name the node',
    );
  });

  it('pools that cannot be read are not taken for none', async () => {
    const hidden = {
      '/sys/devices/system/node': { denied: 'EACCES' },
      '/sys/kernel/mm': { denied: 'EACCES' },
    };
    expect((await problem(`nics: []\nhugepages: auto`, hidden))[2]).toMatch(
      /^hugepages: this host's pools cannot be read: /,
    );
  });
});

describe('cores', () => {
  const polled = (...matches: string[]) =>
    nics(...matches.map((match, n) => nic(match, ', stack: dpdk', `n${n}`)));
  const cores = async (...args: Parameters<typeof resolve>): Promise<ResolvedProfile['cores']> =>
    (await resolve(...args)).cores;

  it("[J10] [F4] auto takes whole cores of the NIC's node, and leaves two to its interrupts", async () => {
    expect(await cores(`${polled(FEED)}\ncores: auto`)).toEqual({
      isolated: '18-31,50-63',
      housekeeping: '0-17,32-49',
    });
    expect(await cores(`${polled(MLX)}\ncores: auto`)).toEqual({
      isolated: '2-15,34-47',
      housekeeping: '0-1,16-33,48-63',
    });
  });

  it('auto takes half of the host at most, as many from each node', async () => {
    expect(await cores(`${polled(FEED, MLX)}\ncores: auto`)).toEqual({
      isolated: '8-15,24-31,40-47,56-63',
      housekeeping: '0-7,16-23,32-39,48-55',
    });
  });

  it('auto prefers caches that housekeeping does not use', async () => {
    const text =
      'nics: [{ name: x, match: { mac: 02:00:5e:00:00:09 }, role: data, stack: af-xdp }]\ncores: auto';
    const shared = (lists: readonly string[]) =>
      Object.fromEntries(
        lists.map((list, n) => [`/sys/devices/system/cpu/cpu${n}/cache/index3/shared_cpu_list`, `${list}\n`]),
      );
    expect((await cores(text, shared(['0-1', '0-1', '2-3', '2-3']), 'bond-vlan'))?.isolated).toBe('2-3');
    expect((await cores(text, shared(['0,3', '1-2', '1-2', '0,3']), 'bond-vlan'))?.isolated).toBe('1-2');
  });

  it('auto leaves efficient cores out', async () => {
    const hybrid = { '/sys/devices/cpu_core/cpus': '0-1\n', '/sys/devices/cpu_atom/cpus': '2-3\n' };
    const text =
      'nics: [{ name: x, match: { mac: 02:00:5e:00:00:09 }, role: data, stack: af-xdp }]\ncores: auto';
    expect((await cores(text, {}, 'bond-vlan'))?.isolated).toBe('2-3');
    expect((await cores(text, hybrid, 'bond-vlan'))?.isolated).toBe('1');
  });

  it('auto refuses where there are too few', async () => {
    const text = 'nics: [{ name: x, match: { interface: eth0 }, role: data, stack: busy-poll }]\ncores: auto';
    expect((await problem(text, {}, 'firecracker-vm'))[2]).toBe(
      'cores: 2 cores are too few for 1 polled NIC: 2 cores, and one of each node, stay for the system',
    );
  });

  it.each<[string, string]>([
    ['nics: []', 'cores: auto needs a NIC whose stack is not kernel; name the CPUs'],
    [polled(MANAGEMENT), 'cores: the firmware does not say which node n0 is on; name the CPUs'],
  ])('auto without a place, %s: %s', async (text, message) => {
    expect((await problem(`${text}\ncores: auto`))[2]).toBe(message);
  });

  it('a list is taken as it is, and the rest is housekeeping', async () => {
    expect(await cores('cores: { isolated: 4-5 }')).toEqual({ isolated: '4-5', housekeeping: '0-3,6-63' });
    expect(await cores('cores: { isolated: 5, housekeeping: "0-1,32-33" }')).toEqual({
      isolated: '5',
      housekeeping: '0-1,32-33',
    });
  });

  it.each<[string, string, string]>([
    ['{ isolated: 60-70 }', 'two-socket-smt', 'cores: CPUs 64-70 are not online; this host has 0-63'],
    ['{ isolated: 0-3 }', 'two-socket-smt', 'cores.isolated: CPU 0 boots the host and cannot be isolated'],
    ['{ isolated: 4 }', 'offline-sparse', 'cores: CPUs 4 are not online; this host has 0-3,8-11'],
  ])('%s on %s: %s', async (list, host, message) => {
    expect((await problem(`cores: ${list}`, {}, host))[2]).toBe(message);
  });
});

describe('the rest', () => {
  it('the group is named as the user unless it is given; nothing is persistent that shall not be', async () => {
    expect(await resolve('service: { user: trader }\npersistent: false')).toEqual({
      nics: [],
      hugepages: [],
      service: { user: 'trader', group: 'trader' },
      persistent: false,
    });
    const { service, persistent } = await resolve('service: { user: a, group: b, unit: c@1.service }');
    expect([service, persistent]).toEqual([{ user: 'a', group: 'b', unit: 'c@1.service' }, true]);
  });

  it('a host whose PCI devices cannot be read has no NIC to match, and says why', async () => {
    const changes = { '/sys/bus/pci/devices': { denied: 'EACCES' } };
    expect((await problem(nics(nic(FEED)), changes))[2]).toMatch(
      /^nics: this host's PCI devices cannot be read: EACCES/,
    );
  });
});
