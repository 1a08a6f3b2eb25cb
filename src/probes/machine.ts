import { FormatError } from '../formats/format-error.ts';
import { parseColonLines } from '../formats/key-value.ts';
import { type MemoryDevice, parseMemoryDevices } from '../formats/smbios.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact } from './facts.ts';
import { absent, attribute, exists, guarded, known, natural, textOrNothing, word } from './read.ts';

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

/** What is known to use system management interrupts, by the path that shows it. */
const SMI_SOURCES: readonly (readonly [string, string])[] = [
  // Each look at a fan is an SMI (drivers/hwmon/dell-smm-hwmon.c, i8k_smm).
  ['/sys/module/dell_smm_hwmon', 'dell_smm_hwmon'],
  // drivers/platform/x86/dell/dcdbas.c, dcdbas_smi_request.
  ['/sys/module/dcdbas', 'dcdbas'],
  // Its timer ends in an SMI unless that is switched off (drivers/watchdog/iTCO_wdt.c, turn_SMI_watchdog_clear_off).
  ['/sys/module/iTCO_wdt', 'iTCO_wdt'],
  // Memory errors go to the firmware first (ACPI specification, 18.4).
  ['/sys/firmware/acpi/tables/HEST', 'HEST'],
];

export const machineProbe = defineProbe('machine', (host) => ({
  vendor: attribute(host, `${DMI}/sys_vendor`, word),
  product: attribute(host, `${DMI}/product_name`, word),
  firmware: attribute(host, `${DMI}/bios_version`, word),
  firmwareDate: attribute(host, `${DMI}/bios_date`, word),
  hypervisor: hypervisor(host),
  container: container(host),
  microcode: microcode(host),
  steal: steal(host),
  smiSources: smiSources(host),
  memoryDevices: memoryDevices(host),
}));

function microcode(host: ReadHost): Fact<string> {
  const revision = parseColonLines(textOrNothing(host, '/proc/cpuinfo') ?? '').get('microcode');
  return revision
    ? known(revision, '/proc/cpuinfo')
    : absent('missing', 'no "microcode" line', '/proc/cpuinfo');
}

/** Of a machine that is not virtual nothing is stolen, and the table with its row of all interrupts is long. */
function steal(host: ReadHost): Fact<Record<string, number>> {
  const path = '/proc/stat';
  const virtual = cpuReportsHypervisor(host);
  if (virtual === undefined)
    return absent('unsupported', 'nobody tells whether it is a virtual machine', path);
  if (!virtual) return absent('unsupported', 'not a virtual machine', path);
  return attribute(host, path, (text) => {
    // user nice system idle iowait irq softirq steal (Documentation/filesystems/proc.rst).
    const rows = [...text.matchAll(/^cpu(\d+) (.*)$/gm)];
    if (rows.length === 0) throw new FormatError('CPU times', text, 'no row of a CPU');
    return Object.fromEntries(
      rows.map(([, cpu = '', times = '']) => [cpu, natural(times.split(' ')[7] ?? '')]),
    );
  });
}

function smiSources(host: ReadHost): Fact<string[]> {
  const found = SMI_SOURCES.filter(([path]) => exists(host, path));
  return known(
    found.map(([, what]) => what),
    '/sys/module, /sys/firmware/acpi/tables',
  );
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
