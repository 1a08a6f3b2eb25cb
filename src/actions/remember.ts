import { few } from '../formats/few.ts';
import { isUserspace } from '../formats/nic-drivers.ts';
import { OWN } from '../formats/own-files.ts';
import { currentDriver } from './binding.ts';
import type { PlanContext } from './define.ts';
import { defineFileAction, type FileBefore, fileBefore, type WantedFile } from './file.ts';
import { kernelDriver, leavingNicsOf, permanentAddress } from './nics.ts';

/**
 * What a NIC was before it left the kernel. Afterwards nobody can ask it: the pci probe gives it back as `remembered`.
 * Entries of NICs that this run does not touch stay.
 */
export const rememberAction = defineFileAction({
  name: 'remember',
  wanted,
  // Where a NIC could not be given back, what it was is still all that is known of it.
  neededFor(change, host) {
    const before = parse((change.before as FileBefore).text);
    const added = Object.keys(parse((change.after as { text: string | null }).text)).filter(
      (address) => !Object.hasOwn(before, address),
    );
    const away = added.filter((address) => isUserspace(currentDriver(host, address)));
    return away.length === 0 ? undefined : `${change.target} stays: ${away.join(', ')} has not come back`;
  },
});

function wanted(context: PlanContext): WantedFile[] {
  const entries = leavingNicsOf(context).flatMap((nic) => {
    const { found } = nic;
    const driver = kernelDriver(found);
    const name = found.interfaces[0] ?? found.remembered.value?.interface ?? '';
    if (driver === null) return [];
    const own = context.facts.network.interfaces.value?.find((entry) => entry.name === name);
    const firmware = own?.firmware.value ?? found.remembered.value?.firmware;
    const { vendor, device, subsystem, serial } = nic.nic.identity;
    const entry = {
      driver,
      address: permanentAddress(nic, context) ?? '',
      interface: name,
      ...(firmware === undefined ? {} : { firmware }),
      vendor,
      device,
      ...(subsystem === undefined ? {} : { subsystem }),
      ...(serial === undefined ? {} : { serial }),
    };
    return [[found.address, entry] as const];
  });
  if (entries.length === 0) return [];
  const old = parse(fileBefore(context, OWN.memory).text);
  const text = `${JSON.stringify({ ...old, ...Object.fromEntries(entries) }, null, 2)}\n`;
  const names = few(entries.map(([address]) => address));
  const what = entries.length === 1 ? 'was before it leaves' : 'were before they leave';
  return [{ path: OWN.memory, text, summary: `${OWN.memory}: what ${names} ${what} the kernel` }];
}

/** One that is damaged is written anew; the action keeps its text for undo. */
function parse(text: string | null): object {
  try {
    const value: unknown = JSON.parse(text ?? '{}');
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}
