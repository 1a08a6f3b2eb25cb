import { describe, expect, it } from 'vitest';
import { judge } from '../../src/checks/index.ts';
import type { Finding } from '../../src/report/report.ts';
import { type Edit, editedHost } from '../support/check-cases.ts';
import { factsOf, fixtureHost } from '../support/hosts.ts';

/** What a check says of the ready host with the edits made; what is bad by them is in test/sabotage/core. */
const findings = (check: string, edits: Readonly<Record<string, Edit>> = {}, host = 'ready-server') =>
  judge(factsOf(editedHost(host, edits))).filter((finding) => finding.check === check);
const said = (all: readonly Finding[]) => all.map(({ result, sentence }) => `${result}: ${sentence}`);

const CPU = '/sys/devices/system/cpu';

describe('isolation', () => {
  it('[F1] isolcpus, nohz_full and rcu_nocbs agree, or it is said on which CPUs they do not', () => {
    expect(said(findings('isolation')).every((line) => line.startsWith('pass'))).toBe(true);
    const disagreeing = (edits: Readonly<Record<string, Edit>>) =>
      findings('isolation', edits)
        .filter(({ result }) => result !== 'pass')
        .map(({ subject, result, sentence }) => [subject, result, sentence.split(':')[0]]);
    expect(disagreeing({ [`${CPU}/nohz_full`]: '6-7,14\n' })).toEqual([
      ['nohz_full', 'fail', 'asked for on 6-7,14-15, but not in force on 15'],
    ]);
    const shorter = { replace: ['nohz_full=6-7,14-15 rcu_nocbs=6-7,14-15', 'nohz_full=6-7,14'] } as const;
    expect(
      disagreeing({
        '/proc/cmdline': shorter,
        '/.kernel/kernelLog.json': { replace: ['CPUs: 6-7,14-15', 'CPUs: 6-7,14'] },
        [`${CPU}/nohz_full`]: '6-7,14\n',
      }),
    ).toEqual([
      ['CPUs 15', 'warn', 'isolated, but not in nohz_full'],
      ['CPUs 15', 'warn', 'isolated, but not in rcu_nocbs'],
    ]);
    expect(disagreeing({ [`${CPU}/nohz_full`]: '5-7,13-15\n' })).toEqual([
      ['CPUs 5,13', 'warn', 'in nohz_full, but not isolated'],
    ]);
  });

  it('[F2] a partition takes the place of the flag domain', () => {
    const line = {
      '/proc/cmdline': { replace: ['isolcpus=managed_irq,domain,', 'isolcpus=managed_irq,'] },
    } as const;
    const edits = {
      ...line,
      [`${CPU}/isolated`]: '\n',
      '/sys/fs/cgroup/cpuset.cpus.isolated': '6-7,14-15\n',
    };
    expect(said(findings('isolation', edits)).filter((text) => !text.startsWith('pass'))).toEqual([]);
  });
});

describe('interrupts', () => {
  it('[F7] a managed interrupt that stays on an isolated CPU by design is none of its disturbances', () => {
    const edits = {
      '/proc/interrupts': { replace: ['eno1-TxRx-0', 'nvme0q8'] },
      '/proc/irq/98/effective_affinity_list': '7\n',
      '/proc/irq/98/smp_affinity_list': '6-7\n',
    } as const;
    const [finding, ...others] = findings('interrupts', edits);
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ subject: 'CPUs 7', result: 'pass' });
    expect(finding?.sentence).toMatch(/^an interrupt that the kernel manages stays there, rightly: /);
    expect(finding?.evidence[0]?.value).toMatch(/^7 \(.*nvme0q8\), counted on CPUs 3$/);
    // The queue of administration is an ordinary interrupt, and so is one of a NIC.
    for (const name of ['nvme0q0', 'ice-ens9f0-TxRx-0']) {
      const other = { ...edits, '/proc/interrupts': { replace: ['eno1-TxRx-0', name] } } as const;
      expect(findings('interrupts', other)[0]?.result).toBe('fail');
    }
  });

  it('[F8] irqbalance without a list of its own leaves alone what is isolated at boot', () => {
    expect(said(findings('interrupts', { '/etc/default/irqbalance': '# as shipped\n' }))).toEqual([
      'pass: none of 3 interrupts goes to CPUs 6-7,14-15',
    ]);
  });
});

it('[F11] [J7] the deadline server matters less where the tick goes on anyway', () => {
  const runtimes = Object.fromEntries(
    [6, 7, 14, 15].map((cpu) => [`/sys/kernel/debug/sched/fair_server/cpu${cpu}/runtime`, '50000000\n']),
  );
  const ticking = { ...runtimes, [`${CPU}/nohz_full`]: '(null)\n' };
  expect(said(findings('kernel-work', runtimes))[0]).toBe('fail: armed on CPUs 6-7,14-15');
  expect(said(findings('kernel-work', ticking))[0]).toBe('warn: armed on CPUs 6-7,14-15');
  const some = { '/sys/kernel/debug/sched/fair_server/cpu6/runtime': '0\n' };
  expect(said(findings('kernel-work', some))[0]).toBe(
    'unknown: whether it is armed on CPUs 7,14-15 cannot be read',
  );
});

it('[F14] the stopping of real-time threads is told to those who poll under SCHED_FIFO, and not judged', () => {
  expect(said(findings('kernel-work')).filter((line) => line.startsWith('skip'))).toHaveLength(1);
  const off = { '/proc/sys/kernel/sched_rt_runtime_us': '-1\n' };
  expect(said(findings('kernel-work', off)).filter((line) => line.startsWith('skip'))).toEqual([]);
});

it('[G2] what a process asks of all CPUs counts as their limit', () => {
  const edits = {
    [`${CPU}/cpu6/power/pm_qos_resume_latency_us`]: '0\n',
    [`${CPU}/cpu6/cpuidle/state2/disable`]: '0\n',
    '/dev/cpu_dma_latency': '\u0002\u0000\u0000\u0000',
  };
  expect(said(findings('idle-states', edits))).toEqual([
    'pass: a process holds every CPU to 2 µs of waking up',
  ]);
});

it('[G7] what may call the firmware is named, and the number of calls is not pretended to be known', () => {
  const edits = { '/sys/module/iTCO_wdt': 'a folder', '/sys/firmware/acpi/tables/HEST': '' } as const;
  expect(said(findings('firmware', edits))).toEqual([
    'skip: how many system management interrupts there are cannot be known from files; iTCO_wdt, HEST may cause some',
  ]);
  expect(said(findings('firmware', { '/sys/module/dell_smm_hwmon': 'a folder' }))[1]).toMatch(/^warn: /);
});

it('without isolated CPUs nothing is judged that could disturb them', () => {
  const host = judge(factsOf(fixtureHost('firecracker-vm')));
  const checks = ['placement', 'interrupts', 'housekeeping', 'kernel-work', 'idle-states', 'paging'];
  for (const check of [...checks, 'services', 'firmware']) {
    expect(said(host.filter((finding) => finding.check === check))).toEqual([
      'skip: no CPU is isolated, so none can be disturbed',
    ]);
  }
});

it('a finding about a setting gives the reason and the way that the table of settings has', () => {
  const [finding] = findings('paging', { '/proc/sys/kernel/numa_balancing': '1\n' });
  expect(finding).toMatchObject({
    subject: 'numa-balancing',
    why: 'it unmaps pages to see who uses them: page faults in the poll loop',
    evidence: [{ path: '/proc/sys/kernel/numa_balancing', value: '1', expected: '0' }],
    remedy:
      'echo 0 > /proc/sys/kernel/numa_balancing; a profile keeps it (bypass-setup explain numa-balancing)',
  });
});
