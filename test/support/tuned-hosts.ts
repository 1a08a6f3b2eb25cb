import * as fc from 'fast-check';
import { formatCpuList } from '../../src/formats/cpu-list.ts';
import { formatCpuMask } from '../../src/formats/cpu-mask.ts';
import { parseArchive } from '../../src/formats/text-archive.ts';
import { resolveProfile } from '../../src/profile/resolve.ts';
import type { ResolvedProfile } from '../../src/profile/resolved.ts';
import type { Profile } from '../../src/profile/schema.ts';
import { HostBuilder } from './host-builder.ts';
import { factsOf } from './hosts.ts';
import { KernelSimulator } from './kernel-simulator.ts';

/** A host as far as isolation, interrupts, power and memory are concerned. */
export interface TunedHost {
  readonly cpus: 4 | 8;
  readonly interrupts: readonly {
    readonly on: 'all' | 'isolated' | 'housekeeping' | 'one';
    readonly managed: 'EIO' | 'EPERM' | undefined;
  }[];
  readonly irqbalance: 'none' | 'stopped' | 'running' | 'configured' | 'unterminated';
  readonly tuned: boolean;
  readonly governor: 'performance' | 'powersave' | 'none';
  readonly present: readonly string[];
  readonly aspmKept: boolean;
  readonly steering: boolean;
  readonly cpusetEnabled: boolean;
  readonly foreign: boolean;
}

export type Wish = Pick<Profile, 'cores' | 'interrupts' | 'power' | 'tunables' | 'tuner' | 'persistent'>;

/** What not every kernel has. */
const OPTIONAL: Readonly<Record<string, string>> = {
  '/sys/kernel/mm/transparent_hugepage/enabled': 'always [madvise] never',
  '/sys/kernel/mm/ksm/run': '1',
  '/proc/sys/kernel/numa_balancing': '1',
  '/proc/sys/vm/swappiness': '60',
  '/proc/sys/vm/stat_interval': '1',
  '/proc/sys/kernel/nmi_watchdog': '1',
  '/proc/sys/kernel/soft_watchdog': '1',
  '/proc/sys/kernel/timer_migration': '0',
  '/proc/sys/kernel/printk': '7\t4\t1\t7',
  '/proc/sys/kernel/sched_rt_runtime_us': '950000',
  '/sys/devices/system/machinecheck/machinecheck0/check_interval': '300',
  '/sys/class/graphics/fbcon/cursor_blink': '1',
  '/sys/module/pcie_aspm/parameters/policy': '[default] performance powersave powersupersave',
};

const interrupt = fc.record({
  on: fc.constantFrom('all', 'isolated', 'housekeeping', 'one'),
  managed: fc.constantFrom(undefined, undefined, 'EIO', 'EPERM'),
});

const seldom = fc.oneof({ weight: 7, arbitrary: fc.constant(false) }, fc.constant(true));

export const tunedHost: fc.Arbitrary<TunedHost> = fc.record({
  cpus: fc.constantFrom(4, 8),
  interrupts: fc.array(interrupt, { maxLength: 4 }),
  irqbalance: fc.constantFrom('none', 'stopped', 'running', 'configured', 'unterminated'),
  tuned: seldom,
  governor: fc.constantFrom('performance', 'powersave', 'none'),
  present: fc.subarray(Object.keys(OPTIONAL)),
  aspmKept: fc.boolean(),
  steering: fc.boolean(),
  cpusetEnabled: fc.boolean(),
  foreign: fc.boolean(),
});

export const wish: fc.Arbitrary<Wish> = fc
  .record({
    cores: fc.constantFrom<Profile['cores']>(
      undefined,
      { isolated: '2-3', housekeeping: 'auto', isolation: 'boot' },
      { isolated: '2-3', housekeeping: 'auto', isolation: 'cpuset' },
      { isolated: '1', housekeeping: '0', isolation: 'boot' },
    ),
    leave: fc.boolean(),
    power: fc.constantFrom<Profile['power']>(undefined, 'auto', { governor: 'leave' }),
    tunables: fc.constantFrom<Profile['tunables']>(undefined, 'auto', 'auto', { swappiness: 1 }),
    tuner: fc.constantFrom<Profile['tuner']>('refuse', 'leave'),
    persistent: fc.boolean(),
  })
  .map(({ cores, leave, power, tunables, tuner, persistent }) => ({
    ...(cores === undefined ? {} : { cores }),
    ...(cores !== undefined && leave ? { interrupts: 'leave' as const } : {}),
    ...(power === undefined ? {} : { power }),
    ...(tunables === undefined ? {} : { tunables }),
    ...(tuner === undefined ? {} : { tuner }),
    persistent,
  }));

export function wishOn(host: KernelSimulator, asked: Wish): ResolvedProfile {
  return resolveProfile({ version: 1, nics: [], ...asked }, factsOf(host));
}

export function simulateTuned(random: TunedHost): KernelSimulator {
  const host = new HostBuilder();
  const all = [...Array(random.cpus).keys()];
  const cpu = '/sys/devices/system/cpu';
  const whole = formatCpuList(all);
  const mask = formatCpuMask(all).padStart(random.cpus / 4, '0');
  host.lines('/proc/sys/kernel', {
    osrelease: '6.12.9',
    'random/boot_id': 'a-boot',
    watchdog: 1,
  });
  host.lines('/proc', { cmdline: 'quiet' });
  host.set('/run/udev/control', '');
  host.lines(cpu, { online: whole, possible: whole, present: whole });
  for (const number of all) {
    host.lines(`${cpu}/cpu${number}/topology`, { core_id: number, thread_siblings_list: `${number}` });
    host.lines(`${cpu}/cpu${number}/power`, { pm_qos_resume_latency_us: 0 });
    host.lines(`${cpu}/cpu${number}/cpuidle/state0`, { name: 'POLL', latency: 0 });
    host.lines(`${cpu}/cpu${number}/cpuidle/state1`, { name: 'C1', latency: 2 });
    host.lines(`/sys/kernel/debug/sched/fair_server/cpu${number}`, { runtime: 50000000 });
    if (random.governor !== 'none') addPolicy(host, `${cpu}/cpufreq/policy${number}`, random.governor);
  }
  host.lines('/sys/devices/virtual/workqueue', { cpumask: mask, 'writeback/cpumask': mask });
  host.lines('/sys/devices/system/clocksource/clocksource0', {
    current_clocksource: 'hpet',
    available_clocksource: random.aspmKept ? 'hpet acpi_pm' : 'tsc hpet acpi_pm',
  });
  for (const path of random.present) host.set(path, `${OPTIONAL[path]}\n`);
  host.lines('/proc/irq', { default_smp_affinity: mask });
  random.interrupts.forEach(({ on }, index) => {
    const list = { all: whole, isolated: '2-3', housekeeping: '0-1', one: '1' }[on];
    host.lines(`/proc/irq/${index + 20}`, {
      smp_affinity_list: list,
      effective_affinity_list: list.replace(/-.*/, ''),
    });
  });
  const root = '/sys/fs/cgroup';
  host.lines(root, {
    'cgroup.controllers': 'cpuset cpu memory',
    'cgroup.subtree_control': random.cpusetEnabled ? 'cpuset memory' : 'memory',
    'cpuset.cpus.isolated': '',
  });
  if (random.steering) {
    host.set('/sys/class/net/eth0/ifindex', '2\n');
    host.lines('/sys/class/net/eth0/queues', { 'rx-0/rps_cpus': mask, 'tx-0/xps_cpus': mask });
  }
  addServices(host, random);
  const simulator = new KernelSimulator(parseArchive(host.archive()));
  const managed = random.interrupts.flatMap(({ managed: errno }, index) =>
    errno === undefined ? [] : [[`/proc/irq/${index + 20}/smp_affinity_list`, errno] as const],
  );
  simulator.faults = {
    refuses: {
      ...Object.fromEntries(managed),
      ...(random.aspmKept ? { '/sys/module/pcie_aspm/parameters/policy': 'EPERM' } : {}),
    },
  };
  return simulator;
}

function addPolicy(host: HostBuilder, folder: string, governor: string): void {
  host.lines(folder, {
    scaling_driver: 'intel_pstate',
    scaling_governor: governor,
    scaling_available_governors: 'performance powersave',
    energy_performance_preference: governor === 'performance' ? 'performance' : 'balance_performance',
    energy_performance_available_preferences: 'default performance balance_performance power',
    scaling_min_freq: 800000,
    scaling_max_freq: 3200000,
    cpuinfo_min_freq: 800000,
    cpuinfo_max_freq: 3800000,
  });
}

function addServices(host: HostBuilder, { irqbalance, tuned, foreign }: TunedHost): void {
  const slice = '/sys/fs/cgroup/system.slice';
  host.set('/usr/lib/systemd/system', 'a folder');
  host.lines('/proc/1', { status: 'Cpus_allowed_list:\t0-7' });
  if (irqbalance !== 'none') {
    host.set('/usr/lib/systemd/system/irqbalance.service', '');
    if (irqbalance !== 'stopped') host.lines(`${slice}/irqbalance.service`, { 'cgroup.procs': 700 });
  }
  if (irqbalance === 'configured')
    host.set('/etc/default/irqbalance', '# by the operator\nIRQBALANCE_BANNED_CPULIST=3\n');
  if (irqbalance === 'unterminated') host.set('/etc/default/irqbalance', 'IRQBALANCE_ARGS="-j"');
  if (tuned) {
    host.set('/usr/lib/systemd/system/tuned.service', '');
    host.lines(`${slice}/tuned.service`, { 'cgroup.procs': 701 });
    host.lines('/etc/tuned', { active_profile: 'latency-performance' });
  }
  if (foreign) {
    host.set('/etc/sysctl.d/90-bypass-setup.conf', 'vm.swappiness = 1\n');
    host.set('/etc/systemd/system.conf.d/other.conf', '[Manager]\n');
  }
}
