/**
 * Every type that a probe fills. The schemas are read by `npm run schemas`, which publishes them as JSON Schema; all
 * other code imports the types alone, so that zod is never loaded to probe a host. `at()` names the kernel path a fact is
 * read from, with `*` for the parts that differ; the fact itself carries the exact path.
 */
import * as z from 'zod';

const ABSENT = ['missing', 'denied', 'garbled', 'unsupported'] as const;

/**
 * Why there is no value. `missing`: the host has no such file or entry, which is often an answer in itself. `denied`:
 * it is there and cannot be read. `garbled`: it was read and makes no sense. `unsupported`: the host cannot be asked.
 */
export type Absence = (typeof ABSENT)[number];

export type Known<T> = { readonly value: T; readonly from: string; readonly absent?: undefined };
export type Absent = {
  readonly value?: undefined;
  readonly absent: Absence;
  readonly reason: string;
  readonly from: string;
};
/** A typed observation that knows where it was read, or why it could not be. */
export type Fact<T> = Known<T> | Absent;

const from = z.string().describe('where it was read, or would have been');
const absent = z.strictObject({ absent: z.enum(ABSENT), reason: z.string(), from });

function at<S extends z.ZodType>(schema: S, path: string): z.ZodType<Fact<z.infer<S>>> {
  const known = z.strictObject({ value: schema, from });
  return z.union([known, absent]).describe(path) as unknown as z.ZodType<Fact<z.infer<S>>>;
}

/** As the kernel prints it: `0-3,8`; empty for no CPU. */
const cpuList = z.string().regex(/^(\d+(-\d+)?(,\d+(-\d+)?)*)?$/);
const count = z.int().min(0);
const text = z.string();

const kernel = z.strictObject({
  release: at(text, '/proc/sys/kernel/osrelease'),
  build: at(text, '/proc/sys/kernel/version: the number and date of the build'),
  hostname: at(text, '/proc/sys/kernel/hostname'),
  bootId: at(text, '/proc/sys/kernel/random/boot_id'),
  distribution: at(z.strictObject({ id: text, version: text, name: text }), '/etc/os-release'),
  commandLine: at(text, '/proc/cmdline'),
  complaints: at(z.array(text), 'syslog(2): what the kernel said against its own command line'),
  buildOptions: at(z.record(text, z.enum(['y', 'm', 'n'])), '/proc/config.gz or /boot/config-*'),
  lockdown: at(z.enum(['none', 'integrity', 'confidentiality']), '/sys/kernel/security/lockdown'),
  secureBoot: at(z.boolean(), '/sys/firmware/efi/efivars/SecureBoot-*'),
  taint: at(count, '/proc/sys/kernel/tainted'),
  modules: at(z.boolean(), '/proc/sys/kernel/modules_disabled: whether modules can still be loaded'),
});

const machine = z.strictObject({
  vendor: at(text, '/sys/class/dmi/id/sys_vendor'),
  product: at(text, '/sys/class/dmi/id/product_name'),
  firmware: at(text, '/sys/class/dmi/id/bios_version'),
  firmwareDate: at(text, '/sys/class/dmi/id/bios_date'),
  hypervisor: at(text, '/sys/hypervisor/type, /proc/cpuinfo flags, /sys/class/dmi/id'),
  container: at(text, '/run/systemd/container, /.dockerenv'),
  microcode: at(text, '/proc/cpuinfo'),
  steal: at(
    z.record(text, count),
    '/proc/stat, steal: ticks since boot that the hypervisor gave to others, by CPU; virtual machines only',
  ),
  smiSources: at(
    z.array(text),
    '/sys/module, /sys/firmware/acpi/tables: what is known to have the firmware interrupt the processors',
  ),
  memoryDevices: at(
    z.array(z.strictObject({ locator: text, bank: text, megabytes: count, speed: count })),
    '/sys/firmware/dmi/tables/DMI, SMBIOS type 17',
  ),
});

const bootLoaderKind = z.enum([
  'ubuntu-core',
  'grub-debian',
  'grub-bls',
  'rpm-ostree',
  'bootc',
  'systemd-boot',
  'uki',
  'raspberry-pi',
]);

const bootEntry = z.strictObject({
  id: text.describe('as the loader calls it: a menu id of GRUB, the name of a file'),
  path: text.describe('the file it stands in'),
  kernel: text,
  line: text.describe('what the kernel would get; variables of GRUB that are not known stay'),
  managed: z
    .boolean()
    .describe(
      'whether the loader gives it the boot line of this system: not for recovery, other systems, own entries',
    ),
  isDefault: z.boolean().describe('whether it is booted when nobody chooses'),
});

const bootLoader = z.strictObject({
  kinds: at(
    z.array(z.strictObject({ kind: bootLoaderKind, evidence: text.describe('the path that shows it') })),
    'the files each loader keeps',
  ),
  loader: at(
    bootLoaderKind,
    'the one that started this system: /sys/firmware/efi/efivars/LoaderInfo-*, StubInfo-*',
  ),
  tool: at(text, "the loader's own tool, which writes its entries"),
  entries: at(
    z.array(bootEntry),
    '/boot/grub/grub.cfg; loader/entries/*.conf of /boot and the ESP; cmdline.txt; /var/lib/snapd/modeenv',
  ),
  files: z
    .record(text, at(z.strictObject({ text, mode: count }), 'a file with a boot line in it, as it is'))
    .describe('the entries that are files of their own, and what entries of kernels to come are made of'),
  environment: at(
    z.strictObject({ saved: text.nullable(), next: text.nullable(), options: text.nullable() }),
    'grubenv: saved_entry, next_entry, kernelopts; /var/lib/snapd/state.json: dangerous-cmdline-append',
  ),
  /** GRUB cannot write to every device: next_entry would then stay for ever (grub-core/commands/loadenv.c). */
  environmentDevice: at(z.strictObject({ device: text, type: text }), '/proc/mounts: where grubenv lies'),
  firmware: at(z.enum(['uefi', 'bios']), '/sys/firmware/efi'),
});

const core = z.strictObject({
  cpus: cpuList.describe('the SMT siblings: topology/thread_siblings_list'),
  package: z.int().nullable().describe('topology/physical_package_id'),
  core: z.int().nullable().describe('topology/core_id'),
  node: z.int().nullable().describe('/sys/devices/system/node/node*/cpulist'),
  kind: z
    .enum(['performance', 'efficient'])
    .nullable()
    .describe('/sys/devices/cpu_core, /sys/devices/cpu_atom'),
});

const cpu = z.strictObject({
  vendor: at(text, '/proc/cpuinfo vendor_id'),
  model: at(text, '/proc/cpuinfo model name'),
  flags: at(z.array(text), '/proc/cpuinfo flags, those that matter here'),
  possible: at(cpuList, '/sys/devices/system/cpu/possible'),
  present: at(cpuList, '/sys/devices/system/cpu/present'),
  online: at(cpuList, '/sys/devices/system/cpu/online'),
  smt: at(z.strictObject({ active: z.boolean(), control: text }), '/sys/devices/system/cpu/smt'),
  cores: at(z.array(core), '/sys/devices/system/cpu/cpu*/topology'),
  l3: at(
    z.array(z.strictObject({ cpus: cpuList, size: count.nullable().describe('bytes') })),
    '/sys/devices/system/cpu/cpu*/cache/index*',
  ),
  mitigations: at(z.record(text, text), '/sys/devices/system/cpu/vulnerabilities/*, by name'),
});

const isolation = z.strictObject({
  isolated: at(cpuList, '/sys/devices/system/cpu/isolated'),
  nohzFull: at(cpuList, '/sys/devices/system/cpu/nohz_full'),
  rcuNocbs: at(cpuList, 'syslog(2) "Offload RCU callbacks from CPUs"'),
  cgroup: at(cpuList, '/sys/fs/cgroup/cpuset.cpus.isolated'),
  partitions: at(
    z.array(
      z.strictObject({
        group: text,
        cpus: cpuList.describe('cpuset.cpus'),
        state: text.describe('`root`, `isolated`, or either with `invalid` and the reason'),
      }),
    ),
    '/sys/fs/cgroup/*/cpuset.cpus.partition: groups below the root that are no ordinary member',
  ),
  requested: at(
    z.strictObject({ isolcpus: cpuList, nohzFull: cpuList, rcuNocbs: cpuList, irqaffinity: cpuList }),
    '/proc/cmdline',
  ),
  workqueues: at(cpuList, '/sys/devices/virtual/workqueue/cpumask'),
  initAffinity: at(cpuList, '/proc/1/status Cpus_allowed_list'),
});

const numaNode = z.strictObject({
  id: count,
  cpus: cpuList,
  memory: at(
    z.strictObject({
      total: count,
      free: count,
      reclaimable: count.describe('Inactive(file) and SReclaimable: what the kernel gives back when asked'),
    }),
    '/sys/devices/system/node/node*/meminfo, bytes',
  ),
  distances: at(z.record(text, count), '/sys/devices/system/node/node*/distance, by node'),
});

const numa = z.strictObject({
  nodes: at(z.array(numaNode), '/sys/devices/system/node'),
  memory: at(z.strictObject({ total: count, available: count }), '/proc/meminfo, bytes'),
  swap: at(z.strictObject({ total: count, used: count }), '/proc/meminfo SwapTotal, SwapFree, bytes'),
});

const hugepagePool = z.strictObject({
  node: z.int().nullable().describe('null where the kernel has no NUMA and one pool serves all'),
  size: count.describe('bytes'),
  total: count.nullable().describe('nr_hugepages; null when it cannot be read'),
  free: count.nullable().describe('free_hugepages; null when it cannot be read'),
  reserved: count.describe(
    'resv_hugepages of the host: promised to mappings that have not touched them yet, on any node',
  ),
  surplus: count.describe('surplus_hugepages'),
  asked: count
    .nullable()
    .describe('/run/bypass-setup.POOL: what a profile has reserved since boot, whoever uses it now'),
});

const hugepages = z.strictObject({
  pools: at(z.array(hugepagePool), '/sys/devices/system/node/node*/hugepages, /sys/kernel/mm/hugepages'),
  defaultSize: at(count, '/proc/meminfo Hugepagesize, bytes'),
  mounts: at(
    z.array(
      z.strictObject({ path: text, size: count.nullable().describe('pagesize= in bytes'), options: text }),
    ),
    '/proc/mounts',
  ),
  mountPoints: z.array(text).describe('/dev/hugepages2M and the like, those that are there'),
  maps: at(
    z.array(z.strictObject({ path: text, open: z.boolean() })),
    '*map_* in each hugetlbfs mount: pages that EAL has put there, and whether a process has them open',
  ),
  cgroupLimits: at(z.record(text, text), '/sys/fs/cgroup/<own>/hugetlb.*.max'),
  unitLimits: at(
    z.record(text, z.record(text, count)),
    '/sys/fs/cgroup/system.slice/**/hugetlb.*.max in bytes, by unit, where there is a limit',
  ),
});

const pciLink = z.strictObject({
  speed: text.describe('current_link_speed'),
  width: count.describe('current_link_width'),
  maxSpeed: text.describe('max_link_speed'),
  maxWidth: count.describe('max_link_width'),
});

const pciErrors = z.strictObject({ correctable: count, nonfatal: count, fatal: count });

const pciBridge = z.strictObject({
  address: text,
  link: at(pciLink, '/sys/bus/pci/devices/*/current_link_speed …, towards what is below it'),
  maxPayload: at(count, '/sys/bus/pci/devices/*/config, Device Control, bytes'),
  aspm: at(text, '/sys/bus/pci/devices/*/config, Link Control; else link/l0s_aspm and l1_aspm'),
  errors: at(pciErrors, '/sys/bus/pci/devices/*/aer_dev_correctable …, totals since boot'),
});

const pciFunction = z.strictObject({
  address: text.describe('domain:bus:device.function'),
  class: text.describe('class, 0x020000 is Ethernet'),
  vendor: text,
  device: text,
  subsystem: at(text, '/sys/bus/pci/devices/*/subsystem_vendor and subsystem_device'),
  modalias: at(text, '/sys/bus/pci/devices/*/modalias'),
  driver: at(text, '/sys/bus/pci/devices/*/driver'),
  driverOverride: at(text, '/sys/bus/pci/devices/*/driver_override'),
  node: at(count, '/sys/bus/pci/devices/*/numa_node'),
  localCpus: at(cpuList, '/sys/bus/pci/devices/*/local_cpulist'),
  iommuGroup: at(count, '/sys/bus/pci/devices/*/iommu_group'),
  link: at(pciLink, '/sys/bus/pci/devices/*/current_link_speed …'),
  maxPayload: at(count, '/sys/bus/pci/devices/*/config, Device Control, bytes'),
  maxPayloadSupported: at(count, '/sys/bus/pci/devices/*/config, Device Capabilities, bytes'),
  maxReadRequest: at(count, '/sys/bus/pci/devices/*/config, Device Control, bytes'),
  aspm: at(text, '/sys/bus/pci/devices/*/config, Link Control; else link/l0s_aspm and l1_aspm'),
  serial: at(text, '/sys/bus/pci/devices/*/config, Device Serial Number capability'),
  powerState: at(text, '/sys/bus/pci/devices/*/power_state'),
  powerControl: at(text, '/sys/bus/pci/devices/*/power/control: `auto` lets the kernel put it to sleep'),
  errors: at(pciErrors, '/sys/bus/pci/devices/*/aer_dev_correctable …, totals since boot'),
  sriov: at(
    z.strictObject({ total: count, enabled: count, autoprobe: z.boolean().nullable() }),
    '/sys/bus/pci/devices/*/sriov_totalvfs …',
  ),
  physicalFunction: at(text, '/sys/bus/pci/devices/*/physfn'),
  virtualFunctions: z.array(text).describe('/sys/bus/pci/devices/*/virtfn*'),
  upstream: z
    .array(text)
    .describe('the bridges above, from the root port down: the real path in /sys/devices'),
  interfaces: z.array(text).describe('/sys/bus/pci/devices/*/net, also one level down for virtio'),
  remembered: at(
    z.strictObject({ driver: text, address: text, interface: text, firmware: text.optional() }),
    '/var/lib/bypass-setup/nics.json: what it was before it left the kernel',
  ),
});

const pci = z.strictObject({
  networkFunctions: at(z.array(pciFunction), '/sys/bus/pci/devices, class 0x02'),
  bridges: z.array(pciBridge).describe('those above network functions: the other end of their links'),
});

const networkInterface = z.strictObject({
  name: text,
  index: count.nullable().describe('ifindex'),
  kind: text.nullable().describe('IFLA_INFO_KIND or DEVTYPE: bond, vlan, bridge, veth …; null for hardware'),
  address: at(text, '/sys/class/net/*/address'),
  permanentAddress: at(text, 'RTM_GETLINK IFLA_PERM_ADDRESS'),
  pci: text.nullable().describe('/sys/class/net/*/device'),
  driver: at(text, '/sys/class/net/*/device/driver'),
  firmware: at(text, 'ETHTOOL_GDRVINFO fw_version'),
  driverVersion: at(text, 'ETHTOOL_GDRVINFO version'),
  state: at(text, '/sys/class/net/*/operstate'),
  carrier: at(z.boolean(), '/sys/class/net/*/carrier'),
  carrierDownCount: at(count, '/sys/class/net/*/carrier_down_count'),
  mtu: at(count, '/sys/class/net/*/mtu'),
  speed: at(count, '/sys/class/net/*/speed, Mbit/s'),
  uppers: z.array(text).describe('/sys/class/net/*/upper_*'),
  lowers: z.array(text).describe('/sys/class/net/*/lower_*, bonding/slaves, brif, or IFLA_LINK'),
  master: text.nullable().describe('/sys/class/net/*/master'),
  addresses: z.array(text).describe('RTM_GETADDR, with prefix length'),
  broadcasts: z.record(text, text).describe('RTM_GETADDR IFA_BROADCAST, by address'),
  queues: at(z.strictObject({ rx: count, tx: count }), '/sys/class/net/*/queues'),
  rps: at(cpuList, '/sys/class/net/*/queues/rx-*/rps_cpus, all queues together'),
  xps: at(cpuList, '/sys/class/net/*/queues/tx-*/xps_cpus, all queues together'),
  deferHardIrqs: at(count, '/sys/class/net/*/napi_defer_hard_irqs'),
  groFlushTimeout: at(count, '/sys/class/net/*/gro_flush_timeout, ns'),
  xdpProgram: at(count, 'RTM_GETLINK IFLA_XDP_PROG_ID'),
  ptpClock: at(text, '/sys/class/net/*/device/ptp/*'),
  virtualFunctions: at(
    z.array(
      z.strictObject({
        index: count,
        mac: text,
        vlan: count,
        trust: z.boolean().optional(),
        spoofCheck: z.boolean().optional(),
      }),
    ),
    'RTM_GETLINK IFLA_VFINFO_LIST: what the physical function has set',
  ),
  portId: at(text, '/sys/class/net/*/phys_port_id: the same for functions that share a port'),
});

const route = z.strictObject({
  family: z.enum(['inet', 'inet6']),
  destination: text,
  gateway: text.optional(),
  interfaces: z.array(text),
  table: count,
  type: text,
  priority: count.optional(),
  source: text.optional(),
});

const rule = z.strictObject({
  family: z.enum(['inet', 'inet6']),
  priority: count,
  table: count,
  from: text.optional(),
  to: text.optional(),
  inputInterface: text.optional(),
  outputInterface: text.optional(),
  mark: count.optional(),
  vrf: z.literal(true).optional().describe('leads packets of a VRF to its table'),
  conditional: z.literal(true).optional().describe('depends on more than these fields tell'),
});

const neighbour = z.strictObject({
  family: z.enum(['inet', 'inet6']),
  address: text,
  interface: text,
  linkAddress: text.optional(),
  state: text,
});

const connection = z.strictObject({
  protocol: z.enum(['tcp', 'udp']),
  local: text.describe('address of this end'),
  remote: text,
  port: count.describe('that of the service: this end of a connection that came in, else the other end'),
  incoming: z.boolean().describe('whether a socket listens on the port of this end'),
  service: z.literal('ssh').nullable(),
  count: count.describe('connections that differ in nothing but the other port'),
  from,
});

const storagePeer = z.strictObject({
  what: text.describe('`NFS mount /home`, `iSCSI target iqn.…`, `NVMe-TCP subsystem nqn.…`'),
  peer: text.nullable().describe('address of the server; null where nothing tells'),
  local: text.nullable().describe('address of this end, where it was chosen'),
  interface: text.nullable().describe('the interface it is tied to'),
  from,
});

const carried = z.strictObject({
  pci: text,
  chain: z
    .array(text)
    .describe('from the interface of the function up to the one that is used: eth0, bond0, bond0.10'),
  what: text.describe(
    '`default route`, `route to 10.1.0.0/16`, `192.0.2.1/24`, `ssh connection from 192.0.2.9` …',
  ),
  kind: z
    .enum([
      'ssh',
      'default-route',
      'storage',
      'clock',
      'connection',
      'route',
      'address',
      'guest',
      'xdp',
      'unknown',
    ])
    .describe('what is lost with it; `unknown`: what the interface carries could not be read'),
  certain: z
    .boolean()
    .describe('false where the other end is not told, so that other functions may carry it instead'),
  from,
});

const network = z.strictObject({
  interfaces: at(z.array(networkInterface), '/sys/class/net'),
  carried: at(z.array(carried), 'what would be cut off with each PCI function; from interfaces and routes'),
  routes: at(z.array(route), 'RTM_GETROUTE; else /proc/net/route and /proc/net/ipv6_route'),
  rules: at(z.array(rule), 'RTM_GETRULE'),
  neighbours: at(z.array(neighbour), 'RTM_GETNEIGH; else /proc/net/arp'),
  connections: at(z.array(connection), '/proc/net/tcp, tcp6, udp, udp6: of this network namespace'),
  storage: at(
    z.array(storagePeer),
    '/proc/mounts, /sys/class/iscsi_connection, /sys/class/nvme, /sys/bus/rbd/devices',
  ),
});

const iommuMember = z.strictObject({
  address: text,
  class: text,
  driver: text.nullable(),
});

const iommu = z.strictObject({
  units: at(z.array(text), '/sys/class/iommu'),
  table: at(
    z.enum(['DMAR', 'IVRS']),
    '/sys/firmware/acpi/tables: the firmware describes an IOMMU of Intel or AMD, whether or not it is in use',
  ),
  groups: at(
    z.array(
      z.strictObject({
        id: count,
        type: at(text, '/sys/kernel/iommu_groups/*/type: identity, DMA, DMA-FQ, blocked'),
        members: z.array(iommuMember),
        complete: z.boolean().describe('false where a member or its driver could not be read'),
      }),
    ),
    '/sys/kernel/iommu_groups',
  ),
  interruptRemapping: at(z.boolean(), '/proc/interrupts: an IR- chip'),
});

const interrupts = z.strictObject({
  defaultAffinity: at(cpuList, '/proc/irq/default_smp_affinity'),
  lines: at(
    z.array(
      z.strictObject({
        irq: count,
        description: text.describe('chip, hardware number and action names: /proc/interrupts'),
        affinity: at(cpuList, '/proc/irq/*/effective_affinity_list, else smp_affinity_list'),
        mask: cpuList
          .nullable()
          .describe('smp_affinity_list: where it may go; read only where it goes to an isolated CPU'),
        cpus: cpuList.describe('the CPUs that have counted it since boot'),
      }),
    ),
    '/proc/interrupts',
  ),
});

const services = z.strictObject({
  units: at(
    z.array(
      z.strictObject({
        name: text,
        running: z.boolean().nullable().describe('its cgroup holds a process; null where nothing tells'),
        enabled: z.boolean().describe('a .wants link in /etc/systemd/system'),
        installed: z.boolean(),
        evidence: text,
      }),
    ),
    '/sys/fs/cgroup/**/system.slice, /etc/systemd/system, /usr/lib/systemd/system',
  ),
  tunedProfile: at(text, '/etc/tuned/active_profile'),
  irqbalanceBanned: at(
    cpuList,
    '/etc/default/irqbalance or /etc/sysconfig/irqbalance: IRQBALANCE_BANNED_CPULIST, or _CPUS as a list',
  ),
});

const power = z.strictObject({
  policies: at(
    z.array(
      z.strictObject({
        cpus: cpuList,
        driver: text.nullable(),
        governor: text.nullable().describe('null when it cannot be read, like the frequencies'),
        minimum: count.nullable().describe('kHz'),
        maximum: count.nullable().describe('kHz'),
        hardwareMaximum: count.nullable().describe('kHz, cpuinfo_max_freq'),
        preference: text.nullable().describe('energy_performance_preference'),
      }),
    ),
    '/sys/devices/system/cpu/cpufreq/policy*',
  ),
  idleDriver: at(text, '/sys/devices/system/cpu/cpuidle/current_driver'),
  idleStates: at(
    z.array(z.strictObject({ name: text, latency: count.describe('µs'), disabled: z.boolean() })),
    '/sys/devices/system/cpu/cpu*/cpuidle/state*, of the first CPU that has them',
  ),
  idleLimits: at(
    z.array(
      z.strictObject({
        cpus: cpuList,
        deepest: text.describe('the deepest idle state that is not disabled and within the limit'),
        latency: count.describe('µs it takes to wake from it'),
        limit: count
          .nullable()
          .describe('power/pm_qos_resume_latency_us; 0 where none but polling may be used; null without one'),
      }),
    ),
    '/sys/devices/system/cpu/cpu*/cpuidle/state*/disable and power/pm_qos_resume_latency_us, of isolated CPUs',
  ),
  latencyLimit: at(count, '/dev/cpu_dma_latency, µs: the least that any process asks for'),
  throttled: at(
    z.record(text, count),
    '/sys/devices/system/cpu/cpu*/thermal_throttle/core_throttle_count since boot, of isolated CPUs',
  ),
  maximumPerformance: at(count, '/sys/devices/system/cpu/intel_pstate/max_perf_pct'),
  turbo: at(z.boolean(), '/sys/devices/system/cpu/intel_pstate/no_turbo, cpufreq/boost'),
  aspmPolicy: at(text, '/sys/module/pcie_aspm/parameters/policy'),
});

const tunables = z.strictObject({
  transparentHugepage: at(text, '/sys/kernel/mm/transparent_hugepage/enabled'),
  ksm: at(count, '/sys/kernel/mm/ksm/run'),
  numaBalancing: at(count, '/proc/sys/kernel/numa_balancing'),
  swappiness: at(count, '/proc/sys/vm/swappiness'),
  statInterval: at(count, '/proc/sys/vm/stat_interval'),
  nmiWatchdog: at(count, '/proc/sys/kernel/nmi_watchdog'),
  softWatchdog: at(count, '/proc/sys/kernel/soft_watchdog'),
  watchdogCpus: at(cpuList, '/proc/sys/kernel/watchdog_cpumask'),
  hungTaskTimeout: at(count, '/proc/sys/kernel/hung_task_timeout_secs'),
  rtRuntime: at(z.int(), '/proc/sys/kernel/sched_rt_runtime_us'),
  timerMigration: at(count, '/proc/sys/kernel/timer_migration'),
  fairServer: at(z.record(text, count), '/sys/kernel/debug/sched/fair_server/cpu*/runtime, ns'),
  machineCheckInterval: at(count, '/sys/devices/system/machinecheck/machinecheck0/check_interval'),
  busyPoll: at(count, '/proc/sys/net/core/busy_poll'),
  busyRead: at(count, '/proc/sys/net/core/busy_read'),
  consoleLoglevel: at(count, '/proc/sys/kernel/printk, first field'),
});

const clock = z.strictObject({
  source: at(text, '/sys/devices/system/clocksource/clocksource0/current_clocksource'),
  available: at(z.array(text), '/sys/devices/system/clocksource/clocksource0/available_clocksource'),
  ptp: at(z.array(z.strictObject({ device: text, name: text })), '/sys/class/ptp/*/clock_name'),
  complaints: at(z.array(text), 'syslog(2): what the kernel said against its clocks'),
});

const limits = z.strictObject({
  lockedMemory: at(z.union([count, z.literal('unlimited')]), '/proc/self/limits Max locked memory, bytes'),
  dmaEntries: at(count, '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit'),
});

const kernelModule = z.enum(['loaded', 'built in', 'available', 'absent']);

const userspaceIo = z.strictObject({
  modules: at(
    z.record(text, kernelModule),
    '/sys/module, /sys/bus/pci/drivers, /lib/modules/*/modules.builtin and modules.dep',
  ),
  vfioNodes: at(
    z.array(z.strictObject({ path: text, uid: count, gid: count, mode: count })),
    '/dev/vfio: the groups a driver holds open to user space',
  ),
  unsafeNoIommu: at(z.boolean(), '/sys/module/vfio/parameters/enable_unsafe_noiommu_mode'),
  allowUnsafeInterrupts: at(z.boolean(), '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts'),
  disableIdleD3: at(z.boolean(), '/sys/module/vfio_pci/parameters/disable_idle_d3'),
  uioNodes: at(
    z.array(z.strictObject({ path: text, pci: text })),
    '/sys/class/uio/*/device: the /dev/uio* of each PCI function',
  ),
  enableSriov: at(z.boolean(), '/sys/module/vfio_pci/parameters/enable_sriov'),
  holders: at(
    z.array(z.strictObject({ pid: count, program: text, path: text })),
    '/proc/*/fd: processes that hold a vfio group, a uio device or the PTP clock of a NIC',
  ),
  threads: at(
    z.array(
      z.strictObject({
        pid: count,
        program: text,
        thread: count,
        name: text,
        cpu: count.describe('where it ran last'),
        busy: count.describe('percent of the time since it was started that it ran'),
      }),
    ),
    '/proc/*/task/*/stat of the processes that hold a vfio group or a uio device',
  ),
});

const stacks = z.strictObject({
  dpdk: at(
    z.strictObject({ version: text, drivers: text.nullable().describe('the folder EAL loads drivers from') }),
    'librte_eal.so.* and libdpdk.pc in the library folders',
  ),
  onload: at(
    z.strictObject({ driver: text.nullable(), library: text.nullable(), nodes: z.array(text) }),
    '/proc/driver/onload/version, /sys/module/onload, libonload.so, /dev/onload*',
  ),
  sfc: at(
    z.strictObject({ version: text.nullable() }),
    '/sys/module/sfc; a version means it is not the in-tree one',
  ),
  mlx5: at(
    z.strictObject({ rdma: z.array(text).describe('/sys/class/infiniband'), uverbs: z.array(text) }),
    '/sys/module/mlx5_core, /sys/class/infiniband, /dev/infiniband',
  ),
});

const ownFiles = z.strictObject({
  files: z.record(
    text,
    at(z.strictObject({ text, mode: count }), 'the files that apply writes: src/formats/own-files.ts'),
  ),
  vfToken: at(
    z.strictObject({ mode: count }),
    '/var/lib/bypass-setup/vf-token: that it is there, not what it is',
  ),
  folders: z.array(text).describe('those that exist among the folders of these files'),
  initramfs: at(
    z.strictObject({ tool: z.enum(['mkinitramfs', 'dracut']), image: text }),
    '/usr/sbin/mkinitramfs or /usr/bin/dracut, and the image of the running kernel in /boot',
  ),
});

const settings = z.strictObject({
  attributes: z.record(
    text,
    at(text, 'the attributes of docs/settings.md that are there, and what stands beside them'),
  ),
  interrupts: at(
    z.record(text, z.strictObject({ wanted: cpuList, effective: cpuList.nullable() })),
    '/proc/irq/*/smp_affinity_list and effective_affinity_list, by interrupt',
  ),
  queues: at(z.record(text, text), '/sys/class/net/*/queues/*/rps_cpus and xps_cpus, by path'),
  cgroup: at(
    z.strictObject({
      cpuset: z.boolean().describe('whether the cgroup v2 controller is there'),
      enabled: z.boolean().describe('whether cgroup.subtree_control gives it to the groups below the root'),
      isolated: text.nullable().describe('cpuset.cpus.isolated; from Linux 6.7 on'),
      slice: text.nullable().describe('bypass.slice/cpuset.cpus'),
      partition: text.nullable().describe('bypass.slice/cpuset.cpus.partition'),
    }),
    '/sys/fs/cgroup/cgroup.controllers',
  ),
  refused: z
    .record(text, text)
    .describe('/run/bypass-setup/refused/*: what the kernel has refused since it booted, by setting'),
});

const id = z.strictObject({ name: text, gid: count });
const permissions = z.strictObject({
  path: text,
  uid: count,
  gid: count,
  mode: count,
});

/** Read only when somebody asks about an account: src/probes/service-account.ts. */
export const serviceAccountSchema = z.strictObject({
  account: at(z.strictObject({ name: text, uid: count, gid: count }), '/etc/passwd'),
  groups: at(z.array(id), '/etc/group: its own, those it is a member of, and those that the unit adds'),
  unit: at(
    z.strictObject({
      name: text,
      files: z.array(text).describe('the unit and its drop-ins, in the order of their effect'),
      settings: z.record(text, z.array(text)).describe('[Service]; the last value counts, or all of a list'),
    }),
    '/etc/systemd/system, /run/systemd/system, /usr/lib/systemd/system, with drop-ins',
  ),
  unitDefaults: at(z.record(text, z.array(text)), '/etc/systemd/system.conf and its drop-ins, [Manager]'),
  login: at(
    z.strictObject({
      lockedMemory: text.nullable().describe('soft limit in KiB or `unlimited`; null where no line sets it'),
      realtimePriority: text.nullable(),
    }),
    '/etc/security/limits.conf and limits.d',
  ),
  paths: at(
    z.array(permissions),
    '/dev/vfio, /dev/uio*, hugetlbfs mounts, and the folders above them; access lists are not read',
  ),
  cgroup: at(
    z.strictObject({
      cpus: cpuList.nullable().describe('cpuset.cpus.effective; null where the controller is off'),
      hugetlb: z.record(text, text).describe('hugetlb.*.max, the least of it and the groups above'),
    }),
    '/sys/fs/cgroup/<slice of the unit or of the user>',
  ),
  runningLockedMemory: at(text, '/proc/*/limits of a process of the unit, bytes or `unlimited`'),
  selinux: at(z.boolean(), '/sys/fs/selinux/enforce'),
});

/** One property per probe; src/probes/index.ts lists them. */
export const factsSchema = z.strictObject({
  kernel,
  machine,
  bootLoader,
  cpu,
  isolation,
  numa,
  hugepages,
  pci,
  network,
  iommu,
  interrupts,
  services,
  power,
  tunables,
  clock,
  limits,
  userspaceIo,
  stacks,
  ownFiles,
  settings,
});

export type Facts = z.infer<typeof factsSchema>;
export type ServiceAccount = z.infer<typeof serviceAccountSchema>;
export type ProbeName = keyof Facts;
export type BootEntry = z.infer<typeof bootEntry>;
export type BootLoaderKind = z.infer<typeof bootLoaderKind>;
export type PciBridge = z.infer<typeof pciBridge>;
export type PciFunction = z.infer<typeof pciFunction>;
export type NetworkInterface = z.infer<typeof networkInterface>;
export type Carried = z.infer<typeof carried>;
export type Connection = z.infer<typeof connection>;
export type StoragePeer = z.infer<typeof storagePeer>;
export type NetworkRoute = z.infer<typeof route>;
export type CpuCore = z.infer<typeof core>;
export type NumaNode = z.infer<typeof numaNode>;
export type HugepagePool = z.infer<typeof hugepagePool>;
export type IommuGroup = Known<
  z.infer<typeof iommu>['groups'] extends Fact<infer T> ? T : never
>['value'][number];
