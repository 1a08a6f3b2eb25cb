import { describe, expect, it } from 'vitest';
import { dropIn, OWN } from '../../src/formats/own-files.ts';
import { applyAll, type Begun, revertAll } from '../support/little-engine.ts';
import { ADDRESS, changesOf, hostWith, PORT, plan, refusal } from './support.ts';

const IMAGE = '/boot/initrd.img-6.1.0-28-amd64';

const errorOf = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: { code: string }) => error,
  );

describe('access for the service account', () => {
  it('[B21] [J17] by a rule that asks who is in the group, and at once', async () => {
    const found = hostWith({ service: true });
    await applyAll(plan(found).changes, found.host, []);
    expect(found.host.readText(OWN.udev)).toBe(
      '# Written by bypass-setup; "bypass-setup undo" takes it back.\n' +
        ['%k', '%n']
          .map(
            (number) =>
              `SUBSYSTEM=="vfio", TEST=="/sys/kernel/iommu_groups/${number}/devices/${ADDRESS}", GROUP="trader", ` +
              `MODE="0660", TAG+="systemd", ENV{SYSTEMD_ALIAS}+="/bypass-setup/${ADDRESS}"\n`,
          )
          .join(''),
    );
    expect(found.host.stat('/dev/vfio/10')).toMatchObject({ uid: 0, gid: 1001, mode: 0o660 });
    expect(plan(found).changes).toEqual([]);
  });

  it('[B21] is given back to whom it belonged', async () => {
    const found = hostWith({ nics: [{ ...PORT, driver: 'vfio-pci' }], service: true });
    found.host.owner('/dev/vfio/10', { uid: 7, gid: 0, mode: 0o640 });
    const begun: Begun = [];
    await applyAll(plan(found).changes, found.host, begun);
    expect(await revertAll(begun, found.host)).toEqual([]);
    expect(found.host.stat('/dev/vfio/10')).toMatchObject({ uid: 7, gid: 0, mode: 0o640 });
  });

  it('[B22] [C4] the unit locks all the memory it needs, and waits for its devices', async () => {
    const found = hostWith({ service: true });
    expect(plan(found).notes).toContain(
      'trader.service: its memory limit and its devices count from its next start on',
    );
    await applyAll(plan(found).changes, found.host, []);
    expect(found.host.readText(dropIn('trader.service'))).toBe(
      [
        '# Written by bypass-setup; "bypass-setup undo" takes it back.',
        '[Unit]',
        `After=bypass-setup.service bypass\\x2dsetup-${ADDRESS}.device`,
        `BindsTo=bypass\\x2dsetup-${ADDRESS}.device`,
        '',
        '[Service]',
        '# DMA needs all of the memory that is mapped to be locked.',
        'LimitMEMLOCK=infinity',
        '',
      ].join('\n'),
    );
    expect(found.host.operations).toContain('systemctl daemon-reload');
  });

  it('[B23] fewer DMA entries than hugepages are said', () => {
    const found = hostWith({ service: true, loaded: ['vfio', 'vfio_pci', 'vfio_iommu_type1'] });
    const pages = (count: number) => ({
      ...found,
      profile: { ...found.profile, hugepages: [{ node: 0, size: 2097152, count }] },
    });
    expect(plan(pages(65535)).notes.join()).toContain('is 65535, fewer than the 65535 hugepages');
    expect(plan(pages(65534)).notes.join()).not.toContain('hugepages');
  });

  it.each([
    ['GROUP_NAME', { group: 'a", RUN+="/bin/sh' }],
    ['UNIT_NAME', { unit: '../../passwd.service' }],
    ['UNIT_NAME', { unit: 'a\n[Service].service' }],
  ])('[B21] a name that is none goes into no file: %s', (code, service) => {
    const found = hostWith({ service: true });
    const account = { user: 'trader', group: 'trader', unit: 'trader.service', ...service };
    expect(refusal({ ...found, profile: { ...found.profile, service: account } })).toMatchObject({
      code,
      exitCode: 4,
    });
  });
});

describe('files that work from the next boot on', () => {
  it('[C1] [C2] are written for what the host has, and only when the profile is persistent', () => {
    const targets = (random: Parameters<typeof hostWith>[0]) =>
      plan(hostWith(random))
        .changes.filter(({ action }) => action === 'persist' || action === 'initramfs')
        .map(({ target }) => target);
    expect(targets({ persistent: false, initramfs: 'mkinitramfs' })).toEqual([]);
    const always = [OWN.script, OWN.modprobe, OWN.unit, OWN.wants];
    expect(targets({ persistent: true })).toEqual(always);
    expect(targets({ persistent: true, initramfs: 'mkinitramfs' })).toEqual([
      ...always,
      OWN.initTop,
      OWN.initramfsHook,
      IMAGE,
    ]);
    expect(targets({ persistent: true, initramfs: 'dracut' })).toEqual([...always, OWN.dracutModule, IMAGE]);
    expect(plan(hostWith({ persistent: true })).notes).toEqual([
      'no initramfs is rebuilt (neither initramfs-tools nor dracut): the unit bypass-setup.service binds the NICs at boot',
    ]);
  });

  it('[C1] [C4] the unit comes before everything that configures the network', async () => {
    const found = hostWith({ persistent: true });
    await applyAll(plan(found).changes, found.host, []);
    const unit = found.host.readText(OWN.unit) ?? '';
    expect(unit).toContain('Before=network-pre.target');
    expect(unit).toContain('ExecStart=/etc/bypass-setup/override late');
    expect(found.host.readText(OWN.wants)).toContain('Wants=bypass-setup.service');
    expect(found.host.readText(OWN.modprobe)).toContain('softdep e1000e pre: vfio-pci');
    expect(found.host.stat(OWN.script)?.mode).toBe(0o755);
  });

  it('[C3] the script says what each NIC is; without a serial number, which others of its kind there are', async () => {
    const nics = [PORT, { ...PORT, serial: false }, { ...PORT, wanted: 'not in the profile' as const }];
    const found = hostWith({ nics, persistent: true });
    await applyAll(plan(found).changes, found.host, []);
    const lines = (found.host.readText(OWN.script) ?? '')
      .split('\n')
      .filter((line) => line.startsWith('nic 0'));
    expect(lines).toEqual([
      `nic ${ADDRESS} vfio-pci 0x8086 0x10d0 0x8086:0x0001 00-11-22-ff-ff-33-44-00 02:00:5e:00:00:01 -`,
      'nic 0000:02:00.0 vfio-pci 0x8086 0x10d1 0x8086:0x0001 - 02:00:5e:00:00:02 0000:02:00.0',
    ]);
  });

  it('[C1] each of them says who wrote it and how to take it back', async () => {
    for (const initramfs of ['mkinitramfs', 'dracut'] as const) {
      const found = hostWith({
        persistent: true,
        initramfs,
        service: true,
        managers: ['NetworkManager', 'systemd-networkd'],
      });
      const files = plan(found).changes.filter(({ action }) =>
        ['persist', 'access', 'unmanage'].includes(action),
      );
      expect(files.length).toBeGreaterThan(7);
      for (const { after } of files) {
        expect((after as { text: string }).text).toContain(
          'Written by bypass-setup; "bypass-setup undo" takes it back.',
        );
      }
    }
  });

  it('[C1] a file of somebody else in its place comes back, and one that cannot be read is not replaced', async () => {
    const found = hostWith({ persistent: true, foreign: true });
    const begun: Begun = [];
    await applyAll(plan(found).changes, found.host, begun);
    await revertAll(begun, found.host);
    expect(found.host.readText(OWN.modprobe)).toBe('options something else\n');
    const binary = hostWith({ persistent: true });
    binary.host.putBytes(OWN.modprobe, Uint8Array.of(0xff, 0xfe, 0));
    expect(refusal(binary)).toMatchObject({ code: 'FILE_UNREADABLE', exitCode: 4 });
  });
});

describe('the initramfs', () => {
  it('[C2] is built beside the old one, looked into, and then swapped; undo brings the old one back', async () => {
    const found = hostWith({ persistent: true, initramfs: 'mkinitramfs' });
    const { host } = found;
    const begun: Begun = [];
    await applyAll(plan(found).changes, host, begun);
    expect(host.readText(IMAGE)).toContain('scripts/init-top/bypass-setup');
    const at = host.operations.findIndex((line) => line.startsWith('mkinitramfs'));
    expect(host.operations.slice(at - 3, at + 4)).toEqual([
      `cp -p ${IMAGE} /var/lib/bypass-setup/initrd.img-6.1.0-28-amd64.before-1.part`,
      'sync /var/lib/bypass-setup/initrd.img-6.1.0-28-amd64.before-1.part',
      'mv /var/lib/bypass-setup/initrd.img-6.1.0-28-amd64.before-1.part /var/lib/bypass-setup/initrd.img-6.1.0-28-amd64.before-1',
      `mkinitramfs -o ${IMAGE}.bypass-setup 6.1.0-28-amd64`,
      `lsinitramfs ${IMAGE}.bypass-setup`,
      `sync ${IMAGE}.bypass-setup`,
      `mv ${IMAGE}.bypass-setup ${IMAGE}`,
    ]);
    expect(await revertAll(begun, host)).toEqual([]);
    expect(host.readText(IMAGE)).toBe('the old image\n');
  });

  it.each([
    ['whose builder fails', { programs: { mkinitramfs: 'E: No space left on device' } }, 'PROGRAM_FAILED'],
    ['that lacks the script', { programs: { lsinitramfs: '' } }, 'PROGRAM_FAILED'],
    ['that was built without its hooks', { forgetful: true }, 'INITRAMFS_WRONG'],
  ])('[C2] %s never gets into its place', async (_what, faults, code) => {
    const found = hostWith({ persistent: true, initramfs: 'mkinitramfs' });
    const { host } = found;
    const before = host.tree();
    host.faults = faults;
    const begun: Begun = [];
    expect(await errorOf(applyAll(plan(found).changes, host, begun))).toMatchObject({ code });
    expect(host.readText(IMAGE)).toBe('the old image\n');
    expect(await revertAll(begun, host)).toEqual([]);
    expect(host.tree()).toEqual(before);
  });

  it('[C2] is built anew when a later profile does not want the script in it', async () => {
    const found = hostWith({ persistent: true, initramfs: 'mkinitramfs' });
    await applyAll(plan(found).changes, found.host, []);
    const next = { ...found, profile: { ...found.profile, persistent: false } };
    expect(changesOf(next, 'initramfs')).toMatchObject([
      { summary: `rebuild ${IMAGE} without the early script in it` },
    ]);
    await applyAll(plan(next).changes, found.host, []);
    expect(found.host.readText(IMAGE)).not.toContain('bypass-setup');
  });
});
