import { few } from '../formats/few.ts';
import { OWN } from '../formats/own-files.ts';
import { type BootNic, bootScript } from './boot-script.ts';
import type { PlanContext } from './define.ts';
import { defineFileAction, HEADER, hasSystemd, type WantedFile } from './file.ts';
import { kernelDriver, type Nic, permanentAddress, userspaceNicsOf } from './nics.ts';
import { refused } from './run.ts';

/** Files that make the NICs leave the kernel again at every boot, keyed by what they are and not by their slot alone. */
export const persistAction = defineFileAction({
  name: 'persist',
  wanted,
  owned: () => [
    OWN.script,
    OWN.modprobe,
    OWN.unit,
    OWN.wants,
    OWN.initTop,
    OWN.initramfsHook,
    OWN.dracutModule,
  ],
  refresh(context, path) {
    const unit = path === OWN.unit || path === OWN.wants;
    return unit && hasSystemd(context) ? [['systemctl', 'daemon-reload']] : [];
  },
});

function wanted(context: PlanContext): WantedFile[] {
  if (!context.profile.persistent) return [];
  const nics = userspaceNicsOf(context);
  if (nics.length === 0) return [];
  const script = bootScript(nics.map((nic) => bootNic(nic, context)));
  const names = few(nics.map(({ found }) => found.address));
  return [
    { path: OWN.script, text: script, mode: 0o755, summary: `${OWN.script}: binds ${names} at boot` },
    ...softdeps(nics),
    {
      path: OWN.unit,
      text: unit(),
      summary: `${OWN.unit}: runs it before the network is configured`,
    },
    {
      path: OWN.wants,
      text: `${HEADER}[Unit]\nWants=bypass-setup.service\n`,
      summary: `${OWN.wants}: starts that unit at every boot`,
    },
    ...early(context, script),
  ];
}

function bootNic(nic: Nic, context: PlanContext): BootNic {
  const { found } = nic;
  const { identity } = nic.nic;
  // The script would be one for a NIC that has none, and so weaker.
  if (found.serial.absent !== undefined && found.serial.absent !== 'missing') {
    const what = `whether it has a serial number cannot be read: ${found.serial.reason}`;
    throw refused('NIC_SERIAL_UNKNOWN', found.address, what, 'run as root');
  }
  const peers = (context.facts.pci.networkFunctions.value ?? []).filter(
    ({ vendor, device }) => vendor === found.vendor && device === found.device,
  );
  return {
    address: found.address,
    driver: nic.wanted ?? '',
    vendor: identity.vendor,
    device: identity.device,
    subsystem: identity.subsystem,
    serial: identity.serial,
    mac: permanentAddress(nic, context) ?? undefined,
    peers: peers.map(({ address }) => address).sort(),
  };
}

/** modprobe.d(5): where the initramfs holds no script, vfio-pci is at least there before the kernel driver is. */
function softdeps(nics: readonly Nic[]): WantedFile[] {
  const lines = nics.flatMap((nic) => {
    const driver = kernelDriver(nic.found);
    return driver === null ? [] : [`softdep ${driver} pre: ${nic.wanted}\n`];
  });
  if (lines.length === 0) return [];
  const text = HEADER + [...new Set(lines)].sort().join('');
  return [
    { path: OWN.modprobe, text, summary: `${OWN.modprobe}: vfio-pci is loaded before their kernel drivers` },
  ];
}

/** systemd.special(7), network-pre.target: everything that configures the network comes after it. */
function unit(): string {
  return `${HEADER}[Unit]
Description=Bind NICs to their user-space drivers
DefaultDependencies=no
RequiresMountsFor=/etc/bypass-setup
After=systemd-modules-load.service
Wants=network-pre.target
Before=network-pre.target sysinit.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${OWN.script} late
`;
}

function early({ facts }: PlanContext, script: string): WantedFile[] {
  const tool = facts.ownFiles.initramfs.value?.tool;
  if (tool === 'mkinitramfs') {
    return [
      {
        path: OWN.initTop,
        text: script,
        mode: 0o755,
        summary: `${OWN.initTop}: the same in the initramfs, before udev`,
      },
      {
        path: OWN.initramfsHook,
        text: HOOK,
        mode: 0o755,
        summary: `${OWN.initramfsHook}: packs what it needs`,
      },
    ];
  }
  if (tool === 'dracut') {
    return [
      {
        path: OWN.dracutModule,
        text: DRACUT,
        mode: 0o755,
        summary: `${OWN.dracutModule}: the same in the initramfs`,
      },
    ];
  }
  return [];
}

/** initramfs-tools(7). vfio_virqfd is not named: it is a part of vfio since Linux 6.2, and comes by itself before. */
const HOOK = `#!/bin/sh
${HEADER}[ "$1" = prereqs ] && exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules vfio_pci vfio_iommu_type1
copy_exec /usr/bin/od
copy_exec /usr/bin/readlink
`;

/** dracut.modules(7): pre-udev comes before udev loads a driver. */
const DRACUT = `#!/bin/bash
${HEADER}check() {
  return 0
}

installkernel() {
  instmods vfio_pci vfio_iommu_type1
}

install() {
  inst_multiple od readlink modprobe
  inst_hook pre-udev 00 ${OWN.script}
}
`;
