import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { type CpuSet, formatCpuList, intersect, parseCpuList, subtract, union } from '../formats/cpu-list.ts';

export interface Supervisor {
  /** Where a thread of this process may run now, as a CPU list. */
  readonly cpus: string;
  /** Whether none of the poll loops' CPUs is among them. */
  readonly apart: boolean;
  restore(): Promise<void>;
}

/**
 * Moves every thread of this process (V8's helpers and libuv's pool too) off the CPUs of poll loops, as far as that is
 * possible. What it starts from now on inherits it.
 */
export async function keepOff(pollCpus: CpuSet): Promise<Supervisor> {
  const before = threadCpus();
  if (intersect(before, pollCpus).length === 0) return supervisor(before, pollCpus);
  const rest = subtract(before, pollCpus);
  if (rest.length > 0) await moveAllThreads(rest);
  return {
    ...supervisor(threadCpus(), pollCpus),
    restore: () => moveAllThreads(before),
  };
}

function supervisor(cpus: CpuSet, pollCpus: CpuSet): Supervisor {
  return {
    cpus: formatCpuList(cpus),
    // Without any it could not be read.
    apart: cpus.length > 0 && intersect(cpus, pollCpus).length === 0,
    restore: async () => undefined,
  };
}

/** taskset(1), of util-linux as unshare(1) is: Node has no sched_setaffinity(2). Where it is missing nothing moves. */
function moveAllThreads(cpus: CpuSet): Promise<void> {
  return new Promise((resolve) => {
    const words = ['--all-tasks', '--pid', '--cpu-list', formatCpuList(cpus), `${process.pid}`];
    const child = spawn('taskset', words, { stdio: 'ignore' });
    child.on('error', () => resolve());
    child.on('close', () => resolve());
  });
}

function threadCpus(): CpuSet {
  return readdirSync('/proc/self/task')
    .map((thread) => /^Cpus_allowed_list:\s*(\S+)/m.exec(statusOf(thread))?.[1] ?? '')
    .reduce<CpuSet>((all, list) => union(all, parseCpuList(list)), []);
}

function statusOf(thread: string): string {
  try {
    return readFileSync(`/proc/self/task/${thread}/status`, 'utf8');
  } catch {
    return ''; // It ended meanwhile.
  }
}
