import { few } from '../formats/few.ts';
import { OWN } from '../formats/own-files.ts';
import type { PlanContext } from './define.ts';
import { defineFileAction, HEADER, type WantedFile } from './file.ts';
import { permanentAddress, userspaceNicsOf } from './nics.ts';

const MANAGERS: Readonly<Record<string, { readonly unit: string; readonly reload: readonly string[] }>> = {
  [OWN.networkManager]: { unit: 'NetworkManager.service', reload: ['nmcli', 'general', 'reload', 'conf'] },
  [OWN.networkd]: { unit: 'systemd-networkd.service', reload: ['networkctl', 'reload'] },
};

/**
 * NetworkManager and systemd-networkd keep their hands off, now, when a NIC comes back for a moment, and at every boot.
 * Keyed by the permanent address: the name is the interface's own business.
 */
export const unmanageAction = defineFileAction({
  name: 'unmanage',
  wanted,
  owned: () => Object.keys(MANAGERS),
  refresh({ facts }, path) {
    const manager = MANAGERS[path];
    const service = facts.services.units.value?.find(({ name }) => name === manager?.unit);
    return manager !== undefined && service?.running === true ? [manager.reload] : [];
  },
});

function wanted(context: PlanContext): WantedFile[] {
  const addresses = userspaceNicsOf(context).flatMap((nic) => permanentAddress(nic, context) ?? []);
  if (addresses.length === 0) return [];
  // Only for a manager that is there.
  const units = context.facts.services.units.value ?? [];
  return [networkManager(addresses), networkd(addresses)].filter((file) =>
    units.some(({ name }) => name === MANAGERS[file.path]?.unit),
  );
}

/** NetworkManager.conf(5), "Device List Format". */
function networkManager(addresses: readonly string[]): WantedFile {
  const list = addresses.map((address) => `mac:${address}`).join(';');
  return {
    path: OWN.networkManager,
    text: `${HEADER}[keyfile]\nunmanaged-devices+=${list}\n`,
    summary: `${OWN.networkManager}: NetworkManager leaves ${few(addresses)} alone`,
  };
}

/** systemd.network(5): of several files that match, the one whose name sorts first is taken. */
function networkd(addresses: readonly string[]): WantedFile {
  return {
    path: OWN.networkd,
    text: `${HEADER}[Match]\nPermanentMACAddress=${addresses.join(' ')}\n\n[Link]\nUnmanaged=yes\n`,
    summary: `${OWN.networkd}: systemd-networkd leaves ${few(addresses)} alone`,
  };
}
