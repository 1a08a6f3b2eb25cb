/** What a guest boots: the kernel and small initrd of the fast one, the disk images of the others. */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';
import { made } from './cache.ts';
import { must, say } from './programs.ts';
import { bootOnce } from './qemu.ts';

const PIECES = fileURLToPath(new URL('guest/', import.meta.url));
const piece = (name: string) => readFileSync(`${PIECES}${name}`, 'utf8');

export type Suite = 'bookworm' | 'trixie';
export type Loader = 'grub' | 'systemd-boot';

export interface FastGuest {
  readonly image: string;
  readonly initrd: string;
  /** Holds lib/modules/VERSION and boot/config-VERSION. */
  readonly folder: string;
  /** The guest's agent, as a path on this host. */
  readonly agent: string;
}

/** Debian's kernel and agent, unpacked and not installed, and an initrd that goes on with this host's files. */
export async function fastGuest(): Promise<FastGuest> {
  const depends = await must(['apt-cache', 'depends', 'linux-image-amd64']);
  const image = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (image === undefined) throw new Error(`apt-cache names no kernel:\n${depends}`);
  const scripts = ['initrd-init.sh', 'fast-init.sh'].map(piece);
  const folder = await made('fast-guest', [image, ...scripts], async (path) => {
    say(`unpacking ${image} for the fast guest`);
    mkdirSync(`${path}/packages`, { recursive: true });
    // apt-get would fetch as a user who may not write here.
    const options = ['-qq', '-o', 'APT::Sandbox::User=root'];
    await must(['apt-get', 'download', ...options, image, 'busybox-static', 'qemu-guest-agent'], {
      cwd: `${path}/packages`,
    });
    for (const name of readdirSync(`${path}/packages`)) {
      await must(['dpkg', '-x', `${path}/packages/${name}`, path]);
    }
    rmSync(`${path}/packages`, { recursive: true });
    const version = kernelVersion(path);
    await must(['/usr/sbin/depmod', '-b', path, version]);
    await makeInitrd(path, version);
  });
  return {
    folder,
    image: `${folder}/boot/vmlinuz-${kernelVersion(folder)}`,
    initrd: `${folder}/initrd`,
    agent: `${folder}/usr/sbin/qemu-ga`,
  };
}

function kernelVersion(folder: string): string {
  const [version, more] = readdirSync(`${folder}/lib/modules`);
  if (version === undefined || more !== undefined) throw new Error(`not one kernel in ${folder}/lib/modules`);
  return version;
}

async function makeInitrd(folder: string, version: string): Promise<void> {
  const root = `${folder}/initrd-root`;
  const modules = `lib/modules/${version}`;
  mkdirSync(`${root}/bin`, { recursive: true });
  copyFileSync(`${folder}/bin/busybox`, `${root}/bin/busybox`);
  const needed = await must([
    ...['/usr/sbin/modprobe', '--dirname', folder, '--set-version', version, '--show-depends', '--all'],
    ...['virtio_pci', '9pnet_virtio', '9p', 'overlay'],
  ] as [string, ...string[]]);
  for (const [, path = ''] of needed.matchAll(/^insmod (\S+)/gm)) {
    const inside = path.slice(path.indexOf(modules));
    cpSync(`${folder}/${inside}`, `${root}/${inside}`);
  }
  await must(['/usr/sbin/depmod', '-b', root, version]);
  writeFileSync(`${root}/init`, piece('initrd-init.sh'), { mode: 0o755 });
  writeFileSync(`${root}/fast-init.sh`, piece('fast-init.sh'));
  await must(['sh', '-c', `cd "$0" && find . | cpio --quiet -o -H newc > "$1"`, root, `${folder}/initrd`]);
  rmSync(root, { recursive: true });
}

/** DPDK as the application would bring it: EAL, the drivers of the lab's NICs, no development files. */
const DPDK: Readonly<Record<Suite, readonly string[]>> = {
  bookworm: [
    ...['librte-eal23', 'librte-ethdev23', 'librte-mempool-ring23', 'librte-bus-pci23', 'librte-bus-vdev23'],
    ...['librte-net-e1000-23', 'librte-net-virtio23', 'librte-net-af-packet23', 'librte-net-ring23'],
  ],
  // The addon of this checkout is linked with the host's DPDK, so there its own would be of no use.
  trixie: [],
};

const PACKAGES = [
  ...['linux-image-amd64', 'initramfs-tools', 'systemd-sysv', 'udev', 'kmod', 'dbus', 'openssh-server'],
  ...[
    'iproute2',
    'iputils-ping',
    'ethtool',
    'pciutils',
    'procps',
    'strace',
    'qemu-guest-agent',
    'libnuma1',
    'zstd',
  ],
];

const LOADER_PACKAGES: Readonly<Record<Loader, readonly string[]>> = {
  grub: ['grub-pc'],
  'systemd-boot': ['systemd-boot', 'dosfstools'],
};

/** Sectors of 512 octets. */
const FIRST_SECTOR = 2048;
const EFI_SECTORS = 256 * 2048;
const MEGABYTE = 1 << 20;
const DISK_MEGABYTES = 3072;

/** A disk image that boots by itself, and the key that ssh takes. Made once, in some three minutes. */
export async function diskImage(suite: Suite, loader: Loader): Promise<{ path: string; key: string }> {
  const key = await sshKey();
  const packages = [...PACKAGES, ...DPDK[suite], ...LOADER_PACKAGES[loader]];
  const inputs = [
    suite,
    ...packages,
    process.version,
    readFileSync(`${key}.pub`, 'utf8'),
    piece(`first-boot-${loader}.sh`),
    ...Object.values(FILES),
    String(DISK_MEGABYTES),
  ];
  const path = await made(`${suite}-${loader}`, inputs, async (folder) => {
    mkdirSync(folder, { recursive: true });
    const root = `${folder}/root`;
    say(`installing ${suite} with ${loader} into a folder`);
    await must([
      // Its mounts go with it, also when it is killed.
      ...['unshare', '--mount', 'mmdebstrap', '--mode=root', '--variant=minbase', '--quiet'],
      '--aptopt=Acquire::Languages "none"',
      ...['--dpkgopt=path-exclude=/usr/share/doc/*', '--dpkgopt=path-exclude=/usr/share/man/*'],
      ...Object.entries(FILES_BEFORE).flatMap(([name, text]) => [
        `--essential-hook=mkdir -p "$1/$(dirname ${name})"; printf '${text}' > "$1/${name}"`,
      ]),
      ...[`--include=${packages.join(',')}`, suite, root],
    ] as [string, ...string[]]);
    const version = kernelVersion(root);
    configure(root, loader, readFileSync(`${key}.pub`, 'utf8'));
    copyFileSync(`${root}/boot/vmlinuz-${version}`, `${folder}/vmlinuz`);
    copyFileSync(`${root}/boot/initrd.img-${version}`, `${folder}/initrd`);
    say('making the disk');
    await makeDisk(`${folder}/disk`, root, loader);
    rmSync(root, { recursive: true });
    say(`installing ${loader} from inside`);
    await bootOnce(`${folder}/disk`, {
      image: `${folder}/vmlinuz`,
      initrd: `${folder}/initrd`,
      arguments: `root=/dev/vda1 ro console=ttyS0 panic=-1 init=/usr/local/sbin/lab-first-boot`,
    });
    rmSync(`${folder}/vmlinuz`);
    rmSync(`${folder}/initrd`);
  });
  return { path: `${path}/disk`, key };
}

/** So that an initramfs is made in seconds under emulation, not in minutes. */
const FILES_BEFORE: Readonly<Record<string, string>> = {
  'etc/initramfs-tools/conf.d/lab': 'MODULES=list\\nCOMPRESS=gzip\\n',
  'etc/initramfs-tools/modules': 'virtio_pci\\nvirtio_blk\\next4\\n',
};

const FILES: Readonly<Record<string, string>> = {
  'etc/hostname': 'lab\n',
  'etc/fstab': '/dev/vda1 / ext4 errors=remount-ro 0 1\n',
  'etc/systemd/network/10-management.network':
    '[Match]\nMACAddress=52:54:00:0b:00:01\n\n[Network]\nAddress=10.0.2.15/24\nGateway=10.0.2.2\nLinkLocalAddressing=no\n',
  'etc/default/grub':
    'GRUB_DEFAULT=0\nGRUB_TIMEOUT=0\nGRUB_DISTRIBUTOR=Debian\nGRUB_CMDLINE_LINUX_DEFAULT=""\nGRUB_CMDLINE_LINUX="console=ttyS0"\n' +
    'GRUB_TERMINAL=serial\nGRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"\nGRUB_DISABLE_OS_PROBER=true\n',
  'etc/kernel/cmdline': 'root=/dev/vda1 ro console=ttyS0\n',
  'etc/systemd/system/serial-getty@ttyS0.service.d/autologin.conf':
    '[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --keep-baud 115200 %I linux\n',
  // Power is cut here for a living.
  'etc/systemd/journald.conf.d/lab.conf': '[Journal]\nStorage=persistent\nSyncIntervalSec=1s\n',
};

function configure(root: string, loader: Loader, publicKey: string): void {
  for (const [name, text] of Object.entries(FILES)) {
    if (name === 'etc/default/grub' && loader !== 'grub') continue;
    mkdirSync(`${root}/${name.slice(0, name.lastIndexOf('/'))}`, { recursive: true });
    writeFileSync(`${root}/${name}`, text);
  }
  mkdirSync(`${root}/root/.ssh`, { recursive: true, mode: 0o700 });
  writeFileSync(`${root}/root/.ssh/authorized_keys`, publicKey, { mode: 0o600 });
  writeFileSync(`${root}/usr/local/sbin/lab-first-boot`, piece(`first-boot-${loader}.sh`));
  chmodSync(`${root}/usr/local/sbin/lab-first-boot`, 0o755);
  // Node as an administrator of a server without internet would bring it.
  copyFileSync(process.execPath, `${root}/usr/local/bin/node`);
  chmodSync(`${root}/usr/local/bin/node`, 0o755);
  const wants = `${root}/etc/systemd/system/multi-user.target.wants`;
  mkdirSync(wants, { recursive: true });
  for (const unit of ['systemd-networkd.service']) {
    writeLink(`/usr/lib/systemd/system/${unit}`, `${wants}/${unit}`);
  }
  for (const unit of [
    'apt-daily.timer',
    'apt-daily-upgrade.timer',
    'dpkg-db-backup.timer',
    'e2scrub_all.timer',
    'fstrim.timer',
  ]) {
    writeLink('/dev/null', `${root}/etc/systemd/system/${unit}`);
  }
}

function writeLink(target: string, path: string): void {
  rmSync(path, { force: true });
  symlinkSync(target, path);
}

/** Without a loop device or a mount, so that nothing can be left behind: mke2fs -d fills the file system itself. */
async function makeDisk(path: string, root: string, loader: Loader): Promise<void> {
  closeSync(openSync(path, 'w'));
  truncateSync(path, DISK_MEGABYTES * MEGABYTE);
  const total = (DISK_MEGABYTES * MEGABYTE) / 512;
  const efi = loader === 'systemd-boot';
  const end = efi ? total - EFI_SECTORS - 2048 : total;
  const table = efi
    ? `label: gpt\nstart=${FIRST_SECTOR}, size=${end - FIRST_SECTOR}, type=linux\nstart=${end}, size=${EFI_SECTORS}, type=uefi\n`
    : `label: dos\nstart=${FIRST_SECTOR}, type=83, bootable\n`;
  await must(['sh', '-c', 'printf %b "$1" | sfdisk --quiet "$0"', path, table], {
    env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
  });
  await must([
    ...['/usr/sbin/mke2fs', '-q', '-t', 'ext4', '-d', root, '-E', `offset=${FIRST_SECTOR * 512}`],
    // GRUB 2.06 reads no file system that has these.
    ...['-O', '^metadata_csum_seed,^orphan_file', path, `${(end - FIRST_SECTOR) / 2}k`],
  ] as [string, ...string[]]);
  if (efi) {
    const fat = `${path}.fat`;
    closeSync(openSync(fat, 'w'));
    truncateSync(fat, EFI_SECTORS * 512);
    await must(['/usr/sbin/mkfs.vfat', '-F', '32', fat]);
    await must([
      'dd',
      `if=${fat}`,
      `of=${path}`,
      'bs=1M',
      `seek=${end / 2048}`,
      'conv=notrunc,sparse',
      'status=none',
    ]);
    rmSync(fat);
  }
}

async function sshKey(): Promise<string> {
  const path = await made('ssh', [], async (folder) => {
    mkdirSync(folder, { recursive: true });
    await must(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'lab', '-f', `${folder}/key`]);
  });
  return `${path}/key`;
}
