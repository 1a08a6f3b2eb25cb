/**
 * Every setting the tool knows: what it is for, what it costs, and how one sees that it is in force. `explain` and
 * docs/settings.md print this table, the profile's `power` and `tunables` take their keys from it, the settings probe
 * its paths, and the actions `setting` and `setting-files` their work: a new attribute is one more entry here.
 */

interface Described {
  /** What a profile and `explain` call it. */
  readonly key: string;
  readonly summary: string;
  /** What is lost without it. */
  readonly why: string;
  /** What it costs. */
  readonly cost: string;
  /** Who recommends it or says what it does. */
  readonly source: string;
  /** What shows that it is in force. */
  readonly proof: string;
  /** What can go wrong: printed as a note when a profile asks for it. */
  readonly danger?: string;
}

/** One attribute, or the same one of many devices. */
export interface Attribute extends Described {
  /** `cores`: comes with isolated CPUs; else the section of the profile that names it. */
  readonly section: 'cores' | 'power' | 'tunables';
  /** `*` stands for any name in that folder, `{isolated}` for the number of each isolated CPU. */
  readonly path: string;
  /**
   * What `auto` means. `without isolated`, `shallow idle` and `beside` are worked out on the host; without a value it
   * is only set where the profile names one.
   */
  readonly recommended?:
    | { readonly value: string }
    | { readonly computed: 'without isolated' | 'shallow idle' | 'beside' };
  /** A neighbour in the same folder: the words that are allowed, or the value to take. */
  readonly beside?: string;
  /** Numbers on this side of the recommended one are left as they are. */
  readonly enough?: 'lower' | 'higher';
  /** Only the first of several numbers is meant. */
  readonly first?: true;
  readonly persistent: 'sysctl' | 'tmpfiles';
  /** Services that set the same, and would set it back. */
  readonly tuners: readonly string[];
}

/** What an action of its own does, or an argument of the boot line. */
interface Topic extends Described {
  readonly section: 'cores' | 'interrupts' | 'boot';
  readonly by: 'action' | 'argument';
  /** Where it takes effect. */
  readonly path: string;
  /** What in a profile asks for it, where it is not the section. */
  readonly asked?: string;
  readonly undo?: string;
}

export type Setting = Attribute | Topic;

const TUNED = 'tuned.service';
const POWER_PROFILES = 'power-profiles-daemon.service';
const POLICY = '/sys/devices/system/cpu/cpufreq/policy*';
const NOTHING = 'nothing that a poll loop needs';

export const ATTRIBUTES: readonly Attribute[] = [
  {
    key: 'workqueues',
    section: 'cores',
    path: '/sys/devices/virtual/workqueue/cpumask',
    recommended: { computed: 'without isolated' },
    persistent: 'tmpfiles',
    tuners: [TUNED],
    summary: 'keeps unbound kernel work off the isolated CPUs',
    why: 'work of the kernel that may run anywhere runs on an isolated CPU too, and stops its poll loop for microseconds to milliseconds',
    cost: NOTHING,
    source: 'kernel Documentation/core-api/workqueue.rst; tuned cpu-partitioning',
    proof: 'the mask holds no isolated CPU; kworker/u* threads do not run there',
  },
  {
    key: 'writeback-workqueue',
    section: 'cores',
    path: '/sys/devices/virtual/workqueue/writeback/cpumask',
    recommended: { computed: 'without isolated' },
    persistent: 'tmpfiles',
    tuners: [TUNED],
    summary: 'keeps the writing back of files off the isolated CPUs',
    why: 'dirty pages of the whole host are written back by work that may run anywhere',
    cost: NOTHING,
    source: 'kernel mm/backing-dev.c; tuned cpu-partitioning',
    proof: 'the mask holds no isolated CPU',
  },
  {
    key: 'default-irq-affinity',
    section: 'cores',
    path: '/proc/irq/default_smp_affinity',
    recommended: { computed: 'without isolated' },
    persistent: 'tmpfiles',
    tuners: [TUNED],
    summary: 'interrupts that come later start off the isolated CPUs',
    why: 'a device that is plugged in or reset gets new interrupts, which may be sent to any CPU',
    cost: NOTHING,
    source: 'kernel Documentation/core-api/irq/irq-affinity.rst',
    proof: 'the mask holds no isolated CPU',
  },
  {
    key: 'fair-server',
    section: 'cores',
    path: '/sys/kernel/debug/sched/fair_server/cpu{isolated}/runtime',
    recommended: { value: '0' },
    persistent: 'tmpfiles',
    tuners: [],
    summary: 'stops the deadline server that wakes isolated CPUs from Linux 6.12 on',
    why: 'the server keeps a timer on each CPU, which switches the tick back on: about 1000 interrupts a second on a CPU that nohz_full promised to leave alone',
    cost: 'ordinary threads on an isolated CPU get no share any more when a FIFO thread runs there; lockdown, as under Secure Boot, forbids it',
    source: 'kernel kernel/sched/debug.c, kernel/sched/deadline.c',
    proof: 'runtime reads 0, and LOC in /proc/interrupts stands still on a busy isolated CPU',
  },
  {
    key: 'idle-latency',
    section: 'power',
    path: '/sys/devices/system/cpu/cpu{isolated}/power/pm_qos_resume_latency_us',
    recommended: { computed: 'shallow idle' },
    persistent: 'tmpfiles',
    tuners: [],
    summary: 'isolated CPUs sleep no deeper than the first state that halts',
    why: 'a CPU in a deep idle state takes 100 µs and more to wake, and lets the package slow its caches down',
    cost: 'some watts for each idle isolated CPU; deeper states of the siblings and of the package are not reached',
    source: 'kernel Documentation/admin-guide/pm/cpuidle.rst, "Power Management Quality of Service for CPUs"',
    proof: 'usage of the deeper states in /sys/devices/system/cpu/cpu*/cpuidle/state* stands still',
  },
  {
    key: 'energy-preference',
    section: 'power',
    path: `${POLICY}/energy_performance_preference`,
    // Before the governor: with "performance" intel_pstate takes no other preference, so undo has to come after its undo
    // (drivers/cpufreq/intel_pstate.c, intel_pstate_set_energy_pref_index).
    recommended: { value: 'performance' },
    beside: 'energy_performance_available_preferences',
    persistent: 'tmpfiles',
    tuners: [TUNED, POWER_PROFILES],
    summary: 'asks the processor for speed and not for saving',
    why: 'with hardware-managed frequencies the processor itself slows down where it is told to save',
    cost: 'power and heat',
    source: 'kernel Documentation/admin-guide/pm/intel_pstate.rst; tuned latency-performance',
    proof: 'it reads performance; frequency under load is what counts (APERF/MPERF)',
  },
  {
    key: 'governor',
    section: 'power',
    path: `${POLICY}/scaling_governor`,
    recommended: { value: 'performance' },
    beside: 'scaling_available_governors',
    persistent: 'tmpfiles',
    tuners: [TUNED, POWER_PROFILES],
    summary: 'CPUs run at the highest frequency they may',
    why: 'a governor that follows the load starts each burst slow, and changing the frequency stops the core for 10 µs and more',
    cost: 'power and heat',
    source: 'kernel Documentation/admin-guide/pm/cpufreq.rst; DPDK nic_perf_intel_platform.rst',
    proof: 'it reads performance; frequency under load is what counts (APERF/MPERF)',
  },
  {
    key: 'minimum-frequency',
    section: 'power',
    path: `${POLICY}/scaling_min_freq`,
    recommended: { computed: 'beside' },
    beside: 'scaling_max_freq',
    persistent: 'tmpfiles',
    tuners: [TUNED, POWER_PROFILES],
    summary: 'CPUs never go below their upper limit',
    why: 'drivers exist that still go down under the governor performance (amd_pstate, acpi-cpufreq on some firmware)',
    cost: 'power and heat',
    source: 'tuned latency-performance (min_perf_pct=100)',
    proof: 'scaling_min_freq equals scaling_max_freq',
  },
  {
    key: 'uncore-frequency',
    section: 'power',
    path: '/sys/devices/system/cpu/intel_uncore_frequency/*/min_freq_khz',
    recommended: { computed: 'beside' },
    beside: 'max_freq_khz',
    persistent: 'tmpfiles',
    tuners: [TUNED],
    summary: 'the mesh between cores, caches and PCIe keeps its highest frequency',
    why: 'the uncore slows down when few cores are busy, and every access to the L3 cache and every packet with it',
    cost: 'power that the cores cannot use for turbo',
    source: 'kernel Documentation/admin-guide/pm/intel_uncore_frequency_scaling.rst',
    proof: 'current_freq_khz under load',
  },
  {
    key: 'aspm',
    section: 'power',
    path: '/sys/module/pcie_aspm/parameters/policy',
    recommended: { value: 'performance' },
    persistent: 'tmpfiles',
    tuners: [],
    summary: 'PCIe links do not sleep',
    why: 'a link in L1 takes microseconds to wake before a packet can pass',
    cost: 'some watts',
    source: 'kernel drivers/pci/pcie/aspm.c; DPDK amd_platform.rst',
    proof: 'probe shows ASPM of each NIC and of the bridge above it',
  },
  {
    key: 'transparent-hugepage',
    section: 'tunables',
    path: '/sys/kernel/mm/transparent_hugepage/enabled',
    recommended: { value: 'never' },
    persistent: 'tmpfiles',
    tuners: [TUNED],
    summary: 'the kernel makes no huge pages of ordinary memory by itself',
    why: 'khugepaged and compaction take locks and shoot down TLBs of running threads',
    cost: 'programs that profit from transparent huge pages get slower; reserved hugepages are not touched',
    source: 'tuned network-latency; kernel Documentation/admin-guide/mm/transhuge.rst',
    proof: 'it reads [never]',
  },
  {
    key: 'ksm',
    section: 'tunables',
    path: '/sys/kernel/mm/ksm/run',
    recommended: { value: '0' },
    persistent: 'tmpfiles',
    tuners: ['ksmtuned.service'],
    summary: 'the kernel does not look for equal pages to merge',
    why: 'ksmd scans memory all the time and write-protects pages of running programs',
    cost: 'virtual machines share less memory; pages that are merged stay merged',
    source: 'kernel Documentation/admin-guide/mm/ksm.rst',
    proof: 'it reads 0',
  },
  {
    key: 'numa-balancing',
    section: 'tunables',
    path: '/proc/sys/kernel/numa_balancing',
    recommended: { value: '0' },
    persistent: 'sysctl',
    tuners: [TUNED, 'numad.service'],
    summary: 'the kernel does not move memory between nodes by itself',
    why: 'it unmaps pages to see who uses them: page faults in the poll loop',
    cost: 'programs that are not pinned may run far from their memory',
    source: 'tuned network-latency; kernel Documentation/admin-guide/sysctl/kernel.rst',
    proof: 'it reads 0',
  },
  {
    key: 'swappiness',
    section: 'tunables',
    path: '/proc/sys/vm/swappiness',
    recommended: { value: '10' },
    enough: 'lower',
    persistent: 'sysctl',
    tuners: [TUNED],
    summary: 'memory of programs is swapped out late',
    why: 'a page that was swapped out costs milliseconds when it is needed',
    cost: 'less room for cached files when memory is short',
    source: 'tuned latency-performance',
    proof: 'it reads 10; VmSwap of the application is 0',
  },
  {
    key: 'stat-interval',
    section: 'tunables',
    path: '/proc/sys/vm/stat_interval',
    recommended: { value: '10' },
    enough: 'higher',
    persistent: 'sysctl',
    tuners: [TUNED],
    summary: 'memory statistics are gathered every 10 s',
    why: 'vmstat_update runs on every CPU that has something to fold in, once a second',
    cost: '/proc/vmstat is up to 10 s old',
    source: 'tuned network-latency',
    proof: 'it reads 10',
  },
  {
    key: 'nmi-watchdog',
    section: 'tunables',
    path: '/proc/sys/kernel/nmi_watchdog',
    recommended: { value: '0' },
    persistent: 'sysctl',
    tuners: [TUNED],
    summary: 'no watchdog interrupt that cannot be masked',
    why: 'it takes a performance counter, and interrupts every CPU every few seconds',
    cost: 'a CPU that hangs with interrupts off is not reported',
    source: 'tuned network-latency; kernel Documentation/admin-guide/lockup-watchdogs.rst',
    proof: 'it reads 0, and NMI in /proc/interrupts stands still',
  },
  {
    key: 'soft-watchdog',
    section: 'tunables',
    path: '/proc/sys/kernel/soft_watchdog',
    recommended: { value: '0' },
    persistent: 'sysctl',
    tuners: [],
    summary: 'no watchdog for threads that do not give their CPU away',
    why: 'a poll loop is such a thread: the watchdog wakes a thread of its own on the same CPU, every 4 s, and reports a lockup',
    cost: 'a kernel thread that loops is not reported',
    source: 'tuned realtime (nosoftlockup); kernel Documentation/admin-guide/lockup-watchdogs.rst',
    proof: 'it reads 0',
  },
  {
    key: 'hung-task-timeout',
    section: 'tunables',
    path: '/proc/sys/kernel/hung_task_timeout_secs',
    recommended: { value: '600' },
    enough: 'higher',
    persistent: 'sysctl',
    tuners: [TUNED],
    summary: 'waiting tasks are looked through every 10 minutes',
    why: 'khungtaskd walks all tasks under RCU',
    cost: 'a task that hangs is reported later',
    source: 'tuned network-latency',
    proof: 'it reads 600',
  },
  {
    key: 'timer-migration',
    section: 'tunables',
    path: '/proc/sys/kernel/timer_migration',
    recommended: { value: '1' },
    persistent: 'sysctl',
    tuners: [TUNED],
    summary: 'timers move away from isolated CPUs',
    why: 'a timer that a thread on an isolated CPU starts is put to a housekeeping CPU; tuned realtime sets 0, which keeps it there',
    cost: NOTHING,
    source: 'kernel kernel/sched/core.c, get_nohz_timer_target; OpenShift Node Tuning Operator',
    proof: 'LOC in /proc/interrupts stands still on isolated CPUs',
  },
  {
    key: 'machine-check-interval',
    section: 'tunables',
    path: '/sys/devices/system/machinecheck/machinecheck0/check_interval',
    recommended: { value: '0' },
    persistent: 'tmpfiles',
    tuners: [TUNED],
    summary: 'corrected memory errors are not polled for',
    why: 'every CPU looks through its error banks every 5 minutes, some 100 µs',
    cost: 'corrected errors that raise no interrupt are not counted; uncorrected ones are handled as ever',
    source: 'kernel Documentation/ABI/testing/sysfs-mce; tuned cpu-partitioning (ignore_ce)',
    proof: 'it reads 0, and MCP in /proc/interrupts stands still',
  },
  {
    key: 'console-loglevel',
    section: 'tunables',
    path: '/proc/sys/kernel/printk',
    recommended: { value: '4' },
    first: true,
    enough: 'lower',
    persistent: 'sysctl',
    tuners: [],
    summary: 'only errors are printed on the console',
    why: 'who logs a message prints it, with interrupts off: a serial console takes milliseconds for a line',
    cost: 'warnings are in the log only',
    source: 'kernel Documentation/admin-guide/sysctl/kernel.rst; Firedancer',
    proof: 'the first number is 4',
  },
  {
    key: 'cursor-blink',
    section: 'tunables',
    path: '/sys/class/graphics/fbcon/cursor_blink',
    recommended: { value: '0' },
    // It reads -1, whatever is written, while no framebuffer shows the console.
    enough: 'lower',
    persistent: 'tmpfiles',
    tuners: [],
    summary: 'the cursor of the console does not blink',
    why: 'a timer redraws it five times a second, by work that may run on any CPU',
    cost: NOTHING,
    source: 'kernel drivers/video/fbdev/core/fbcon.c; Firedancer',
    proof: 'it reads 0',
  },
  {
    key: 'clocksource',
    section: 'tunables',
    path: '/sys/devices/system/clocksource/clocksource0/current_clocksource',
    recommended: { value: 'tsc' },
    beside: 'available_clocksource',
    persistent: 'tmpfiles',
    tuners: [],
    summary: 'time is read from the processor itself',
    why: 'every other clock costs a system call and an access to a device: 1 µs instead of 20 ns',
    cost: 'none where the kernel offers it: a TSC that it found unstable is not offered',
    source: 'kernel Documentation/timers/timekeeping.rst',
    proof: 'it reads tsc, and the kernel log has no "Marking TSC unstable"',
  },
  {
    key: 'rt-runtime',
    section: 'tunables',
    path: '/proc/sys/kernel/sched_rt_runtime_us',
    persistent: 'sysctl',
    tuners: [TUNED],
    summary: 'with -1 a FIFO thread is never stopped',
    why: 'a poll loop under SCHED_FIFO is stopped for 50 ms in every second',
    cost: 'a FIFO thread that never sleeps starves everything else on its CPU for ever',
    source: 'kernel Documentation/scheduler/sched-rt-group.rst; tuned realtime',
    proof: 'it reads -1',
    danger:
      'a FIFO thread that loops on a housekeeping CPU takes that CPU, and perhaps the host, until it is reset',
  },
];

const TOPICS: readonly Topic[] = [
  {
    key: 'irq-affinity',
    section: 'interrupts',
    by: 'action',
    path: '/proc/irq/*/smp_affinity_list',
    summary: 'takes the isolated CPUs out of the affinity of every interrupt',
    why: 'an interrupt stops the poll loop for 2 to 50 µs',
    cost: 'housekeeping CPUs handle all interrupts; those that the kernel manages itself cannot be moved and are named',
    source: 'kernel Documentation/core-api/irq/irq-affinity.rst',
    proof:
      '/proc/irq/*/effective_affinity_list, and counts of isolated CPUs in /proc/interrupts that stand still',
    undo: 'writes back the list of each interrupt; after a reboot the kernel has given new ones',
  },
  {
    key: 'irqbalance',
    section: 'interrupts',
    by: 'action',
    path: '/etc/default/irqbalance or /etc/sysconfig/irqbalance',
    summary: 'tells irqbalance to leave the isolated CPUs alone, and restarts it when it runs',
    why: 'it moves interrupts back within 10 s; with an empty list it bans isolated and nohz_full CPUs by itself, but not those of a cgroup',
    cost: NOTHING,
    source: 'irqbalance(1), IRQBALANCE_BANNED_CPULIST',
    proof: 'no interrupt moves while one watches /proc/irq/*/smp_affinity_list',
    undo: 'puts the file back byte for byte and restarts irqbalance when it runs',
  },
  {
    key: 'rps-xps',
    section: 'interrupts',
    by: 'action',
    path: '/sys/class/net/*/queues/*/{rps,xps}_cpus',
    summary: 'takes the isolated CPUs out of receive and transmit steering',
    why: 'RPS sends packets of other NICs to isolated CPUs as software interrupts',
    cost: NOTHING,
    source: 'kernel Documentation/networking/scaling.rst',
    proof: 'the masks hold no isolated CPU; NET_RX in /proc/softirqs stands still there',
    undo: 'writes back each mask',
  },
  {
    key: 'systemd-affinity',
    section: 'cores',
    by: 'action',
    path: '/etc/systemd/system.conf.d/90-bypass-setup.conf',
    summary: 'services and sessions start on housekeeping CPUs (CPUAffinity=)',
    why: 'where the scheduler may still use isolated CPUs, everything that systemd starts may run there',
    cost: 'the application has to pin itself, or its unit has to name its CPUs; works after a reboot',
    source: 'systemd-system.conf(5)',
    proof: 'Cpus_allowed_list in /proc/1/status',
    undo: 'removes the file; the next boot completes it',
  },
  {
    key: 'cpuset',
    section: 'cores',
    by: 'action',
    path: '/sys/fs/cgroup/bypass.slice/cpuset.cpus.partition',
    summary: 'isolates the CPUs by a cgroup partition instead of isolcpus= (`cores.isolation: cpuset`)',
    why: 'needs no reboot, and can be taken back; the kernel calls isolcpus= deprecated',
    cost: 'the application has to run in bypass.slice; managed interrupts still need isolcpus=managed_irq, the tick nohz_full=',
    source: 'kernel Documentation/admin-guide/cgroup-v2.rst, cpuset.cpus.partition',
    proof:
      'cpuset.cpus.partition reads exactly "isolated", and cpuset.cpus.isolated at the root holds the CPUs',
    undo: 'makes the group an ordinary one, and takes it away',
  },
  {
    key: 'isolcpus',
    section: 'boot',
    by: 'argument',
    path: '/sys/devices/system/cpu/isolated',
    summary: 'takes CPUs out of the scheduler’s domains, and managed interrupts off them',
    why: 'otherwise any thread may be put on the CPU of a poll loop',
    cost: 'threads on isolated CPUs are never moved: each has to be pinned; only a reboot changes it',
    source: 'kernel Documentation/admin-guide/kernel-parameters.txt',
    proof: '/sys/devices/system/cpu/isolated holds the CPUs',
  },
  {
    key: 'nohz_full',
    section: 'boot',
    by: 'argument',
    path: '/sys/devices/system/cpu/nohz_full',
    summary: 'stops the tick on CPUs that run one thread',
    why: 'the tick interrupts 250 to 1000 times a second',
    cost: 'system calls get slower; the boot CPU is never among them',
    source: 'kernel Documentation/timers/no_hz.rst',
    proof:
      '/sys/devices/system/cpu/nohz_full holds the CPUs, and LOC in /proc/interrupts hardly counts there',
  },
  {
    key: 'rcu_nocbs',
    section: 'boot',
    by: 'argument',
    path: 'the kernel log: Offload RCU callbacks from CPUs',
    summary: 'runs RCU callbacks of the CPUs in threads that can run elsewhere',
    why: 'callbacks run as software interrupts on the CPU that asked for them',
    cost: 'some work more for housekeeping CPUs',
    source: 'kernel Documentation/admin-guide/kernel-per-CPU-kthreads.rst',
    proof: 'the line in the kernel log; rcuo threads alone prove nothing',
  },
  {
    key: 'irqaffinity',
    section: 'boot',
    by: 'argument',
    path: '/proc/irq/default_smp_affinity',
    summary: 'interrupts start on housekeeping CPUs from the boot on',
    why: 'interrupts that come up during the boot would have to be moved afterwards',
    cost: NOTHING,
    source: 'kernel Documentation/admin-guide/kernel-parameters.txt',
    proof: '/proc/irq/default_smp_affinity holds no isolated CPU',
  },
  {
    key: 'iommu',
    section: 'boot',
    by: 'argument',
    path: '/sys/class/iommu, /sys/kernel/iommu_groups/*/type',
    asked: 'comes with NICs on vfio-pci',
    summary: 'switches the IOMMU on, and translation off for devices of kernel drivers',
    why: 'vfio-pci needs it to keep a NIC out of memory that is not its own',
    cost: 'with iommu=pt none for devices of kernel drivers, which are trusted as without an IOMMU',
    source: 'DPDK nic_perf_intel_platform.rst; kernel Documentation/admin-guide/kernel-parameters.txt',
    proof: '/sys/class/iommu is not empty, and groups of kernel drivers are of type identity',
  },
  {
    key: 'hugepages',
    section: 'boot',
    by: 'argument',
    path: '/sys/devices/system/node/node*/hugepages/*/{nr,free}_hugepages',
    asked: 'hugepages',
    summary: 'memory in large pages, on the node of the NIC',
    why: 'with pages of 4K the addresses of packet buffers do not fit the TLB, and their memory may be moved',
    cost: 'the memory is gone for everything else, whether or not it is used',
    source: 'DPDK sys_reqs.rst; kernel Documentation/admin-guide/mm/hugetlbpage.rst',
    proof: 'enough pages are free, and not only there, on the node of the NIC',
  },
  {
    key: 'idle=poll',
    section: 'boot',
    by: 'argument',
    path: '/proc/cmdline',
    summary: 'no CPU ever sleeps; never set unless the profile names it',
    why: 'wakes in no time; `idle-latency` gives nearly the same where it is needed',
    cost: 'every idle CPU burns full power, SMT siblings slow each other, turbo is lost',
    source: 'kernel Documentation/timers/no_hz.rst',
    proof: 'the idle driver is none',
    danger: 'every CPU burns full power all the time, and turbo frequencies are not reached',
  },
  {
    key: 'mce=off',
    section: 'boot',
    by: 'argument',
    path: '/proc/cmdline',
    summary: 'switches all machine checks off; never set unless the profile names it',
    why: '`machine-check-interval` takes the polling away and keeps the rest',
    cost: 'damaged memory is used on: wrong data instead of a crash',
    source: 'kernel Documentation/arch/x86/x86_64/boot-options.rst',
    proof: 'MCE in /proc/interrupts is 0',
    danger: 'uncorrected memory errors are not handled any more: data is silently wrong',
  },
  {
    key: 'mitigations=off',
    section: 'boot',
    by: 'argument',
    path: '/sys/devices/system/cpu/vulnerabilities/*',
    summary: 'switches the protections against processor flaws off; never set unless the profile names it',
    why: 'system calls and interrupts get cheaper; a poll loop in user space makes few',
    cost: 'programs of one account can read memory of another, and of the kernel',
    source: 'kernel Documentation/admin-guide/kernel-parameters.txt',
    proof: '/sys/devices/system/cpu/vulnerabilities says Vulnerable',
    danger: 'any program on this host can read what others and the kernel keep in memory',
  },
];

export const SETTINGS: readonly Setting[] = [...ATTRIBUTES, ...TOPICS];

/** What has to be said of arguments that a profile names for the boot line. */
export function dangersOf(bootArguments: readonly string[]): string[] {
  return TOPICS.flatMap(({ key, danger }) =>
    danger !== undefined && bootArguments.includes(key) ? [`${key}: ${danger}`] : [],
  );
}

export function isAttribute(setting: Setting): setting is Attribute {
  return 'persistent' in setting;
}

/** The value itself: the marked word of a selector, what stands there of anything else. */
export function plainValue(text: string): string {
  const line = text.trim();
  return /\[([^[\]\s]+)\]/.exec(line)?.[1] ?? line.replace(/\s+/g, ' ');
}

/** The neighbour of an attribute that says what may be written to it. */
export function besideOf(path: string, name: string): string {
  return `${path.slice(0, path.lastIndexOf('/'))}/${name}`;
}

/** Whether a path is one of those that a pattern of the table stands for. */
export function matchesPath({ path: pattern }: Attribute, path: string): boolean {
  const [before = '', after] = pattern.split(/\*|\{isolated\}/);
  if (after === undefined) return path === pattern;
  const middle = path.slice(before.length, path.length - after.length);
  return (
    path.startsWith(before) &&
    path.endsWith(after) &&
    (pattern.includes('*') ? /^[^/]+$/ : /^\d+$/).test(middle)
  );
}

/** What `auto` means for each attribute, so that a baseline can tell what a later version has changed. */
export function recommendations(): Record<string, string> {
  return Object.fromEntries(
    ATTRIBUTES.flatMap(({ key, recommended }) =>
      recommended === undefined ? [] : [[key, textOf(recommended)]],
    ),
  );
}

function textOf(recommended: NonNullable<Attribute['recommended']>): string {
  return 'value' in recommended ? recommended.value : recommended.computed;
}
