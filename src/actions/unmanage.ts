import { OWN } from '../formats/own-files.ts';
import type { PlanContext } from './define.ts';
import { defineFileAction, header, type WantedFile } from './file.ts';
import { permanentAddress, userspaceNicsOf } from './nics.ts';

/**
 * NetworkManager and systemd-networkd keep their hands off, now, when a NIC comes back for a moment, and at every boot.
 * Keyed by the permanent address: the name is the interface's own business.
 */
export const unmanageAction = defineFileAction('unmanage', (context) => {
  const addresses = userspaceNicsOf(context).flatMap((nic) => permanentAddress(nic, context) ?? []);
  if (addresses.length === 0) return [];
  return [
    ...managed(context, 'NetworkManager.service', networkManager(addresses)),
    ...managed(context, 'systemd-networkd.service', networkd(addresses)),
  ];
});

/** Only for a manager that is there; told only when it runs. */
function managed({ facts }: PlanContext, unit: string, file: WantedFile): WantedFile[] {
  const service = facts.services.units.value?.find(({ name }) => name === unit);
  if (service === undefined) return [];
  return [service.running === true ? file : { ...file, refresh: [] }];
}

/** NetworkManager.conf(5), "Device List Format". */
function networkManager(addresses: readonly string[]): WantedFile {
  const list = addresses.map((address) => `mac:${address}`).join(';');
  return {
    path: OWN.networkManager,
    text: `${header()}[keyfile]\nunmanaged-devices+=${list}\n`,
    summary: `${OWN.networkManager}: NetworkManager leaves ${addresses.join(', ')} alone`,
    refresh: [['nmcli', 'general', 'reload', 'conf']],
  };
}

/** systemd.network(5): of several files that match, the one whose name sorts first is taken. */
function networkd(addresses: readonly string[]): WantedFile {
  return {
    path: OWN.networkd,
    text: `${header()}[Match]\nPermanentMACAddress=${addresses.join(' ')}\n\n[Link]\nUnmanaged=yes\n`,
    summary: `${OWN.networkd}: systemd-networkd leaves ${addresses.join(', ')} alone`,
    refresh: [['networkctl', 'reload']],
  };
}
