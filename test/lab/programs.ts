/** Runs programs of this machine for the lab: short ones to their end, and what is missing from Debian's packages. */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { cacheFolder } from './cache.ts';

const exec = promisify(execFile);

/** The program that shows that a package is there. */
const TOOLS: Readonly<Record<string, string>> = {
  'qemu-system-x86': '/usr/bin/qemu-system-x86_64',
  'qemu-utils': '/usr/bin/qemu-img',
  ovmf: '/usr/share/OVMF/OVMF_CODE_4M.fd',
  mmdebstrap: '/usr/bin/mmdebstrap',
  kmod: '/usr/bin/kmod',
  cpio: '/usr/bin/cpio',
  fdisk: '/usr/sbin/sfdisk',
  dosfstools: '/usr/sbin/mkfs.vfat',
  mtools: '/usr/bin/mcopy',
  e2fsprogs: '/usr/sbin/mke2fs',
  iproute2: '/usr/sbin/ip',
  'iputils-ping': '/usr/bin/ping',
  'iputils-arping': '/usr/bin/arping',
  'openssh-client': '/usr/bin/ssh',
};

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, whatever its exit code; `cwd`, `env` and `timeout` as for node:child_process. */
export async function run(
  argv: readonly [string, ...string[]],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; timeout?: number } = {},
): Promise<Outcome> {
  const [file, ...args] = argv;
  try {
    const { stdout, stderr } = await exec(file, args, { maxBuffer: 256 << 20, ...options });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const failed = error as { code?: number | string; stdout?: string; stderr?: string; message: string };
    if (typeof failed.code !== 'number') throw error;
    return { code: failed.code, stdout: failed.stdout ?? '', stderr: failed.stderr ?? '' };
  }
}

/** Runs a program that must succeed. */
export async function must(
  argv: readonly [string, ...string[]],
  options: Parameters<typeof run>[1] = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code !== 0) throw new Error(`"${argv.join(' ')}" ended with ${code}\n${stdout}${stderr}`);
  return stdout;
}

export function say(text: string): void {
  process.stderr.write(`lab: ${text}\n`);
}

/**
 * Sees to everything that the lab needs of this machine. Gives the reason when something cannot be had here.
 */
export async function provideTools(): Promise<string | undefined> {
  if (process.arch !== 'x64') return `the guests are x86-64, this machine is ${process.arch}`;
  if (process.getuid?.() !== 0) return 'network namespaces and tap devices need root';
  if (!existsSync('/dev/net/tun')) return 'this kernel has no tap devices (/dev/net/tun)';
  const missing = Object.keys(TOOLS).filter((name) => !existsSync(TOOLS[name] ?? ''));
  if (missing.length === 0) return undefined;
  if (!existsSync('/usr/bin/apt-get')) {
    return `missing programs, and no apt-get to install them: ${missing.join(', ')}`;
  }
  say(`installing ${missing.join(', ')}`);
  const install = (options: string[]) =>
    spawnSync(
      'apt-get',
      [
        'install',
        '-y',
        '-qq',
        '--no-install-recommends',
        '-o',
        'DPkg::Lock::Timeout=300',
        ...options,
        ...missing,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } },
    );
  spawnSync('apt-get', ['update', '-qq', '-o', 'DPkg::Lock::Timeout=300'], { stdio: 'ignore' });
  // The SR-IOV NIC came with QEMU 8; Debian 12 has that in its backports, named here for this one call only.
  const backports = missing.includes('qemu-system-x86') ? backportsOptions() : undefined;
  if (backports === undefined || install(backports).status !== 0) {
    const result = install([]);
    if (result.status !== 0) return `apt-get cannot install them: ${result.stderr.toString().trim()}`;
  }
  return undefined;
}

/** Options of apt-get that add Debian 12's backports to the sources without a change of /etc/apt. */
function backportsOptions(): string[] | undefined {
  if (!/^VERSION_CODENAME=bookworm$/m.test(readFileSync('/etc/os-release', 'utf8'))) return undefined;
  const folder = `${cacheFolder()}/backports`;
  mkdirSync(`${folder}/lists/partial`, { recursive: true });
  writeFileSync(
    `${folder}/sources.list`,
    `${['bookworm', 'bookworm-updates', 'bookworm-backports']
      .map((suite) => `deb http://deb.debian.org/debian ${suite} main\n`)
      .join('')}deb http://deb.debian.org/debian-security bookworm-security main\n`,
  );
  const options = [
    '-o',
    `Dir::Etc::SourceList=${folder}/sources.list`,
    '-o',
    'Dir::Etc::SourceParts=/dev/null',
    '-o',
    `Dir::State::Lists=${folder}/lists`,
    '-o',
    `Dir::Cache::pkgcache=${folder}/pkgcache.bin`,
    '-o',
    `Dir::Cache::srcpkgcache=${folder}/srcpkgcache.bin`,
  ];
  if (spawnSync('apt-get', ['update', '-qq', ...options], { stdio: 'ignore' }).status !== 0) return undefined;
  return [...options, '-t', 'bookworm-backports'];
}
