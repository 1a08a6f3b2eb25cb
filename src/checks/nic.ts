import type { Facts, IommuGroup, PciFunction } from '../probes/facts.ts';

/** What would be cut off with a NIC, as the end of a sentence about it; `free` only where it is sure to be nothing. */
export function carriedBy(
  nic: PciFunction,
  { carried }: Facts['network'],
): { readonly says: string; readonly free: boolean } {
  if (carried.absent !== undefined) return { says: 'may carry something that cannot be read', free: false };
  const all = carried.value.filter((entry) => entry.pci === nic.address);
  const uses = all.filter(({ kind, certain }) => kind !== 'unknown' && certain).map(({ what }) => what);
  const [doubt] = all;
  if (uses.length > 0) return { says: `carries ${[...new Set(uses)].join(', ')}`, free: false };
  if (doubt === undefined) return { says: 'carries nothing', free: true };
  return { says: `may carry something: ${doubt.what}`, free: false };
}

/** The NIC's IOMMU group; undefined where not all of it can be read. */
export function groupOf(nic: PciFunction, { groups }: Facts['iommu']): IommuGroup | undefined {
  const group = groups.value?.find((candidate) => candidate.id === nic.iommuGroup.value);
  const whole = group?.complete === true && group.members.some(({ address }) => address === nic.address);
  return whole ? group : undefined;
}
