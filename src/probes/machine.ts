import { parseColonLines } from '../formats/key-value.ts';
import { type MemoryDevice, parseMemoryDevices } from '../formats/smbios.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact } from './facts.ts';
import { absent, attribute, exists, guarded, known, textOrNothing, word } from './read.ts';

const DMI = '/sys/class/dmi/id';

/** DMI names of hypervisors, after systemd's src/basic/virt.c. */
const DMI_HYPERVISORS: readonly (readonly [RegExp, string])[] = [
  [/KVM/, 'kvm'],
  [/Amazon EC2/, 'amazon'],
  [/QEMU/, 'qemu'],
  [/VMware|VMW/, 'vmware'],
  [/innotek GmbH|VirtualBox/, 'virtualbox'],
  [/Xen/, 'xen'],
  [/Bochs/, 'bochs'],
  [/Parallels/, 'parallels'],
  [/BHYVE/, 'bhyve'],
  [/Hyper-V|Virtual Machine/, 'microsoft'],
  [/Google Compute Engine/, 'google'],
  [/OpenStack/, 'openstack'],
];

export const machineProbe = defineProbe('machine', (host) => ({
  vendor: attribute(host, `${DMI}/sys_vendor`, word),
  product: attribute(host, `${DMI}/product_name`, word),
  firmware: attribute(host, `${DMI}/bios_version`, word),
  firmwareDate: attribute(host, `${DMI}/bios_date`, word),
  hypervisor: hypervisor(host),
  container: container(host),
  microcode: microcode(host),
  memoryDevices: memoryDevices(host),
}));

function microcode(host: ReadHost): Fact<string> {
  const revision = parseColonLines(textOrNothing(host, '/proc/cpuinfo') ?? '').get('microcode');
  return revision
    ? known(revision, '/proc/cpuinfo')
    : absent('missing', 'no "microcode" line', '/proc/cpuinfo');
}

function memoryDevices(host: ReadHost): Fact<MemoryDevice[]> {
  const path = '/sys/firmware/dmi/tables/DMI';
  return guarded(path, () => {
    const bytes = host.readBytes(path, 1 << 20);
    if (bytes === undefined) return absent('missing', 'no SMBIOS table', path);
    // A device of less than a megabyte is no memory module.
    const found = parseMemoryDevices(bytes).map((device) => ({
      ...device,
      megabytes: Math.floor(device.megabytes),
    }));
    return found.length > 0
      ? known(found, path)
      : absent('missing', 'the table describes no memory slot', path);
  });
}

function hypervisor(host: ReadHost): Fact<string> {
  const type = textOrNothing(host, '/sys/hypervisor/type');
  if (type) return known(type, '/sys/hypervisor/type');
  for (const name of ['sys_vendor', 'product_name', 'board_vendor', 'bios_vendor']) {
    const text = textOrNothing(host, `${DMI}/${name}`);
    // An EC2 bare-metal instance has the vendor's name too, but its processor reports no hypervisor.
    const match = text && DMI_HYPERVISORS.find(([pattern]) => pattern.test(text));
    if (match && cpuReportsHypervisor(host) !== false) return known(match[1], `${DMI}/${name}`);
  }
  switch (cpuReportsHypervisor(host)) {
    case true:
      return known('unnamed', '/proc/cpuinfo');
    case false:
      return absent('missing', 'the processor reports no hypervisor', '/proc/cpuinfo');
    case undefined:
      return absent('missing', 'no processor flags to tell', '/proc/cpuinfo');
  }
}

function cpuReportsHypervisor(host: ReadHost): boolean | undefined {
  const flags = parseColonLines(textOrNothing(host, '/proc/cpuinfo') ?? '').get('flags');
  return flags === undefined ? undefined : /\bhypervisor\b/.test(flags);
}

function container(host: ReadHost): Fact<string> {
  const systemd = textOrNothing(host, '/run/systemd/container');
  if (systemd) return known(systemd, '/run/systemd/container');
  if (exists(host, '/.dockerenv')) return known('docker', '/.dockerenv');
  if (exists(host, '/run/.containerenv')) return known('podman', '/run/.containerenv');
  return absent('missing', 'none of the marks of a container', '/run/systemd/container');
}
