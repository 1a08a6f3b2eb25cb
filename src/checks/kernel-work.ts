import { type CpuSet, formatCpuList, intersect, parseCpuList } from '../formats/cpu-list.ts';
import { parseCommandLine, valuesOf } from '../formats/kernel-cmdline.ts';
import type { Facts } from '../probes/facts.ts';
import type { Judgement } from './define.ts';
import { evidence } from './evidence.ts';
import { defineCoreCheck } from './isolated.ts';
import { hiddenSettings, offSetting, unreadSetting } from './setting.ts';

const WHY =
  'what the kernel itself does on an isolated CPU stops its poll loop as an interrupt does, again and again';

/** Timers and threads of the kernel that isolation does not take off the isolated CPUs. */
export const kernelWorkCheck = defineCoreCheck('kernel-work', WHY, (facts, isolated) => {
  const found = [
    ...judgeFairServer(facts, isolated),
    ...judgeWatchdogs(facts.tunables, isolated),
    ...judgeTimers(facts),
    ...judgeConsole(facts),
    ...judgeUnread(facts.tunables),
  ];
  const { tunables } = facts;
  if (!found.some(({ result }) => result !== 'skip')) {
    found.push({
      subject: 'host',
      result: 'pass',
      sentence: `no watchdog, deadline server or polling by the kernel wakes CPUs ${formatCpuList(isolated)}`,
      evidence: [
        evidence(tunables.fairServer, undefined, () => `0 on CPUs ${formatCpuList(isolated)}`),
        evidence(tunables.watchdogCpus),
        evidence(tunables.machineCheckInterval),
      ],
    });
  }
  return [...found, ...judgeThrottling(tunables)];
});

/** [F11] [J7] kernel/sched/deadline.c, dl_server_init, from Linux 6.12 on; distributions have brought it back to others. */
function judgeFairServer({ tunables, kernel, isolation }: Facts, isolated: CpuSet): Judgement[] {
  const { fairServer } = tunables;
  const [major = 0, minor = 0] = (kernel.release.value ?? '').split('.').map(Number);
  if (fairServer.absent !== undefined) {
    if (major < 6 || (major === 6 && minor < 12)) return [];
    const closed = (kernel.lockdown.value ?? 'none') !== 'none';
    return [
      unreadSetting(
        'fair-server',
        fairServer,
        'whether the deadline server of this kernel wakes isolated CPUs cannot be read',
        closed
          ? 'lockdown closes debugfs: choose a kernel before 6.12, or boot without lockdown'
          : 'run as root, with debugfs mounted (mount -t debugfs none /sys/kernel/debug)',
      ),
    ];
  }
  const { value: runtimes } = fairServer;
  const unread = isolated.filter((cpu) => runtimes[cpu] === undefined);
  const armed = isolated.filter((cpu) => (runtimes[cpu] ?? 0) > 0);
  if (armed.length > 0) {
    const ticking = intersect(armed, parseCpuList(isolation.nohzFull.value ?? '')).length === 0;
    const cpus = formatCpuList(armed);
    return [
      {
        // Where the tick goes on anyway the server adds little.
        ...offSetting('fair-server', fairServer, '0', `armed on CPUs ${cpus}`, ticking ? 'warn' : 'fail'),
        evidence: armed.slice(0, 5).map((cpu) => ({
          path: `${fairServer.from}/cpu${cpu}/runtime`,
          value: `${runtimes[cpu]}`,
          expected: '0',
        })),
        remedy: `echo 0 > ${fairServer.from}/cpuN/runtime for CPUs ${cpus}; a profile with cores keeps it`,
      },
    ];
  }
  if (unread.length === 0) return [];
  return [
    unreadSetting(
      'fair-server',
      fairServer,
      `whether it is armed on CPUs ${formatCpuList(unread)} cannot be read`,
      'run as root',
    ),
  ];
}

/** The mask leaves nohz_full CPUs out unless somebody writes to it (kernel/watchdog.c, lockup_detector_init). */
function judgeWatchdogs(tunables: Facts['tunables'], isolated: CpuSet): Judgement[] {
  const { nmiWatchdog, softWatchdog, watchdogCpus } = tunables;
  const on = (['nmi-watchdog', 'soft-watchdog'] as const).filter(
    (key) => (key === 'nmi-watchdog' ? nmiWatchdog : softWatchdog).value === 1,
  );
  const [key] = on;
  if (key === undefined) return [];
  if (watchdogCpus.absent !== undefined) {
    const sentence = 'a watchdog runs, and on which CPUs cannot be read';
    return [unreadSetting(key, watchdogCpus, sentence, `echo 0 > /proc/sys/kernel/watchdog`)];
  }
  const hit = formatCpuList(intersect(isolated, parseCpuList(watchdogCpus.value)));
  if (hit === '') return [];
  return on.map((name) => ({
    ...offSetting(
      name,
      name === 'nmi-watchdog' ? nmiWatchdog : softWatchdog,
      '0',
      `interrupts CPUs ${hit} every few seconds`,
      'fail',
    ),
    evidence: [
      evidence(name === 'nmi-watchdog' ? nmiWatchdog : softWatchdog, '0'),
      evidence(watchdogCpus, `none of ${formatCpuList(isolated)}`),
    ],
  }));
}

/** Rare, or on some kernels only: a risk, and no failure. */
function judgeTimers({ tunables, kernel }: Facts): Judgement[] {
  const { machineCheckInterval, statInterval, timerMigration } = tunables;
  const found: Judgement[] = [];
  const interval = machineCheckInterval.value ?? 0;
  if (interval > 0) {
    const sentence = `every CPU looks for corrected memory errors each ${interval} s, some 100 µs`;
    found.push(offSetting('machine-check-interval', machineCheckInterval, '0', sentence));
  }
  // Since 6.5 isolated CPUs are left out (mm/vmstat.c, vmstat_shepherd).
  const [major = 0, minor = 0] = (kernel.release.value ?? '').split('.').map(Number);
  const leftOut = major > 6 || (major === 6 && minor >= 5);
  if (!leftOut && statInterval.value !== undefined && statInterval.value < 10) {
    const sentence = `memory statistics are gathered on every CPU each ${statInterval.value} s`;
    found.push(offSetting('stat-interval', statInterval, '10', sentence));
  }
  if (timerMigration.value === 0) {
    const sentence = 'timers stay on the CPU that starts them, an isolated one too';
    found.push(offSetting('timer-migration', timerMigration, '1', sentence));
  }
  return found;
}

function judgeUnread(tunables: Facts['tunables']): Judgement[] {
  const { nmiWatchdog, softWatchdog, machineCheckInterval, statInterval, timerMigration } = tunables;
  return hiddenSettings(
    [nmiWatchdog, softWatchdog, machineCheckInterval, statInterval, timerMigration],
    'whether watchdogs and timers of the kernel run on isolated CPUs cannot be read',
  );
}

/** Who logs a message prints it, with interrupts off, and a line of 80 characters at 115200 baud takes 7 ms. */
function judgeConsole({ tunables, kernel }: Facts): Judgement[] {
  const { consoleLoglevel } = tunables;
  const consoles = valuesOf(parseCommandLine(kernel.commandLine.value ?? ''), 'console');
  const serial = consoles.find((value) => /^tty(?:S|AMA|USB)\d/.test(value));
  if (serial === undefined || consoleLoglevel.value === undefined || consoleLoglevel.value <= 4) return [];
  const sentence = `messages down to level ${consoleLoglevel.value - 1} go out on the serial console ${serial}`;
  return [offSetting('console-loglevel', consoleLoglevel, '4', sentence)];
}

/** Who polls under SCHED_FIFO cannot be seen by anybody but root, and most do not; so it is said, and not judged. */
function judgeThrottling({ rtRuntime }: Facts['tunables']): Judgement[] {
  if (rtRuntime.value === undefined || rtRuntime.value === -1) return [];
  return [
    {
      subject: 'rt-runtime',
      result: 'skip',
      sentence: 'not judged: a poll loop under SCHED_FIFO would be stopped for 50 ms in each second',
      evidence: [evidence(rtRuntime, '-1 for pollers under SCHED_FIFO')],
    },
  ];
}
