import type { Facts, IommuGroup, PciFunction } from '../probes/facts.ts';

/** What would be cut off with a NIC; undefined where that cannot be read. */
export function usesOf(nic: PciFunction, { carried }: Facts['network']): string[] | undefined {
  if (carried.absent !== undefined) return undefined;
  return [...new Set(carried.value.filter((entry) => entry.pci === nic.address).map((entry) => entry.what))];
}

/** The NIC's IOMMU group; undefined where not all of it can be read. */
export function groupOf(nic: PciFunction, { groups }: Facts['iommu']): IommuGroup | undefined {
  const group = groups.value?.find((candidate) => candidate.id === nic.iommuGroup.value);
  const whole = group?.complete === true && group.members.some(({ address }) => address === nic.address);
  return whole ? group : undefined;
}
