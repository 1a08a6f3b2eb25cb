/** Their poll-mode drivers work on top of the kernel driver; binding them to vfio-pci breaks them. */
export const BIFURCATED: readonly string[] = ['mlx4_core', 'mlx5_core', 'mana'];

/** Onload, ef_vi and TCPDirect work on top of them. */
export const SOLARFLARE: readonly string[] = ['sfc', 'xilinx_efct'];

/** They hand the whole function to a process in user space. */
export const USERSPACE = ['vfio-pci', 'uio_pci_generic', 'igb_uio'] as const;

export function isUserspace(driver: string | null | undefined): boolean {
  return USERSPACE.some((name) => name === driver);
}

/** drivers/net/ethernet/intel/i40e: ports of one card share firmware resources (DPDK's i40e guide, trex-core#528). */
export const TWIN_PORTS: readonly string[] = ['i40e'];

interface GroupMember {
  readonly class: string;
  readonly driver: string | null;
}

/**
 * Members that keep user space from a group: it is viable when every member is on vfio-pci, on no driver, on pci-stub,
 * or is a bridge (drivers/iommu/iommu.c, iommu_group_claim_dma_owner; drivers/pci/pcie/portdrv.c sets driver_managed_dma).
 */
export function groupObstacles<M extends GroupMember>(members: readonly M[]): M[] {
  return members.filter(
    (member) =>
      member.driver !== null &&
      !['vfio-pci', 'pci-stub', 'pcieport'].includes(member.driver) &&
      !member.class.startsWith('0x0604'),
  );
}

/**
 * Whether vfio attaches a function of an IOMMU group, for what the platform does with its interrupts: only remapped ones
 * come to nobody else's vector, and the module's allow_unsafe_interrupts accepts that they are not
 * (drivers/vfio/vfio_iommu_type1.c, vfio_iommu_type1_attach_group: else EPERM). Undefined is what could not be read.
 */
export function interruptsUnderVfio(
  remapped: boolean | undefined,
  allowUnsafe: boolean | undefined,
): 'remapped' | 'allowed' | 'refused' | 'unknown' {
  if (remapped === true) return 'remapped';
  if (allowUnsafe === true) return 'allowed';
  return remapped === undefined ? 'unknown' : 'refused';
}
