import { FormatError } from '../formats/format-error.ts';
import { isPciAddress } from '../formats/pci-address.ts';
import { type PciConfig, parsePciConfig } from '../formats/pci-config.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact, Facts, PciBridge, PciFunction } from './facts.ts';
import {
  absent,
  attribute,
  cpuListText,
  flag,
  guarded,
  integer,
  known,
  linkName,
  listing,
  names,
  natural,
  textOrNothing,
  word,
} from './read.ts';

const DEVICES = '/sys/bus/pci/devices';
/** What `apply` remembers of a NIC before it leaves the kernel: driver, permanent MAC address and name. */
const MEMORY = '/var/lib/bypass-setup/nics.json';
/** PCI base class 02: network controller. */
const NETWORK_CLASS = /^0x02[0-9a-f]{4}$/;
/** A configuration space of PCI Express is 4 KiB. */
const CONFIG_SIZE = 4096;

type Link = NonNullable<PciFunction['link']['value']>;
type Errors = NonNullable<PciFunction['errors']['value']>;
type Sriov = NonNullable<PciFunction['sriov']['value']>;
type Remembered = NonNullable<PciFunction['remembered']['value']>;

export const pciProbe = defineProbe('pci', (host): Facts['pci'] => {
  const devices = listing(host, DEVICES, 'the host has no PCI devices');
  if (devices.absent !== undefined) return { networkFunctions: devices, bridges: [] };
  const memory = readMemory(host);
  const found: PciFunction[] = [];
  for (const address of devices.value.filter(isPciAddress)) {
    const code = attribute(host, `${DEVICES}/${address}/class`, word);
    // It may be a NIC.
    if (code.absent !== undefined && code.absent !== 'missing')
      return { networkFunctions: code, bridges: [] };
    if (code.value !== undefined && NETWORK_CLASS.test(code.value))
      found.push(readFunction(host, address, code.value, memory));
  }
  const above = [...new Set(found.flatMap(({ upstream }) => upstream))].sort();
  return {
    networkFunctions: known(found, DEVICES),
    bridges: above.map((address) => readBridge(host, address)),
  };
});

/** Its first 256 bytes hold what is asked for; the rest would cost as many transactions with the device. */
const BRIDGE_CONFIG = 256;

function readBridge(host: ReadHost, address: string): PciBridge {
  const folder = `${DEVICES}/${address}`;
  const config = readConfig(host, folder, BRIDGE_CONFIG);
  return {
    address,
    link: link(host, folder),
    maxPayload: fromConfig(config, (space) => space.maxPayload),
    aspm: aspm(host, folder, config),
    errors: errors(host, folder),
  };
}

/** Without root the configuration space is cut; the kernel's own account of a link is not (drivers/pci/pcie/aspm.c). */
function aspm(host: ReadHost, folder: string, config: Fact<PciConfig>): Fact<string> {
  const fact = fromConfig(config, (space) => space.aspm);
  if (fact.absent !== 'denied') return fact;
  const states = (['L0s', 'L1'] as const).map((state) => {
    const text = textOrNothing(host, `${folder}/link/${state.toLowerCase()}_aspm`);
    return text === undefined ? undefined : text === '1' ? state : '';
  });
  const seen = states.filter((state) => state !== undefined);
  if (seen.length === 0) return fact;
  return known(seen.filter(Boolean).join(' ') || 'disabled', `${folder}/link`);
}

function readFunction(
  host: ReadHost,
  address: string,
  code: string,
  memory: Fact<Record<string, Remembered>>,
): PciFunction {
  const folder = `${DEVICES}/${address}`;
  const entries = names(host, folder);
  const present = new Set(entries);
  // Looking for what the folder does not list costs more than reading what it does.
  const listed = <T>(name: string, read: () => Fact<T>): Fact<T> =>
    present.size === 0 || present.has(name) ? read() : absent('missing', 'no such file', `${folder}/${name}`);
  const config = present.has('physfn') ? virtualConfig(folder) : readConfig(host, folder);
  return {
    address,
    class: code,
    vendor: textOrNothing(host, `${folder}/vendor`) ?? 'unknown',
    device: textOrNothing(host, `${folder}/device`) ?? 'unknown',
    subsystem: listed('subsystem_vendor', () =>
      attribute(
        host,
        `${folder}/subsystem_vendor`,
        (vendor) => `${word(vendor)}:${textOrNothing(host, `${folder}/subsystem_device`) ?? 'unknown'}`,
      ),
    ),
    modalias: attribute(host, `${folder}/modalias`, word),
    driver: linked(host, folder, 'driver', 'no driver is bound'),
    driverOverride: driverOverride(host, folder),
    node: node(host, folder),
    localCpus: attribute(host, `${folder}/local_cpulist`, cpuListText),
    iommuGroup: iommuGroup(host, folder),
    link: listed('current_link_speed', () => link(host, folder)),
    maxPayload: fromConfig(config, (space) => space.maxPayload),
    maxPayloadSupported: fromConfig(config, (space) => space.maxPayloadSupported),
    maxReadRequest: fromConfig(config, (space) => space.maxReadRequest),
    aspm: present.has('physfn') ? fromConfig(config, (space) => space.aspm) : aspm(host, folder, config),
    serial: fromConfig(config, (space) => space.serial),
    powerState: listed('power_state', () => attribute(host, `${folder}/power_state`, word)),
    // A virtual function sleeps with its physical one, and there may be hundreds.
    powerControl: present.has('physfn')
      ? absent('missing', 'a virtual function', `${folder}/power/control`)
      : listed('power', () => attribute(host, `${folder}/power/control`, word)),
    errors: listed('aer_dev_correctable', () => errors(host, folder)),
    sriov: listed('sriov_totalvfs', () => sriov(host, folder)),
    physicalFunction: linked(host, folder, 'physfn', 'not a virtual function'),
    virtualFunctions: entries
      .filter((name) => /^virtfn\d+$/.test(name))
      .sort((a, b) => Number(a.slice(6)) - Number(b.slice(6)))
      .flatMap((name) => linkName(host, `${folder}/${name}`) ?? []),
    upstream: upstream(host, folder),
    interfaces: interfaces(host, folder, entries),
    remembered: remembered(memory, address),
  };
}

/**
 * Each four bytes are a transaction with the device, so that a whole space takes a millisecond; a virtual function has
 * no settings of its own in it (PCI Express Base Specification 5.0, section 9.3.5).
 */
function readConfig(host: ReadHost, folder: string, size = CONFIG_SIZE): Fact<PciConfig> {
  const path = `${folder}/config`;
  return guarded(path, () => {
    const bytes = host.readBytes(path, size);
    if (bytes === undefined || bytes.length === 0) return absent('missing', 'no such file', path);
    if (bytes.every((byte) => byte === 0xff))
      return absent('garbled', 'all bits are ones: the device no longer answers', path);
    return known(parsePciConfig(bytes), path);
  });
}

function virtualConfig(folder: string): Fact<PciConfig> {
  return absent(
    'missing',
    'a virtual function has the settings of its physical function',
    `${folder}/config`,
  );
}

function linked(host: ReadHost, folder: string, name: string, none: string): Fact<string> {
  const target = linkName(host, `${folder}/${name}`);
  return target === undefined
    ? absent('missing', none, `${folder}/${name}`)
    : known(target, `${folder}/${name}`);
}

/** The kernel prints "(null)" for no override (drivers/pci/pci-sysfs.c, driver_override_show). */
function driverOverride(host: ReadHost, folder: string): Fact<string> {
  const fact = attribute(host, `${folder}/driver_override`, (text) => (text === '(null)' ? '' : text));
  return fact.value === '' ? absent('missing', 'not set', fact.from) : fact;
}

/** −1 is NUMA_NO_NODE: the firmware does not say, which is not the same as node 0. */
function node(host: ReadHost, folder: string): Fact<number> {
  const fact = attribute(host, `${folder}/numa_node`, integer);
  return fact.value !== undefined && fact.value < 0
    ? absent('missing', `the firmware names no node (${fact.value})`, fact.from)
    : fact;
}

function iommuGroup(host: ReadHost, folder: string): Fact<number> {
  const path = `${folder}/iommu_group`;
  return guarded(path, () => {
    const name = linkName(host, path);
    return name === undefined ? absent('missing', 'no IOMMU group', path) : known(natural(name), path);
  });
}

function link(host: ReadHost, folder: string): Fact<Link> {
  return attribute(host, `${folder}/current_link_speed`, (speed) => ({
    speed: word(speed),
    width: natural(textOrNothing(host, `${folder}/current_link_width`) ?? ''),
    maxSpeed: textOrNothing(host, `${folder}/max_link_speed`) ?? 'unknown',
    maxWidth: natural(textOrNothing(host, `${folder}/max_link_width`) ?? ''),
  }));
}

function fromConfig<T>(config: Fact<PciConfig>, pick: (space: PciConfig) => T | undefined): Fact<T> {
  if (config.absent !== undefined) return config;
  const value = pick(config.value);
  if (value !== undefined) return known(value, config.from);
  if (config.value.express === undefined) {
    return absent('denied', 'only the first 64 bytes are readable: needs root', config.from);
  }
  return absent(
    'missing',
    config.value.express ? 'the device does not say' : 'not a PCI Express device',
    config.from,
  );
}

/** Documentation/ABI/testing/sysfs-bus-pci-devices-aer: the last line of each file is the total. */
function errors(host: ReadHost, folder: string): Fact<Errors> {
  return attribute(host, `${folder}/aer_dev_correctable`, (text) => ({
    correctable: total(text),
    nonfatal: total(textOrNothing(host, `${folder}/aer_dev_nonfatal`) ?? ''),
    fatal: total(textOrNothing(host, `${folder}/aer_dev_fatal`) ?? ''),
  }));
}

function total(text: string): number {
  const match = /^TOTAL_ERR_\w+ (\d+)$/m.exec(text);
  if (match === null) throw new FormatError('AER statistic', text, 'no TOTAL_ERR line');
  return natural(match[1] ?? '');
}

function sriov(host: ReadHost, folder: string): Fact<Sriov> {
  return attribute(host, `${folder}/sriov_totalvfs`, (text) => ({
    total: natural(text),
    enabled: natural(textOrNothing(host, `${folder}/sriov_numvfs`) ?? ''),
    autoprobe: attribute(host, `${folder}/sriov_drivers_autoprobe`, flag).value ?? null,
  }));
}

function upstream(host: ReadHost, folder: string): string[] {
  try {
    return (host.realPath(folder) ?? '').split('/').slice(0, -1).filter(isPciAddress);
  } catch {
    return [];
  }
}

/** virtio-pci puts a virtio device between the function and its interface. */
function interfaces(host: ReadHost, folder: string, entries: readonly string[]): string[] {
  const virtio = entries.filter((name) => /^virtio\d+$/.test(name));
  return ['', ...virtio.map((name) => `/${name}`)].flatMap((below) => names(host, `${folder}${below}/net`));
}

function readMemory(host: ReadHost): Fact<Record<string, Remembered>> {
  return attribute(host, MEMORY, (text) => {
    const nics: unknown = parseJson(text);
    if (typeof nics !== 'object' || nics === null)
      throw new FormatError('NIC memory', text, 'expected an object');
    return nics as Record<string, Remembered>;
  });
}

function remembered(memory: Fact<Record<string, Remembered>>, address: string): Fact<Remembered> {
  if (memory.absent !== undefined) return memory;
  const nic: Partial<Remembered> | null | undefined = memory.value[address];
  if (nic === null) return absent('garbled', 'fields are missing', memory.from);
  if (nic === undefined) return absent('missing', 'this tool never took it from the kernel', memory.from);
  const fields = [nic.driver, nic.address, nic.interface];
  if (!fields.every((field) => typeof field === 'string'))
    return absent('garbled', 'fields are missing', memory.from);
  return known(
    {
      driver: nic.driver ?? '',
      address: nic.address ?? '',
      interface: nic.interface ?? '',
      ...(typeof nic.firmware === 'string' ? { firmware: nic.firmware } : {}),
    },
    memory.from,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new FormatError('JSON document', text, 'it does not parse');
  }
}
