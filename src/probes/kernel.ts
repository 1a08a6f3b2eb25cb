import { createRequire } from 'node:module';
import { FormatError } from '../formats/format-error.ts';
import { parseAssignments, selectedWord } from '../formats/key-value.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact } from './facts.ts';
import {
  absent,
  attribute,
  exists,
  flag,
  guarded,
  known,
  names,
  natural,
  textOrNothing,
  word,
} from './read.ts';

/** What decides whether isolation, binding and hugepages can work at all (peers of this list: DPDK linux_gsg). */
const BUILD_OPTIONS = [
  'NO_HZ_FULL',
  'RCU_NOCB_CPU',
  'CPU_ISOLATION',
  'CPUSETS',
  'VFIO',
  'VFIO_PCI',
  'VFIO_IOMMU_TYPE1',
  'VFIO_NOIOMMU',
  'UIO_PCI_GENERIC',
  'HUGETLBFS',
  'INTEL_IOMMU',
  'AMD_IOMMU',
  'IRQ_REMAP',
  'PCI_IOV',
  'XDP_SOCKETS',
  'NET_RX_BUSY_POLL',
  'OSNOISE_TRACER',
  'PREEMPT_RT',
  'NUMA',
];

/**
 * A word that stands in each complaint, then the complaint: kernel/params.c, kernel/sched/isolation.c,
 * kernel/time/tick-sched.c, kernel/rcu/tree_nocb.h. Looking for the words first spares most of the log the patterns.
 */
const COMPLAINTS: readonly (readonly [string, RegExp])[] = [
  ['Unknown kernel command', /Unknown kernel command line parameters .*/g],
  ['Housekeeping:', /Housekeeping: .*/g],
  ['isolcpus:', /isolcpus: (?:Error|Invalid flag|Skipped unknown flag).*/g],
  ['Malformed early option', /Malformed early option.*/g],
  ['NO_HZ:', /NO_HZ: .*(?:WARNING|Can't|disabled).*/gi],
  ['rcu_nocbs=', /(?:rcu_nocbs= bad CPU range|kernel parameter 'rcu_nocbs='.* contains nonexistent CPUs).*/g],
  ['HugeTLB:', /HugeTLB: (?:unsupported|Invalid|allocating|hugepages).*/gi],
];

/** What boot loaders add for user space, of which kernels from 5.14 on say that they do not know it. */
const HARMLESS =
  /^Unknown kernel command line parameters "(?:(?:BOOT_IMAGE|splash|kexec|quiet|rhgb)(?:=[^" ]*)? ?)+"/;

export const kernelProbe = defineProbe('kernel', (host) => {
  const release = attribute(host, '/proc/sys/kernel/osrelease', word);
  return {
    release,
    build: attribute(host, '/proc/sys/kernel/version', word),
    hostname: attribute(host, '/proc/sys/kernel/hostname', word),
    bootId: attribute(host, '/proc/sys/kernel/random/boot_id', word),
    distribution: distribution(host),
    commandLine: attribute(host, '/proc/cmdline', (text) => text),
    complaints: complaints(host),
    buildOptions: buildOptions(host, release.value),
    lockdown: lockdown(host),
    secureBoot: secureBoot(host),
    taint: attribute(host, '/proc/sys/kernel/tainted', natural),
    modules: attribute(host, '/proc/sys/kernel/modules_disabled', (text) => !flag(text)),
  };
});

function distribution(host: ReadHost): Fact<{ id: string; version: string; name: string }> {
  // os-release(5): /etc first, it is usually a link to the other.
  const path =
    textOrNothing(host, '/etc/os-release') === undefined ? '/usr/lib/os-release' : '/etc/os-release';
  return attribute(host, path, (text) => {
    const values = parseAssignments(text);
    return {
      id: values.get('ID') ?? 'linux',
      version: values.get('VERSION_ID') ?? '',
      name: values.get('PRETTY_NAME') ?? values.get('NAME') ?? 'Linux',
    };
  });
}

function complaints(host: ReadHost): Fact<string[]> {
  const from = 'syslog(2)';
  const log = host.ask('kernelLog');
  if ('unanswered' in log) return absent('unsupported', log.unanswered, from);
  // The boot's first lines are needed; a buffer that has wrapped has lost them.
  if (!/Linux version |Command line: /.test(log.answer)) {
    return absent(
      'missing',
      'the ring buffer no longer holds the start of this boot (journalctl -k -b has it)',
      from,
    );
  }
  const found = COMPLAINTS.filter(([word]) => log.answer.includes(word))
    .flatMap(([, pattern]) => [...log.answer.matchAll(pattern)])
    .sort((a, b) => a.index - b.index);
  const lines = found.map(([line]) => line.trim()).filter((line) => !HARMLESS.test(line));
  return known([...new Set(lines)], from);
}

function buildOptions(host: ReadHost, release: string | undefined): Fact<Record<string, 'y' | 'm' | 'n'>> {
  // Debian and others, then Fedora and image-based hosts, whose /boot holds none.
  const files = release === undefined ? [] : [`/boot/config-${release}`, `/lib/modules/${release}/config`];
  for (const path of files) {
    const plain = textOrNothing(host, path);
    if (plain) return guarded(path, () => known(chosenOptions(plain), path));
  }
  const packed = '/proc/config.gz';
  return guarded(packed, () => {
    const bytes = host.readBytes(packed, 1 << 20);
    if (bytes === undefined || bytes.length === 0)
      return absent('missing', ['neither this file', ...files].join(' nor '), packed);
    return known(chosenOptions(unpack(bytes)), packed);
  });
}

/** The file has some ten thousand lines; looking for a few of them is ten times faster than taking it apart. */
function chosenOptions(config: string): Record<string, 'y' | 'm' | 'n'> {
  const lines = `\n${config}`;
  // Without any, an option that is not named would pass for one that is not set.
  if (!lines.includes('\nCONFIG_'))
    throw new FormatError('kernel configuration', config, 'it sets no option');
  const setting = (name: string) => {
    const line = `\nCONFIG_${name}=`;
    const at = lines.indexOf(line);
    const value = at < 0 ? undefined : lines[at + line.length];
    return value === 'y' || value === 'm' ? value : 'n';
  };
  return Object.fromEntries(BUILD_OPTIONS.map((name) => [name, setting(name)]));
}

/** Loaded when needed: most distributions keep the file unpacked in /boot, and loading it costs 3 ms. */
const zlib = (): typeof import('node:zlib') => createRequire(import.meta.url)('node:zlib');

function unpack(bytes: Uint8Array): string {
  try {
    const { gunzipSync } = zlib();
    return gunzipSync(bytes, { maxOutputLength: 16 << 20 }).toString('utf8');
  } catch (error) {
    throw new FormatError('gzip file', '', error instanceof Error ? error.message : String(error));
  }
}

function lockdown(host: ReadHost): Fact<'none' | 'integrity' | 'confidentiality'> {
  return attribute(host, '/sys/kernel/security/lockdown', (text) => {
    const mode = selectedWord(text);
    if (mode === 'none' || mode === 'integrity' || mode === 'confidentiality') return mode;
    throw new FormatError('lockdown mode', text, 'no known mode is marked');
  });
}

function secureBoot(host: ReadHost): Fact<boolean> {
  const folder = '/sys/firmware/efi/efivars';
  // EFI_GLOBAL_VARIABLE; the first four bytes are the variable's attributes (Documentation/filesystems/efivarfs.rst).
  const path = `${folder}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c`;
  return guarded(path, () => {
    const bytes = host.readBytes(path, 8);
    if (bytes?.length === 5) return known(bytes[4] === 1, path);
    if (bytes !== undefined) return absent('garbled', `${bytes.length} bytes where five are expected`, path);
    if (!exists(host, '/sys/firmware/efi')) return absent('missing', 'not started by UEFI', path);
    const mounted = names(host, folder).length > 0;
    const why = mounted ? 'the firmware has no such variable' : 'efivarfs is not mounted';
    return absent(mounted ? 'missing' : 'unsupported', why, path);
  });
}
