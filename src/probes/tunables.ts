import { FormatError } from '../formats/format-error.ts';
import { selectedWord } from '../formats/key-value.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact } from './facts.ts';
import { absent, attribute, cpuListText, guarded, integer, known, natural, numbered } from './read.ts';

const FAIR_SERVER = '/sys/kernel/debug/sched/fair_server';

export const tunablesProbe = defineProbe('tunables', (host) => {
  const sysctl = (path: string) => attribute(host, `/proc/sys/${path}`, natural);
  return {
    transparentHugepage: attribute(host, '/sys/kernel/mm/transparent_hugepage/enabled', (text) => {
      const mode = selectedWord(text);
      if (mode === undefined) throw new FormatError('selector', text, 'no word is marked');
      return mode;
    }),
    ksm: attribute(host, '/sys/kernel/mm/ksm/run', natural),
    numaBalancing: sysctl('kernel/numa_balancing'),
    swappiness: sysctl('vm/swappiness'),
    statInterval: sysctl('vm/stat_interval'),
    // Not kernel/watchdog: to read it while both are off keeps them off (kernel/watchdog.c, proc_watchdog_common).
    nmiWatchdog: sysctl('kernel/nmi_watchdog'),
    softWatchdog: sysctl('kernel/soft_watchdog'),
    watchdogCpus: attribute(host, '/proc/sys/kernel/watchdog_cpumask', cpuListText),
    hungTaskTimeout: sysctl('kernel/hung_task_timeout_secs'),
    rtRuntime: attribute(host, '/proc/sys/kernel/sched_rt_runtime_us', integer),
    timerMigration: sysctl('kernel/timer_migration'),
    fairServer: fairServer(host),
    machineCheckInterval: attribute(
      host,
      '/sys/devices/system/machinecheck/machinecheck0/check_interval',
      natural,
    ),
    busyPoll: sysctl('net/core/busy_poll'),
    busyRead: sysctl('net/core/busy_read'),
    consoleLoglevel: attribute(host, '/proc/sys/kernel/printk', (text) =>
      natural(text.split(/\s+/)[0] ?? ''),
    ),
  };
});

/** The deadline server that wakes nohz_full CPUs from 6.12 on (kernel/sched/debug.c). */
function fairServer(host: ReadHost): Fact<Record<string, number>> {
  return guarded(FAIR_SERVER, () => {
    const folders = host.list(FAIR_SERVER);
    if (folders === undefined) {
      return absent(
        'missing',
        'no fair server, or debugfs is not mounted or closed by lockdown',
        FAIR_SERVER,
      );
    }
    const cpus = numbered(folders, 'cpu');
    const runtimes = cpus.flatMap((cpu) => {
      const runtime = attribute(host, `${FAIR_SERVER}/cpu${cpu}/runtime`, natural).value;
      return runtime === undefined ? [] : [[`${cpu}`, runtime] as const];
    });
    return known(Object.fromEntries(runtimes), FAIR_SERVER);
  });
}
