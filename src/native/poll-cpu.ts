import { readFileSync } from 'node:fs';
import { type CpuSet, formatCpuList, intersect, parseCpuList, subtract, union } from '../formats/cpu-list.ts';
import { EXIT, ToolError } from '../host/errors.ts';

/** The CPUs that a thread of this process may be moved to. */
export interface UsableCpus {
  /** The inherited affinity. */
  readonly allowed: CpuSet;
  /**
   * isolcpus= takes its CPUs out of the affinity that every process inherits, but a thread may still move there, and they
   * are the ones made for this. Whether a cpuset forbids it, only the attempt tells (the child makes it).
   */
  readonly isolated: CpuSet;
}

export function usableCpus(): UsableCpus {
  return { allowed: parseCpuList(statusField('Cpus_allowed_list')), isolated: isolatedCpus() };
}

/** A line of /proc/self/status. */
export function statusField(name: string): string {
  return new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
}

function isolatedCpus(): CpuSet {
  try {
    return parseCpuList(readFileSync('/sys/devices/system/cpu/isolated', 'utf8'));
  } catch {
    return []; // No sysfs here.
  }
}

/** The poll loop's CPU, and those that are left for everything else. */
export interface Cpus {
  cpu: number;
  others: number[];
}

/**
 * The wanted CPU, else the last one allowed. All `pollCpus` are kept free of everything but poll loops; this process may
 * have left them itself, so that its own affinity does not tell whether one of them may be used.
 */
export function chooseCpus(wanted: number | undefined, pollCpus: CpuSet = []): Cpus {
  const { allowed, isolated } = usableCpus();
  const usable = union(union(allowed, isolated), pollCpus);
  const cpu = wanted ?? allowed.at(-1) ?? 0;
  if (!usable.includes(cpu)) {
    throw cpuNotAllowed(cpu, `this process may only use CPUs ${formatCpuList(usable)}`);
  }
  return { cpu, others: [...subtract(allowed, [cpu, ...pollCpus])] };
}

/** The CPU for a NIC: one that is isolated, on the NIC's node where there is such a one; else the last one allowed. */
export function pollCpuNear(near: CpuSet, { allowed, isolated }: UsableCpus): number {
  const choices = [intersect(isolated, near), isolated, intersect(allowed, near), allowed];
  return choices.find((cpus) => cpus.length > 0)?.at(-1) ?? 0;
}

export function cpuNotAllowed(cpu: number, message: string): ToolError {
  return new ToolError('CPU_NOT_ALLOWED', message, {
    subject: `CPU ${cpu}`,
    hint: 'choose another one, or widen the cpuset or affinity that this command was started with',
    exitCode: EXIT.usage,
  });
}
