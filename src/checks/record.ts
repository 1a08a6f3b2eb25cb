import { formatCpuList, parseCpuList } from '../formats/cpu-list.ts';
import { type CommandLine, parseCommandLine, sameName } from '../formats/kernel-cmdline.ts';
import { formatSize } from '../formats/size.ts';
import type { Absent, Fact, Facts, NetworkInterface, NumaNode, PciFunction } from '../probes/facts.ts';
import { macsOf } from '../profile/identity.ts';

/**
 * What a host is, as one flat list of keys and texts, so that it can be kept and compared: with itself at another time
 * (drift.ts), with other hosts (report/fleet.ts). Nothing in it changes by itself: no counter, no free memory, no boot id.
 */

/** What a change means: `fail`, it is not the host that was accepted; `warn`, it may matter; `info`, it is worth knowing. */
type Severity = 'fail' | 'warn' | 'info';

/** One key as it was read. `absent` says why there is a key and no value; a thing the host does not have has no key. */
export type Reading = { readonly key: string; readonly from: string } & (
  | { readonly value: string; readonly absent?: undefined }
  | { readonly value?: undefined; readonly absent: string }
);

/** By key; null is what cannot be read, and a key with `*` all that such keys could have told. */
export type HostRecord = Readonly<Record<string, string | null>>;

interface Meaning {
  readonly severity: Severity;
  /** What a change costs. */
  readonly why: string;
  /** It differs from host to host by its nature. */
  readonly own?: true;
}

interface Key extends Meaning {
  /** `*` stands for what tells several apart: a slot, a node, a service. */
  readonly key: string;
  read(facts: Facts): Fact<string> | Fact<Readonly<Record<string, Fact<string>>>>;
}

const CPUS = 'latencies and the core plan belong to these CPUs';
const KERNEL = 'what was measured was measured on another kernel';
const BOOT = 'the boot line decides isolation, hugepages, IOMMU and power for as long as the host runs';
const FIRMWARE = 'firmware decides power states, memory timing and interrupts of its own';
const MEMORY =
  'memory that is gone or slower takes bandwidth and hugepages away from every core of the socket';
const CARD = 'the profile, the cabling and the licences belong to this card';
const LINK = 'a link that trained slower adds latency to each packet and loses bursts';
const DRIVER = 'the application finds its NIC only where it is bound as it was accepted';
const ISOLATION = 'a poll loop on a CPU that is not isolated is interrupted, many times a second';
const POWER = 'a CPU that changes frequency or sleeps deeper answers the first packet late';
const SERVICES = 'a service that is back sets interrupts, frequencies or the clock its own way';
const TUNABLES = 'each of these was chosen, and is one more thing that can stop a poll loop';
const PAGES = 'the application does not start without the pages it was given';
const MITIGATIONS = 'mitigations cost time at each entry to the kernel, and on some processors more';
const CLOCK = 'reading the time costs some ten nanoseconds with tsc, and a microsecond with others';
const SLOT = 'interrupts, memory and cores were chosen for where the card was';
const STACK = 'what was measured was measured with another driver in user space';
const IOMMU = 'translation and groups decide what a NIC may reach, and what each mapping costs';

/** Of the boot line, what kernel bypass rests on. */
const BOOT_KEYS = [
  ...['isolcpus', 'nohz_full', 'rcu_nocbs', 'irqaffinity', 'hugepages', 'default_hugepagesz'],
  ...['iommu', 'intel_iommu', 'amd_iommu', 'mitigations', 'idle', 'mce', 'intel_idle.max_cstate'],
  ...['processor.max_cstate', 'intel_pstate', 'amd_pstate', 'tsc', 'clocksource', 'nosmt', 'maxcpus'],
];
/** What differs from host to host: where its disks and addresses are. */
const BOOT_OWN = [
  'root',
  'resume',
  'rd.luks.uuid',
  'rd.lvm.lv',
  'ip',
  'ostree',
  'systemd.machine_id',
  'resume_offset',
];
/** What boot loaders add for this one boot. */
const BOOT_LOADER = /^(BOOT_IMAGE|initrd|snapd_recovery_mode|bypass_setup\.trial)$/;

/** Services that set again what this tool has set (src/formats/settings.ts, tuners). */
const TUNERS = [
  ...['irqbalance.service', 'tuned.service', 'power-profiles-daemon.service', 'thermald.service'],
  ...['ksmtuned.service', 'numad.service'],
];

/** Of two that fit a key the first counts. */
const KEYS: readonly Key[] = [
  one('kernel/release', 'fail', KERNEL, ({ kernel }) => kernel.release),
  one('kernel/build', 'fail', KERNEL, ({ kernel }) => kernel.build),
  one('kernel/lockdown', 'warn', KERNEL, ({ kernel }) => kernel.lockdown),
  one('kernel/secure-boot', 'warn', KERNEL, ({ kernel }) => as(kernel.secureBoot, String)),
  one('kernel/taint', 'warn', 'a module or an oops that was not there before', ({ kernel }) =>
    as(kernel.taint, String),
  ),
  one('kernel/distribution', 'info', KERNEL, ({ kernel }) => as(kernel.distribution, ({ name }) => name)),
  ...BOOT_KEYS.map((name) => one(`boot/${name}`, 'fail', BOOT, bootArgument(name))),
  ...BOOT_OWN.map((name) => ({
    ...one(`boot/${name}`, 'warn', BOOT, bootArgument(name)),
    own: true as const,
  })),
  each('boot/*', 'warn', BOOT, otherArguments),

  one('machine/vendor', 'fail', FIRMWARE, ({ machine }) => machine.vendor),
  one('machine/product', 'fail', FIRMWARE, ({ machine }) => machine.product),
  one('machine/firmware', 'fail', FIRMWARE, ({ machine }) => machine.firmware),
  one('machine/firmware-date', 'fail', FIRMWARE, ({ machine }) => machine.firmwareDate),
  one(
    'machine/microcode',
    'fail',
    'microcode changes latencies, mitigations and the TSC',
    ({ machine }) => machine.microcode,
  ),
  one(
    'machine/hypervisor',
    'fail',
    'a hypervisor takes time from every CPU',
    ({ machine }) => machine.hypervisor,
  ),

  one('cpu/model', 'fail', CPUS, ({ cpu }) => cpu.model),
  one('cpu/flags', 'fail', CPUS, ({ cpu }) => as(cpu.flags, (flags) => flags.join(' '))),
  one('cpu/online', 'fail', CPUS, ({ cpu }) => cpu.online),
  one('cpu/smt', 'fail', CPUS, ({ cpu }) => as(cpu.smt, ({ active }) => (active ? 'on' : 'off'))),
  one('cpu/cores', 'fail', CPUS, ({ cpu }) =>
    as(cpu.cores, (cores) => cores.map(({ cpus }) => cpus).join(' | ')),
  ),
  one('cpu/l3', 'fail', CPUS, ({ cpu }) =>
    as(cpu.l3, (domains) => domains.map(({ cpus }) => cpus).join(' | ')),
  ),
  each('mitigation/*', 'fail', MITIGATIONS, ({ cpu }) =>
    as(cpu.mitigations, (all) => texts(all, cpu.mitigations.from)),
  ),

  each('memory/*', 'fail', MEMORY, memorySlots),
  each('node/*/cpus', 'fail', CPUS, ({ numa }) => nodes(numa, ({ cpus }) => said(cpus, numa.nodes.from))),
  // The kernel keeps a little of it for itself, by its size: whole GiB are what a module more or less changes.
  each('node/*/memory', 'warn', MEMORY, ({ numa }) =>
    nodes(numa, ({ memory }) => as(memory, ({ total }) => `${Math.round(total / 2 ** 30)} GiB`)),
  ),
  each('hugepages/*', 'fail', PAGES, hugepages),
  each('hugetlbfs/*', 'warn', PAGES, ({ hugepages: { mounts } }) =>
    as(mounts, (all) =>
      Object.fromEntries(
        all.map(({ path, size }) => [
          path,
          said(size === null ? 'of the default size' : formatSize(size), mounts.from),
        ]),
      ),
    ),
  ),

  nic('driver', 'fail', DRIVER, ({ driver }) => driver),
  nic('mac', 'fail', CARD, macOf, 'own'),
  nic('serial', 'fail', CARD, ({ serial }) => serial, 'own'),
  nic('device', 'fail', CARD, ({ vendor, device, subsystem, address }) =>
    said([vendor, device, subsystem.value ?? ''].join(' ').trim(), `/sys/bus/pci/devices/${address}/device`),
  ),
  nic('node', 'fail', SLOT, ({ node }) => as(node, String)),
  nic('link', 'fail', LINK, ({ link }) => as(link, ({ speed, width }) => `${speed} x${width}`)),
  nic('firmware', 'fail', FIRMWARE, (card, facts) => ofInterface(card, facts, ({ firmware }) => firmware)),
  nic('driver-version', 'warn', KERNEL, (card, facts) =>
    ofInterface(card, facts, ({ driverVersion }) => driverVersion),
  ),
  nic('speed', 'warn', LINK, (card, facts) =>
    ofInterface(card, facts, ({ carrier, state, speed }) =>
      carrier.value === false || state.value === 'down'
        ? said('no link', carrier.from)
        : as(speed, (megabits) => `${megabits} Mbit/s`),
    ),
  ),
  nic('mtu', 'warn', LINK, (card, facts) => ofInterface(card, facts, ({ mtu }) => as(mtu, String))),
  nic('iommu-group', 'info', IOMMU, ({ iommuGroup }) => as(iommuGroup, String)),
  nic('iommu-type', 'warn', IOMMU, ({ iommuGroup }, { iommu }) =>
    iommuGroup.absent !== undefined ? iommuGroup : domainType(iommuGroup.value, iommu),
  ),
  nic('max-payload', 'warn', LINK, ({ maxPayload }) => as(maxPayload, String)),
  nic('max-read-request', 'warn', LINK, ({ maxReadRequest }) => as(maxReadRequest, String)),
  nic('aspm', 'fail', POWER, ({ aspm }) => aspm),
  nic('vfs', 'fail', DRIVER, ({ sriov }) => as(sriov, ({ enabled }) => String(enabled))),
  each('vf/*/driver', 'fail', DRIVER, ({ pci }) =>
    functions(
      pci,
      ({ physicalFunction }) => physicalFunction.value !== undefined,
      ({ driver }) => driver,
    ),
  ),

  one('isolation/isolated', 'fail', ISOLATION, ({ isolation }) => isolation.isolated),
  one('isolation/nohz-full', 'fail', ISOLATION, ({ isolation }) => isolation.nohzFull),
  one('isolation/cgroup', 'fail', ISOLATION, ({ isolation }) => isolation.cgroup),
  one('isolation/workqueues', 'fail', ISOLATION, ({ isolation }) => isolation.workqueues),
  one('isolation/init-affinity', 'warn', ISOLATION, ({ isolation }) => isolation.initAffinity),
  one('isolation/irq-default', 'warn', ISOLATION, ({ interrupts }) => interrupts.defaultAffinity),

  one('power/driver', 'fail', POWER, policy('driver')),
  one('power/governor', 'fail', POWER, policy('governor')),
  one('power/preference', 'fail', POWER, policy('preference')),
  one('power/minimum', 'fail', POWER, policy('minimum')),
  one('power/maximum', 'fail', POWER, policy('maximum')),
  one('power/hardware-maximum', 'fail', POWER, policy('hardwareMaximum')),
  one('power/turbo', 'fail', POWER, ({ power }) => as(power.turbo, (on) => (on ? 'on' : 'off'))),
  one('power/idle-driver', 'fail', POWER, ({ power }) => power.idleDriver),
  one('power/idle-states', 'fail', POWER, ({ power }) =>
    as(power.idleStates, (states) =>
      states
        .map(({ name, latency, disabled }) => `${name} ${latency} µs${disabled ? ' off' : ''}`)
        .join(', '),
    ),
  ),
  one('power/aspm-policy', 'fail', POWER, ({ power }) => power.aspmPolicy),
  one('clock/source', 'fail', CLOCK, ({ clock }) => clock.source),

  one('iommu/units', 'fail', IOMMU, ({ iommu }) => as(iommu.units, (units) => units.join(' '))),
  one('iommu/interrupt-remapping', 'fail', IOMMU, ({ iommu }) => as(iommu.interruptRemapping, String)),
  one('vfio/no-iommu', 'fail', IOMMU, ({ userspaceIo }) => as(userspaceIo.unsafeNoIommu, String)),
  one('vfio/unsafe-interrupts', 'fail', IOMMU, ({ userspaceIo }) =>
    as(userspaceIo.allowUnsafeInterrupts, String),
  ),
  one('vfio/enable-sriov', 'warn', IOMMU, ({ userspaceIo }) => as(userspaceIo.enableSriov, String)),
  one('vfio/disable-idle-d3', 'warn', POWER, ({ userspaceIo }) => as(userspaceIo.disableIdleD3, String)),

  one('tunable/transparent-hugepage', 'fail', TUNABLES, ({ tunables }) => tunables.transparentHugepage),
  one('tunable/ksm', 'fail', TUNABLES, number('ksm')),
  one('tunable/numa-balancing', 'fail', TUNABLES, number('numaBalancing')),
  one('tunable/swappiness', 'warn', TUNABLES, number('swappiness')),
  one('tunable/stat-interval', 'fail', TUNABLES, number('statInterval')),
  one('tunable/nmi-watchdog', 'fail', TUNABLES, number('nmiWatchdog')),
  one('tunable/soft-watchdog', 'fail', TUNABLES, number('softWatchdog')),
  one('tunable/hung-task-timeout', 'warn', TUNABLES, number('hungTaskTimeout')),
  one('tunable/rt-runtime', 'fail', TUNABLES, number('rtRuntime')),
  one('tunable/timer-migration', 'fail', TUNABLES, number('timerMigration')),
  one('tunable/machine-check-interval', 'warn', TUNABLES, number('machineCheckInterval')),
  one('tunable/busy-poll', 'warn', TUNABLES, number('busyPoll')),
  one('tunable/busy-read', 'warn', TUNABLES, number('busyRead')),
  one('tunable/console-loglevel', 'warn', TUNABLES, number('consoleLoglevel')),
  one('tunable/fair-server', 'fail', TUNABLES, ({ tunables }) => as(tunables.fairServer, fairServers)),

  ...TUNERS.map((name) =>
    one(`service/${name}`, 'fail', SERVICES, ({ services }) => service(services, name)),
  ),
  each('service/*', 'warn', SERVICES, otherServices),
  one('services/tuned-profile', 'fail', SERVICES, ({ services }) => services.tunedProfile),
  one('services/irqbalance-banned', 'fail', SERVICES, ({ services }) => services.irqbalanceBanned),

  one('stack/dpdk', 'fail', STACK, ({ stacks }) => as(stacks.dpdk, ({ version }) => version)),
  one('stack/onload', 'fail', STACK, ({ stacks }) =>
    as(stacks.onload, ({ driver, library }) => `driver ${driver ?? '-'}, library ${library ?? '-'}`),
  ),
  one('stack/sfc', 'fail', STACK, ({ stacks }) => as(stacks.sfc, ({ version }) => version ?? 'in-tree')),
];

/** Every key of this host, sorted. */
export function readRecord(facts: Facts): Reading[] {
  const readings = KEYS.flatMap((entry): Reading[] => {
    const fact = entry.read(facts);
    if (fact.absent !== undefined || typeof fact.value === 'string') {
      return readingOf(entry.key, fact as Fact<string>);
    }
    return Object.entries(fact.value).flatMap(([name, found]) =>
      // Names come from firmware and boot lines, and a star in a key has a meaning.
      readingOf(
        entry.key.replace('*', () => name.replaceAll('*', '?')),
        found,
      ),
    );
  });
  return readings.sort((a, b) => (a.key < b.key ? -1 : 1));
}

export function recordOf(readings: readonly Reading[]): HostRecord {
  return Object.fromEntries(readings.map(({ key, value }) => [key, value ?? null]));
}

const UNKNOWN: Meaning = { severity: 'warn', why: 'another version of this tool records it' };

/** What a change of this key means. */
export function meaningOf(key: string): Meaning {
  return EXACT.get(key) ?? FAMILIES.find((entry) => matches(entry.key, key)) ?? UNKNOWN;
}

const EXACT = new Map(KEYS.map((entry) => [entry.key, entry]));
const FAMILIES = KEYS.filter(({ key }) => key.includes('*'));

/** What this version records, so that a baseline can tell what a later one adds. */
export const KEY_NAMES: readonly string[] = KEYS.map(({ key }) => key);

/** Whether a version with these names records that key. */
export function covers(names: readonly string[], key: string): boolean {
  return names.some((name) => name === key || matches(name, key));
}

/** Whether a key is one of those that a key with `*` stands for. */
export function matches(family: string, key: string): boolean {
  const [before = '', after] = family.split('*');
  return (
    after !== undefined &&
    !key.includes('*') &&
    key.length > before.length + after.length &&
    key.startsWith(before) &&
    key.endsWith(after)
  );
}

function readingOf(key: string, fact: Fact<string>): Reading[] {
  if (fact.absent === undefined) return [{ key, value: fact.value, from: fact.from }];
  return fact.absent === 'missing' ? [] : [{ key, absent: fact.reason, from: fact.from }];
}

function one(key: string, severity: Severity, why: string, read: (facts: Facts) => Fact<string>): Key {
  return { key, severity, why, read };
}

type Several = Fact<Readonly<Record<string, Fact<string>>>>;

function each(key: string, severity: Severity, why: string, read: (facts: Facts) => Several): Key {
  return { key, severity, why, read };
}

/** One key of each physical function. Its name is the slot, which hosts of one kind share; cards are known by mac and serial. */
function nic(
  field: string,
  severity: Severity,
  why: string,
  read: (nic: PciFunction, facts: Facts) => Fact<string>,
  own?: 'own',
): Key {
  return {
    ...each(`nic/*/${field}`, severity, why, (facts) =>
      functions(
        facts.pci,
        (card) => card.physicalFunction.value === undefined,
        (card) => read(card, facts),
      ),
    ),
    ...(own === undefined ? {} : { own: true as const }),
  };
}

function functions(
  { networkFunctions }: Facts['pci'],
  counts: (nic: PciFunction) => boolean,
  read: (nic: PciFunction) => Fact<string>,
): Several {
  return as(networkFunctions, (all) =>
    Object.fromEntries(all.filter(counts).map((card) => [card.address, read(card)])),
  );
}

/** What only the interface tells; a card that user space drives has none, and that is no answer. */
function ofInterface(
  card: PciFunction,
  { network }: Facts,
  read: (entry: NetworkInterface) => Fact<string>,
): Fact<string> {
  if (network.interfaces.absent !== undefined) return network.interfaces;
  const [name] = card.interfaces;
  const entry = network.interfaces.value.find((candidate) => candidate.name === name);
  if (entry !== undefined) return read(entry);
  const driver = card.driver.value ?? 'no driver';
  return unread(`it has no interface in the kernel (${driver})`, `/sys/bus/pci/devices/${card.address}/net`);
}

/** The permanent addresses, also of a card that has left the kernel, where it is remembered. */
function macOf(card: PciFunction, facts: Facts): Fact<string> {
  const macs = macsOf(card, facts);
  const from = card.remembered.value === undefined ? facts.network.interfaces.from : card.remembered.from;
  return macs.length > 0 ? said(macs.join(' '), from) : unread('nothing tells it', from);
}

/** Each value, with its CPUs where not all have the same. */
function policy(
  field: 'driver' | 'governor' | 'preference' | 'minimum' | 'maximum' | 'hardwareMaximum',
): (facts: Facts) => Fact<string> {
  return ({ power: { policies } }) => {
    if (policies.absent !== undefined) return policies;
    const from = `${policies.from}/policy*`;
    const all = policies.value.map((entry) => ({ cpus: entry.cpus, value: entry[field] }));
    if (all.every(({ value }) => value === null)) return { absent: 'missing', reason: 'no such file', from };
    const unreadable = all.find(({ value }) => value === null);
    if (unreadable !== undefined) return unread(`that of CPUs ${unreadable.cpus} cannot be read`, from);
    return said(byCpus(all.map(({ cpus, value }) => [cpus, `${value}`])), from);
  };
}

function fairServers(runtimes: Readonly<Record<string, number>>): string {
  return byCpus(Object.entries(runtimes).map(([cpu, runtime]) => [cpu, `${runtime}`]));
}

/** `performance`, or `performance (0-15), powersave (16-31)`. */
function byCpus(entries: readonly (readonly [cpus: string, value: string])[]): string {
  const groups = new Map<string, number[]>();
  for (const [cpus, value] of entries)
    groups.set(value, [...(groups.get(value) ?? []), ...parseCpuList(cpus)]);
  if (groups.size === 1) return [...groups.keys()].join();
  return [...groups]
    .map(([value, cpus]) => `${value} (${formatCpuList(cpus.sort((a, b) => a - b))})`)
    .sort()
    .join(', ');
}

/** An argument may be there more than once; a size of hugepages belongs to the number behind it. */
function bootArgument(name: string): (facts: Facts) => Fact<string> {
  const names = name === 'hugepages' ? ['hugepagesz', 'hugepages'] : [name];
  return ({ kernel: { commandLine } }) => {
    if (commandLine.absent !== undefined) return commandLine;
    const found = kernelParameters(commandLine.value).filter((parameter) =>
      names.some((wanted) => sameName(wanted, parameter.name)),
    );
    if (found.length === 0) return { absent: 'missing', reason: 'not given', from: commandLine.from };
    const text = found.map((parameter) => (names.length > 1 ? parameter.text : (parameter.value ?? 'set')));
    return said(text.join(' '), commandLine.from);
  };
}

function otherArguments({ kernel: { commandLine } }: Facts): Several {
  return as(commandLine, (line) => {
    const known = [...BOOT_KEYS, ...BOOT_OWN, 'hugepagesz'];
    const others = new Map<string, string[]>();
    for (const { name, value } of kernelParameters(line)) {
      if (BOOT_LOADER.test(name) || known.some((other) => sameName(other, name))) continue;
      const plain = name.replaceAll('-', '_');
      others.set(plain, [...(others.get(plain) ?? []), value ?? 'set']);
    }
    return texts(
      Object.fromEntries([...others].map(([name, given]) => [name, given.join(' ')])),
      commandLine.from,
    );
  });
}

function kernelParameters(text: string): CommandLine['parameters'] {
  const line = parseCommandLine(text);
  return line.parameters.slice(0, line.kernelEnd);
}

function domainType(id: number, { groups }: Facts['iommu']): Fact<string> {
  if (groups.absent !== undefined) return groups;
  const group = groups.value.find((candidate) => candidate.id === id);
  return group?.type ?? unread('its group cannot be read', groups.from);
}

type Slots = NonNullable<Facts['machine']['memoryDevices']['value']>;

/** By the name that the firmware gives the slot; some give the same to several. */
function memorySlots({ machine: { memoryDevices } }: Facts): Several {
  return as(memoryDevices, (slots: Slots) => {
    const seen = new Map<string, number>();
    const named = slots.map(({ bank, locator, megabytes, speed }) => {
      const name = `${bank} ${locator}`.trim();
      const count = (seen.get(name) ?? 0) + 1;
      seen.set(name, count);
      const what =
        megabytes === 0
          ? 'empty'
          : [formatSize(megabytes * 2 ** 20), ...(speed === 0 ? [] : [`${speed} MT/s`])].join(' ');
      return [count === 1 ? name : `${name} #${count}`, what] as const;
    });
    return texts(Object.fromEntries(named), memoryDevices.from);
  });
}

function nodes({ nodes: all }: Facts['numa'], read: (node: NumaNode) => Fact<string>): Several {
  return as(all, (list) => Object.fromEntries(list.map((node) => [`${node.id}`, read(node)])));
}

/** Surplus pages come and go with what runs. */
function hugepages({ hugepages: { pools } }: Facts): Several {
  return as(pools, (all) =>
    Object.fromEntries(
      all.map(({ node, size, total, surplus }) => [
        `${node === null ? 'host' : `node${node}`}/${formatSize(size)}`,
        total === null
          ? unread('nr_hugepages cannot be read', pools.from)
          : said(`${total - surplus}`, pools.from),
      ]),
    ),
  );
}

function number(name: Exclude<keyof Facts['tunables'], 'transparentHugepage' | 'fairServer'>) {
  return ({ tunables }: Facts): Fact<string> => as(tunables[name], String);
}

type Unit = NonNullable<Facts['services']['units']['value']>[number];

function service({ units }: Facts['services'], name: string): Fact<string> {
  if (units.absent !== undefined) return units;
  const unit = units.value.find((candidate) => candidate.name === name);
  return unit === undefined
    ? { absent: 'missing', reason: 'not installed', from: units.from }
    : said(unitText(unit), unit.evidence);
}

function otherServices({ services: { units } }: Facts): Several {
  return as(units, (all) =>
    Object.fromEntries(
      all
        .filter(({ name }) => !TUNERS.includes(name))
        .map((unit) => [unit.name, said(unitText(unit), unit.evidence)]),
    ),
  );
}

function unitText({ running, enabled }: Unit): string {
  const now = running === null ? [] : [running ? 'running' : 'stopped'];
  return [...now, enabled ? 'enabled' : 'not enabled'].join(', ');
}

function texts(all: Readonly<Record<string, string>>, from: string): Record<string, Fact<string>> {
  return Object.fromEntries(Object.entries(all).map(([name, text]) => [name, said(text, from)]));
}

function said(value: string, from: string): Fact<string> {
  return { value, from };
}

function unread(reason: string, from: string): Absent {
  return { absent: 'denied', reason, from };
}

function as<T, U>(fact: Fact<T>, print: (value: T) => U): Fact<U> {
  return fact.absent === undefined ? { value: print(fact.value), from: fact.from } : fact;
}
