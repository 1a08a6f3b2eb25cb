import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ToolError } from '../host/errors.ts';

export interface Installation {
  /** The bundled child process. */
  workerPath: string;
  /** The native addon; absent when DPDK was not there at build time. */
  addonPath: string;
}

/** The folder above this file that holds the package: the bundle is one level down (dist/), the source two (src/native/). */
export function packageRoot(): string {
  let root = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(root, 'binding.gyp')) && dirname(root) !== root) root = dirname(root);
  return root;
}

export function findInstallation(): Installation {
  const root = packageRoot();
  return {
    workerPath: join(root, 'dist', 'worker.js'),
    addonPath: join(root, 'build', 'Release', 'validator.node'),
  };
}

const LIBRARY_FOLDERS = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/local/lib64',
  '/usr/local/lib',
];

function holds(folder: string, pattern: RegExp): boolean {
  try {
    return readdirSync(folder).some((name) => pattern.test(name));
  } catch {
    return false;
  }
}

const INSTALL =
  'apt-get install libdpdk-dev pkg-config g++ make (Fedora, RHEL: dnf install dpdk-devel gcc-c++ make)';

/** The child could not load the addon: says which of the pieces is missing. */
export function addonError({ addonPath }: Installation, said: string): ToolError {
  // dlopen(3): "librte_ethdev.so.23: cannot open shared object file: No such file or directory"
  const library = /(librte_[a-z0-9_]+\.so[.\d]*): cannot open shared object/.exec(said)?.[1];
  if (library !== undefined) {
    const other = LIBRARY_FOLDERS.some((folder) => holds(folder, /^librte_eal\.so\.\d+$/));
    return new ToolError('DPDK_MISSING', `the DPDK library ${library} is not installed`, {
      subject: addonPath,
      hint: other
        ? 'another version of DPDK is installed: rebuild the addon with `npm run build:native`'
        : `install DPDK, then rebuild with \`npm run build:native\`: ${INSTALL}`,
    });
  }
  return new ToolError('ADDON_LOAD', `cannot load the native addon: ${said.split('\n')[0]}`, {
    subject: addonPath,
    hint: 'rebuild it with `npm run build:native`',
  });
}

/** Throws a ToolError when something that the child needs has not been built, with what to do about it. */
export function requireInstallation({ workerPath, addonPath }: Installation): void {
  if (!existsSync(workerPath)) {
    throw new ToolError('WORKER_NOT_BUILT', 'the validator process has not been built', {
      subject: workerPath,
      hint: 'build it with `npm run build`',
    });
  }
  if (existsSync(addonPath)) return;
  const headers = LIBRARY_FOLDERS.some((folder) => existsSync(join(folder, 'pkgconfig', 'libdpdk.pc')));
  if (headers) {
    throw new ToolError('ADDON_NOT_BUILT', 'DPDK is installed, but the native addon has not been built', {
      subject: addonPath,
      hint: 'build it with `npm run build:native`',
    });
  }
  throw new ToolError('DPDK_MISSING', 'DPDK was not found, so the native addon could not be built', {
    subject: addonPath,
    hint: `install it, then run \`npm run build:native\`: ${INSTALL}`,
  });
}
