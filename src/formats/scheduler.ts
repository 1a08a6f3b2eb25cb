/** /proc/PID/task/TID/schedstat: time on a CPU, time runnable without one, in nanoseconds (sched-stats.rst). */
export function threadWaitNs(schedstat: string): number | undefined {
  const match = /^\d+ (\d+) \d+\s*$/.exec(schedstat);
  return match === null ? undefined : Number(match[1]);
}

/** /proc/PID/task/TID/sched: how often the scheduler moved the thread to another CPU (kernel/sched/debug.c). */
export function threadMigrations(sched: string): number | undefined {
  const match = /^se\.nr_migrations\s*:\s*(\d+)\s*$/m.exec(sched);
  return match === null ? undefined : Number(match[1]);
}
