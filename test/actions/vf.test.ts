import { describe, expect, it } from 'vitest';
import { applyAll, type Begun, revertAll } from '../support/little-engine.ts';
import { changesOf, DEVICE, driverOf, hostWith, PORT, plan, refusal } from './support.ts';

const VFS = {
  ...PORT,
  wanted: null,
  sriov: true,
  vfs: [
    { settings: true, driver: 'vfio-pci' },
    { settings: false, driver: null },
  ],
} as const;

const errorOf = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: { code: string }) => error,
  );

describe('virtual functions', () => {
  it('[B24] [B26] are made, set and bound, in this order, and gone after undo', async () => {
    const found = hostWith({ nics: [VFS] });
    const { host } = found;
    const before = host.tree();
    const begun: Begun = [];
    await applyAll(plan(found).changes, host, begun);
    const done = host.operations.filter((line) => !line.includes('modprobe'));
    expect(done.map((line) => line.replace(DEVICE, 'PF').replaceAll('/sys/bus/pci/', ''))).toEqual([
      "echo '2' > PF/sriov_numvfs",
      'ip link set dev enp1s0 vf 0 mac 02:00:5e:10:00:00',
      'ip link set dev enp1s0 vf 0 vlan 7',
      'ip link set dev enp1s0 vf 0 trust on',
      'ip link set dev enp1s0 vf 0 spoofchk off',
      "echo 'vfio-pci' > devices/0000:01:10.0/driver_override",
      "echo '0000:01:10.0' > drivers/iavf/unbind",
      "echo '0000:01:10.0' > drivers_probe",
      "echo '' > devices/0000:01:10.0/driver_override",
    ]);
    expect([driverOf(host, '0000:01:10.0'), driverOf(host, '0000:01:10.1'), driverOf(host)]).toEqual([
      'vfio-pci',
      'iavf',
      'e1000e',
    ]);
    expect(plan(found).changes).toEqual([]);
    expect(await revertAll(begun, host)).toEqual([]);
    expect(host.tree()).toEqual(before);
  });

  it('[B24] are never probed by the kernel when all of them go to user space', async () => {
    const found = hostWith({ nics: [{ ...VFS, vfs: [{ settings: false, driver: 'vfio-pci' }] }] });
    await applyAll(plan(found).changes, found.host, []);
    expect(found.host.operations.slice(-5).map((line) => line.split(' > ')[1]?.split('/').pop())).toEqual([
      'sriov_drivers_autoprobe',
      'sriov_numvfs',
      'driver_override',
      'drivers_probe',
      'driver_override',
    ]);
    expect(driverOf(found.host, '0000:01:10.0')).toBe('vfio-pci');
  });

  it('[B26] settings of those that are there already come back with undo', async () => {
    const found = hostWith({ nics: [VFS], loaded: ['vfio', 'vfio_pci', 'vfio_iommu_type1'] });
    const { host } = found;
    host.write(`${DEVICE}/sriov_numvfs`, '2');
    host.ip(['link', 'set', 'dev', 'enp1s0', 'vf', '0', 'vlan', '99']);
    const before = host.tree();
    const begun: Begun = [];
    expect(changesOf(found, 'vf-settings')).toMatchObject([
      {
        target: '0000:01:00.0/virtfn0',
        before: { mac: '00:00:00:00:00:00', vlan: 99, trust: false, spoofCheck: true },
      },
    ]);
    await applyAll(plan(found).changes, host, begun);
    expect(await revertAll(begun, host)).toEqual([]);
    expect(host.tree()).toEqual(before);
  });

  it('[B27] that have no room say pci=realloc', async () => {
    const found = hostWith({ nics: [VFS] });
    found.host.faults = { roomForVfs: 1 };
    const begun: Begun = [];
    expect(await errorOf(applyAll(plan(found).changes, found.host, begun))).toMatchObject({
      code: 'VF_NO_SPACE',
      subject: '0000:01:00.0',
      hint: 'the firmware left no room for their memory; boot with pci=realloc',
    });
    expect(await revertAll(begun, found.host)).toEqual([]);
  });

  it('[B25] of a physical function on vfio-pci need its parameter and a token that only root can read', async () => {
    const found = hostWith({
      nics: [{ ...VFS, wanted: 'vfio-pci', vfs: [{ settings: false, driver: 'vfio-pci' }] }],
    });
    const { host } = found;
    const before = host.tree();
    const begun: Begun = [];
    const { changes, notes } = plan(found);
    expect(notes).toContain(
      'the applications on 0000:01:00.0 need --vfio-vf-token with the text of /var/lib/bypass-setup/vf-token',
    );
    await applyAll(changes, host, begun);
    expect(host.stat('/var/lib/bypass-setup/vf-token')?.mode).toBe(0o600);
    expect(host.readText('/var/lib/bypass-setup/vf-token')).toMatch(
      /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/,
    );
    expect(host.readText('/sys/module/vfio_pci/parameters/enable_sriov')).toBe('Y\n');
    expect([driverOf(host), driverOf(host, '0000:01:10.0')]).toEqual(['vfio-pci', 'vfio-pci']);
    // The token is no part of a plan, and so of no journal.
    expect(JSON.stringify(begun)).not.toContain(host.readText('/var/lib/bypass-setup/vf-token')?.trim());
    expect(await revertAll(begun, host)).toEqual([]);
    expect(host.tree()).toEqual(before);
  });

  it.each([
    ['NO_SRIOV', { sriov: false }, {}],
    ['VF_SETTINGS_NEED_KERNEL', { wanted: 'vfio-pci' }, { vfs: [{ index: 0, driver: null, vlan: 7 }] }],
    ['TOO_MANY_VFS', {}, { vfs: Array.from({ length: 8 }, (_, index) => ({ index, driver: null })) }],
    ['VF_INDEXES', {}, { vfs: [{ index: 3, driver: null }] }],
  ] as const)('[B24] are refused before anything is touched: %s', (code, nic, profile) => {
    const vfs = 'vfs' in profile ? [...profile.vfs] : [{ index: 0, driver: null }];
    const found = hostWith({ nics: [{ ...VFS, ...nic }] }, { vfs });
    expect(refusal(found)).toMatchObject({ code, exitCode: 4 });
    expect(found.host.operations).toEqual([]);
  });

  it('[B24] in another number than there are some of are refused: somebody may use them', () => {
    const found = hostWith({ nics: [VFS] });
    found.host.write(`${DEVICE}/sriov_numvfs`, '1');
    expect(refusal(found)).toMatchObject({ code: 'VFS_PRESENT', exitCode: 4 });
  });

  it('[B7] of a bifurcated NIC stay with the kernel', () => {
    const found = hostWith({ nics: [{ ...VFS, driver: 'mlx5_core' }] });
    expect(changesOf(found, 'vf-driver')).toEqual([]);
    expect(changesOf(found, 'module')).toEqual([]);
    expect(plan(found).notes.join()).toContain('0000:01:00.0/virtfn0: correctly not bound');
  });
});
