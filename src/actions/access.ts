import { dropIn, isDropIn, OWN } from '../formats/own-files.ts';
import type { PlanContext } from './define.ts';
import { defineFileAction, HEADER, hasSystemd, type WantedFile } from './file.ts';
import { type Nic, userspaceNicsOf } from './nics.ts';
import { refused } from './run.ts';

/** The service's own account opens the devices, locks its memory, and starts only when they are there. */
export const accessAction = defineFileAction({
  name: 'access',
  wanted,
  owned: ({ facts }) => [OWN.udev, ...Object.keys(facts.ownFiles.files).filter(isDropIn)],
  refresh(context, path) {
    if (!hasSystemd(context)) return [];
    return path === OWN.udev ? RELOAD_RULES : [['systemctl', 'daemon-reload']];
  },
});

const RELOAD_RULES = [
  ['udevadm', 'control', '--reload'],
  ['udevadm', 'trigger', '--action=change', '--subsystem-match=vfio'],
  ['udevadm', 'settle', '--timeout=10'],
];

function wanted(context: PlanContext, note: (sentence: string) => void): WantedFile[] {
  const { profile } = context;
  const nics = vfioNicsOf(context);
  if (profile.service === undefined || nics.length === 0) return [];
  const { group, unit } = profile.service;
  // The names go into files that udev and systemd read, one setting a line.
  if (!/^[a-z_][a-z0-9_-]*\$?$/i.test(group)) throw refused('GROUP_NAME', group, 'is no name of a group');
  dmaEntries(context, note);
  const files = [rules(nics, group)];
  if (unit === undefined) return files;
  if (!/^[\w:.@\\-]+\.service$/.test(unit)) throw refused('UNIT_NAME', unit, 'is no name of a service unit');
  const file = limits(nics, unit);
  if (context.facts.ownFiles.files[file.path]?.value?.text !== file.text) {
    note(`${unit}: its memory limit and its devices count from its next start on`);
  }
  return [...files, file];
}

export function vfioNicsOf(context: PlanContext): Nic[] {
  return userspaceNicsOf(context).filter(({ wanted }) => wanted === 'vfio-pci');
}

/**
 * The number of a group differs from boot to boot, so the rule asks which device is in it. udev has no %n for a name of
 * digits alone such as `85` (systemd, device_set_sysname_and_sysnum); of `noiommu-85` it is 85. The alias gives systemd a
 * unit that another one can wait for.
 */
function rules(nics: readonly Nic[], group: string): WantedFile {
  const lines = nics.flatMap(({ found: { address } }) =>
    ['%k', '%n'].map(
      (number) =>
        `SUBSYSTEM=="vfio", TEST=="/sys/kernel/iommu_groups/${number}/devices/${address}", ` +
        `GROUP="${group}", MODE="0660", TAG+="systemd", ENV{SYSTEMD_ALIAS}+="${alias(address)}"\n`,
    ),
  );
  return {
    path: OWN.udev,
    text: HEADER + lines.join(''),
    summary: `${OWN.udev}: group ${group} may open the devices, at every boot`,
  };
}

const alias = (address: string) => `/bypass-setup/${address}`;

/** systemd-escape(1): `-` of a path becomes `\x2d`, `/` becomes `-`. */
function deviceUnit(address: string): string {
  return `${alias(address).slice(1).replaceAll('-', '\\x2d').replaceAll('/', '-')}.device`;
}

function limits(nics: readonly Nic[], unit: string): WantedFile {
  const devices = nics.map(({ found }) => deviceUnit(found.address)).join(' ');
  return {
    path: dropIn(unit),
    text:
      `${HEADER}[Unit]\nAfter=bypass-setup.service ${devices}\nBindsTo=${devices}\n\n` +
      '[Service]\n# DMA needs all of the memory that is mapped to be locked.\nLimitMEMLOCK=infinity\n',
    summary: `${dropIn(unit)}: no limit of locked memory, waits for its devices`,
  };
}

/** Each hugepage may become a mapping of its own (DPDK Linux guide, "VFIO memory mapping limits"). */
function dmaEntries({ facts, profile }: PlanContext, note: (sentence: string) => void): void {
  const limit = facts.limits.dmaEntries;
  const pages = profile.hugepages.reduce((sum, { count }) => sum + count, 0);
  if (limit.value !== undefined && pages >= limit.value) {
    note(
      `${limit.from} is ${limit.value}, fewer than the ${pages} hugepages: ` +
        'the application may not be able to map them all; raise it, or use larger pages',
    );
  }
}
