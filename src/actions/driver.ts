import { posix } from 'node:path';
import { groupObstacles, isUserspace, TWIN_PORTS } from '../formats/nic-drivers.ts';
import { ToolError } from '../host/errors.ts';
import type { Host, ReadHost } from '../host/host.ts';
import type { Change } from '../plan/change.ts';
import type { PciFunction } from '../probes/facts.ts';
import { readHolders } from '../probes/userspace-io.ts';
import type { Identity } from '../profile/resolved.ts';
import type { Action, PlanContext, Step } from './define.ts';
import { type InterfaceState, interfaceStates, missing, restoreInterfaces } from './interface.ts';
import { writeToDevice } from './kernel-write.ts';
import { kernelDriver, type Nic, nicsOf } from './nics.ts';
import { refused } from './run.ts';
import type { Sleep } from './sleep.ts';

const DEVICES = '/sys/bus/pci/devices';
const DRIVERS = '/sys/bus/pci/drivers';
const PROBE = '/sys/bus/pci/drivers_probe';
/** drivers_probe returns success even when nobody took the device, so the link decides whether to try again. */
const TRIES = 10;
const PAUSE = 500;

type Before = {
  readonly driver: string | null;
  /** driver_override as it was: somebody else may have set it. */
  readonly override: string | null;
  readonly modalias: string | null;
  readonly interfaces: readonly InterfaceState[];
};

type After = {
  /** null: the kernel's own, whichever it is. */
  readonly driver: string | null;
};

/** Binds NICs to the driver that the profile names, or back to the kernel's own. */
export function driverAction(sleep: Sleep): Action {
  return {
    name: 'driver',

    plan(context, note) {
      const nics = nicsOf(context, note);
      const moving = nics.filter(({ found, wanted }) => wanted !== null && found.driver.value !== wanted);
      for (const nic of moving) judge(nic, nics, context, note);
      const returning = nics.filter(
        ({ found, wanted }) => wanted === null && isUserspace(found.driver.value),
      );
      for (const { found } of returning) refuseHeld(found, context);
      return [
        ...moving.map(({ found, wanted }) => driverStep(context, found, wanted)),
        ...returning.map(({ found }) => driverStep(context, found, null)),
      ];
    },

    async apply(change, host) {
      const { driver } = change.after as After;
      const before = change.before as Before;
      if (driver !== null) return bind(host, change.target, driver, sleep);
      const old = currentDriver(host, change.target);
      if (old !== null && !isUserspace(old)) return;
      await loadDriver(host, change.target, null, before.modalias);
      await unbind(host, change.target);
      await setOverride(host, change.target, null);
      await probeUntil(host, change.target, sleep, (now) => now !== null && !isUserspace(now));
    },

    verify(change, host) {
      return wrongDriver(host, change.target, (change.after as After).driver);
    },

    async revert(change, host) {
      const before = change.before as Before;
      await bringBack(host, change.target, before, sleep);
      await restoreInterfaces(host, change.target, before.interfaces, sleep);
    },

    holdsBefore(change, host) {
      return notBefore(change, host);
    },
  };
}

function driverStep(context: PlanContext, found: PciFunction, wanted: string | null): Step {
  const { address } = found;
  const old = found.driver.value ?? null;
  const before: Before = {
    driver: old,
    override: found.driverOverride.value ?? null,
    modalias: found.modalias.value ?? null,
    interfaces: interfaceStates(context, found),
  };
  const after: After = { driver: wanted };
  return {
    target: address,
    before,
    after,
    scope: 'runtime',
    effect: before.interfaces.length > 0 ? 'link-down' : 'none',
    summary:
      wanted === null
        ? `give back to the kernel's driver (from ${old})`
        : `bind to ${wanted} (${old === null ? 'no driver now' : `from ${old}`})`,
    commands: bindCommands(address, old, wanted),
  };
}

export function bindCommands(address: string, old: string | null, wanted: string | null): string[] {
  const override = `${DEVICES}/${address}/driver_override`;
  return [
    ...(wanted === null ? [] : [`echo ${wanted} > ${override}`]),
    ...(old === null ? [] : [`echo ${address} > ${DRIVERS}/${old}/unbind`]),
    ...(wanted === null ? [`echo > ${override}`] : []),
    `echo ${address} > ${PROBE}`,
    ...(wanted === null ? [] : [`echo > ${override}`]),
  ];
}

/** All that can be known before anything is unbound. What cannot be read is no permission. */
function judge(nic: Nic, nics: readonly Nic[], context: PlanContext, note: (sentence: string) => void): void {
  const { found, wanted } = nic;
  const { facts } = context;
  const { address } = found;
  refuseStranger(nic, context);
  if (found.maxPayload.absent === 'garbled') {
    throw refused(
      'NIC_DEAD',
      address,
      'the device no longer answers',
      'remove it and rescan the bus, or reboot',
    );
  }
  if (found.virtualFunctions.length > 0) {
    throw refused(
      'NIC_HAS_VFS',
      address,
      `has ${found.virtualFunctions.length} virtual functions, which would go with it`,
      `echo 0 > ${DEVICES}/${address}/sriov_numvfs, or leave the physical function to the kernel`,
    );
  }
  refuseHeld(found, context);
  if (wanted === 'vfio-pci') judgeVfio(nic, nics, context);
  else judgeUio(found, wanted ?? '', facts, note);
  twinPorts(nic, nics, context, note);
}

/** [J15] What the profile means, and what is in that slot now. */
export function refuseStranger(nic: Nic, context: PlanContext): void {
  const { identity } = nic.nic;
  const { found } = nic;
  const seen: Partial<Record<keyof Identity, string>> = {
    vendor: found.vendor,
    device: found.device,
    ...(found.subsystem.value === undefined ? {} : { subsystem: found.subsystem.value }),
    ...(found.serial.value === undefined ? {} : { serial: found.serial.value }),
    ...(permanent(found, context) === undefined ? {} : { mac: permanent(found, context) ?? '' }),
  };
  for (const key of ['vendor', 'device', 'subsystem', 'serial', 'mac'] as const) {
    const expected = identity[key];
    const here = seen[key];
    if (expected === undefined || here === undefined || expected === here) continue;
    throw refused(
      'NIC_IDENTITY_DISAGREES',
      found.address,
      `its ${key} is ${here}, but "${nic.nic.name}" of the profile has ${expected}: another NIC is in this slot`,
      'find it with "bypass-setup probe" and correct the profile',
    );
  }
}

/** Only what the hardware or our own memory says: an address in use may be a bond's. */
function permanent(found: PciFunction, { facts }: PlanContext): string | undefined {
  const own = facts.network.interfaces.value?.find(({ name }) => found.interfaces.includes(name));
  return own?.permanentAddress.value ?? (found.remembered.value?.address || undefined);
}

/** The write that unbinds a held vfio device does not return (drivers/vfio/vfio_main.c, vfio_unregister_group_dev). */
function refuseHeld(found: PciFunction, { facts }: PlanContext): void {
  if (!isUserspace(found.driver.value)) return;
  const { holders } = facts.userspaceIo;
  if (holders.absent !== undefined) {
    throw refused(
      'NIC_HOLDERS_UNKNOWN',
      found.address,
      `who holds it cannot be read: ${holders.reason}`,
      'run as root',
    );
  }
  const group = found.iommuGroup.value;
  const paths = [`/dev/vfio/${group}`, `/dev/vfio/noiommu-${group}`];
  // Which /dev/uioN is whose no fact tells, so any holder counts.
  const own = (path: string) =>
    found.driver.value === 'vfio-pci' ? paths.includes(path) || /devices/.test(path) : /uio/.test(path);
  const holder = holders.value.find(({ path }) => own(path));
  if (holder !== undefined) throw held(found.address, holder);
}

function held(
  address: string,
  { pid, program, path }: { pid: number; program: string; path: string },
): ToolError {
  return refused(
    'NIC_IN_USE',
    address,
    `process ${pid} (${program}) holds ${path}; unbinding it now would hang in the kernel`,
    `end process ${pid} first`,
  );
}

function judgeVfio({ nic, found }: Nic, nics: readonly Nic[], { facts }: PlanContext): void {
  const { address } = found;
  if (facts.iommu.units.absent === 'missing') {
    if (nic.allowNoIommu) {
      refuseLocked(address, 'vfio without an IOMMU', facts);
      return;
    }
    throw refused(
      'IOMMU_OFF',
      address,
      'the IOMMU is off, so vfio-pci could not protect memory from it',
      'turn it on in the firmware and boot with intel_iommu=on (AMD: nothing), or set allowNoIommu for this NIC',
    );
  }
  if (facts.iommu.units.absent !== undefined) {
    throw refused(
      'IOMMU_UNKNOWN',
      address,
      `whether the IOMMU is on cannot be read: ${facts.iommu.units.reason}`,
    );
  }
  const group = facts.iommu.groups.value?.find(({ id }) => id === found.iommuGroup.value);
  if (group === undefined || !group.complete || !group.members.some((member) => member.address === address)) {
    throw refused('GROUP_UNKNOWN', address, 'the members of its IOMMU group cannot be read');
  }
  const moving = new Set(
    nics.filter(({ wanted }) => wanted === 'vfio-pci').map((other) => other.found.address),
  );
  const obstacles = groupObstacles(group.members).filter((member) => !moving.has(member.address));
  if (obstacles.length > 0) {
    const list = obstacles.map((member) => `${member.address} is on ${member.driver}`).join(', ');
    throw refused(
      'GROUP_NOT_VIABLE',
      address,
      `IOMMU group ${group.id} is not viable: ${list}`,
      'move those functions to vfio-pci too, or the NIC to a slot with a group of its own',
    );
  }
  if (facts.iommu.interruptRemapping.value !== true) {
    const why =
      facts.iommu.interruptRemapping.absent === undefined
        ? 'the platform does not remap interrupts'
        : 'whether interrupts are remapped cannot be read';
    throw refused(
      'NO_INTERRUPT_REMAPPING',
      address,
      `${why}; vfio refuses to open such a device`,
      'turn on interrupt remapping (x2APIC, VT-d) in the firmware; in QEMU: intel-iommu,intremap=on',
    );
  }
}

function judgeUio(
  found: PciFunction,
  driver: string,
  facts: PlanContext['facts'],
  note: (sentence: string) => void,
): void {
  refuseLocked(found.address, driver, facts);
  note(`${found.address}: ${driver} protects no memory from the device; vfio-pci with an IOMMU does`);
  const group = facts.iommu.groups.value?.find(({ id }) => id === found.iommuGroup.value);
  const type = group?.type.value;
  if (type !== undefined && type !== 'identity') {
    note(
      `${found.address}: its IOMMU domain is ${type}; with ${driver} the device reaches no memory until iommu=pt`,
    );
  }
}

/** kernel_lockdown(7). */
function refuseLocked(address: string, what: string, { kernel }: PlanContext['facts']): void {
  const lockdown = kernel.lockdown.value;
  if (lockdown === undefined || lockdown === 'none') return;
  throw refused(
    'KERNEL_LOCKED',
    address,
    `${what} is impossible: the kernel is locked down (${lockdown})`,
    'use vfio-pci with an IOMMU',
  );
}

function twinPorts(
  nic: Nic,
  nics: readonly Nic[],
  { facts }: PlanContext,
  note: (sentence: string) => void,
): void {
  const { found, wanted } = nic;
  const driver = kernelDriver(found) ?? '';
  if (!TWIN_PORTS.includes(driver)) return;
  const card = found.address.replace(/\.\d$/, '.');
  const left = (facts.pci.networkFunctions.value ?? []).filter(
    (other) =>
      other.address !== found.address &&
      other.address.startsWith(card) &&
      other.driver.value !== wanted &&
      nics.find((entry) => entry.found.address === other.address)?.wanted !== wanted,
  );
  for (const other of left) {
    note(
      `${found.address} (${driver}): its twin port ${other.address} stays on ${other.driver.value ?? 'no driver'}; ` +
        'ports of this family share firmware settings and can disturb each other',
    );
  }
}

export function currentDriver(host: ReadHost, address: string): string | null {
  const target = host.readLink(`${DEVICES}/${address}/driver`);
  return target === undefined ? null : posix.basename(target);
}

/** The kernel prints "(null)" for none (drivers/pci/pci-sysfs.c, driver_override_show). */
function currentOverride(host: ReadHost, address: string): string | null {
  const text = host.readText(`${DEVICES}/${address}/driver_override`)?.trim() ?? '';
  return text === '' || text === '(null)' ? null : text;
}

/**
 * override, read back, unbind, probe, read the link; then the override is cleared, because the files of `persist` bind
 * it at boot, and one that stays keeps the NIC from every other driver.
 */
export async function bind(host: Host, address: string, wanted: string, sleep: Sleep): Promise<void> {
  if (currentDriver(host, address) !== wanted) {
    await setOverride(host, address, wanted);
    await unbind(host, address);
    await probeUntil(host, address, sleep, (now) => now === wanted);
  }
  await setOverride(host, address, null);
  for (let tries = 0; missingNode(host, address, wanted) !== undefined && tries < TRIES; tries++)
    await sleep(PAUSE);
}

async function unbind(host: Host, address: string): Promise<void> {
  const driver = currentDriver(host, address);
  if (driver === null) return;
  if (isUserspace(driver)) refuseHeldNow(host, address, driver);
  await writeToDevice(host, `${DRIVERS}/${driver}/unbind`, address);
  const left = currentDriver(host, address);
  if (left !== null) throw new ToolError('UNBIND_FAILED', `is still on ${left}`, { subject: address });
}

/** Who holds it may have changed since the plan was made. */
function refuseHeldNow(host: ReadHost, address: string, driver: string): void {
  const holders = readHolders(host);
  if (holders.absent !== undefined) {
    throw refused(
      'NIC_HOLDERS_UNKNOWN',
      address,
      `who holds it cannot be read: ${holders.reason}`,
      'run as root',
    );
  }
  const node = deviceNodes(host, address, driver);
  const holder = holders.value.find(({ path }) => node.includes(path));
  if (holder !== undefined) throw held(address, holder);
}

/** The files that a process opens to have the device. */
function deviceNodes(host: ReadHost, address: string, driver: string): string[] {
  const folder = `${DEVICES}/${address}`;
  if (driver !== 'vfio-pci') return (host.list(`${folder}/uio`) ?? []).map((name) => `/dev/${name}`);
  const link = host.readLink(`${folder}/iommu_group`);
  const devices = (host.list(`${folder}/vfio-dev`) ?? []).map((name) => `/dev/vfio/devices/${name}`);
  if (link === undefined) return devices;
  const group = posix.basename(link);
  return [`/dev/vfio/${group}`, `/dev/vfio/noiommu-${group}`, ...devices];
}

async function setOverride(host: Host, address: string, driver: string | null): Promise<void> {
  if (currentOverride(host, address) === driver) return;
  await writeToDevice(host, `${DEVICES}/${address}/driver_override`, driver ?? '');
  const now = currentOverride(host, address);
  if (now !== driver) {
    throw new ToolError(
      'OVERRIDE_NOT_TAKEN',
      `driver_override reads ${now ?? '(null)'} after ${driver ?? 'it was cleared'}`,
      {
        subject: address,
      },
    );
  }
}

async function probeUntil(
  host: Host,
  address: string,
  sleep: Sleep,
  right: (driver: string | null) => boolean,
): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    if (tries > 0) await sleep(PAUSE);
    // A refusal of the driver comes back as the error of the write; the link still decides, and the last one is told.
    const failure = await refusal(writeToDevice(host, PROBE, address));
    if (right(currentDriver(host, address))) return;
    if (failure?.code === 'STUCK_IN_KERNEL') throw failure;
    if (tries === TRIES - 1) {
      throw new ToolError(
        'BIND_FAILED',
        `no driver took it in ${TRIES} tries: ${failure?.message ?? 'the kernel gives no reason'}`,
        {
          subject: address,
          hint: 'the kernel log (dmesg) tells why the driver refused it',
        },
      );
    }
  }
}

async function refusal(write: Promise<void>): Promise<ToolError | undefined> {
  try {
    await write;
    return undefined;
  } catch (error) {
    if (error instanceof ToolError) return error;
    throw error;
  }
}

/** The module of a driver that is to take a device again may have been unloaded meanwhile. */
async function loadDriver(
  host: Host,
  address: string,
  driver: string | null,
  modalias: string | null,
): Promise<void> {
  if (driver !== null && host.stat(`${DRIVERS}/${driver}`) !== undefined) return;
  const name = driver !== null && isUserspace(driver) ? driver : (modalias ?? driver);
  if (name === null) return;
  const result = await host.run(['modprobe', name], { timeout: 60_000 });
  if (result.exitCode !== 0 && driver !== null) {
    throw new ToolError('DRIVER_MISSING', `its driver ${driver} cannot be loaded`, { subject: address });
  }
}

/** From any state to the driver and the override that it had. */
async function bringBack(host: Host, address: string, before: Before, sleep: Sleep): Promise<void> {
  if (host.stat(`${DEVICES}/${address}`) === undefined) return;
  const { driver, override } = before;
  if (currentDriver(host, address) !== driver) {
    if (driver !== null) await loadDriver(host, address, driver, before.modalias);
    // A driver that was bound by its override matches by nothing else.
    await setOverride(host, address, driver);
    await unbind(host, address);
    if (driver !== null) await probeUntil(host, address, sleep, (now) => now === driver);
  }
  await setOverride(host, address, override);
}

function missingNode(host: ReadHost, address: string, driver: string): string | undefined {
  const nodes = deviceNodes(host, address, driver);
  if (nodes.some((path) => host.stat(path) !== undefined)) return undefined;
  return `${nodes[0] ?? 'its device node'} is missing`;
}

export function wrongDriver(host: ReadHost, address: string, wanted: string | null): string | undefined {
  const now = currentDriver(host, address);
  if (wanted === null) {
    return now !== null && !isUserspace(now) ? undefined : `${address} is on ${now ?? 'no driver'}`;
  }
  if (now !== wanted) return `${address} is on ${now ?? 'no driver'}, not on ${wanted}`;
  const override = currentOverride(host, address);
  if (override !== null) return `driver_override of ${address} is still ${override}`;
  return missingNode(host, address, wanted);
}

function notBefore(change: Change, host: ReadHost): string | undefined {
  const before = change.before as Before;
  const now = currentDriver(host, change.target);
  if (now !== before.driver)
    return `${change.target} is on ${now ?? 'no driver'}, not on ${before.driver ?? 'none'}`;
  const override = currentOverride(host, change.target);
  if (override !== before.override) return `driver_override of ${change.target} is ${override ?? 'not set'}`;
  const wrong = missing(host, change.target, before.interfaces);
  return wrong.length === 0 ? undefined : wrong.join('; ');
}
