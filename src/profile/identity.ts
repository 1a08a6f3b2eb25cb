import { BIFURCATED, SOLARFLARE } from '../formats/nic-drivers.ts';
import type { Facts, NetworkInterface, PciFunction } from '../probes/facts.ts';
import type { Identity } from './resolved.ts';

/** For a function that no driver has now: Mellanox, and Microsoft, whose only NIC on PCI is mana. */
const BIFURCATED_VENDORS = ['0x15b3', '0x1414'];
const SOLARFLARE_VENDORS = ['0x1924'];

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** Why a NIC stays on its kernel driver although user space drives it. */
export function staysOnKernel({
  driver,
  remembered,
  vendor,
}: PciFunction): 'bifurcated' | 'solarflare' | undefined {
  const drivers = [driver.value ?? '', remembered.value?.driver ?? ''];
  const is = (names: readonly string[], vendors: readonly string[]) =>
    vendors.includes(vendor) || drivers.some((name) => names.includes(name));
  if (is(BIFURCATED, BIFURCATED_VENDORS)) return 'bifurcated';
  return is(SOLARFLARE, SOLARFLARE_VENDORS) ? 'solarflare' : undefined;
}

/** What a function is, wherever it is plugged in. */
export function identityOf(nic: PciFunction, facts: Facts): Identity {
  const mac = macsOf(nic, facts)[0];
  return {
    vendor: nic.vendor,
    device: nic.device,
    ...(nic.subsystem.value === undefined ? {} : { subsystem: nic.subsystem.value }),
    ...(nic.serial.value === undefined ? {} : { serial: nic.serial.value }),
    ...(mac === undefined ? {} : { mac }),
  };
}

/** Permanent MAC addresses: of the interfaces that the function has, or of the one that it had in the kernel. */
export function macsOf(nic: PciFunction, facts: Facts): string[] {
  const interfaces = interfacesAt(nic.address, facts).filter(({ name }) => nic.interfaces.includes(name));
  const macs = interfaces.map(({ permanentAddress, address, master }) => {
    // Kernels before 5.6 do not tell the permanent one. A bond gives its ports an address that is not theirs.
    return permanentAddress.value ?? (master === null ? address.value : undefined);
  });
  const all = macs.length > 0 ? macs : [nic.remembered.value?.address];
  return all.flatMap((mac) => (mac !== undefined && isMac(mac) ? [mac.toLowerCase()] : []));
}

const indexes = new WeakMap<object, ReadonlyMap<string | null, NetworkInterface[]>>();

/** Every NIC of a profile is compared with every function of the host, so the interfaces are sorted once. */
function interfacesAt(address: string, { network }: Facts): readonly NetworkInterface[] {
  const all = network.interfaces.value;
  if (all === undefined) return [];
  let index = indexes.get(all);
  if (index === undefined) {
    const sorted = new Map<string | null, NetworkInterface[]>();
    for (const entry of all) {
      const known = sorted.get(entry.pci);
      if (known === undefined) sorted.set(entry.pci, [entry]);
      else known.push(entry);
    }
    indexes.set(all, sorted);
    index = sorted;
  }
  return index.get(address) ?? [];
}

function isMac(mac: string): boolean {
  return MAC.test(mac.toLowerCase()) && !/^[0:]+$/.test(mac);
}

/** Names of the interfaces that the function has, or of the one that it had. */
export function interfacesOf(nic: PciFunction): readonly string[] {
  const remembered = nic.remembered.value?.interface;
  return nic.interfaces.length > 0 || remembered === undefined ? nic.interfaces : [remembered];
}

/** `0000:3b:00.0 (eth2)` */
export function nameOf(nic: PciFunction): string {
  const [name] = interfacesOf(nic);
  return name === undefined ? nic.address : `${nic.address} (${name})`;
}
