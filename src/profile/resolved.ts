/** Who uses a NIC, and so what may be done to it. */
type Role = 'control' | 'data' | 'order-entry';

/** What drives it. All but `dpdk` keep the kernel driver. */
export type Stack = 'kernel' | 'busy-poll' | 'dpdk' | 'af-xdp' | 'onload' | 'ef-vi' | 'tcpdirect';

/** What a NIC is, wherever it is plugged in: compared at every boot before its driver is overridden. */
export interface Identity {
  /** `0x8086`, as in /sys/bus/pci/devices/…/vendor. */
  readonly vendor: string;
  readonly device: string;
  /** `0x8086:0x0001` of subsystem_vendor and subsystem_device; absent where the host does not tell. */
  readonly subsystem?: string;
  /** Device Serial Number capability, as the pci probe prints it. */
  readonly serial?: string;
  /** Permanent MAC address, known while a kernel driver has it or remembered from then. */
  readonly mac?: string;
}

export interface VfSettings {
  readonly index: number;
  readonly mac?: string;
  readonly vlan?: number;
  readonly trust?: boolean;
  readonly spoofCheck?: boolean;
  /** Driver of the VF; null leaves it to the kernel. */
  readonly driver: UserspaceDriver | null;
}

export type UserspaceDriver = 'vfio-pci' | 'uio_pci_generic' | 'igb_uio';

export interface ResolvedNic {
  /** Its name in the profile. */
  readonly name: string;
  /** PCI address on this host now. */
  readonly address: string;
  readonly identity: Identity;
  readonly role: Role;
  readonly stack: Stack;
  /** The driver it shall be on; null: it stays on the kernel's own. */
  readonly driver: UserspaceDriver | null;
  /** Whether the profile lets vfio work without an IOMMU. */
  readonly allowNoIommu: boolean;
  /** The oldest firmware that will do. */
  readonly firmware?: string;
  /** Virtual functions, in order of their index; undefined leaves sriov_numvfs alone. */
  readonly vfs?: readonly VfSettings[];
}

export interface ResolvedHugepages {
  readonly node: number;
  /** Octets: 2097152 or 1073741824. */
  readonly size: number;
  readonly count: number;
  /** The next boot reserves them; else they are reserved now. */
  readonly atBoot?: true;
  /** Their size has a hugetlbfs of its own. */
  readonly mounted?: true;
}

/** The account and unit under which the application runs. */
export interface ServiceAccount {
  readonly user: string;
  readonly group: string;
  /** systemd unit that gets its memlock limit and waits for the devices. */
  readonly unit?: string;
}

/** A physical core on the map of a core plan. */
export interface CoreUse {
  /** Its SMT siblings. */
  readonly cpus: string;
  /** `split`: only some of its siblings are isolated; `unused`: neither isolated nor for housekeeping. */
  readonly use: 'isolated' | 'housekeeping' | 'boot' | 'split' | 'unused';
  /** Which last level cache it uses: the same number, the same cache; −1 where none is described. */
  readonly cache: number;
}

/** Which cores are isolated, and why. */
export interface CorePlan {
  readonly map: readonly {
    readonly node: number;
    /** NICs of the profile that are there. */
    readonly nics: readonly string[];
    readonly cores: readonly CoreUse[];
  }[];
  /** One sentence for each decision. */
  readonly reasons: readonly string[];
}

/** A setting of docs/settings.md, with the value that each of its attributes shall have on this host. */
export interface ResolvedSetting {
  readonly key: string;
  /** By path. */
  readonly values: Readonly<Record<string, string>>;
  /** The profile names the value itself: then a refusal of the kernel is a failure, and not only noted. */
  readonly named: boolean;
}

/** A profile with every `auto` filled from the facts of one host. */
export interface ResolvedProfile {
  readonly nics: readonly ResolvedNic[];
  readonly hugepages: readonly ResolvedHugepages[];
  /** CPU lists; undefined where the profile does not say. */
  readonly cores?: {
    readonly isolated: string;
    readonly housekeeping: string;
    /** A cgroup partition keeps the scheduler off the isolated CPUs, and not isolcpus= at boot. */
    readonly isolation?: 'cpuset';
  };
  readonly corePlan?: CorePlan;
  /** Whether the interrupts of all devices are kept off the isolated CPUs. */
  readonly moveInterrupts?: boolean;
  readonly settings?: readonly ResolvedSetting[];
  /** What was found out while resolving and a reader of the plan must know. */
  readonly notes?: readonly string[];
  readonly boot?: { readonly arguments: readonly string[]; readonly trial: boolean };
  readonly service?: ServiceAccount;
  /** Whether the settings shall survive a reboot. */
  readonly persistent: boolean;
}
