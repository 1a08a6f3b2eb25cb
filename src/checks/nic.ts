import type { Facts, IommuGroup, PciFunction } from '../probes/facts.ts';

/** Their poll-mode drivers work on top of the kernel driver; binding them to vfio-pci breaks them. */
export const BIFURCATED = ['mlx4_core', 'mlx5_core', 'mana'];

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

/**
 * The members that make a group not viable. It is viable when every member is on vfio-pci, on no driver, on pci-stub, or
 * is a bridge (drivers/iommu/iommu.c, iommu_group_claim_dma_owner; drivers/pci/pcie/portdrv.c sets driver_managed_dma).
 */
export function offendersIn(group: IommuGroup): IommuGroup['members'] {
  const bridge = /^0x0604/;
  return group.members.filter(
    (member) =>
      member.driver !== null &&
      !['vfio-pci', 'pci-stub', 'pcieport'].includes(member.driver) &&
      !bridge.test(member.class),
  );
}
