import { posix } from 'node:path';
import { isUserspace } from '../formats/nic-drivers.ts';
import { ToolError } from '../host/errors.ts';
import type { Host, ReadHost } from '../host/host.ts';
import type { PciFunction } from '../probes/facts.ts';
import { readHolders } from '../probes/userspace-io.ts';
import type { Action, PlanContext, Step } from './define.ts';
import { type InterfaceState, interfaceStates, missing, restoreInterfaces } from './interface.ts';
import { held } from './judge.ts';
import { writeToDevice } from './kernel-write.ts';
import { refused } from './run.ts';
import type { Sleep } from './sleep.ts';
import { type NodeOwner, nodeOwner, restoreOwner, wrongOwner } from './vfio-node.ts';

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
  /** Who could open it in user space. */
  readonly owner: NodeOwner | null;
};

type After = {
  /** null: the kernel's own, whichever it is. */
  readonly driver: string | null;
  /** The files of `persist` bind it in the next boot, and nothing before. */
  readonly atBoot?: true;
};

/** Its targets are PCI addresses, or `0000:af:00.0/virtfn3` of what may not be there before the plan is applied. */
export function bindingAction(name: string, sleep: Sleep, plan: Action['plan']): Action {
  return {
    name,
    plan,

    async apply(change, host) {
      const { driver, atBoot } = change.after as After;
      if (atBoot) return;
      const before = change.before as Before;
      const address = addressOf(host, change.target);
      if (address === undefined)
        throw new ToolError('NIC_MISSING', 'is not there', { subject: change.target });
      if (driver !== null) return bind(host, address, driver, sleep);
      const old = currentDriver(host, address);
      if (old !== null && !isUserspace(old)) return;
      await loadDriver(host, null, before.modalias);
      await unbind(host, address);
      await setOverride(host, address, null);
      await probeUntil(host, address, sleep, (now) => now !== null && !isUserspace(now));
    },

    verify(change, host) {
      const address = addressOf(host, change.target);
      if (address === undefined) return `${change.target} is not there`;
      return stillWaits(change, host)
        ? undefined
        : wrongDriver(host, address, (change.after as After).driver);
    },

    inForce(change, host) {
      return wrongDriver(host, change.target, (change.after as After).driver);
    },

    async revert(change, host) {
      const before = change.before as Before;
      const address = addressOf(host, change.target);
      // What became of the interface of one that never left is not ours.
      if (address === undefined || stillWaits(change, host)) return;
      await bringBack(host, address, before, sleep);
      await restoreOwner(host, address, before.owner);
      await restoreInterfaces(host, address, before.interfaces, sleep);
    },

    holdsBefore(change, host) {
      const address = addressOf(host, change.target);
      // A virtual function is gone with the others, which is what was before; a NIC was taken out.
      if (address === undefined)
        return change.target.includes('/') ? undefined : `${change.target} is not there`;
      if (stillWaits(change, host)) return undefined;
      return notBefore(host, address, change.before as Before);
    },
  };
}

/** One for the next boot that is on the driver that it had: that boot has not been, could not bind it, or is undone. */
function stillWaits(
  { before, after, target }: Pick<Step, 'before' | 'after' | 'target'>,
  host: ReadHost,
): boolean {
  return (after as After).atBoot === true && currentDriver(host, target) === (before as Before).driver;
}

function addressOf(host: ReadHost, target: string): string | undefined {
  const path = `${DEVICES}/${target}`;
  if (host.stat(path) === undefined) return undefined;
  return target.includes('/') ? host.readLink(path)?.split('/').pop() : target;
}

/** Nothing is found of a virtual function that an earlier step of the plan makes. */
export function bindingStep(
  context: PlanContext,
  target: string,
  found: PciFunction | undefined,
  wanted: string | null,
  when: 'now' | 'next boot' = 'now',
): Step {
  const old = found?.driver.value ?? null;
  const before: Before = {
    driver: old,
    override: found?.driverOverride.value ?? null,
    modalias: found?.modalias.value ?? null,
    interfaces: found === undefined ? [] : interfaceStates(context, found),
    owner: nodeOwner(context, found),
  };
  if (when === 'next boot') {
    const after: After = { driver: wanted, atBoot: true };
    return {
      target,
      before,
      after,
      scope: 'persistent',
      effect: 'reboot',
      summary: `bind to ${wanted} with the next boot (${old ?? 'no driver'} until then)`,
      commands: [],
    };
  }
  const after: After = { driver: wanted };
  return {
    target,
    before,
    after,
    scope: 'runtime',
    effect: before.interfaces.length > 0 ? 'link-down' : 'none',
    summary:
      wanted === null
        ? `give back to the kernel's driver (from ${old ?? 'no driver'})`
        : `bind to ${wanted} (${old === null ? 'no driver now' : `from ${old}`})`,
    commands: bindCommands(found?.address ?? target, old, wanted),
  };
}

function bindCommands(address: string, old: string | null, wanted: string | null): string[] {
  const override = `${DEVICES}/${address}/driver_override`;
  return [
    ...(wanted === null ? [] : [`echo ${wanted} > ${override}`]),
    ...(old === null ? [] : [`echo ${address} > ${DRIVERS}/${old}/unbind`]),
    ...(wanted === null ? [`echo > ${override}`] : []),
    `echo ${address} > ${PROBE}`,
    ...(wanted === null ? [] : [`echo > ${override}`]),
  ];
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
async function bind(host: Host, address: string, wanted: string, sleep: Sleep): Promise<void> {
  if (currentDriver(host, address) !== wanted) {
    if (wanted === 'vfio-pci') refuseSharedVf(host, address);
    await setOverride(host, address, wanted);
    await unbind(host, address);
    await probeUntil(host, address, sleep, (now) => now === wanted);
  }
  await setOverride(host, address, null);
  for (let tries = 0; missingNode(host, address, wanted) !== undefined && tries < TRIES; tries++)
    await sleep(PAUSE);
}

/** The group of a virtual function is known only when it is there; some boards put it with its physical function. */
function refuseSharedVf(host: ReadHost, address: string): void {
  const folder = `${DEVICES}/${address}`;
  const physical = host.readLink(`${folder}/physfn`);
  if (
    physical === undefined ||
    host.stat(`${folder}/iommu_group/devices/${posix.basename(physical)}`) === undefined
  )
    return;
  const other = posix.basename(physical);
  if (isUserspace(currentDriver(host, other))) return;
  throw refused(
    'GROUP_NOT_VIABLE',
    address,
    `its IOMMU group also holds its physical function ${other}, which the kernel has`,
  );
}

async function unbind(host: Host, address: string): Promise<void> {
  const driver = currentDriver(host, address);
  if (driver === null) return;
  refuseHeldNow(host, address);
  await writeToDevice(host, `${DRIVERS}/${driver}/unbind`, address);
  const left = currentDriver(host, address);
  if (left !== null) throw new ToolError('UNBIND_FAILED', `is still on ${left}`, { subject: address });
}

/** Who holds it may have changed since the plan was made. */
export function refuseHeldNow(host: ReadHost, address: string): void {
  const driver = currentDriver(host, address);
  if (!isUserspace(driver)) return;
  const holders = readHolders(host);
  if (holders.absent !== undefined) {
    throw refused(
      'NIC_HOLDERS_UNKNOWN',
      address,
      `who holds it cannot be read: ${holders.reason}`,
      'run as root',
    );
  }
  const node = deviceNodes(host, address, driver ?? '');
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
async function loadDriver(host: Host, driver: string | null, modalias: string | null): Promise<void> {
  if (driver !== null && host.stat(`${DRIVERS}/${driver}`) !== undefined) return;
  const name = driver !== null && isUserspace(driver) ? driver : (modalias ?? driver);
  if (name === null) return;
  const result = await host.run(['modprobe', name], { timeout: 60_000 });
  if (result.exitCode !== 0 && driver !== null) {
    throw new ToolError('DRIVER_MISSING', 'cannot be loaded any more', { subject: driver });
  }
}

/** From any state to the driver and the override that it had. */
async function bringBack(host: Host, address: string, before: Before, sleep: Sleep): Promise<void> {
  const { driver, override } = before;
  if (currentDriver(host, address) !== driver) {
    if (driver !== null) await loadDriver(host, driver, before.modalias);
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

function wrongDriver(host: ReadHost, address: string, wanted: string | null): string | undefined {
  const now = currentDriver(host, address);
  if (wanted === null) {
    return now !== null && !isUserspace(now) ? undefined : `${address} is on ${now ?? 'no driver'}`;
  }
  if (now !== wanted) return `${address} is on ${now ?? 'no driver'}, not on ${wanted}`;
  const override = currentOverride(host, address);
  if (override !== null) return `driver_override of ${address} is still ${override}`;
  return missingNode(host, address, wanted);
}

function notBefore(host: ReadHost, address: string, before: Before): string | undefined {
  const now = currentDriver(host, address);
  if (now !== before.driver)
    return `${address} is on ${now ?? 'no driver'}, not on ${before.driver ?? 'none'}`;
  const override = currentOverride(host, address);
  if (override !== before.override) return `driver_override of ${address} is ${override ?? 'not set'}`;
  const owner = wrongOwner(host, address, before.owner);
  if (owner !== undefined) return owner;
  const wrong = missing(host, address, before.interfaces);
  return wrong.length === 0 ? undefined : wrong.join('; ');
}
