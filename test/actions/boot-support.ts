import { grubEnvironment } from '../../src/formats/grub-config.ts';
import { parseArchive } from '../../src/formats/text-archive.ts';
import type { ResolvedProfile } from '../../src/profile/resolved.ts';
import { addLoader, editEnvironment, GRUB_ENVIRONMENT, type LoaderName } from '../support/boot-loaders.ts';
import { HostBuilder } from '../support/host-builder.ts';
import { KernelSimulator } from '../support/kernel-simulator.ts';

export const LOADER_NAMES: readonly LoaderName[] = [
  'grub-debian',
  'grub-bls',
  'rpm-ostree',
  'bootc',
  'systemd-boot',
  'raspberry-pi',
  'ubuntu-core',
];

/** A host that is nothing but its boot loader, with this line in every entry. */
export function bootHost(
  loader: LoaderName,
  line: string,
  files: Readonly<Record<string, string | null>> = {},
): KernelSimulator {
  const host = new HostBuilder();
  host.lines('/proc/sys/kernel', {
    osrelease: '6.1.0-28-amd64',
    'random/boot_id': 'boot-one',
    'random/uuid': '2f1b5a3e-9c1d-4c3a-8f58-0c1d2e3f4a5b',
  });
  host.lines('/proc', { cmdline: line });
  host.set('/etc/systemd/system/x.service', '');
  addLoader(host, loader, line);
  for (const [path, text] of Object.entries(files)) if (text !== null) host.set(path, text);
  return new KernelSimulator(parseArchive(host.archive()));
}

export function bootProfile(
  cores: ResolvedProfile['cores'] | undefined,
  more: readonly string[] = [],
  trial = false,
): ResolvedProfile {
  return {
    nics: [],
    hugepages: [],
    persistent: true,
    ...(cores === undefined ? {} : { cores }),
    boot: { arguments: more, trial },
  };
}

export const CORES = { isolated: '2-3', housekeeping: '0-1' } as const;

/** Somebody starts the host again, with this line. GRUB empties next_entry before it boots what it names (00_header). */
export function reboot(host: KernelSimulator, line: string, id = 'boot-two'): void {
  const environment = host.readText(GRUB_ENVIRONMENT) ?? '';
  if (grubEnvironment(environment).has('next_entry'))
    editEnvironment(host, [GRUB_ENVIRONMENT, 'set', 'next_entry=']);
  host.putBytes('/proc/cmdline', new TextEncoder().encode(`${line}\n`));
  host.putBytes('/proc/sys/kernel/random/boot_id', new TextEncoder().encode(`${id}\n`));
}
