import type { BootLoaderKind } from '../../probes/facts.ts';
import { bootc } from './bootc.ts';
import { grubDebian } from './grub.ts';
import { grubBls } from './grub-bls.ts';
import type { Loader } from './loader.ts';
import { raspberryPi } from './raspberry-pi.ts';
import { rpmOstree } from './rpm-ostree.ts';
import { systemdBoot } from './systemd-boot.ts';
import { ubuntuCore } from './ubuntu-core.ts';

/** A unified kernel image has its line inside what was signed: nothing on the host can write it. */
export const LOADERS: Readonly<Record<Exclude<BootLoaderKind, 'uki'>, Loader>> = {
  'grub-debian': grubDebian,
  'grub-bls': grubBls,
  'rpm-ostree': rpmOstree,
  bootc,
  'systemd-boot': systemdBoot,
  'raspberry-pi': raspberryPi,
  'ubuntu-core': ubuntuCore,
};
