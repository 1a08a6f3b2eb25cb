import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { bootArgumentsAction } from '../../src/actions/boot-arguments.ts';
import { notInEffect } from '../../src/actions/boot-effect.ts';
import { dropIn } from '../../src/actions/loaders/grub.ts';
import { foreignArguments, ownArguments } from '../../src/formats/boot-line.ts';
import { formatCpuList } from '../../src/formats/cpu-list.ts';
import { parseCommandLine } from '../../src/formats/kernel-cmdline.ts';
import { OWN } from '../../src/formats/own-files.ts';
import { ToolError } from '../../src/host/errors.ts';
import { wantedArguments } from '../../src/plan/boot-arguments.ts';
import type { Change } from '../../src/plan/change.ts';
import { GRUB_ENVIRONMENT, type LoaderName } from '../support/boot-loaders.ts';
import { factsOf } from '../support/hosts.ts';
import type { KernelSimulator } from '../support/kernel-simulator.ts';
import { applyAll, type Begun, planFor, revertAll } from '../support/little-engine.ts';
import { bootHost, bootProfile, CORES, reboot } from './boot-support.ts';

const LINE = 'root=UUID=1 ro quiet';
const WANTED = 'isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 irqaffinity=0-1';

const linesOf = (host: KernelSimulator) =>
  (factsOf(host).bootLoader.entries.value ?? []).map(({ id, line }) => [id, line]);

async function applied(loader: LoaderName, line = LINE, profile = bootProfile(CORES)) {
  const host = bootHost(loader, line);
  const begun: Begun = [];
  await applyAll(planFor(host, profile).changes, host, begun);
  return { host, begun, profile };
}

function refusal(host: KernelSimulator, profile = bootProfile(CORES)) {
  try {
    planFor(host, profile);
  } catch (error) {
    if (error instanceof ToolError)
      return { code: error.code, exitCode: error.exitCode, text: error.format() };
    throw error;
  }
  throw new Error('the plan was not refused');
}

const failure = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => (error instanceof ToolError ? error.format() : String(error)),
  );

describe('the boot line, through the own tool of each loader', () => {
  it('[E2] [E3] [E13] GRUB of Debian: a drop-in after all others, every entry but those for recovery', async () => {
    const { host } = await applied('grub-debian', 'quiet isolcpus=7');
    const entries = Object.fromEntries(linesOf(host));
    for (const version of ['6.1.0-27-amd64', '6.1.0-28-amd64']) {
      expect(entries[`gnulinux-${version}-advanced-UUID`]).toBe(
        `root=UUID=1 ro console=ttyS0 quiet ${WANTED}`,
      );
      expect(entries[`gnulinux-${version}-recovery-UUID`]).toBe('root=UUID=1 ro single console=ttyS0');
    }
    expect(host.readText(OWN.grubDefault)).toContain('"bypass-setup undo" takes it back');
    expect(host.operations.filter((line) => line.startsWith('grub-mkconfig'))).toEqual([
      'grub-mkconfig -o /boot/grub/grub.cfg.bypass-setup',
    ]);
  });

  it('[E4] [E13] grubby: every entry, the kernels to come, and the default entry stays', async () => {
    const { host, begun } = await applied('grub-bls', `${LINE} isolcpus=7`);
    expect(host.operations).toContain(`grubby --update-kernel=ALL --remove-args=isolcpus=7 --args=${WANTED}`);
    expect(linesOf(host).map(([, line]) => line)).toEqual([`${LINE} ${WANTED}`, `${LINE} ${WANTED}`]);
    expect(host.readText('/etc/kernel/cmdline')).toBe(`${LINE} ${WANTED}\n`);
    // A kernel that came since has the line of /etc/kernel/cmdline.
    host.putBytes(
      '/boot/loader/entries/0123-6.1.0-29-amd64.conf',
      new TextEncoder().encode(`version 6.1.0-29-amd64\nlinux /x\noptions ${LINE} ${WANTED} new=1\n`),
    );
    expect(await revertAll(begun, host)).toEqual([]);
    expect(Object.fromEntries(linesOf(host))['0123-6.1.0-29-amd64']).toBe(`${LINE} new=1`);
  });

  it('[E5] rpm-ostree: one call, values of others by their name', async () => {
    const { host } = await applied('rpm-ostree', `${LINE} nohz_full=7`);
    expect(host.operations.filter((line) => line.startsWith('rpm-ostree'))).toEqual([
      `rpm-ostree kargs --delete-if-present=nohz_full=7 ${WANTED.split(' ')
        .map((text) => `--append=${text}`)
        .join(' ')}`,
    ]);
  });

  it('[E6] bootc: as our own source, and never instead of another', async () => {
    const { host } = await applied('bootc');
    expect(host.operations[0]).toBe(
      `bootc loader-entries set-options-for-source --source bypass-setup --options ${WANTED}`,
    );
    // The second is what we want, given twice: taking ours back would leave one.
    for (const line of ['isolcpus=7', 'irqaffinity=0,1 irqaffinity=0,1']) {
      expect(refusal(bootHost('bootc', line))).toMatchObject({
        code: 'BOOT_ARGUMENT_OF_OTHERS',
        exitCode: 4,
      });
    }
  });

  it('[E7] systemd-boot: the line of kernels to come, and each kernel installed with it', async () => {
    const { host } = await applied('systemd-boot');
    expect(host.readText('/etc/kernel/cmdline')).toBe(`${LINE} ${WANTED}\n`);
    expect(host.operations.filter((line) => line.startsWith('kernel-install'))).toEqual([
      'kernel-install add 6.1.0-27-amd64 /boot/vmlinuz-6.1.0-27-amd64',
      'kernel-install add 6.1.0-28-amd64 /boot/vmlinuz-6.1.0-28-amd64',
    ]);
  });

  it('[E8] a unified kernel image is refused, with what its build needs', () => {
    const host = bootHost('raspberry-pi', LINE, { '/boot/efi/EFI/Linux/linux.efi': '' });
    expect(refusal(host)).toMatchObject({ code: 'BOOT_LINE_SIGNED', exitCode: 4 });
    expect(refusal(host).text).toContain(WANTED);
    // One that was built so needs nothing.
    reboot(host, `${LINE} ${WANTED}`);
    const { changes } = planFor(host, bootProfile(CORES));
    expect(changes.filter(({ action }) => action === 'boot-arguments')).toEqual([]);
  });

  it('[E9] Raspberry Pi: one line; Ubuntu Core: through snapd', async () => {
    const { host } = await applied('raspberry-pi');
    expect(host.readText('/boot/firmware/cmdline.txt')).toBe(`${LINE} ${WANTED}\n`);
    const core = await applied('ubuntu-core', 'quiet');
    expect(core.host.operations[0]).toBe(
      `snap set system system.kernel.dangerous-cmdline-append=quiet ${WANTED}`,
    );
  });

  it('[E12] a writer that fails fails the apply, and all is as before', async () => {
    for (const [loader, program] of [
      ['grub-debian', 'grub-mkconfig'],
      ['grub-bls', 'grubby'],
      ['rpm-ostree', 'rpm-ostree'],
      ['systemd-boot', 'kernel-install'],
      ['ubuntu-core', 'snap'],
    ] as const) {
      const host = bootHost(loader, LINE);
      const before = host.tree();
      host.faults = { programs: { [program]: 'no space left' } };
      const begun: Begun = [];
      expect(await failure(applyAll(planFor(host, bootProfile(CORES)).changes, host, begun))).toContain(
        'ended with 1: no space left',
      );
      host.restart();
      expect(await revertAll(begun, host)).toEqual([]);
      expect(host.tree(), loader).toEqual(before);
    }
  });

  it('[E13] a grub.cfg whose entries lack the line is never used', async () => {
    const last = { '/etc/default/grub.d/zzz.cfg': 'GRUB_CMDLINE_LINUX_DEFAULT=quiet\n' };
    const host = bootHost('grub-debian', 'quiet', last);
    const config = host.readText('/boot/grub/grub.cfg');
    const begun: Begun = [];
    expect(await failure(applyAll(planFor(host, bootProfile(CORES)).changes, host, begun))).toMatch(
      /BOOT_ENTRIES_WRONG.*the new grub.cfg is not used/,
    );
    expect(host.readText('/boot/grub/grub.cfg')).toBe(config);
    expect(await revertAll(begun, host)).toEqual([]);
  });

  it('[E16] what is replaced is said before', () => {
    const [change] = planFor(bootHost('grub-debian', 'quiet isolcpus=7'), bootProfile(CORES)).changes;
    expect(change?.summary).toBe(`boot with ${WANTED} instead of nohz_full=9 isolcpus=7`);
    expect(change?.effect).toBe('reboot');
  });

  it('an undo keeps the kernel that came since, and what others wrote', async () => {
    const { host, begun } = await applied('grub-debian', 'quiet');
    host.putBytes(
      '/etc/default/grub.d/60-new.cfg',
      new TextEncoder().encode('GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX new=1"\n'),
    );
    await host.run(['grub-mkconfig', '-o', '/boot/grub/grub.cfg'], { timeout: 1 });
    expect(await revertAll(begun, host)).toEqual([]);
    expect(Object.fromEntries(linesOf(host))['gnulinux-6.1.0-28-amd64-advanced-UUID']).toBe(
      'root=UUID=1 ro console=ttyS0 nohz_full=9 new=1 quiet',
    );
  });
});

describe('isolation', () => {
  const cpuLists = fc
    .uniqueArray(fc.nat(127), { minLength: 2, maxLength: 20 })
    .map((cpus) => ({ isolated: cpus.slice(1), housekeeping: cpus.slice(0, 1) }));

  it('[F1] isolcpus, nohz_full and rcu_nocbs name the same CPUs in every entry, whatever stood there', () => {
    const stale = fc.subarray([
      'isolcpus=1',
      'nohz_full=2-5',
      'rcu_nocbs=all',
      'nohz_full=6',
      'irqaffinity=7',
    ]);
    return fc.assert(
      fc.asyncProperty(cpuLists, stale, fc.boolean(), async (cpus, line, moved) => {
        const cores = {
          isolated: formatCpuList([...cpus.isolated].sort((a, b) => a - b)),
          housekeeping: formatCpuList(cpus.housekeeping),
        };
        const profile = { ...bootProfile(cores), moveInterrupts: moved };
        const { host } = await applied('systemd-boot', line.join(' '), profile);
        for (const [, text] of linesOf(host)) {
          const values = (key: string) =>
            parseCommandLine(text ?? '').parameters.flatMap(({ name, value = '' }) =>
              name === key ? [value] : [],
            );
          const [isolcpus, ...twice] = values('isolcpus').map((value) => value.replace(/^([a-z_]+,)+/, ''));
          expect(twice).toEqual([]);
          expect(isolcpus).toBe(cores.isolated);
          expect(values('nohz_full')).toEqual([cores.isolated]);
          expect(values('rcu_nocbs')).toEqual([cores.isolated]);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('arguments that do nothing', () => {
  it('[J8] of an option that the kernel was built without are not written, and that is said', () => {
    const host = bootHost('grub-debian', 'quiet', {
      '/boot/config-6.1.0-28-amd64':
        'CONFIG_CPU_ISOLATION=y\nCONFIG_RCU_NOCB_CPU=y\n# CONFIG_NO_HZ_FULL is not set\n',
    });
    const { changes, notes } = planFor(host, bootProfile(CORES));
    expect(changes[0]?.summary).not.toContain('nohz_full=2-3');
    expect(notes).toContain(
      'nohz_full=2-3 is not written to the boot line: the running kernel is built without CONFIG_NO_HZ_FULL',
    );
  });

  it('[J8] that this kernel complained of once are never written again', async () => {
    const log = (complaint: string) => ({
      '/.kernel/kernelLog.json': JSON.stringify({ answer: `Linux version 6.1\n${complaint}\n` }),
    });
    const complaint =
      'Unknown kernel command line parameters "kthread_cpus=0-1", will be passed to user space.';
    const profile = bootProfile(CORES, ['kthread_cpus=0-1', 'skew_tick=1']);
    const host = bootHost('grub-debian', 'quiet', log(complaint));
    const { changes, notes } = planFor(host, profile);
    expect(changes[0]?.summary).toContain('skew_tick=1');
    expect(changes[0]?.summary).not.toContain('kthread_cpus');
    expect(notes.join()).toContain('the running kernel said that it does not know kthread_cpus=0-1');
    await applyAll(changes, host, []);
    // The next boot has no reason to complain.
    const quiet = bootHost('grub-debian', 'quiet', {
      ...log(''),
      [OWN.bootArguments]: host.readText(OWN.bootArguments) ?? '',
    });
    expect(planFor(quiet, profile).notes.join()).toContain('does not know kthread_cpus=0-1');
  });

  it('a cgroup partition takes the place of the flag domain', () => {
    const { isolated, housekeeping } = CORES;
    const cores = { isolated, housekeeping, isolation: 'cpuset' } as const;
    const facts = factsOf(bootHost('grub-debian', 'quiet'));
    expect(wantedArguments(facts, bootProfile(cores), () => undefined)).toEqual([
      'isolcpus=managed_irq,2-3',
      'nohz_full=2-3',
      'rcu_nocbs=2-3',
      'irqaffinity=0-1',
    ]);
  });

  it('[F6] where interrupts are left alone no key of theirs is written, and none of others taken away', async () => {
    const arguments_ = (line: string, isolation?: 'cpuset', more: Record<string, string> = {}) =>
      wantedArguments(
        factsOf(bootHost('grub-debian', line, more)),
        {
          ...bootProfile({ ...CORES, ...(isolation === undefined ? {} : { isolation }) }),
          moveInterrupts: false,
        },
        () => undefined,
      ).join(' ');
    expect(arguments_('quiet')).toBe('isolcpus=domain,2-3 nohz_full=2-3 rcu_nocbs=2-3');
    expect(arguments_('quiet', 'cpuset')).toBe('nohz_full=2-3 rcu_nocbs=2-3');
    expect(arguments_('isolcpus=managed_irq,domain,2-3 irqaffinity=0')).toBe(
      'isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3',
    );
    // What an earlier profile of ours wrote goes.
    const { host, profile } = await applied('grub-debian', 'quiet');
    const { changes } = planFor(host, { ...profile, moveInterrupts: false });
    const [change] = changes.filter(({ action }) => action === 'boot-arguments');
    expect(change?.summary).toContain('boot with isolcpus=domain,2-3 nohz_full=2-3 rcu_nocbs=2-3');
    await applyAll(changes, host, []);
    for (const [, line] of linesOf(host)) expect(line).not.toMatch(/managed_irq|irqaffinity/);
  });

  it('the cost of what is dangerous is told', () => {
    const profile = bootProfile(undefined, ['mitigations=off', 'skew_tick=1']);
    expect(planFor(bootHost('grub-debian', 'quiet'), profile).notes).toContain(
      'mitigations=off: any program on this host can read what others and the kernel keep in memory',
    );
  });

  it('[E1] nothing is written for a profile that is not persistent', () => {
    const { changes, notes } = planFor(bootHost('grub-debian', 'quiet'), {
      ...bootProfile(CORES),
      persistent: false,
    });
    expect(changes).toEqual([]);
    expect(notes.join()).toContain('the boot line is left alone');
  });

  it('[E1] and only what the running kernel lacks is spoken of', () => {
    const notes = (line: string) =>
      planFor(bootHost('grub-debian', line), { ...bootProfile(CORES), persistent: false }).notes.join();
    expect(notes(WANTED.replace(' nohz_full=2-3', ''))).toBe(
      'the boot line is left alone, because the profile is not persistent: nohz_full=2-3',
    );
    expect(notes(WANTED)).toBe('');
  });
});

describe('after the reboot', () => {
  it('[E14] a line that something else removed is not written again and again', async () => {
    const { host, profile } = await applied('grub-debian', 'quiet');
    const old = bootHost('grub-debian', 'quiet');
    host.putBytes('/boot/grub/grub.cfg', new TextEncoder().encode(old.readText('/boot/grub/grub.cfg') ?? ''));
    // In the same boot it is written once more; after a reboot something else is at work.
    expect(planFor(host, profile).changes).toHaveLength(1);
    reboot(host, 'quiet');
    const { changes, notes } = planFor(host, profile);
    expect(changes).toEqual([]);
    expect(notes.join()).toContain('something else makes these entries');
  });

  const put = (host: KernelSimulator, path: string, text: string) =>
    host.putBytes(path, new TextEncoder().encode(`${text}\n`));

  it('[E15] is in force by effect: the line of the kernel, then the CPUs that it speaks of', async () => {
    const { host, begun } = await applied('grub-debian');
    const change: Change = JSON.parse(begun.find((text) => text.includes('boot-arguments:')) ?? '');
    const said = () => bootArgumentsAction.inForce?.(change, host);
    expect(said()).toContain('the kernel was not started with isolcpus=');
    // Another entry was chosen: every entry is right, and nothing is in force.
    reboot(host, 'quiet');
    expect(bootArgumentsAction.verify(change, host)).toBeUndefined();
    expect(said()).toContain('the kernel was not started with isolcpus=');

    reboot(host, `${LINE} ${WANTED}`);
    put(host, '/sys/devices/system/cpu/isolated', '2-3');
    put(host, '/sys/devices/system/cpu/nohz_full', '(null)');
    expect(said()).toBe('/sys/devices/system/cpu/nohz_full lacks 2-3');
    put(host, '/sys/devices/system/cpu/nohz_full', '2-3');
    expect(said()).toBeUndefined();
  });

  it('[D5] [E15] pages that the kernel did not get are named, by node where it knows them', () => {
    const host = bootHost('grub-debian', LINE);
    const has = (...got: number[]) => {
      for (const [node, count] of got.entries())
        put(
          host,
          `/sys/devices/system/node/node${node}/hugepages/hugepages-1048576kB/nr_hugepages`,
          `${count}`,
        );
    };
    for (const [words, short] of [
      [['hugepagesz=1G', 'hugepages=0:2,1:2'], 'the kernel has 1 of 1G on node 1, not 2'],
      [['hugepagesz=1G', 'hugepages=4'], 'the kernel has 3 of 1G, not 4'],
    ] as const) {
      reboot(host, `${LINE} ${words.join(' ')}`);
      has(2, 1);
      expect(notInEffect(words, host)).toBe(short);
      has(2, 2);
      expect(notInEffect(words, host)).toBeUndefined();
    }
  });
});

describe('a boot line that is tried once', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'boot-trial-'));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it.each(['grub-debian', 'systemd-boot'] as const)(
    '[E17] [J2] %s: no entry changes but a new one',
    async (loader) => {
      const installed = bootHost(loader, LINE);
      const before = linesOf(installed);
      const { host, begun, profile } = await applied(loader, LINE, bootProfile(CORES, [], true));
      const after = linesOf(host);
      expect(after.filter(([id]) => id !== 'bypass-setup-trial')).toEqual(before);
      const line = after.find(([id]) => id === 'bypass-setup-trial')?.[1] ?? '';
      expect(line).toMatch(/isolcpus=managed_irq,domain,2-3 .* panic=10 bypass_setup\.trial=[0-9a-f]{12}$/);
      const arm =
        loader === 'grub-debian' ? 'grub-editenv /boot/grub/grubenv set next_entry=' : 'bootctl set-oneshot ';
      expect(host.operations).toContain(`${arm}bypass-setup-trial${loader === 'grub-debian' ? '' : '.conf'}`);
      expect(planFor(host, profile)).toMatchObject({
        changes: [],
        notes: [expect.stringContaining('tried at the next boot')],
      });
      // It hung, and the old line is back.
      reboot(host, LINE);
      expect(planFor(host, profile)).toMatchObject({
        changes: [],
        notes: [expect.stringContaining('the host did not come up with it')],
      });
      expect(await revertAll(begun, host)).toEqual([]);
      expect(host.readText(GRUB_ENVIRONMENT)).toBe(installed.readText(GRUB_ENVIRONMENT));
    },
  );

  it('[E17] is refused where GRUB could not forget it', () => {
    const lvm = bootHost('grub-debian', LINE, { '/proc/mounts': '/dev/mapper/vg-root / ext4 rw 0 0\n' });
    expect(refusal(lvm, bootProfile(CORES, [], true))).toMatchObject({
      code: 'TRIAL_IMPOSSIBLE',
      exitCode: 4,
    });
    expect(refusal(bootHost('grub-bls', LINE), bootProfile(CORES, [], true)).code).toBe('TRIAL_IMPOSSIBLE');
  });

  it.each([
    ['well', {}, 'passed', 0],
    [
      'without its isolated CPUs',
      { '/sys/devices/system/cpu/isolated': '2\n' },
      "failed: the list of isolated CPUs is '2', expected '2-3'",
      1,
    ],
    [
      'without memory',
      { '/proc/meminfo': 'MemTotal: 4000000 kB\nMemAvailable: 90000 kB\n' },
      'failed: only 90000 kB of 4000000 kB are available',
      1,
    ],
    [
      'without a route',
      { '/proc/net/route': 'Iface\n' },
      'failed: there is no default route by an interface that is up',
      1,
    ],
    [
      'with its link down',
      { '/sys/class/net/eth0/operstate': 'down\n' },
      'failed: there is no default route by an interface that is up',
      1,
    ],
    ['without sshd', { active: 'no' }, 'failed: sshd.service does not run', 1],
  ])('[E17] [J2] a host that is %s: %s', async (what, changes: Record<string, string>, result, code) => {
    const { host } = await applied('systemd-boot', LINE, bootProfile(CORES, [], true));
    const root = join(scratch, what.replaceAll(' ', '-'));
    const files: Record<string, string> = {
      '/sys/devices/system/cpu/isolated': '2-3\n',
      '/sys/devices/system/cpu/nohz_full': '2,3\n',
      '/proc/meminfo': 'MemTotal: 4000000 kB\nMemAvailable: 3000000 kB\n',
      '/proc/net/route': 'Iface\tDestination\tGateway\tFlags\neth0\t00000000\t0101A8C0\t0003\n',
      '/sys/class/net/eth0/operstate': 'up\n',
      '/var/lib/bypass-setup/x': '',
      '/bin/sleep': '#!/bin/sh\n',
      '/bin/systemctl': `#!/bin/sh\ncase "$*" in\n'-q is-enabled sshd.service') exit 0 ;;\n'-q is-active sshd.service') [ '${changes.active ?? 'yes'}' = yes ] ;;\nreboot) echo reboot >>${root}/log ;;\n*) exit 1 ;;\nesac\n`,
      ...changes,
    };
    for (const [path, text] of Object.entries(files)) {
      if (!path.startsWith('/')) continue;
      mkdirSync(dirname(root + path), { recursive: true });
      writeFileSync(root + path, text);
      if (path.startsWith('/bin/')) chmodSync(root + path, 0o755);
    }
    writeFileSync(`${root}/log`, '');
    // What would make it the default is not of this test.
    const script = (host.readText(OWN.trialScript) ?? '')
      .replace(/^promote\(\) \{[\s\S]*?^\}$/m, `promote() {\n  echo promoted >>${root}/log\n}`)
      // That host had a default route.
      .replace(/ {2}return # there was none before\n/, '');
    const run = spawnSync('sh', ['-c', script], {
      encoding: 'utf8',
      env: { PATH: `${root}/bin:/usr/bin:/bin`, BYPASS_SETUP_ROOT: root, BYPASS_SETUP_PATIENCE: '10' },
    });
    expect(run.status, run.stderr).toBe(code);
    expect(readFileSync(`${root}${OWN.trialResult}`, 'utf8').trim()).toBe(result);
    expect(readFileSync(`${root}/log`, 'utf8').trim()).toBe(code === 0 ? 'promoted' : 'reboot');
  });
});

describe('the drop-in of GRUB, read by a real shell', () => {
  const word = fc.constantFrom(
    ...[
      'quiet',
      'ro',
      'isolcpus=1',
      'nohz_full=1',
      'nohz-full=3',
      'skew_tick=0',
      'console=tty0',
      'console=ttyS0',
    ],
    ...[
      'hugepagesz=1G',
      'hugepagesz=2M',
      'hugepagesz=2048K',
      'hugepages=4',
      'x="a  b"',
      '"y z=1"',
      'a\\b',
      '*',
      '~',
      '#x',
    ],
    ...['"isolcpus=5"', '$HOME', '`date`', ';', "it's"],
  );
  const variable = fc
    .array(fc.tuple(fc.constantFrom(' ', '  ', '\t'), word), { maxLength: 6 })
    .map((parts) => parts.map(([gap, text], index) => (index === 0 ? text : gap + text)).join(''));
  const wanted = fc
    .subarray([
      'isolcpus=2',
      'nohz_full=2-3',
      'skew_tick=1',
      'hugepagesz=2M',
      'hugepages=64',
      'console=ttyS0',
      'pci=x',
    ])
    .filter((list) => list.includes('hugepagesz=2M') === list.includes('hugepages=64'));

  it.each([['sh'], ['bash', '--norc']])(
    '[E3] [E10] %s: no argument of others is lost or changed, none of ours stands twice',
    (shell, ...options) => {
      let runs = 0;
      void fc.assert(
        fc.property(variable, variable, wanted, (common, standard, want) => {
          const text = `set -e\n${dropIn(want)}printf '%s\\0%s\\0' "$GRUB_CMDLINE_LINUX" "$GRUB_CMDLINE_LINUX_DEFAULT"\nset | grep -c bypass_setup || :\n`;
          const env = {
            PATH: '/usr/bin:/bin',
            GRUB_CMDLINE_LINUX: common,
            GRUB_CMDLINE_LINUX_DEFAULT: standard,
          };
          const run = spawnSync(shell, [...options, '-c', text], { encoding: 'utf8', env });
          expect(run.stderr).toBe('');
          const [linux = '', normal = ''] = run.stdout.split('\0');
          const line = `${linux} ${normal}`;
          expect(foreignArguments(line, want)).toBe(foreignArguments(`${common} ${standard}`, want));
          // Repeated arguments stand where they stood.
          expect(ownArguments(line, want).sort()).toEqual(expect.arrayContaining([...want].sort()));
          const single = want.filter((one) => !/^(console|pci)=/.test(one));
          expect(ownArguments(line, single)).toEqual(single);
          runs++;
        }),
        { numRuns: 150 },
      );
      expect(runs).toBeGreaterThan(100);
    },
    30_000,
  );
});
