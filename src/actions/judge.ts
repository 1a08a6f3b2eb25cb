import { groupObstacles, interruptsUnderVfio, isUserspace, TWIN_PORTS } from '../formats/nic-drivers.ts';
import type { ToolError } from '../host/errors.ts';
import { iommuToCome } from '../plan/iommu.ts';
import type { PciFunction } from '../probes/facts.ts';
import type { Identity } from '../profile/resolved.ts';
import type { PlanContext } from './define.ts';
import { kernelDriver, type Nic } from './nics.ts';
import { refused } from './run.ts';

/** All that can be known before anything is unbound. What cannot be read is no permission. */
export function judge(
  nic: Nic,
  nics: readonly Nic[],
  context: PlanContext,
  note: (sentence: string) => void,
): void {
  const { found, wanted } = nic;
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
      `echo 0 > /sys/bus/pci/devices/${address}/sriov_numvfs, or leave the physical function to the kernel`,
    );
  }
  refuseHeld(found, context);
  if (judgeHost(nic, wanted ?? '', context, note)) judgeVfio(nic, nics, context);
  twinPorts(nic, nics, context, note);
}

/** [J15] What the profile means, and what is in that slot now. */
function refuseStranger(nic: Nic, context: PlanContext): void {
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

/**
 * The write that unbinds a held vfio device does not return (drivers/vfio/vfio_main.c, vfio_unregister_group_dev). Which
 * devices of a group a process has open cannot be seen, so that none is taken from the group or put to it.
 */
export function refuseHeld(found: PciFunction, { facts }: PlanContext): void {
  const { holders, vfioNodes, uioNodes } = facts.userspaceIo;
  const group = found.iommuGroup.value;
  const groupNodes = [`/dev/vfio/${group}`, `/dev/vfio/noiommu-${group}`];
  const open = (vfioNodes.value ?? []).some(({ path }) => groupNodes.includes(path));
  const driver = found.driver.value;
  if (!open && !isUserspace(driver)) return;
  if (holders.absent !== undefined) {
    throw refused(
      'NIC_HOLDERS_UNKNOWN',
      found.address,
      `who holds it cannot be read: ${holders.reason}`,
      'run as root',
    );
  }
  const own = uioNodes.value?.filter(({ pci }) => pci === found.address).map(({ path }) => path) ?? [];
  const nodes = [...groupNodes, ...own];
  // Which /dev/vfio/devices/vfioN is whose no fact tells, nor of a uio device that was not found: any of them counts.
  const others =
    driver === 'vfio-pci' ? /devices/ : isUserspace(driver) && own.length === 0 ? /uio/ : undefined;
  const holder = holders.value.find(({ path }) => nodes.includes(path) || others?.test(path));
  if (holder !== undefined) throw held(found.address, holder);
}

export function held(
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

function judgeVfio(nic: Nic, nics: readonly Nic[], { facts }: PlanContext): void {
  const { found } = nic;
  const { address } = found;
  const group = facts.iommu.groups.value?.find(({ id }) => id === found.iommuGroup.value);
  if (group === undefined || !group.complete || !group.members.some((member) => member.address === address)) {
    throw refused('GROUP_UNKNOWN', address, 'the members of its IOMMU group cannot be read');
  }
  // As the group will be when the whole plan is applied.
  const members = group.members.map((member) => {
    const other = nics.find((entry) => entry.found.address === member.address);
    return other === undefined ? member : { ...member, driver: other.wanted ?? kernelDriver(other.found) };
  });
  const obstacles = groupObstacles(members);
  if (obstacles.length === 0) return;
  const list = obstacles.map((member) => `${member.address} is on ${member.driver}`).join(', ');
  throw refused(
    'GROUP_NOT_VIABLE',
    address,
    `IOMMU group ${group.id} is not viable: ${list}`,
    'move those functions to vfio-pci too, or the NIC to a slot with a group of its own',
  );
}

/** What the host must have for a driver, whichever function it is for. True when the IOMMU of now will protect it. */
export function judgeHost(
  { nic, found }: Nic,
  driver: string,
  { facts, profile }: PlanContext,
  note: (sentence: string) => void,
): boolean {
  const { address } = found;
  if (driver !== 'vfio-pci') {
    judgeUio(found, driver, facts, note);
    return false;
  }
  const { units, interruptRemapping } = facts.iommu;
  if (units.absent === 'missing') {
    if (!nic.allowNoIommu) {
      const coming = iommuToCome(facts, profile);
      if (coming.nextBoot !== undefined) return false;
      throw refused(
        'IOMMU_OFF',
        address,
        `${coming.why}, so vfio-pci could not protect memory from it`,
        `${coming.remedy}; or accept that the NIC can write to all memory, with "allow-no-iommu: true"`,
      );
    }
    refuseLocked(address, 'vfio without an IOMMU', facts);
    return false;
  }
  if (units.absent !== undefined) {
    throw refused('IOMMU_UNKNOWN', address, `whether the IOMMU is on cannot be read: ${units.reason}`);
  }
  const { allowUnsafeInterrupts } = facts.userspaceIo;
  const interrupts = interruptsUnderVfio(interruptRemapping.value, allowUnsafeInterrupts.value);
  if (interrupts === 'remapped') return true;
  const why =
    interruptRemapping.absent === undefined
      ? 'the platform does not remap interrupts'
      : `whether interrupts are remapped cannot be read (${interruptRemapping.reason})`;
  if (interrupts === 'allowed') {
    note(`${address}: ${why}; ${allowUnsafeInterrupts.from} accepts that the device can raise any interrupt`);
    return true;
  }
  throw refused(
    'NO_INTERRUPT_REMAPPING',
    address,
    `${why}; vfio refuses to open such a device`,
    'turn on interrupt remapping (x2APIC, VT-d) in the firmware; in QEMU: intel-iommu,intremap=on; ' +
      'or accept that risk: modprobe vfio_iommu_type1 allow_unsafe_interrupts=1',
  );
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
