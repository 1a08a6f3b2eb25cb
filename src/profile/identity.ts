import { BIFURCATED, SOLARFLARE } from '../formats/nic-drivers.ts';
import type { Facts, PciFunction } from '../probes/facts.ts';
import type { Identity } from './resolved.ts';

/** For a function that no driver has now: PCI_VENDOR_ID_MELLANOX, and the one device of drivers/net/ethernet/microsoft/mana. */
const MELLANOX = '0x15b3';
const MANA = ['0x1414', '0x00ba'];
/** PCI_VENDOR_ID_SOLARFLARE, and the X3 of drivers/net/ethernet/…/efct. */
const SOLARFLARE_VENDOR = '0x1924';
const X3 = ['0x10ee', '0x5084'];

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** The driver of the kernel: the one that is bound, or that was before the NIC left the kernel. */
function kernelDriver(nic: PciFunction): string | undefined {
  return nic.remembered.value?.driver ?? nic.driver.value;
}

/** Why a NIC stays on its kernel driver although user space drives it. */
export function staysOnKernel(nic: PciFunction): 'bifurcated' | 'solarflare' | undefined {
  const drivers = [nic.driver.value, kernelDriver(nic)].filter((name) => name !== undefined);
  const is = ([vendor, device]: readonly string[]) => nic.vendor === vendor && nic.device === device;
  if (drivers.some((name) => BIFURCATED.includes(name)) || nic.vendor === MELLANOX || is(MANA))
    return 'bifurcated';
  if (drivers.some((name) => SOLARFLARE.includes(name)) || nic.vendor === SOLARFLARE_VENDOR || is(X3)) {
    return 'solarflare';
  }
  return undefined;
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
  const interfaces = (facts.network.interfaces.value ?? []).filter(({ name, pci }) => {
    return pci === nic.address && nic.interfaces.includes(name);
  });
  const macs = interfaces.map(({ permanentAddress, address, master }) => {
    // Kernels before 5.6 do not tell the permanent one. A bond gives its ports an address that is not theirs.
    return permanentAddress.value ?? (master === null ? address.value : undefined);
  });
  const all = macs.length > 0 ? macs : [nic.remembered.value?.address];
  return all.flatMap((mac) => (mac !== undefined && isMac(mac) ? [mac.toLowerCase()] : []));
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
