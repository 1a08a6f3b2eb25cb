import { describe, expect, test } from 'vitest';
import { absent, type Change, factsOf, fixtureHost, known, theValue, withFiles } from '../support/hosts.ts';

const smt = factsOf(fixtureHost('two-socket-smt'));
const bond = factsOf(fixtureHost('bond-vlan'));
const sparse = factsOf(fixtureHost('offline-sparse'));
const arm = factsOf(fixtureHost('arm64-server'));
const vm = factsOf(fixtureHost('firecracker-vm'));
const varied = (name: string, changes: Readonly<Record<string, Change>>) => factsOf(withFiles(name, changes));

const CPU = '/sys/devices/system/cpu';
const NODE = '/sys/devices/system/node';

describe('isolation', () => {
  test('in force, and as the command line asks for it', () => {
    expect(smt.isolation).toEqual({
      isolated: known('17-31,49-63', `${CPU}/isolated`),
      nohzFull: known('17-31,49-63', `${CPU}/nohz_full`),
      rcuNocbs: known('17-31,49-63', 'syslog(2)'),
      cgroup: known('', '/sys/fs/cgroup/cpuset.cpus.isolated'),
      partitions: known([], '/sys/fs/cgroup'),
      requested: known(
        {
          isolcpus: '17-31,49-63',
          nohzFull: '17-31,49-63',
          rcuNocbs: '17-31,49-63',
          irqaffinity: '0-16,32-48',
        },
        '/proc/cmdline',
      ),
      workqueues: known('0-16,32-48', '/sys/devices/virtual/workqueue/cpumask'),
      initAffinity: known('0-16,32-48', '/proc/1/status'),
    });
  });

  test('groups that want CPUs for themselves, and why one does not get them', () => {
    const group = (name: string, cpus: string, state: string) => ({
      [`/sys/fs/cgroup/${name}/cpuset.cpus`]: `${cpus}\n`,
      [`/sys/fs/cgroup/${name}/cpuset.cpus.partition`]: `${state}\n`,
    });
    const invalid = 'isolated invalid (Cpu list in cpuset.cpus not exclusive)';
    const { partitions } = varied('two-socket-smt', {
      ...group('bypass.slice', '20-23', 'isolated'),
      ...group('pollers', '24', invalid),
      ...group('system.slice', '', 'member'),
      '/sys/fs/cgroup/cpuset.cpus.partition': 'root\n',
    }).isolation;
    expect(theValue(partitions)).toEqual([
      { group: 'bypass.slice', cpus: '20-23', state: 'isolated' },
      { group: 'pollers', cpus: '24', state: invalid },
    ]);
    expect(sparse.isolation.partitions).toEqual(absent('missing', 'no control groups', '/sys/fs/cgroup'));
  });

  test('asked for and in force are not the same', () => {
    expect(bond.isolation.requested).toEqual(
      known({ isolcpus: '2-3', nohzFull: '2-3', rcuNocbs: '2-7', irqaffinity: '' }, '/proc/cmdline'),
    );
    expect(bond.isolation.rcuNocbs).toEqual(known('2-3', 'syslog(2)'));
    expect(theValue(arm.isolation.requested)).toEqual({
      isolcpus: '',
      nohzFull: '0-3',
      rcuNocbs: '',
      irqaffinity: '0',
    });
  });

  test.each([
    [
      'the first isolcpus and nohz_full count',
      'isolcpus=1 isolcpus=2 nohz_full=1 nohz_full=3',
      ['1', '1', '', ''],
    ],
    [
      'the last rcu_nocbs and irqaffinity count',
      'rcu_nocbs=1 rcu_nocbs irqaffinity=0 irqaffinity=0-1',
      ['', '', '', '0-1'],
    ],
    ['what follows -- is not for the kernel', 'quiet -- isolcpus=2', ['', '', '', '']],
    ['no list of the flag domain', 'isolcpus=managed_irq,2-3', ['', '', '', '']],
    ['a flag that the kernel skips', 'isolcpus=unheard_of,2-3', ['2-3', '', '', '']],
    ['flags before the list', 'isolcpus=nohz,domain,managed_irq,1-N', ['1-3', '', '', '']],
    ['strides', 'nohz_full=0-3:1/2', ['', '0,2', '', '']],
  ])('on the command line %s', (_, line, [isolcpus, nohzFull, rcuNocbs, irqaffinity]) => {
    const facts = varied('bond-vlan', { '/proc/cmdline': `${line}\n` });
    expect(theValue(facts.isolation.requested)).toEqual({ isolcpus, nohzFull, rcuNocbs, irqaffinity });
  });

  test('a list that is none', () => {
    expect(varied('bond-vlan', { '/proc/cmdline': 'isolcpus=2..3\n' }).isolation.requested).toEqual(
      absent(
        'garbled',
        'not a CPU list: "2..3" (expected numbers and ranges such as 0-3,8)',
        '/proc/cmdline',
      ),
    );
  });

  test('(null) is no CPU, and a kernel without tickless CPUs has no file', () => {
    expect(sparse.isolation.nohzFull).toEqual(known('', `${CPU}/nohz_full`));
    expect(vm.isolation.nohzFull).toEqual(absent('missing', 'no such file', `${CPU}/nohz_full`));
  });

  test.each([
    ['(none)', '<6>[    0.000000] rcu: \tOffload RCU callbacks from CPUs: (none).\n', known('', 'syslog(2)')],
    ['not a word', '<5>[    0.000000] Linux version 6.1\n', known('', 'syslog(2)')],
    [
      'overwritten',
      '<6>[ 9999.000000] usb 1-1: new device\n',
      absent('missing', 'the ring buffer no longer holds the start of this boot', 'syslog(2)'),
    ],
    [
      'garbled',
      'rcu: Offload RCU callbacks from CPUs: 3-1.\n',
      absent('garbled', 'not a CPU list: "3-1" (the range 3-1 runs backwards)', 'syslog(2)'),
    ],
  ])('callbacks offloaded, in the log: %s', (_, answer, fact) => {
    const facts = varied('bond-vlan', { '/.kernel/kernelLog.json': JSON.stringify({ answer }) });
    expect(facts.isolation.rcuNocbs).toEqual(fact);
  });

  test('a log that the kernel does not show', () => {
    const answer = JSON.stringify({ unanswered: 'syslog(2) refused: EPERM' });
    const facts = varied('bond-vlan', { '/.kernel/kernelLog.json': answer });
    const refused = absent('unsupported', 'syslog(2) refused: EPERM', 'syslog(2)');
    expect([facts.isolation.rcuNocbs, facts.kernel.complaints]).toEqual([refused, refused]);
  });
});

describe('the kernel', () => {
  test('its complaints about the command line, and none', () => {
    expect(bond.kernel.complaints).toEqual(
      known(
        [
          'isolcpus: Skipped unknown flag domian',
          "kernel parameter 'rcu_nocbs=', 'nohz_full', or 'isolcpus=' contains nonexistent CPUs.",
          'HugeTLB: unsupported hugepagesz=3M',
          'HugeTLB: hugepages=7 does not follow a valid hugepagesz, ignoring',
          'Unknown kernel command line parameters "isolcpu=3", will be passed to user space.',
        ],
        'syslog(2)',
      ),
    );
    expect(smt.kernel.complaints).toEqual(known([], 'syslog(2)'));
  });

  test('release, distribution, taint and modules', () => {
    expect(smt.kernel).toMatchObject({
      release: known('6.1.0-28-amd64', '/proc/sys/kernel/osrelease'),
      bootId: known('5f0e6c1e-0d0c-4b0a-9a58-0c1d2e3f4a5b', '/proc/sys/kernel/random/boot_id'),
      distribution: known(
        { id: 'debian', version: '12', name: 'Debian GNU/Linux 12 (bookworm)' },
        '/etc/os-release',
      ),
      taint: known(0, '/proc/sys/kernel/tainted'),
      modules: known(true, '/proc/sys/kernel/modules_disabled'),
    });
    expect(bond.kernel.taint).toEqual(known(512, '/proc/sys/kernel/tainted'));
    expect(arm.kernel.distribution).toEqual(absent('missing', 'no such file', '/usr/lib/os-release'));
  });
});

describe('NUMA nodes', () => {
  test('with gaps in their numbers', () => {
    const folder = (id: number) => `${NODE}/node${id}`;
    expect(sparse.numa.nodes).toEqual(
      known(
        [
          {
            id: 0,
            cpus: '0-3',
            memory: known({ total: 2 ** 35, free: 2 ** 34, reclaimable: 0 }, `${folder(0)}/meminfo`),
            distances: known({ 0: 10, 2: 32 }, `${folder(0)}/distance`),
          },
          {
            id: 2,
            cpus: '8-11',
            memory: known({ total: 2 ** 35, free: 16000000 * 1024, reclaimable: 0 }, `${folder(2)}/meminfo`),
            distances: known({ 0: 32, 2: 10 }, `${folder(2)}/distance`),
          },
        ],
        NODE,
      ),
    );
    // A kernel before 3.14 gives no estimate of what is available.
    expect(sparse.numa.memory).toEqual(
      known({ total: 2 ** 36, available: 32777216 * 1024 }, '/proc/meminfo'),
    );
  });

  test('a row of distances that is too short, and a kernel without NUMA', () => {
    const nodes = varied('offline-sparse', { [`${NODE}/node2/distance`]: '32\n' }).numa.nodes;
    expect(theValue(nodes)[1]?.distances).toEqual(
      absent('garbled', 'not a distance row: "32" (2 nodes, 1 numbers)', `${NODE}/node2/distance`),
    );
    expect(varied('bond-vlan', { [NODE]: null }).numa.nodes).toEqual(
      absent('missing', 'the kernel describes no NUMA node', NODE),
    );
  });
});

describe('hugepages', () => {
  test('by node and size, with what is free, and where they are mounted', () => {
    const pool = (node: number, size: number, total: number, free: number) => ({
      node,
      size,
      total,
      free,
      reserved: 0,
      surplus: 0,
      asked: null,
    });
    expect(smt.hugepages).toEqual({
      pools: known(
        [
          pool(0, 2 ** 30, 4, 4),
          pool(0, 2 ** 21, 0, 0),
          pool(1, 2 ** 30, 16, 12),
          pool(1, 2 ** 21, 1024, 1000),
        ],
        NODE,
      ),
      defaultSize: known(2 ** 30, '/proc/meminfo'),
      mounts: known(
        [
          { path: '/dev/hugepages', size: 2 ** 30, options: 'rw,relatime,pagesize=1024M' },
          { path: '/mnt/huge 2M', size: 2 ** 21, options: 'rw,relatime,gid=120,mode=1770,pagesize=2M' },
        ],
        '/proc/mounts',
      ),
      mountPoints: [],
      maps: known([], '/dev/hugepages, /mnt/huge 2M'),
      unitLimits: absent('missing', 'no cgroup v2 with services in it', '/sys/fs/cgroup/system.slice'),
      cgroupLimits: known(
        { '1GB': 'max', '2MB': '1073741824' },
        '/sys/fs/cgroup/user.slice/user-0.slice/session-3.scope',
      ),
    });
  });

  test('[D9] what the kernel gives back when asked counts as memory of a node', () => {
    const lines = ['MemTotal: 1000 kB', 'MemFree: 100 kB', 'Inactive(file): 20 kB', 'SReclaimable: 3 kB'];
    const text = lines.map((line) => `Node 0 ${line}\n`).join('');
    const { nodes } = varied('offline-sparse', { [`${NODE}/node0/meminfo`]: text }).numa;
    expect(theValue(nodes)[0]?.memory.value).toEqual({
      total: 1000 * 1024,
      free: 100 * 1024,
      reclaimable: 23 * 1024,
    });
  });

  test('[D6] no node tells what is promised; what the host tells holds for each', () => {
    const { pools } = varied('two-socket-smt', {
      '/sys/kernel/mm/hugepages/hugepages-2048kB/resv_hugepages': '7\n',
    }).hugepages;
    expect(theValue(pools).map(({ size, reserved }) => [size, reserved])).toEqual([
      [2 ** 30, 0],
      [2 ** 21, 7],
      [2 ** 30, 0],
      [2 ** 21, 7],
    ]);
  });

  test('[D11] files that EAL has left in a mount, and whether anybody has them open', () => {
    const changes = {
      '/dev/hugepages/rtemap_0': '',
      '/dev/hugepages/spdk_pid7map_1': '',
      '/dev/hugepages/libvirt/qemu': '',
      '/proc/4243/fd/5': { link: '/dev/hugepages/rtemap_0' },
    };
    expect(theValue(varied('two-socket-smt', changes).hugepages.maps)).toEqual([
      { path: '/dev/hugepages/rtemap_0', open: true },
      { path: '/dev/hugepages/spdk_pid7map_1', open: false },
    ]);
    const hidden = varied('two-socket-smt', { '/dev/hugepages': { denied: 'EACCES' } }).hugepages.maps;
    expect(hidden).toMatchObject({ absent: 'denied', from: '/dev/hugepages' });
  });

  test('[D13] limits of services, by unit', () => {
    const slice = '/sys/fs/cgroup/system.slice';
    const limits = {
      [`${slice}/cgroup.controllers`]: 'cpu hugetlb memory\n',
      [`${slice}/cgroup.subtree_control`]: 'hugetlb\n',
      [`${slice}/hugetlb.2MB.max`]: 'max\n',
      [`${slice}/trader.service/hugetlb.2MB.max`]: '4194304\n',
      [`${slice}/trader.service/hugetlb.1GB.max`]: 'max\n',
      [`${slice}/other.service/cgroup.procs`]: '',
    };
    const units = (changes: object) =>
      theValue(varied('two-socket-smt', { ...limits, ...changes }).hugepages.unitLimits);
    expect(units({})).toEqual({ 'trader.service': { '2MB': 4194304 } });
    expect(units({ [`${slice}/hugetlb.2MB.max`]: '0\n', [`${slice}/cgroup.subtree_control`]: '\n' })).toEqual(
      {
        'system.slice': { '2MB': 0 },
      },
    );
    expect(units({ [`${slice}/cgroup.controllers`]: 'cpu memory\n' })).toEqual({});
  });

  test('free pages that cannot be read are unknown, not none', () => {
    expect(theValue(sparse.hugepages.pools).map(({ node, size, free }) => [node, size, free])).toEqual([
      [0, 2 ** 21, 512],
      [2, 2 ** 21, null],
    ]);
    expect(sparse.hugepages.defaultSize).toEqual(
      absent('missing', 'no "Hugepagesize" line', '/proc/meminfo'),
    );
    expect(sparse.hugepages.cgroupLimits).toEqual(absent('missing', 'no cgroup v2', '/proc/self/cgroup'));
  });

  test('the sizes of an ARM kernel; one pool for all without NUMA; none', () => {
    expect(theValue(arm.hugepages.pools).map(({ size, total }) => [size, total])).toEqual([
      [2 ** 29, 2],
      [2 ** 16, 0],
    ]);
    const pool = '/sys/kernel/mm/hugepages/hugepages-2048kB';
    const global = { [NODE]: null, [`${pool}/nr_hugepages`]: '8\n', [`${pool}/free_hugepages`]: '6\n' };
    expect(varied('bond-vlan', global).hugepages.pools).toEqual(
      known(
        [{ node: null, size: 2 ** 21, total: 8, free: 6, reserved: 0, surplus: 0, asked: null }],
        '/sys/kernel/mm/hugepages',
      ),
    );
    expect(varied('bond-vlan', { [NODE]: null }).hugepages.pools).toEqual(
      absent('missing', 'the kernel has no hugepages', '/sys/kernel/mm/hugepages'),
    );
  });
});

describe('interrupts', () => {
  test('with the affinity in effect and the CPUs that counted them', () => {
    const affinity = (irq: number, cpu: string) => known(cpu, `/proc/irq/${irq}/effective_affinity_list`);
    expect(smt.interrupts).toEqual({
      defaultAffinity: known('0-16,32-48', '/proc/irq/default_smp_affinity'),
      lines: known(
        [
          {
            irq: 0,
            description: 'IR-IO-APIC 2-edge timer',
            affinity: affinity(0, '0'),
            mask: null,
            cpus: '0',
          },
          {
            irq: 98,
            description: 'IR-PCI-MSIX-0000:04:00.0 1-edge eno1-TxRx-0',
            affinity: affinity(98, '3'),
            mask: null,
            cpus: '3',
          },
          {
            irq: 140,
            description: 'IR-PCI-MSIX-0000:af:00.0 1-edge ice-ens5f0-TxRx-0',
            affinity: affinity(140, '20'),
            mask: '0-63',
            cpus: '20',
          },
          {
            irq: 171,
            description: 'IR-PCI-MSIX-0000:3b:00.0 1-edge mlx5_comp0@pci:0000:3b:00.0',
            affinity: affinity(171, '5'),
            mask: null,
            cpus: '',
          },
        ],
        '/proc/interrupts',
      ),
    });
  });

  test('the mask is looked at where one goes to an isolated CPU', () => {
    const mask = { '/proc/irq/98/smp_affinity_list': '3\n', '/proc/irq/140/smp_affinity_list': '16-20\n' };
    const { lines } = varied('two-socket-smt', mask).interrupts;
    expect(theValue(lines).map(({ irq, mask }) => [irq, mask])).toEqual([
      [0, null],
      [98, null],
      [140, '16-20'],
      [171, null],
    ]);
    const partition = { ...mask, [`${CPU}/isolated`]: '\n', '/sys/fs/cgroup/cpuset.cpus.isolated': '3\n' };
    expect(theValue(varied('two-socket-smt', partition).interrupts.lines)[1]?.mask).toBe('3');
  });

  test('an older kernel tells only what was asked for', () => {
    const facts = varied('bond-vlan', { '/proc/irq/24/effective_affinity_list': null });
    expect(theValue(facts.interrupts.lines)[0]?.affinity).toEqual(
      known('0-3', '/proc/irq/24/smp_affinity_list'),
    );
  });
});

describe('boot loaders', () => {
  const kinds = (changes: Readonly<Record<string, Change>>) =>
    varied('offline-sparse', changes).bootLoader.kinds;

  test('Debian, Red Hat, and none that is known', () => {
    expect(smt.bootLoader).toMatchObject({
      kinds: known([{ kind: 'grub-debian', evidence: '/usr/sbin/update-grub' }], '/boot'),
      loader: known('grub-debian', '/usr/sbin/update-grub'),
      tool: known('/usr/sbin/grub-mkconfig', '/usr/sbin/grub-mkconfig'),
      firmware: known('uefi', '/sys/firmware/efi'),
    });
    expect(
      theValue(smt.bootLoader.entries).map(({ id, managed, isDefault }) => [id, managed, isDefault]),
    ).toEqual([
      ['gnulinux-simple-vg-root', true, true],
      ['gnulinux-advanced-vg-root>gnulinux-6.1.0-28-amd64-advanced-vg-root', true, false],
      ['gnulinux-advanced-vg-root>gnulinux-6.1.0-28-amd64-recovery-vg-root', false, false],
    ]);
    expect(theValue(bond.bootLoader.entries)).toMatchObject([
      { managed: true, isDefault: true, path: expect.stringMatching(/^\/boot\/loader\/entries\/.*\.conf$/) },
    ]);
    expect(theValue(bond.bootLoader.kinds)).toEqual([{ kind: 'grub-bls', evidence: '/boot/loader/entries' }]);
    expect(sparse.bootLoader).toMatchObject({
      kinds: absent('missing', 'no boot loader that is known here', '/boot'),
      entries: absent('missing', 'no boot loader that is known here', '/boot'),
      files: {},
      firmware: known('bios', '/sys/firmware/efi'),
    });
    expect(arm.bootLoader.firmware).toEqual(absent('missing', 'no /sys/firmware', '/sys/firmware'));
  });

  test.each([
    ['rpm-ostree', '/run/ostree-booted', '/run/ostree-booted'],
    [
      'systemd-boot',
      '/boot/efi/EFI/systemd/systemd-bootx64.efi',
      '/boot/efi/EFI/systemd/systemd-bootx64.efi',
    ],
    ['uki', '/efi/EFI/Linux/debian-6.12.efi', '/efi/EFI/Linux/debian-6.12.efi'],
    ['grub-bls', '/boot/grub2/grub.cfg', '/boot/grub2'],
    ['grub-debian', '/boot/grub/grub.cfg', '/boot/grub/grub.cfg'],
    ['raspberry-pi', '/boot/firmware/cmdline.txt', '/boot/firmware/cmdline.txt'],
  ])('%s', (kind, path, evidence) => {
    expect(theValue(kinds({ [path]: '' }))).toEqual([{ kind, evidence }]);
  });

  test('of two that are installed, the one that says it was there', () => {
    const variable = (text: string) => new Uint8Array([7, 0, 0, 0, ...Buffer.from(`${text}\0`, 'utf16le')]);
    const both = {
      '/boot/efi/EFI/systemd/systemd-bootx64.efi': '',
      '/boot/grub/grub.cfg': '',
      '/sys/firmware/efi/efivars/BootCurrent-8be4df61-93ca-11d2-aa0d-00e098032b8c': '',
    };
    const info = '/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f';
    const loader = (changes: Readonly<Record<string, Change>>) =>
      theValue(varied('offline-sparse', { ...both, ...changes }).bootLoader.loader);
    expect(loader({})).toBe('grub-debian');
    expect(loader({ [info]: variable('GRUB 2.12') })).toBe('grub-debian');
    expect(loader({ [info]: variable('systemd-boot 252.39') })).toBe('systemd-boot');
  });

  test('[E4] of RHEL 8 the line stands in grubenv, and so does the default entry', () => {
    const entry = (version: string) =>
      `title x\nversion ${version}\nlinux /vmlinuz-${version}\noptions $kernelopts $tuned_params\n`;
    const { entries } = varied('offline-sparse', {
      '/boot/grub2/grubenv':
        '# GRUB Environment Block\nsaved_entry=m-4.18.0-80\nkernelopts=root=/dev/x ro quiet \n####',
      '/boot/loader/entries/m-4.18.0-80.conf': entry('4.18.0-80'),
      '/boot/loader/entries/m-4.18.0-305.conf': entry('4.18.0-305'),
    }).bootLoader;
    expect(theValue(entries).map(({ id, line, isDefault }) => [id, line, isDefault])).toEqual([
      ['m-4.18.0-305', 'root=/dev/x ro quiet  $tuned_params', false],
      ['m-4.18.0-80', 'root=/dev/x ro quiet  $tuned_params', true],
    ]);
  });

  test('without a word of it the newest kernel is the default', () => {
    const entry = (version: string) => `version ${version}\nlinux /x\noptions a\n`;
    const { entries } = varied('offline-sparse', {
      '/boot/grub2/grub.cfg': '',
      '/boot/loader/entries/m-6.1.9.conf': entry('6.1.9'),
      '/boot/loader/entries/m-6.1.10.conf': entry('6.1.10'),
      '/boot/loader/entries/m-0-rescue.conf': entry('0-rescue-9'),
    }).bootLoader;
    expect(theValue(entries).find(({ isDefault }) => isDefault)?.id).toBe('m-6.1.10');
  });

  test('bootc goes before the loader that it uses', () => {
    const changes = {
      '/run/ostree-booted': '',
      '/usr/lib/bootc/install': 'a folder',
      '/boot/grub2/grub.cfg': '',
    };
    expect(theValue(kinds(changes as Readonly<Record<string, Change>>))).toEqual([
      { kind: 'bootc', evidence: '/usr/lib/bootc' },
      { kind: 'grub-bls', evidence: '/boot/grub2' },
    ]);
  });
});

test('services that fight with tuning: running, enabled, installed', () => {
  const slice = '/sys/fs/cgroup/system.slice';
  const unit = (name: string, running: boolean | null, enabled: boolean, evidence: string) => ({
    name,
    running,
    enabled,
    installed: true,
    evidence,
  });
  const file = (name: string) => `/usr/lib/systemd/system/${name}`;
  expect(smt.services).toEqual({
    units: known(
      [
        unit('irqbalance.service', false, false, file('irqbalance.service')),
        unit('tuned.service', true, true, `${slice}/tuned.service/cgroup.procs`),
        unit('networking.service', false, true, file('networking.service')),
        unit('chrony.service', true, true, `${slice}/chrony.service/cgroup.procs`),
        unit('apt-daily-upgrade.timer', null, false, file('apt-daily-upgrade.timer')),
      ],
      slice,
    ),
    tunedProfile: known('network-latency', '/etc/tuned/active_profile'),
    irqbalanceBanned: known('17-31,49-63', '/etc/default/irqbalance'),
  });
  const banned = (text: string) =>
    varied('two-socket-smt', { '/etc/default/irqbalance': text }).services.irqbalanceBanned;
  // Older versions take a mask.
  expect(banned('IRQBALANCE_BANNED_CPUS="00000000,000000f0"\n')).toEqual(
    known('4-7', '/etc/default/irqbalance'),
  );
  expect(banned('IRQBALANCE_BANNED_CPULIST=4..7\n').absent).toBe('garbled');
  expect(banned('#\n')).toEqual(absent('missing', 'no CPU is banned in it', '/etc/default/irqbalance'));
  expect(sparse.services.units).toEqual(
    absent('missing', 'not a systemd host, or not recorded', '/usr/lib/systemd/system'),
  );
});

test('frequencies, idle states and link power management', () => {
  const policy = (cpus: string, minimum: number) => ({
    cpus,
    driver: 'intel_pstate',
    governor: 'performance',
    minimum,
    maximum: 3500000,
    hardwareMaximum: 3500000,
    preference: 'performance',
  });
  expect(smt.power).toEqual({
    policies: known([policy('0-62', 3500000), policy('63', 800000)], `${CPU}/cpufreq`),
    idleDriver: known('intel_idle', `${CPU}/cpuidle/current_driver`),
    idleStates: known(
      [
        { name: 'POLL', latency: 0, disabled: false },
        { name: 'C1', latency: 1, disabled: false },
        { name: 'C6', latency: 170, disabled: true },
      ],
      `${CPU}/cpu0/cpuidle`,
    ),
    idleLimits: known([{ cpus: '17-31,49-63', deepest: 'C1', latency: 1, limit: null }], CPU),
    latencyLimit: absent('missing', 'no such device', '/dev/cpu_dma_latency'),
    throttled: absent('missing', 'no such file', `${CPU}/cpu17/thermal_throttle/core_throttle_count`),
    maximumPerformance: absent('missing', 'no such file', `${CPU}/intel_pstate/max_perf_pct`),
    turbo: known(true, `${CPU}/intel_pstate/no_turbo`),
    aspmPolicy: known('default', '/sys/module/pcie_aspm/parameters/policy'),
  });
  expect(sparse.power).toMatchObject({
    policies: absent('missing', 'the kernel does not scale frequencies here', `${CPU}/cpufreq`),
    idleDriver: known('none', `${CPU}/cpuidle/current_driver`),
    turbo: known(true, `${CPU}/cpufreq/boost`),
  });
});

const disableOf = (cpu: number, state: number) => `${CPU}/cpu${cpu}/cpuidle/state${state}/disable`;

test('[G2] how deep each isolated CPU may sleep', () => {
  // The recorded host has but the states that were looked at.
  const states = Object.fromEntries(
    [6, 7, 14, 15].flatMap((cpu) => [0, 1, 2].map((state) => [disableOf(cpu, state), '0\n'])),
  );
  const idle = (changes: Readonly<Record<string, Change>>) =>
    varied('ready-server', { ...states, ...changes }).power.idleLimits.value?.map(
      ({ cpus, deepest, latency, limit }) => [cpus, deepest, latency, limit],
    );
  const limit = (cpu: number, text: string) => ({
    [`${CPU}/cpu${cpu}/power/pm_qos_resume_latency_us`]: text,
  });
  const disable = (cpu: number, state: number, text: string) => ({ [disableOf(cpu, state)]: text });
  expect(idle({})).toEqual([['6-7,14-15', 'C1', 1, 1]]);
  expect(idle({ ...limit(6, '0\n'), ...limit(7, 'n/a\n'), ...disable(14, 1, '1\n') })).toEqual([
    ['6', 'C6', 170, null],
    ['7', 'POLL', 0, 0],
    ['14', 'POLL', 0, 1],
    ['15', 'C1', 1, 1],
  ]);
  // Each state switched off; a state that cannot be read leaves its CPU out.
  const none = { ...disable(6, 0, '1\n'), ...disable(6, 1, '1\n'), ...disable(6, 2, '1\n') };
  expect(idle({ ...none, [disableOf(7, 1)]: { denied: 'EACCES' } })).toEqual([
    ['6', 'none', 0, 1],
    ['14-15', 'C1', 1, 1],
  ]);
});

test('[G2] what processes ask of all CPUs', () => {
  const limit = (change: Change) =>
    varied('ready-server', { '/dev/cpu_dma_latency': change }).power.latencyLimit;
  expect(limit(new Uint8Array([0x00, 0x94, 0x35, 0x77]))).toEqual(
    known(2_000_000_000, '/dev/cpu_dma_latency'),
  );
  expect(limit(new Uint8Array([2, 0, 0, 0]))).toEqual(known(2, '/dev/cpu_dma_latency'));
  expect(limit(new Uint8Array([2])).absent).toBe('garbled');
  expect(limit({ denied: 'EACCES' })).toEqual(absent('denied', 'EACCES: needs root', '/dev/cpu_dma_latency'));
});

test('[J14] isolated CPUs that were slowed down for heat', () => {
  const count = (cpu: number) => `${CPU}/cpu${cpu}/thermal_throttle/core_throttle_count`;
  const changes = { [count(6)]: '0\n', [count(7)]: '12\n', [count(14)]: '0\n', [count(15)]: '3\n' };
  const from = `${CPU}/cpu*/thermal_throttle/core_throttle_count`;
  expect(varied('ready-server', changes).power.throttled).toEqual(known({ 7: 12, 15: 3 }, from));
  // One that does not answer is not one that is cool.
  expect(varied('ready-server', { ...changes, [count(14)]: null }).power.throttled.absent).toBe('missing');
});

test('what the hypervisor has taken, and [G7] what may call the firmware', () => {
  const stat = 'cpu 9 0 0 0 0 0 0 7 0 0\ncpu0 4 0 0 0 0 0 0 5 0 0\ncpu1 5 0 0 0 0 0 0 2 0 0\nintr 1\n';
  const steal = (name: string) => varied(name, { '/proc/stat': stat }).machine.steal;
  expect(steal('firecracker-vm')).toEqual(known({ 0: 5, 1: 2 }, '/proc/stat'));
  expect(steal('two-socket-smt')).toEqual(absent('unsupported', 'not a virtual machine', '/proc/stat'));
  const sources = varied('two-socket-smt', {
    '/sys/module/dell_smm_hwmon': 'a folder',
    '/sys/firmware/acpi/tables/HEST': '',
  }).machine.smiSources;
  expect(theValue(sources)).toEqual(['dell_smm_hwmon', 'HEST']);
  expect(theValue(smt.machine.smiSources)).toEqual([]);
});

test('swap, and how much of it is used', () => {
  expect(smt.numa.swap).toEqual(known({ total: 0, used: 0 }, '/proc/meminfo'));
  const text = 'MemTotal: 9 kB\nSwapTotal: 2048 kB\nSwapFree: 1024 kB\n';
  const { swap } = varied('two-socket-smt', { '/proc/meminfo': text }).numa;
  expect(theValue(swap)).toEqual({ total: 2 ** 21, used: 2 ** 20 });
});

test('kernel tunables', () => {
  const sysctl = (value: number, name: string) => known(value, `/proc/sys/${name}`);
  expect(smt.tunables).toEqual({
    transparentHugepage: known('madvise', '/sys/kernel/mm/transparent_hugepage/enabled'),
    ksm: known(0, '/sys/kernel/mm/ksm/run'),
    numaBalancing: sysctl(0, 'kernel/numa_balancing'),
    swappiness: sysctl(10, 'vm/swappiness'),
    statInterval: sysctl(120, 'vm/stat_interval'),
    nmiWatchdog: sysctl(0, 'kernel/nmi_watchdog'),
    softWatchdog: sysctl(0, 'kernel/soft_watchdog'),
    watchdogCpus: absent('missing', 'no such file', '/proc/sys/kernel/watchdog_cpumask'),
    hungTaskTimeout: sysctl(0, 'kernel/hung_task_timeout_secs'),
    rtRuntime: sysctl(-1, 'kernel/sched_rt_runtime_us'),
    timerMigration: sysctl(0, 'kernel/timer_migration'),
    fairServer: absent(
      'missing',
      'no fair server, or debugfs is not mounted or closed by lockdown',
      '/sys/kernel/debug/sched/fair_server',
    ),
    // Decimal: five minutes.
    machineCheckInterval: known(300, '/sys/devices/system/machinecheck/machinecheck0/check_interval'),
    busyPoll: sysctl(50, 'net/core/busy_poll'),
    busyRead: sysctl(50, 'net/core/busy_read'),
    consoleLoglevel: sysctl(3, 'kernel/printk'),
  });
  const from = '/sys/kernel/debug/sched/fair_server';
  expect(bond.tunables.fairServer).toEqual(known({ 0: 50000000, 1: 50000000, 2: 0, 3: 0 }, from));
  expect(sparse.tunables.fairServer).toEqual(absent('denied', 'EACCES: needs root', from));
});

test('clocks and limits', () => {
  const source = '/sys/devices/system/clocksource/clocksource0';
  expect(smt.clock).toEqual({
    source: known('tsc', `${source}/current_clocksource`),
    available: known(['tsc', 'hpet', 'acpi_pm'], `${source}/available_clocksource`),
    ptp: known(
      [
        { device: 'ptp0', name: 'mlx5_ptp' },
        { device: 'ptp1', name: 'ice-0000-af-00-0-clk' },
      ],
      '/sys/class/ptp',
    ),
    complaints: known([], 'syslog(2)'),
  });
  const log = [
    '<6>[    0.000000] tsc: Detected 2900.000 MHz processor',
    '<6>[    1.500000] clocksource: Switched to clocksource tsc',
    "<4>[  812.000000] clocksource: timekeeping watchdog on CPU3: Marking clocksource 'tsc' as unstable because the skew is too large:",
    '<6>[  812.000100] tsc: Marking TSC unstable due to clocksource watchdog',
    '<4>[  813.000000] [Firmware Bug]: TSC ADJUST differs: CPU5 -12 --> -90. Restoring',
    '',
  ].join('\n');
  const logged = (answer: string) =>
    varied('two-socket-smt', { '/.kernel/kernelLog.json': JSON.stringify({ answer }) }).clock.complaints;
  expect(theValue(logged(log))).toEqual([
    "clocksource: timekeeping watchdog on CPU3: Marking clocksource 'tsc' as unstable because the skew is too large:",
    'tsc: Marking TSC unstable due to clocksource watchdog',
    'TSC ADJUST differs: CPU5 -12 --> -90. Restoring',
  ]);
  expect(arm.clock.complaints.absent).toBe('unsupported');
  expect(theValue(arm.clock.available)).toEqual(['arch_sys_counter']);
  expect(smt.limits).toEqual({
    lockedMemory: known('unlimited', '/proc/self/limits'),
    dmaEntries: known(65535, '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit'),
  });
  expect(theValue(vm.limits.lockedMemory)).toBe(8388608);
});

test('[J10] where the threads run of who holds a NIC, and how much of the time', () => {
  const stat = (name: string, cpu: number, user: number, system: number, start: number) => {
    // From the state on, which is the third field.
    const fields = ['R', ...Array.from({ length: 36 }, () => '0')];
    for (const [at, value] of [
      [14, user],
      [15, system],
      [22, start],
      [39, cpu],
    ] as const)
      fields[at - 3] = `${value}`;
    return `1 (${name}) ${fields.join(' ')}\n`;
  };
  const task = '/proc/4242/task';
  const threads = (changes: Readonly<Record<string, Change>>) =>
    varied('two-socket-smt', { '/proc/uptime': '200.00 1.00\n', ...changes }).userspaceIo.threads;
  const found = threads({
    [`${task}/4242/stat`]: stat('a (b) c', 20, 5_000, 5_000, 10_000),
    [`${task}/4243/stat`]: stat('waits', 3, 1, 0, 0),
    // Started in this very tick.
    [`${task}/4244/stat`]: stat('new', 4, 1, 0, 20_000),
    [`${task}/4245/stat`]: '4245 (cut off) R 1 2',
    [`${task}/4246/stat`]: 'nonsense',
  });
  const thread = (number: number, name: string, cpu: number, busy: number) => ({
    ...{ pid: 4242, program: 'dpdk-testpmd', thread: number, name, cpu, busy },
  });
  expect(found).toEqual(
    known(
      [thread(4242, 'a (b) c', 20, 100), thread(4243, 'waits', 3, 0), thread(4244, 'new', 4, 1)],
      '/proc/*/task/*/stat',
    ),
  );
  // Who holds but a clock polls nothing; who is hidden is not nobody.
  expect(threads({ '/proc/4242/fd/7': { link: '/dev/ptp0' }, '/proc/4242/fd/8': null })).toEqual(
    known([], '/proc/*/task/*/stat'),
  );
  expect(threads({ '/proc/4242': null }).absent).toBe('denied');
});

test('vfio and uio: modules, device nodes and who holds them', () => {
  expect(smt.userspaceIo).toEqual({
    modules: known(
      {
        vfio: 'loaded',
        vfio_pci: 'loaded',
        vfio_iommu_type1: 'loaded',
        uio: 'available',
        uio_pci_generic: 'available',
        igb_uio: 'absent',
      },
      '/sys/module',
    ),
    vfioNodes: known([{ path: '/dev/vfio/85', uid: 0, gid: 0, mode: 0o644 }], '/dev/vfio'),
    unsafeNoIommu: known(false, '/sys/module/vfio/parameters/enable_unsafe_noiommu_mode'),
    allowUnsafeInterrupts: absent(
      'missing',
      'no such file',
      '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts',
    ),
    disableIdleD3: known(false, '/sys/module/vfio_pci/parameters/disable_idle_d3'),
    enableSriov: absent('missing', 'no such file', '/sys/module/vfio_pci/parameters/enable_sriov'),
    uioNodes: known([], '/sys/class/uio'),
    holders: known([{ pid: 4242, program: 'dpdk-testpmd', path: '/dev/vfio/85' }], '/proc/*/fd'),
    threads: absent('missing', 'the time since boot is not told', '/proc/uptime'),
  });
  const changed = varied('two-socket-smt', {
    '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts': 'Y\n',
    '/sys/class/uio/uio0/device': { link: '../../../bus/pci/devices/0000:af:00.1' },
  }).userspaceIo;
  expect(changed.allowUnsafeInterrupts).toEqual(
    known(true, '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts'),
  );
  expect(changed.uioNodes).toEqual(known([{ path: '/dev/uio0', pci: '0000:af:00.1' }], '/sys/class/uio'));
  // Another user's processes could hold it: nobody that can be seen is not nobody.
  expect(varied('two-socket-smt', { '/proc/4242': null }).userspaceIo.holders).toEqual(
    absent('denied', '1 processes hide their files: needs root', '/proc/*/fd'),
  );
  expect(vm.userspaceIo.holders).toEqual(known([], '/proc/*/fd'));
  const builtIn = varied('two-socket-smt', {
    '/sys/module/vfio/initstate': null,
    '/sys/module/vfio_pci': null,
  });
  expect(theValue(builtIn.userspaceIo.modules)).toMatchObject({ vfio: 'built in', vfio_pci: 'built in' });
});

test('bypass stacks', () => {
  const libraries = '/usr/lib/x86_64-linux-gnu';
  expect(smt.stacks).toEqual({
    dpdk: known(
      { version: '22.11.7', drivers: `${libraries}/dpdk/pmds-23.0` },
      `${libraries}/librte_eal.so.23`,
    ),
    onload: absent('missing', 'neither the module nor the library', '/sys/module/onload'),
    sfc: absent('missing', 'the sfc driver is not loaded', '/sys/module/sfc'),
    mlx5: known({ rdma: ['mlx5_0'], uverbs: ['uverbs0', 'uverbs1'] }, '/sys/module/mlx5_core'),
  });
  const solarflare = varied('arm64-server', {
    '/sys/module/sfc/version': '5.3.19.1003\n',
    '/sys/module/onload': 'a folder',
    '/proc/driver/onload/version': 'Onload 9.0.2.45\n',
    '/usr/lib64/libonload.so': '',
    '/dev/onload': '',
    '/usr/lib64/librte_eal.so.20.0': '',
  }).stacks;
  expect(solarflare).toMatchObject({
    dpdk: known({ version: '19.11', drivers: null }, '/usr/lib64/librte_eal.so.20.0'),
    onload: known(
      { driver: '9.0.2.45', library: '/usr/lib64/libonload.so', nodes: ['/dev/onload'] },
      '/sys/module/onload',
    ),
    sfc: known({ version: '5.3.19.1003' }, '/sys/module/sfc'),
  });
});
