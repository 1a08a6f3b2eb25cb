/** The line of one CPU in /proc/stat, in ticks of 1/USER_HZ second (proc_stat(5)). */
export interface CpuTicks {
  /** Waiting for work, or for a disk meanwhile. */
  readonly idle: number;
  /** All but idle, the hypervisor's share left out. */
  readonly busy: number;
  /** What the hypervisor gave to others. */
  readonly steal: number;
}

/** undefined for a CPU without a line, which is offline, and for kernels that print fewer columns. */
export function cpuTicks(stat: string, cpu: number): CpuTicks | undefined {
  const line = stat.split('\n').find((one) => one.startsWith(`cpu${cpu} `));
  const ticks = line?.trim().split(/\s+/).slice(1).map(Number);
  if (ticks === undefined || ticks.length < 8 || ticks.some(Number.isNaN)) return undefined;
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = ticks;
  return { idle: idle + iowait, busy: user + nice + system + irq + softirq, steal };
}

/** Which part of the time between two readings a CPU was busy, 0 to 1; undefined where the kernel counted nothing. */
export function busyShare(before: string, after: string, cpu: number): number | undefined {
  const from = cpuTicks(before, cpu);
  const to = cpuTicks(after, cpu);
  if (from === undefined || to === undefined) return undefined;
  const busy = to.busy - from.busy;
  const all = busy + to.idle - from.idle + to.steal - from.steal;
  return all > 0 ? busy / all : undefined;
}
