import { dropIn, IRQBALANCE, isMountUnit, OWN, UNIT_FOLDER, VF_TOKEN } from '../formats/own-files.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact, Facts } from './facts.ts';
import { absent, exists, firstKnown, guarded, known, names, textOrNothing, wholeFile } from './read.ts';

type Own = Facts['ownFiles'];
type Initramfs = NonNullable<Own['initramfs']['value']>;

/** Larger than anything this program writes. */
const LIMIT = 1 << 20;

export const ownFilesProbe = defineProbe('ownFiles', (host): Own => {
  const present = names(host, UNIT_FOLDER);
  const mounts = present.map((name) => `${UNIT_FOLDER}/${name}`).filter(isMountUnit);
  const units = present
    .filter((name) => name.endsWith('.service.d'))
    .map((name) => dropIn(name.slice(0, -2)));
  const paths = [
    ...Object.values(OWN),
    ...IRQBALANCE,
    ...mounts,
    ...units.filter((path) => exists(host, path)),
  ];
  return {
    files: Object.fromEntries(paths.map((path) => [path, wholeFile(host, path, LIMIT)])),
    vfToken: vfToken(host),
    // kernel-install's own, which may be missing.
    folders: folders(host, [...paths, ...units, '/etc/kernel/cmdline']),
    initramfs: initramfs(host),
  };
});

function vfToken(host: ReadHost): Own['vfToken'] {
  return guarded(VF_TOKEN, () => {
    const status = host.stat(VF_TOKEN);
    return status === undefined
      ? absent('missing', 'no such file', VF_TOKEN)
      : known({ mode: status.mode }, VF_TOKEN);
  });
}

/** Those that exist among the folders the files lie in: what is missing is made, and taken away again. */
function folders(host: ReadHost, paths: readonly string[]): string[] {
  const all = new Set<string>();
  for (const path of paths) {
    const parts = path.split('/');
    for (let length = 2; length < parts.length; length++) all.add(parts.slice(0, length).join('/'));
  }
  return [...all].filter((path) => exists(host, path)).sort();
}

/** Debian's and dracut's names; the image of the running kernel. */
function initramfs(host: ReadHost): Fact<Initramfs> {
  const release = textOrNothing(host, '/proc/sys/kernel/osrelease') ?? '';
  const dracut = ['/usr/bin/dracut', '/usr/sbin/dracut'].find((path) => exists(host, path));
  const tools: (() => Fact<Initramfs>)[] = [
    () => image(host, 'mkinitramfs', '/usr/sbin/mkinitramfs', `/boot/initrd.img-${release}`),
    () => image(host, 'dracut', dracut ?? '/usr/bin/dracut', `/boot/initramfs-${release}.img`),
    () => image(host, 'dracut', dracut ?? '/usr/bin/dracut', `/boot/initrd.img-${release}`),
  ];
  return firstKnown(
    absent('missing', 'neither initramfs-tools nor dracut', '/usr/sbin/mkinitramfs'),
    ...tools,
  );
}

function image(host: ReadHost, tool: Initramfs['tool'], program: string, path: string): Fact<Initramfs> {
  return exists(host, program) && exists(host, path)
    ? known({ tool, image: path }, program)
    : absent('missing', 'no such program or image', program);
}
