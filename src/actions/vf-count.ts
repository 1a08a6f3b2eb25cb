import { ToolError } from '../host/errors.ts';
import type { Host, ReadHost } from '../host/host.ts';
import { refuseHeldNow } from './binding.ts';
import { defineAction, type Step } from './define.ts';
import { writeToDevice } from './kernel-write.ts';
import type { Nic } from './nics.ts';
import { refused } from './run.ts';
import { physicalNicsOf, refuseIndexes, waitingNicsOf } from './vf.ts';

type Before = { readonly count: number; readonly autoprobe: boolean | null };

type After = {
  readonly count: number;
  /** Whether the kernel's driver shall take them: only when one of them stays with it. */
  readonly autoprobe: boolean;
};

export const vfCountAction = defineAction({
  name: 'vf-count',

  plan(context, note) {
    for (const { found } of waitingNicsOf(context)) {
      note(
        `${found.address}: its virtual functions are made by "bypass-setup apply" after the next boot, which turns the IOMMU on`,
        'unmet',
      );
    }
    const steps = physicalNicsOf(context).flatMap(countStep);
    if (steps.length > 0 && context.profile.persistent) {
      note('virtual functions are gone after a reboot: "bypass-setup apply" makes them again');
    }
    return steps;
  },

  async apply(change, host) {
    const { count, autoprobe } = change.after as After;
    await setAutoprobe(host, change.target, autoprobe);
    await setCount(host, change.target, count);
  },

  verify(change, host) {
    const { count } = change.after as After;
    const made = virtualFunctions(host, change.target);
    if (read(host, change.target) === count && made.length === count) return undefined;
    return `${change.target} has ${made.length} virtual functions, not ${count}`;
  },

  async revert(change, host) {
    const { count, autoprobe } = change.before as Before;
    if (host.stat(folder(change.target)) === undefined) return;
    await setCount(host, change.target, count);
    if (autoprobe !== null) await setAutoprobe(host, change.target, autoprobe);
  },

  holdsBefore(change, host) {
    const { count, autoprobe } = change.before as Before;
    if (read(host, change.target) !== count) return `${change.target} still has virtual functions`;
    if (autoprobe === null || readAutoprobe(host, change.target) === autoprobe) return undefined;
    return `sriov_drivers_autoprobe of ${change.target} is not ${autoprobe ? 1 : 0}`;
  },
});

function countStep(physical: Nic): Step[] {
  const { found, nic } = physical;
  const { address } = found;
  const count = nic.vfs?.length ?? 0;
  const sriov = found.sriov.value;
  refuseIndexes(physical);
  if (sriov === undefined) {
    throw refused(
      'NO_SRIOV',
      address,
      'makes no virtual functions',
      'turn on SR-IOV in the firmware of host and NIC',
    );
  }
  if (count > sriov.total) {
    throw refused('TOO_MANY_VFS', address, `makes ${sriov.total} virtual functions at most, not ${count}`);
  }
  if (sriov.enabled === count) return [];
  if (sriov.enabled > 0) {
    throw refused(
      'VFS_PRESENT',
      address,
      `has ${sriov.enabled} virtual functions, and the kernel goes to another number only by way of none`,
      `see who uses them, then: echo 0 > ${folder(address)}/sriov_numvfs`,
    );
  }
  const autoprobe = (nic.vfs ?? []).some((vf) => vf.driver === null);
  const before: Before = { count: sriov.enabled, autoprobe: sriov.autoprobe };
  return [
    {
      target: address,
      before,
      after: { count, autoprobe },
      scope: 'runtime',
      effect: 'none',
      summary: `make ${count} virtual functions`,
      commands: [
        `echo ${autoprobe ? 1 : 0} > ${folder(address)}/sriov_drivers_autoprobe`,
        `echo ${count} > ${folder(address)}/sriov_numvfs`,
      ],
    },
  ];
}

/** EBUSY for a number while there is another one (drivers/pci/pci-sysfs.c, sriov_numvfs_store): by way of none. */
async function setCount(host: Host, address: string, count: number): Promise<void> {
  const now = read(host, address);
  if (now === count) return;
  for (const name of virtualFunctions(host, address)) {
    const virtual = host
      .readLink(`${folder(address)}/${name}`)
      ?.split('/')
      .pop();
    if (virtual !== undefined) refuseHeldNow(host, virtual);
  }
  if (now !== 0) await writeToDevice(host, `${folder(address)}/sriov_numvfs`, '0');
  if (count === 0) return;
  try {
    await writeToDevice(host, `${folder(address)}/sriov_numvfs`, `${count}`);
  } catch (error) {
    if (!(error instanceof ToolError) || !NO_SPACE.test(error.message)) throw error;
    throw new ToolError('VF_NO_SPACE', `${count} virtual functions do not fit: ${error.message}`, {
      subject: address,
      hint: 'the firmware left no room for their memory; boot with pci=realloc',
      cause: error,
    });
  }
}

/** ENOMEM and ENOSPC: their BARs found no place (drivers/pci/iov.c, sriov_enable). */
const NO_SPACE = /Cannot allocate memory|No space left/;

async function setAutoprobe(host: Host, address: string, on: boolean): Promise<void> {
  const now = readAutoprobe(host, address);
  if (now === undefined || now === on) return;
  await writeToDevice(host, `${folder(address)}/sriov_drivers_autoprobe`, on ? '1' : '0');
}

const folder = (address: string) => `/sys/bus/pci/devices/${address}`;

function read(host: ReadHost, address: string): number {
  return Number(host.readText(`${folder(address)}/sriov_numvfs`)?.trim() ?? 0);
}

function readAutoprobe(host: ReadHost, address: string): boolean | undefined {
  const text = host.readText(`${folder(address)}/sriov_drivers_autoprobe`)?.trim();
  return text === undefined ? undefined : text === '1';
}

function virtualFunctions(host: ReadHost, address: string): string[] {
  return (host.list(folder(address)) ?? []).filter((name) => /^virtfn\d+$/.test(name));
}
