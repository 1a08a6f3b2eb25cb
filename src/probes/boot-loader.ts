import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Facts } from './facts.ts';
import { absent, exists, known, names, textOrNothing } from './read.ts';

type Kind = NonNullable<Facts['bootLoader']['kinds']['value']>[number];

/** The most specific owner first: on rpm-ostree and bootc hosts the loader's own files are not to be edited. */
export const bootLoaderProbe = defineProbe('bootLoader', (host) => {
  const kinds = [
    ...ostree(host),
    ...unified(host),
    ...systemdBoot(host),
    ...grub(host),
    ...raspberryPi(host),
  ];
  return {
    kinds:
      kinds.length > 0
        ? known(kinds, '/boot')
        : absent('missing', 'no boot loader that is known here', '/boot'),
    firmware: exists(host, '/sys/firmware/efi')
      ? known('uefi' as const, '/sys/firmware/efi')
      : exists(host, '/sys/firmware')
        ? known('bios' as const, '/sys/firmware/efi')
        : absent('missing', 'no /sys/firmware', '/sys/firmware'),
  };
});

function ostree(host: ReadHost): Kind[] {
  if (!exists(host, '/run/ostree-booted') && !exists(host, '/ostree/repo')) return [];
  for (const folder of ['/usr/lib/bootc', '/etc/bootc']) {
    if (exists(host, folder)) return [{ kind: 'bootc', evidence: folder }];
  }
  const evidence = exists(host, '/run/ostree-booted') ? '/run/ostree-booted' : '/ostree/repo';
  return [{ kind: 'rpm-ostree', evidence }];
}

function espFolders(host: ReadHost): string[] {
  return ['/efi', '/boot/efi', '/boot'].filter((folder) => exists(host, `${folder}/EFI`));
}

function unified(host: ReadHost): Kind[] {
  for (const esp of espFolders(host)) {
    const image = names(host, `${esp}/EFI/Linux`).find((name) => name.endsWith('.efi'));
    if (image !== undefined) return [{ kind: 'uki', evidence: `${esp}/EFI/Linux/${image}` }];
  }
  return [];
}

function systemdBoot(host: ReadHost): Kind[] {
  for (const esp of espFolders(host)) {
    const loader = names(host, `${esp}/EFI/systemd`).find((name) => /^systemd-boot.*\.efi$/.test(name));
    if (loader !== undefined) return [{ kind: 'systemd-boot', evidence: `${esp}/EFI/systemd/${loader}` }];
  }
  return [];
}

function grub(host: ReadHost): Kind[] {
  const debian = ['/usr/sbin/update-grub', '/boot/grub/grub.cfg'].find((path) => exists(host, path));
  if (debian !== undefined) return [{ kind: 'grub-debian', evidence: debian }];
  if (!exists(host, '/boot/grub2')) return [];
  // GRUB_ENABLE_BLSCFG=false puts the entries back into grub.cfg, where grubby still edits them.
  const bls = names(host, '/boot/loader/entries').some((name) => name.endsWith('.conf'));
  const setting = textOrNothing(host, '/etc/default/grub');
  const evidence = bls ? '/boot/loader/entries' : setting === undefined ? '/boot/grub2' : '/etc/default/grub';
  return [{ kind: 'grub-bls', evidence }];
}

function raspberryPi(host: ReadHost): Kind[] {
  for (const path of ['/boot/firmware/cmdline.txt', '/boot/cmdline.txt']) {
    if (exists(host, path)) return [{ kind: 'raspberry-pi', evidence: path }];
  }
  return [];
}
