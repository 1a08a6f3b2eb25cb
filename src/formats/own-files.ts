/**
 * Every file that `apply` writes, apart from the drop-in of a service's unit. The probe reads them, the actions write
 * them, and nothing else of the host is written to.
 */
export const OWN = {
  /** What each NIC was before it left the kernel. */
  memory: '/var/lib/bypass-setup/nics.json',
  /** Which initramfs images hold the early script. */
  images: '/var/lib/bypass-setup/initramfs.json',
  networkManager: '/etc/NetworkManager/conf.d/90-bypass-setup.conf',
  networkd: '/etc/systemd/network/05-bypass-setup.network',
  udev: '/etc/udev/rules.d/90-bypass-setup.rules',
  modprobe: '/etc/modprobe.d/bypass-setup.conf',
  script: '/etc/bypass-setup/override',
  unit: '/etc/systemd/system/bypass-setup.service',
  /** A drop-in instead of a link in a .wants folder: a file can be taken back byte for byte. */
  wants: '/etc/systemd/system/sysinit.target.d/90-bypass-setup.conf',
  initTop: '/etc/initramfs-tools/scripts/init-top/bypass-setup',
  initramfsHook: '/etc/initramfs-tools/hooks/bypass-setup',
  hugepagesScript: '/etc/bypass-setup/hugepages',
  hugepagesUnit: '/etc/systemd/system/bypass-setup-hugepages.service',
  hugepagesWants: '/etc/systemd/system/sysinit.target.d/91-bypass-setup-hugepages.conf',
  dracutModule: '/usr/lib/dracut/modules.d/90bypass-setup/module-setup.sh',
  /** What was written to the boot line, and when. */
  bootArguments: '/var/lib/bypass-setup/boot-arguments.json',
  /** grub-mkconfig reads these after /etc/default/grub, in the order of their names. */
  grubDefault: '/etc/default/grub.d/zz-bypass-setup.cfg',
  /** The entry that is tried once. 41_custom comes before, so that no number of an entry changes. */
  grubTrial: '/etc/grub.d/42_bypass_setup',
  trialScript: '/etc/bypass-setup/boot-trial',
  trialUnit: '/etc/systemd/system/bypass-setup-boot-trial.service',
  trialWants: '/etc/systemd/system/multi-user.target.d/90-bypass-setup-boot-trial.conf',
  /** What the trial came to; its script writes it. */
  trialResult: '/var/lib/bypass-setup/boot-trial',
  sysctl: '/etc/sysctl.d/90-bypass-setup.conf',
  tmpfiles: '/etc/tmpfiles.d/90-bypass-setup.conf',
  managerAffinity: '/etc/systemd/system.conf.d/90-bypass-setup.conf',
  /** Sets again what needs drivers to be there, once they are: `%i` is the name of a script in /etc/bypass-setup. */
  bootUnit: '/etc/systemd/system/bypass-setup@.service',
  bootWants: '/etc/systemd/system/multi-user.target.d/90-bypass-setup.conf',
  isolationScript: '/etc/bypass-setup/isolation',
  slice: '/etc/systemd/system/bypass.slice',
} as const;

/** Files of others, of which one key is ours: Debian's place and Red Hat's. */
export const IRQBALANCE = ['/etc/default/irqbalance', '/etc/sysconfig/irqbalance'] as const;

/** The menu entry with the boot line that is tried once. */
export const TRIAL_ENTRY = 'bypass-setup-trial';

/** A secret: no probe reads it, so that it gets into no report, plan or journal. */
export const VF_TOKEN = '/var/lib/bypass-setup/vf-token';

/** One sentence about what became of a run after a reboot, for whoever comes next; gone with the next boot. */
export const NOTICE = '/run/bypass-setup.notice';

export const UNIT_FOLDER = '/etc/systemd/system';

/** The unit that mounts a hugetlbfs at `/dev/hugepages1G`: its name is made of the path. */
export function mountUnit(path: string): string {
  return `${UNIT_FOLDER}/${path.slice(1).replaceAll('/', '-')}.mount`;
}

export function isMountUnit(path: string): boolean {
  return path.startsWith(`${UNIT_FOLDER}/dev-hugepages`) && /\d[KMG]\.mount$/.test(path);
}

const DROP_IN = '90-bypass-setup.conf';

/** The drop-in of a service's unit. */
export function dropIn(unit: string): string {
  return `${UNIT_FOLDER}/${unit}.d/${DROP_IN}`;
}

export function isDropIn(path: string): boolean {
  return path.startsWith(`${UNIT_FOLDER}/`) && path.endsWith(`.service.d/${DROP_IN}`);
}
