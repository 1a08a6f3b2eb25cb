import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { isolationScript } from '../../src/actions/isolation-script.ts';
import { readRefused } from '../../src/actions/refused.ts';
import { dangersOf } from '../../src/formats/settings.ts';
import { ToolError } from '../../src/host/errors.ts';
import type { Change } from '../../src/plan/change.ts';
import type { KernelSimulator } from '../support/kernel-simulator.ts';
import { applyAll, type Begun, planFor, revertAll } from '../support/little-engine.ts';
import { simulateTuned, type TunedHost, type Wish, wishOn } from '../support/tuned-hosts.ts';

const HOST: TunedHost = {
  cpus: 4,
  interrupts: [],
  irqbalance: 'none',
  tuned: false,
  governor: 'none',
  present: [],
  aspmKept: false,
  steering: false,
  cpusetEnabled: false,
  foreign: false,
};
const CORES = { isolated: '2-3', housekeeping: 'auto', isolation: 'boot' } as const;
const ASPM = '/sys/module/pcie_aspm/parameters/policy';

function host(random: Partial<TunedHost>): KernelSimulator {
  return simulateTuned({ ...HOST, ...random });
}

function plan(on: KernelSimulator, wish: Partial<Wish>) {
  return planFor(on, wishOn(on, { persistent: true, ...wish }));
}

function of(changes: readonly Change[], action: string): readonly Change[] {
  return changes.filter((change) => change.action === action);
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof ToolError) return `${error.exitCode} ${error.format()}`;
    throw error;
  }
  throw new Error('not refused');
}

describe('interrupts', () => {
  const wish = { cores: CORES, persistent: false };

  it('[F6] go off the isolated CPUs; where nothing is left, to housekeeping', async () => {
    const on = host({
      interrupts: [
        { on: 'all', managed: undefined },
        { on: 'isolated', managed: undefined },
        { on: 'housekeeping', managed: undefined },
      ],
    });
    const [change, ...others] = of(plan(on, wish).changes, 'irq-affinity');
    if (change === undefined) throw new Error('no change');
    expect(others).toEqual([]);
    expect(change.summary).toBe('keep 2 of 3 interrupts off CPUs 2-3');
    expect(change.commands).toEqual([
      'echo 0-1 > /proc/irq/20/smp_affinity_list',
      'echo 0-1 > /proc/irq/21/smp_affinity_list',
    ]);
    await applyAll([change], on, []);
    expect(['20', '21', '22'].map((irq) => on.readText(`/proc/irq/${irq}/smp_affinity_list`))).toEqual(
      Array(3).fill('0-1\n'),
    );
    expect(on.operations).toHaveLength(2);
  });

  it('[F7] that the kernel manages are left, remembered for this boot, and named', async () => {
    const on = host({
      interrupts: [
        { on: 'isolated', managed: 'EIO' },
        { on: 'all', managed: 'EPERM' },
        { on: 'all', managed: undefined },
      ],
    });
    const { changes } = plan(on, wish);
    const begun: Begun = [];
    await applyAll(changes, on, begun);
    expect(on.readText('/run/bypass-setup/refused/irq-affinity')).toBe('20 EIO\n21 EPERM\n');
    const again = plan(on, wish);
    expect(again.changes).toEqual([]);
    // The second one may come to an isolated CPU, but does not.
    expect(again.notes).toEqual([
      'the boot line is left alone, because the profile is not persistent: isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 irqaffinity=0-1',
      'interrupt 20 stays on CPU 2: the kernel moves it by no command; isolcpus=managed_irq keeps a managed one quiet',
    ]);
    expect(await revertAll(begun, on)).toEqual([]);
    expect(on.readText('/run/bypass-setup/refused/irq-affinity')).toBeUndefined();
  });

  it('that came while the plan was made true are moved too', async () => {
    const on = host({ interrupts: [{ on: 'all', managed: undefined }] });
    const changes = of(plan(on, wish).changes, 'irq-affinity');
    on.putBytes('/proc/irq/77/smp_affinity_list', new TextEncoder().encode('0-3\n'));
    await applyAll(changes, on, []);
    expect(on.readText('/proc/irq/77/smp_affinity_list')).toBe('0-1\n');
  });

  it('undo after a reboot leaves the interrupts of that boot alone', async () => {
    const on = host({ interrupts: [{ on: 'all', managed: undefined }] });
    const begun: Begun = [];
    await applyAll(of(plan(on, wish).changes, 'irq-affinity'), on, begun);
    on.write('/proc/sys/kernel/random/boot_id', '7');
    on.write('/proc/irq/20/smp_affinity_list', '1');
    // What the unit of that boot was refused.
    on.putBytes('/run/bypass-setup/refused/irq-affinity', new TextEncoder().encode('20 EIO\n'));
    expect(await revertAll(begun, on)).toEqual([]);
    expect(on.readText('/proc/irq/20/smp_affinity_list')).toBe('1\n');
    expect(on.readText('/run/bypass-setup/refused/irq-affinity')).toBeUndefined();
  });

  it('are left alone where the profile says so, with irqbalance, steering and the default', () => {
    const on = host({
      interrupts: [{ on: 'all', managed: undefined }],
      irqbalance: 'running',
      steering: true,
    });
    const { changes } = plan(on, { cores: CORES, interrupts: 'leave', persistent: true });
    const names = changes.map(({ action, target }) => `${action} ${target}`).join('\n');
    expect(names).not.toMatch(/irq|queues/);
    expect(names).toContain('workqueue');
  });
});

describe('packet steering', () => {
  it('[F13] of the interfaces that stay leaves the isolated CPUs out', async () => {
    const on = host({ steering: true });
    const [change] = of(plan(on, { cores: CORES, persistent: false }).changes, 'rps-xps');
    if (change === undefined) throw new Error('no change');
    expect(change.target).toBe('/sys/class/net/eth0/queues');
    await applyAll([change], on, []);
    expect(on.readText('/sys/class/net/eth0/queues/rx-0/rps_cpus')).toBe('3\n');
    expect(on.readText('/sys/class/net/eth0/queues/tx-0/xps_cpus')).toBe('3\n');
  });
});

describe('irqbalance', () => {
  const text = (changes: readonly Change[]) =>
    (of(changes, 'irqbalance')[0]?.after as { text: string } | undefined)?.text;

  it('[F8] is told to leave the isolated CPUs alone: what stands there stays, what was banned stays banned', async () => {
    const on = host({ irqbalance: 'configured', cpus: 8 });
    const { changes } = plan(on, { cores: { ...CORES, isolated: '4-5' } });
    expect(text(changes)).toBe(
      '# by the operator\nIRQBALANCE_BANNED_CPULIST=3\n' +
        '# Written by bypass-setup; "bypass-setup undo" takes it back.\nIRQBALANCE_BANNED_CPULIST="3-5"\n',
    );
    await applyAll(of(changes, 'irqbalance'), on, []);
    expect(on.operations.at(-1)).toBe('systemctl try-restart irqbalance.service');
    // Another list takes the place of ours, and no list takes it out.
    expect(text(plan(on, { cores: { ...CORES, isolated: '6' } }).changes)).toMatch(/=3\n#.*\n.*="3,6"\n$/);
    expect(text(plan(on, {}).changes)).toBe('# by the operator\nIRQBALANCE_BANNED_CPULIST=3\n');
  });

  it('gets a file where it has none; a last line without its end is ended', () => {
    expect(text(plan(host({ irqbalance: 'stopped' }), { cores: CORES }).changes)).toMatch(
      /^# Written .*\n.*="2-3"\n$/,
    );
    expect(text(plan(host({ irqbalance: 'unterminated' }), { cores: CORES }).changes)).toMatch(
      /^IRQBALANCE_ARGS="-j"\n# Written .*\n.*="2-3"\n$/,
    );
    expect(text(plan(host({}), { cores: CORES }).changes)).toBeUndefined();
  });

  it('that runs and may not be configured is a note', () => {
    const { changes, notes } = plan(host({ irqbalance: 'running' }), { cores: CORES, persistent: false });
    expect(text(changes)).toBeUndefined();
    expect(notes).toContain(
      'irqbalance is running and is not configured, as nothing shall persist: it may move interrupts back',
    );
  });
});

describe('attributes', () => {
  it('[G8] one that the kernel refuses is noted, and asked for no more in this boot', async () => {
    const on = host({ present: [ASPM], aspmKept: true });
    const { changes } = plan(on, { power: 'auto', persistent: false });
    await applyAll(changes, on, []);
    const again = plan(on, { power: 'auto', persistent: false });
    expect(again).toEqual({ changes: [], notes: [`aspm: the kernel refuses to change ${ASPM} (EPERM)`] });
  });

  it('[G5] a watchdog that the profile wants comes on, although both were off and looked at', async () => {
    const paths = ['nmi_watchdog', 'soft_watchdog'].map((name) => `/proc/sys/kernel/${name}`);
    const on = host({ present: paths });
    for (const path of paths) on.write(path, '0');
    const { changes } = plan(on, { tunables: { 'soft-watchdog': 1 }, persistent: false });
    await applyAll(changes, on, []);
    expect(paths.map((path) => on.readText(path))).toEqual(['0\n', '1\n']);
  });

  it('[G8] one that the profile names has to be taken', async () => {
    const on = host({ present: [ASPM], aspmKept: true });
    const { changes } = plan(on, { power: { aspm: 'performance' }, persistent: false });
    await expect(applyAll(changes, on, [])).rejects.toThrow('cannot write: not permitted (EPERM)');
  });

  it('[G1] [G2] frequencies and idle states: a plan as the kernel wants its order', async () => {
    const on = host({ governor: 'powersave' });
    const { changes } = plan(on, { cores: CORES, power: 'auto', persistent: false });
    const values = of(changes, 'setting').map(({ target, before, after }) => {
      const [was, is] = [before, after] as { value: string }[];
      return `${target.split('/').slice(-2).join('/')}: ${was?.value} -> ${is?.value}`;
    });
    expect(values.filter((line) => /policy|power/.test(line))).toEqual([
      'power/pm_qos_resume_latency_us: 0 -> 2',
      'policy*/energy_performance_preference: balance_performance -> performance',
      'policy*/scaling_governor: powersave -> performance',
      'policy*/scaling_min_freq: 800000 -> 3200000',
    ]);
    const begun: Begun = [];
    await applyAll(changes, on, begun);
    expect(on.readText('/sys/devices/system/cpu/cpu1/power/pm_qos_resume_latency_us')).toBe('0\n');
    expect(await revertAll(begun, on)).toEqual([]);
  });

  it('[F11] [J7] the fair server stops on the isolated CPUs; under lockdown it is said that it cannot', () => {
    const found = plan(host({}), { cores: CORES, persistent: false });
    expect(
      found.changes.flatMap(({ commands }) => commands).filter((line) => line.includes('fair_server')),
    ).toEqual([
      'echo 0 > /sys/kernel/debug/sched/fair_server/cpu2/runtime',
      'echo 0 > /sys/kernel/debug/sched/fair_server/cpu3/runtime',
    ]);
    const closed = host({});
    closed.close('/sys/kernel/debug', 'EPERM');
    const lockdown = new TextEncoder().encode('none [integrity] confidentiality\n');
    closed.putBytes('/sys/kernel/security/lockdown', lockdown);
    const { changes, notes } = plan(closed, { cores: CORES, persistent: false });
    expect(changes.flatMap(({ commands }) => commands).join()).not.toContain('fair_server');
    expect(notes).toEqual([
      'fair-server: this kernel keeps a timer on each CPU that wakes isolated ones; it cannot be stopped, because lockdown closes debugfs: choose a kernel before 6.12, or boot without lockdown',
      'the boot line is left alone, because the profile is not persistent: isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 irqaffinity=0-1',
      'interrupts are not moved: no interrupt is described (/proc/irq)',
    ]);
  });

  it('[F14] [G5] what is dangerous is only set by name, and its cost is printed', () => {
    const present = ['/proc/sys/kernel/sched_rt_runtime_us', '/proc/sys/kernel/nmi_watchdog'];
    const usual = plan(host({ present }), { tunables: 'auto' });
    expect(usual.changes.flatMap(({ commands }) => commands).join()).not.toContain('sched_rt_runtime');
    const named = plan(host({ present }), { tunables: { 'rt-runtime': -1 } });
    expect(named.changes.flatMap(({ commands }) => commands)).toContain(
      'echo -1 > /proc/sys/kernel/sched_rt_runtime_us',
    );
    expect(named.notes.join()).toMatch(
      /^tunables.rt-runtime: -1: a FIFO thread that loops on a housekeeping CPU takes/,
    );
  });

  it('[G3] a clock that the kernel does not offer is not asked for', () => {
    const { changes, notes } = plan(host({ aspmKept: true }), { tunables: 'auto', persistent: false });
    expect(changes).toEqual([]);
    expect(notes.join()).toMatch(/^clocksource: .* takes hpet, acpi_pm, not tsc; it is left alone$/);
    expect(refusal(() => plan(host({ aspmKept: true }), { tunables: { clocksource: 'tsc' } }))).toMatch(
      /^64 error\[PROFILE_UNRESOLVED\] tunables.clocksource: .* takes hpet, acpi_pm, not tsc/,
    );
  });

  it('[G4] a value on the good side of the recommended one stays; leave leaves, a name on no host is an error', () => {
    const swappiness = '/proc/sys/vm/swappiness';
    const on = host({ present: [swappiness] });
    on.write(swappiness, '1');
    const set = (wish: Partial<Wish>) =>
      plan(on, { persistent: false, ...wish })
        .changes.map(({ target }) => target)
        .filter((path) => path === swappiness);
    expect(set({ tunables: 'auto' })).toEqual([]);
    expect(set({ tunables: { swappiness: 10 } })).toEqual([swappiness]);
    expect(set({ tunables: { swappiness: 'leave' } })).toEqual([]);
    expect(refusal(() => plan(on, { tunables: { ksm: 1 } }))).toContain(
      'tunables.ksm: this host has no /sys/kernel/mm/ksm/run',
    );
  });

  it('[G6] [G9] machine checks are not polled for, and the uncore stays fast', () => {
    const interval = '/sys/devices/system/machinecheck/machinecheck0/check_interval';
    const uncore = '/sys/devices/system/cpu/intel_uncore_frequency/package_00_die_00';
    const on = host({ present: [interval] });
    const file = (path: string, text: string) => on.putBytes(path, new TextEncoder().encode(`${text}\n`));
    file(`${uncore}/min_freq_khz`, '800000');
    file(`${uncore}/max_freq_khz`, '2400000');
    const { changes } = plan(on, { power: 'auto', tunables: 'auto', persistent: false });
    expect(changes.flatMap(({ commands }) => commands)).toEqual([
      `echo 2400000 > ${uncore}/min_freq_khz`,
      `echo 0 > ${interval}`,
      'echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource',
    ]);
  });

  it('of the boot line that are dangerous have their cost said', () => {
    expect(dangersOf(['quiet', 'mitigations=off', 'mce=off']).map((text) => text.split(':')[0])).toEqual([
      'mce=off',
      'mitigations=off',
    ]);
  });

  it('[F12] the console: the first number of printk alone', async () => {
    const printk = '/proc/sys/kernel/printk';
    const on = host({ present: [printk] });
    await applyAll(plan(on, { tunables: 'auto', persistent: false }).changes, on, []);
    expect(on.readText(printk)).toBe('4\t4\t1\t7\n');
  });
});

describe('another tuner', () => {
  const wish = { tunables: 'auto', power: 'auto', cores: CORES } as const;
  const present = ['/proc/sys/vm/swappiness', '/sys/kernel/mm/ksm/run'];

  it('is refused with what it would fight over', () => {
    expect(refusal(() => plan(host({ tuned: true, present }), wish))).toBe(
      '4 error[TUNER_ACTIVE] tuned.service: tuned.service (profile latency-performance) is running and would set back ' +
        'swappiness; stop it (systemctl disable --now tuned.service), or leave that to it with "tuner: leave"\n' +
        'hint: `bypass-setup probe` shows the NICs, nodes and CPUs of this host; docs/profile.md explains the keys',
    );
  });

  it('gets what is its own where the profile says so', () => {
    const { changes, notes } = plan(host({ tuned: true, present }), { ...wish, tuner: 'leave' });
    const targets = changes.map(({ target }) => target);
    expect(targets).not.toContain('/proc/sys/vm/swappiness');
    expect(targets).toContain('/sys/kernel/mm/ksm/run');
    expect(notes).toContain(
      'tuned.service (profile latency-performance) is running: swappiness is left to it',
    );
  });

  it('does not matter where nothing of its own is asked for', () => {
    expect(plan(host({ tuned: true, present }), { cores: CORES }).changes.length).toBeGreaterThan(0);
  });
});

describe('persistence', () => {
  it('[F9] [F10] files in the places of the system; of none of them anything is left without "persistent"', () => {
    const random = {
      present: ['/proc/sys/vm/swappiness'],
      governor: 'powersave',
      irqbalance: 'running',
    } as const;
    const wish = { cores: CORES, power: 'auto', tunables: 'auto' } as const;
    const written = plan(host(random), wish).changes.filter(({ scope }) => scope === 'persistent');
    expect(written.map(({ target, effect }) => [target, effect])).toEqual([
      ['/etc/sysctl.d/90-bypass-setup.conf', 'none'],
      ['/etc/tmpfiles.d/90-bypass-setup.conf', 'none'],
      ['/etc/systemd/system.conf.d/90-bypass-setup.conf', 'reboot'],
      ['/etc/bypass-setup/isolation', 'none'],
      ['/etc/systemd/system/bypass-setup@.service', 'none'],
      ['/etc/systemd/system/multi-user.target.d/90-bypass-setup.conf', 'none'],
      ['/etc/default/irqbalance', 'none'],
    ]);
    const text = (target: string) =>
      (written.find((change) => change.target === target)?.after as { text: string } | undefined)?.text;
    expect(text('/etc/sysctl.d/90-bypass-setup.conf')).toBe(
      '# Written by bypass-setup; "bypass-setup undo" takes it back.\n' +
        '# swappiness: memory of programs is swapped out late\nvm.swappiness = 10\n',
    );
    expect(text('/etc/tmpfiles.d/90-bypass-setup.conf')).toContain(
      'w /sys/devices/system/cpu/cpufreq/policy*/scaling_governor - - - - performance\n',
    );
    expect(text('/etc/systemd/system.conf.d/90-bypass-setup.conf')).toContain('[Manager]\nCPUAffinity=0-1\n');
    const { changes } = plan(host(random), { ...wish, persistent: false });
    expect(changes.filter(({ scope }) => scope === 'persistent')).toEqual([]);
  });
});

describe('a partition', () => {
  const wish = { cores: { ...CORES, isolation: 'cpuset' }, persistent: false } as const;
  const GROUP = '/sys/fs/cgroup/bypass.slice';

  it('[F2] is made in the order that the kernel wants, and read back', async () => {
    const on = host({});
    const begun: Begun = [];
    await applyAll(of(plan(on, wish).changes, 'cpuset'), on, begun);
    expect(on.operations).toEqual([
      "echo '+cpuset' > /sys/fs/cgroup/cgroup.subtree_control",
      `mkdir ${GROUP}`,
      `echo '2-3' > ${GROUP}/cpuset.cpus`,
      `echo 'isolated' > ${GROUP}/cpuset.cpus.partition`,
    ]);
    expect(on.readText('/sys/fs/cgroup/cpuset.cpus.isolated')).toBe('2-3\n');
    expect(await revertAll(begun, on)).toEqual([]);
    expect(on.stat(GROUP)).toBeUndefined();
  });

  it('[F2] with processes in it is not taken away from under them', async () => {
    const on = host({});
    const begun: Begun = [];
    await applyAll(of(plan(on, wish).changes, 'cpuset'), on, begun);
    on.write(`${GROUP}/cgroup.events`, 'populated 1');
    await expect(revertAll(begun, on)).rejects.toThrow('processes run in it, and would lose their CPUs');
    expect(on.readText(`${GROUP}/cpuset.cpus.partition`)).toBe('isolated\n');
  });

  it('[F2] needs the controller', () => {
    const on = host({});
    on.write('/sys/fs/cgroup/cgroup.controllers', 'memory');
    expect(refusal(() => plan(on, wish))).toMatch(/^4 error\[CPUSET_MISSING\] cores.isolation: /);
  });
});

describe('the script that runs at boot', () => {
  const scratch = mkdtempSync(`${tmpdir()}/bypass-setup-isolation-`);
  afterAll(() => rmSync(scratch, { recursive: true }));

  function file(path: string, text: string): string {
    const full = `${scratch}${path}`;
    mkdirSync(full.slice(0, full.lastIndexOf('/')), { recursive: true });
    writeFileSync(full, text);
    return full;
  }

  it('[F6] keeps what the kernel refuses to move, as apply does, so that no plan asks for it again', () => {
    file('/proc/irq/3/smp_affinity_list', '0-1\n');
    mkdirSync(`${scratch}/proc/irq/9`, { recursive: true });
    // Has CPU 0 in it, and takes no writing.
    symlinkSync('/sys/devices/system/cpu/possible', `${scratch}/proc/irq/9/smp_affinity_list`);
    const interrupts = { isolated: '0', housekeeping: '1' };
    const script = file('/refused', isolationScript({ attributes: false, interrupts }));
    const { status, stderr } = spawnSync('/bin/sh', [script], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, BYPASS_SETUP_ROOT: scratch },
    });
    expect([status, stderr]).toEqual([0, '']);
    const kept = readFileSync(`${scratch}/run/bypass-setup/refused/irq-affinity`, 'utf8');
    expect([...readRefused(kept)]).toEqual([['9', 'EIO']]);
    rmSync(`${scratch}/proc/irq`, { recursive: true });
  });

  it('[F6] [F2] moves interrupts and makes the partition, as apply does', () => {
    const lists = ['0-7', '2-3', '0-1', '3,5-6', '0-7', '2'];
    const irqs = lists.map((list, index) => file(`/proc/irq/${index}/smp_affinity_list`, `${list}\n`));
    file('/sys/fs/cgroup/cgroup.subtree_control', 'memory\n');
    const script = file(
      '/isolation',
      isolationScript({
        attributes: false,
        interrupts: { isolated: '2-3', housekeeping: '0-1,4-7' },
        partition: '2-3',
      }),
    );
    const { status, stderr } = spawnSync('/bin/sh', [script], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, BYPASS_SETUP_ROOT: scratch },
    });
    expect([status, stderr]).toEqual([0, '']);
    expect(irqs.map((path) => readFileSync(path, 'utf8').trim())).toEqual([
      ...['0,1,4,5,6,7', '0-1,4-7', '0-1', '5,6', '0,1,4,5,6,7', '0-1,4-7'],
    ]);
    expect(readFileSync(`${scratch}/sys/fs/cgroup/cgroup.subtree_control`, 'utf8')).toBe('+cpuset\n');
    expect(readFileSync(`${scratch}/sys/fs/cgroup/bypass.slice/cpuset.cpus`, 'utf8')).toBe('2-3\n');
    expect(readFileSync(`${scratch}/sys/fs/cgroup/bypass.slice/cpuset.cpus.partition`, 'utf8')).toBe(
      'isolated\n',
    );
  });
});
