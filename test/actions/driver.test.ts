import { describe, expect, it } from 'vitest';
import { actionsWith } from '../../src/actions/index.ts';
import { releaseAction } from '../../src/actions/release.ts';
import type { Change } from '../../src/plan/change.ts';
import { ACTIONS, applyAll, type Begun, revertAll } from '../support/little-engine.ts';
import { ADDRESS, changesOf, DEVICE, driverOf, hostWith, PORT, plan, refusal } from './support.ts';

const OVERRIDE = `${DEVICE}/driver_override`;
const PROBE = '/sys/bus/pci/drivers_probe';

/** The writes of the driver action alone. */
async function applyDriver(found: ReturnType<typeof hostWith>, faults = {}): Promise<readonly string[]> {
  const { host } = found;
  const { changes } = plan(found);
  const at = changes.findIndex(({ action }) => action === 'driver');
  await applyAll(changes.slice(0, at), host, []);
  host.restart({ ...host.faults, ...faults });
  await applyAll(changes.slice(at, at + 1), host, []);
  return host.operations;
}

function actionNamed(name: string) {
  const action = ACTIONS.find((candidate) => candidate.name === name);
  if (action === undefined) throw new Error(name);
  return action;
}

const errorOf = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: { code: string; message: string; exitCode: number }) => error,
  );

describe('binding a NIC', () => {
  it('[B10] [B14] [B16] override, unbind, probe, and the override is cleared when the driver is there', async () => {
    const found = hostWith({});
    expect(await applyDriver(found)).toEqual([
      `echo 'vfio-pci' > ${OVERRIDE}`,
      `echo '${ADDRESS}' > /sys/bus/pci/drivers/e1000e/unbind`,
      `echo '${ADDRESS}' > ${PROBE}`,
      `echo '' > ${OVERRIDE}`,
    ]);
    expect(driverOf(found.host)).toBe('vfio-pci');
    expect(found.host.readText(OVERRIDE)).toBe('(null)\n');
    expect(found.host.stat('/dev/vfio/10')).toBeDefined();
  });

  it('[B13] the probe is tried again while the link is wrong, for a write that succeeds proves nothing', async () => {
    const writes = await applyDriver(hostWith({}), { slowProbe: { [ADDRESS]: 4 } });
    expect(writes.filter((line) => line.endsWith(PROBE))).toHaveLength(4);
  });

  it('[B13] [B17] and ten times at most, half a second apart', async () => {
    const found = hostWith({});
    const pauses: number[] = [];
    const actions = actionsWith(async (milliseconds) => void pauses.push(milliseconds));
    const { changes } = plan(found);
    found.host.faults = { vfioRefuses: { [ADDRESS]: 'EINVAL' } };
    const driver = changes.find(({ action }) => action === 'driver') as Change;
    found.host.modprobe(['vfio_pci']);
    const error = await errorOf(
      actions.find(({ name }) => name === 'driver')?.apply(driver, found.host) as Promise<void>,
    );
    expect(error).toMatchObject({
      code: 'BIND_FAILED',
      message:
        'no driver took it in 10 tries: the kernel refused "0000:01:00.0": tee: /sys/bus/pci/drivers_probe: Invalid argument',
    });
    expect(pauses).toEqual(Array.from({ length: 9 }, () => 500));
  });

  it.each(['EINVAL', 'EIO', 'EBUSY'])(
    '[B15] [B16] [B28] a NIC that vfio-pci refuses (%s) is back on its driver, with all its interface had',
    async (errno) => {
      const found = hostWith({ nics: [{ ...PORT, mtu: 9000, addresses: true }], kernelNames: true });
      const { host } = found;
      const before = host.tree();
      host.faults = { ...host.faults, vfioRefuses: { [ADDRESS]: errno } };
      const begun: Begun = [];
      expect(await errorOf(applyAll(plan(found).changes, host, begun))).toMatchObject({
        code: 'BIND_FAILED',
      });
      expect(await revertAll(begun, host)).toEqual([]);
      expect(host.tree()).toEqual(before);
      expect(host.operations.join('\n')).toMatch(
        /ip link set dev eth0 name enp1s0\n(.*\n)*ip link set dev enp1s0 mtu 9000/,
      );
    },
  );

  it('[B18] a NIC that is already right is not touched, whoever holds it', () => {
    const found = hostWith({ nics: [{ ...PORT, driver: 'vfio-pci' }], held: true });
    expect(plan(found).changes).toEqual([]);
    expect(found.host.operations).toEqual([]);
  });

  it('[B11] [B12] vfio-pci and vfio_iommu_type1 are loaded before, each only when it is missing', async () => {
    const { changes } = plan(hostWith({}));
    expect(changes[0]).toMatchObject({ action: 'module', summary: 'load vfio_pci and vfio_iommu_type1' });
    expect(changesOf(hostWith({ loaded: ['vfio', 'vfio_pci'] }), 'module')).toMatchObject([
      { summary: 'load vfio_iommu_type1', commands: ['modprobe vfio_iommu_type1'] },
    ]);
    expect(changesOf(hostWith({ loaded: ['vfio', 'vfio_pci', 'vfio_iommu_type1'] }), 'module')).toEqual([]);
  });

  it('[B11] what is built in counts as loaded, and vfio_virqfd is never named', async () => {
    const found = hostWith({});
    const builtin = ['vfio/vfio', 'vfio/vfio_iommu_type1', 'vfio/pci/vfio-pci'];
    found.host.replaceFile(
      '/lib/modules/6.1.0-28-amd64/modules.builtin',
      builtin.map((name) => `kernel/drivers/${name}.ko\n`).join(''),
    );
    expect(changesOf(found, 'module')).toEqual([]);
    const whole = hostWith({ persistent: true, initramfs: 'mkinitramfs' });
    expect(JSON.stringify(plan(whole))).not.toContain('virqfd');
  });

  it('[B11] a module that somebody uses stays, and undo says so', async () => {
    const found = hostWith({ nics: [PORT, { ...PORT, wanted: 'not in the profile' }] });
    const { host } = found;
    const begun: Begun = [];
    await applyAll(plan(found).changes, host, begun);
    // Somebody binds another NIC meanwhile.
    host.write('/sys/bus/pci/devices/0000:02:00.0/driver_override', 'vfio-pci');
    host.write('/sys/bus/pci/drivers/e1000e/unbind', '0000:02:00.0');
    host.write(PROBE, '0000:02:00.0');
    expect(await revertAll(begun, host)).toEqual([
      'module:vfio-pci: vfio_pci, vfio_pci_core, vfio_iommu_type1, vfio stays loaded: 0000:02:00.0 is bound to it',
    ]);
    expect(driverOf(host)).toBe('e1000e');
    expect(driverOf(host, '0000:02:00.0')).toBe('vfio-pci');
  });

  it('[B28] a NIC that the profile leaves to the kernel goes back to the driver that is remembered', async () => {
    const found = hostWith({ nics: [{ ...PORT, driver: 'vfio-pci', wanted: null }] });
    expect(plan(found).changes).toMatchObject([
      { action: 'driver', summary: "give back to the kernel's driver (from vfio-pci)" },
    ]);
    await applyAll(plan(found).changes, found.host, []);
    expect(driverOf(found.host)).toBe('igb');
    expect(found.host.list(`${DEVICE}/net`)).toEqual(['enp1s0']);
  });
});

describe('a device in use', () => {
  const holder = 'process 4242 (dpdk-testpmd) holds /dev/vfio/10';

  it('[B5] is refused before anything is touched, with the process that has it', () => {
    const found = hostWith({ nics: [{ ...PORT, driver: 'vfio-pci', wanted: null }], held: true });
    expect(refusal(found)).toEqual({
      code: 'NIC_IN_USE',
      exitCode: 4,
      text: `error[NIC_IN_USE] ${ADDRESS}: ${holder}; unbinding it now would hang in the kernel\nhint: end process 4242 first`,
    });
    expect(found.host.operations).toEqual([]);
  });

  it('[B5] is refused by its own /dev/uioN, and not for that of another NIC', async () => {
    const UIO = { ...PORT, wanted: 'uio_pci_generic' } as const;
    const found = hostWith({ nics: [UIO, UIO] });
    await applyAll(plan(found).changes, found.host, []);
    const back = { ...found, profile: hostWith({ nics: [{ ...PORT, wanted: null }] }).profile };
    const nodeOf = (address: string) =>
      `/dev/${found.host.list(`/sys/bus/pci/devices/${address}/uio`)?.[0] ?? 'none'}`;
    found.host.hold(4242, nodeOf('0000:02:00.0'));
    expect(changesOf(back, 'driver')).toMatchObject([{ target: ADDRESS }]);
    found.host.hold(4243, nodeOf(ADDRESS));
    expect(refusal(back)).toMatchObject({ code: 'NIC_IN_USE', exitCode: 4 });
    expect(refusal(back).text).toContain(`process 4243 (dpdk-testpmd) holds ${nodeOf(ADDRESS)}`);
    // One of which nobody knows whose it is counts as its own.
    found.host.end(4243);
    found.host.remove(`/sys/class/uio/${nodeOf(ADDRESS).slice('/dev/'.length)}`);
    expect(refusal(back).code).toBe('NIC_IN_USE');
  });

  it('[B5] is not unbound by undo either, and is when the process has ended', async () => {
    const found = hostWith({});
    const { host } = found;
    const before = host.tree();
    const begun: Begun = [];
    await applyAll(plan(found).changes, host, begun);
    host.hold(4242, '/dev/vfio/10');
    expect(await errorOf(revertAll(begun, host))).toMatchObject({ code: 'NIC_IN_USE', exitCode: 4 });
    expect(driverOf(host)).toBe('vfio-pci');
    // What the NIC needs where it is stays with it: its driver, and what is known of it.
    const changes = begun.map((text): Change => JSON.parse(text));
    const rest = changes.filter(({ action }) => action === 'module' || action === 'remember');
    for (const change of rest) await actionNamed(change.action).revert(change, host);
    const left = rest.map((change) => actionNamed(change.action).holdsBefore(change, host));
    expect(left).toEqual([
      `vfio_pci, vfio_pci_core, vfio_iommu_type1, vfio stays loaded: ${ADDRESS} is bound to it`,
      `/var/lib/bypass-setup/nics.json stays: ${ADDRESS} has not come back`,
    ]);
    expect(host.stat('/sys/module/vfio_pci')).toBeDefined();
    // And nobody waits half a minute for an interface that cannot come.
    let pauses = 0;
    const release = releaseAction(async () => {
      pauses++;
    });
    for (const change of changes.filter(({ action }) => action === release.name))
      await release.revert(change, host);
    expect(pauses).toBe(0);
    host.end(4242);
    expect(await revertAll(begun, host)).toEqual([]);
    expect(host.tree()).toEqual(before);
  });

  it('[B5] a write that the kernel keeps for ever ends in a sentence', async () => {
    const found = hostWith({});
    const { host } = found;
    const begun: Begun = [];
    await applyAll(plan(found).changes, host, begun);
    // Opened after the look at /proc and before the write: nobody can close that gap.
    const change = JSON.parse(begun.find((text) => text.includes('"action":"driver"')) ?? '') as Change;
    const hidden = Object.create(host, {
      list: { value: (path: string) => (path === '/proc' ? ['1'] : host.list(path)) },
    }) as typeof host;
    host.hold(4242, '/dev/vfio/10');
    expect(await errorOf(actionNamed('driver').revert(change, hidden))).toMatchObject({
      code: 'STUCK_IN_KERNEL',
      message: `the write of "${ADDRESS}" did not return within 60 s`,
    });
  });
});

describe('judged before anything is unbound', () => {
  it('[B5] [J9] a group with a member that the kernel has is not viable', () => {
    const found = hostWith({ nics: [PORT, { ...PORT, wanted: 'not in the profile' }], sharedGroup: true });
    expect(refusal(found)).toMatchObject({ code: 'GROUP_NOT_VIABLE', exitCode: 4 });
    expect(refusal(found).text).toContain('IOMMU group 10 is not viable: 0000:02:00.0 is on e1000e');
    // A member that the same plan takes elsewhere is one as well.
    const mixed = hostWith({
      nics: [PORT, { ...PORT, driver: 'none', wanted: 'uio_pci_generic' }],
      sharedGroup: true,
    });
    expect(refusal(mixed).text).toContain('0000:02:00.0 is on uio_pci_generic');
    // All of them together are.
    expect(changesOf(hostWith({ nics: [PORT, PORT], sharedGroup: true }), 'driver')).toHaveLength(2);
  });

  it('[J9] no interrupt remapping, and one that cannot be read', () => {
    expect(refusal(hostWith({ remapping: false })).text).toContain('the platform does not remap interrupts');
    const found = hostWith({});
    found.host.remove('/proc/interrupts');
    expect(refusal(found)).toMatchObject({ code: 'NO_INTERRUPT_REMAPPING', exitCode: 4 });
    expect(refusal(found).text).toContain('whether interrupts are remapped cannot be read');
  });

  it('[J9] no interrupt remapping, which the module was told to accept', () => {
    const found = hostWith({ remapping: false, loaded: ['vfio', 'vfio_iommu_type1'] });
    expect(refusal(found).code).toBe('NO_INTERRUPT_REMAPPING');
    const parameter = '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts';
    found.host.write(parameter, 'Y');
    expect(changesOf(found, 'driver')).toHaveLength(1);
    expect(plan(found).notes).toContain(
      `${ADDRESS}: the platform does not remap interrupts; ${parameter} accepts that the device can raise any interrupt`,
    );
    // Which groups the IOMMU makes counts all the same.
    const shared = hostWith({
      nics: [PORT, { ...PORT, wanted: 'not in the profile' }],
      sharedGroup: true,
      remapping: false,
      loaded: ['vfio', 'vfio_iommu_type1'],
    });
    shared.host.write(parameter, 'Y');
    expect(refusal(shared).code).toBe('GROUP_NOT_VIABLE');
  });

  it('[B20] [J9] without an IOMMU only where the profile allows it, and then said aloud', () => {
    expect(refusal(hostWith({ iommu: false }, { allowNoIommu: false }))).toMatchObject({
      code: 'IOMMU_OFF',
      exitCode: 4,
    });
    const found = hostWith({ iommu: false });
    expect(changesOf(found, 'noiommu')).toMatchObject([{ before: 'N', after: 'Y', scope: 'runtime' }]);
    expect(plan(found).notes.join()).toContain('can reach all memory of the host');
    expect(changesOf(hostWith({}), 'noiommu')).toEqual([]);
    expect(refusal(hostWith({ iommu: false, lockdown: true }))).toMatchObject({
      code: 'KERNEL_LOCKED',
      exitCode: 4,
    });
  });

  it('[B19] UIO only when the profile names it, never as a fallback', async () => {
    const found = hostWith({ nics: [{ ...PORT, wanted: 'uio_pci_generic' }] });
    expect(plan(found).notes).toContain(
      `${ADDRESS}: uio_pci_generic protects no memory from the device; vfio-pci with an IOMMU does`,
    );
    await applyAll(plan(found).changes, found.host, []);
    expect(driverOf(found.host)).toBe('uio_pci_generic');
    expect(found.host.list('/dev')?.some((name) => name.startsWith('uio'))).toBe(true);
    expect(refusal(hostWith({ nics: [{ ...PORT, wanted: 'uio_pci_generic' }], lockdown: true })).code).toBe(
      'KERNEL_LOCKED',
    );
  });

  it('[B15] a physical function that has virtual ones', () => {
    const found = hostWith({ nics: [{ ...PORT, sriov: true }] });
    found.host.write(`${DEVICE}/sriov_numvfs`, '2');
    expect(refusal(found)).toMatchObject({ code: 'NIC_HAS_VFS', exitCode: 4 });
  });

  it('[J15] another NIC in the slot, by its device, its serial number or its permanent address', () => {
    const { nics } = hostWith({}).profile;
    const others = { device: '0x9999', serial: '00-11-22-ff-ff-33-44-99', mac: '02:00:5e:ff:ff:ff' };
    for (const [key, value] of Object.entries(others)) {
      const identity = { vendor: '0x8086', device: '0x10d0', ...nics[0]?.identity, [key]: value };
      const found = refusal(hostWith({}, { identity }));
      expect(found).toMatchObject({ code: 'NIC_IDENTITY_DISAGREES', exitCode: 4 });
      expect(found.text).toContain(`but "nic0" of the profile has ${value}: another NIC is in this slot`);
    }
  });

  it('[B6] an interface with a VLAN on it, which would be lost', () => {
    const found = hostWith({});
    found.host.plug('enp1s0.10', 'enp1s0');
    expect(refusal(found)).toMatchObject({ code: 'NIC_HAS_UPPER', exitCode: 4 });
    expect(refusal(found).text).toContain('hint: ip link delete enp1s0.10');
  });

  it('[B11] a module that this kernel does not have', () => {
    const found = hostWith({ nics: [{ ...PORT, wanted: 'igb_uio' }] });
    expect(refusal(found)).toMatchObject({ code: 'MODULE_MISSING', exitCode: 4 });
  });
});

describe('correctly not bound', () => {
  it('[B7] [J16] a bifurcated NIC, with what makes it ready', () => {
    const found = hostWith({ nics: [{ ...PORT, driver: 'mlx5_core' }] });
    expect(plan(found)).toEqual({
      changes: [],
      notes: [
        `${ADDRESS} (mlx5_core): correctly not bound; its poll-mode driver works beside the kernel; ` +
          'it needs rdma-core and its RDMA driver (mlx5_ib, mana_ib), which make /dev/infiniband/uverbs*',
      ],
    });
  });

  it('[B8] [J16] a Solarflare NIC under Onload, and bound for DPDK where there is no Onload', () => {
    const onload = hostWith({ nics: [{ ...PORT, driver: 'sfc' }] });
    onload.host.replaceFile('/sys/module/onload/initstate', 'live\n');
    expect(plan(onload)).toEqual({
      changes: [],
      notes: [
        `${ADDRESS} (sfc): correctly not bound; Onload, ef_vi and TCPDirect work on top of it; Onload loaded`,
      ],
    });
    expect(changesOf(hostWith({ nics: [{ ...PORT, driver: 'sfc' }] }), 'driver')).toHaveLength(1);
    const wanted = hostWith({ nics: [{ ...PORT, driver: 'sfc' }] }, { stack: 'onload', driver: null });
    expect(plan(wanted).notes.join()).toContain('Onload is not installed yet');
  });

  it('[B9] the twin port of an i40e card that stays is named', () => {
    const found = hostWith({
      nics: [
        { ...PORT, driver: 'i40e' },
        { ...PORT, driver: 'i40e', wanted: 'not in the profile' },
      ],
      twins: true,
    });
    expect(plan(found).notes).toContain(
      `${ADDRESS} (i40e): its twin port 0000:01:00.1 stays on i40e; ports of this family share firmware settings and can disturb each other`,
    );
    expect(
      plan(
        hostWith({
          nics: [
            { ...PORT, driver: 'i40e' },
            { ...PORT, driver: 'i40e' },
          ],
          twins: true,
        }),
      ).notes,
    ).toEqual([]);
  });
});

describe('before a NIC leaves', () => {
  it('[A4] [A3] what it was is written down, where the probe finds it', async () => {
    const found = hostWith({});
    await applyAll(plan(found).changes, found.host, []);
    expect(JSON.parse(found.host.readText('/var/lib/bypass-setup/nics.json') ?? '')).toEqual({
      [ADDRESS]: {
        driver: 'e1000e',
        address: '02:00:5e:00:00:01',
        interface: 'enp1s0',
        vendor: '0x8086',
        device: '0x10d0',
        subsystem: '0x8086:0x0001',
        serial: '00-11-22-ff-ff-33-44-00',
      },
    });
    const order = plan(hostWith({})).changes.map(({ action }) => action);
    expect(order.indexOf('remember')).toBeLessThan(order.indexOf('release'));
    expect(order.indexOf('release')).toBeLessThan(order.indexOf('driver'));
  });

  it('[B6] the managers let go of it, now and at every boot, and it leaves its bond', async () => {
    const found = hostWith({
      nics: [{ ...PORT, bond: true }],
      managers: ['NetworkManager', 'systemd-networkd'],
    });
    const { host } = found;
    await applyAll(plan(found).changes, host, []);
    expect(host.readText('/etc/NetworkManager/conf.d/90-bypass-setup.conf')).toBe(
      '# Written by bypass-setup; "bypass-setup undo" takes it back.\n[keyfile]\nunmanaged-devices+=mac:02:00:5e:00:00:01\n',
    );
    expect(host.readText('/etc/systemd/network/05-bypass-setup.network')).toMatch(
      /\[Match\]\nPermanentMACAddress=02:00:5e:00:00:01\n\n\[Link\]\nUnmanaged=yes\n$/,
    );
    const done = host.operations.filter((line) => /^(nmcli|networkctl|ip) |unbind/.test(line));
    expect(done).toEqual([
      'nmcli general reload conf',
      'networkctl reload',
      'nmcli device set enp1s0 managed no',
      'ip link set dev enp1s0 nomaster',
      'ip link set dev enp1s0 down',
      `echo '${ADDRESS}' > /sys/bus/pci/drivers/e1000e/unbind`,
    ]);
  });
});
