/** Their poll-mode drivers work on top of the kernel driver; binding them to vfio-pci breaks them. */
export const BIFURCATED: readonly string[] = ['mlx4_core', 'mlx5_core', 'mana'];

/** Onload, ef_vi and TCPDirect work on top of them. */
export const SOLARFLARE: readonly string[] = ['sfc', 'xilinx_efct'];

/** They hand the whole function to a process in user space. */
export const USERSPACE = ['vfio-pci', 'uio_pci_generic', 'igb_uio'] as const;
