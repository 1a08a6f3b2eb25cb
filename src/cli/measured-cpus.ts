import { isolatedCpus } from '../checks/isolated.ts';
import { type CpuSet, intersect, parseCpuList, subtract } from '../formats/cpu-list.ts';
import { FormatError } from '../formats/format-error.ts';
import { busyShare } from '../formats/proc-stat.ts';
import type { ReadHost } from '../host/host.ts';
import type { Facts } from '../probes/facts.ts';
import type { ResolvedProfile } from '../profile/resolved.ts';
import { usageError } from './arguments.ts';

/** A poll loop uses its CPU whole; the leftovers of a kernel thread do not come near. */
const IN_USE = 0.5;
const LOOK_MS = 200;

export interface MeasuredCpus {
  readonly cpus: CpuSet;
  /** Those that something uses, or that nobody knows to be idle: a loop beside it would take half of the CPU away from that. */
  readonly inUse: CpuSet;
}

/** The CPUs that --cpu names, else those that the profile plans for poll loops, else the isolated ones. */
export async function chooseMeasured(
  named: string | undefined,
  facts: Facts,
  resolved: ResolvedProfile | undefined,
  host: ReadHost,
): Promise<MeasuredCpus> {
  if (named !== undefined) return { cpus: namedCpus(named, facts), inUse: [] };
  const planned = resolved?.cores;
  const wanted = planned === undefined ? isolatedCpus(facts.isolation) : parseCpuList(planned.isolated);
  const there = facts.cpu.online.value;
  // An offline one is told of by the isolation check.
  const cpus = there === undefined ? wanted : intersect(wanted, parseCpuList(there));
  if (cpus.length === 0) return { cpus, inUse: [] };
  const before = host.readText('/proc/stat') ?? '';
  await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  const after = host.readText('/proc/stat') ?? '';
  const inUse = cpus.filter((cpu) => (busyShare(before, after, cpu) ?? 1) > IN_USE);
  return { cpus: subtract(cpus, inUse), inUse };
}

/** Who names a CPU knows what runs there. */
function namedCpus(text: string, facts: Facts): CpuSet {
  let cpus: CpuSet;
  try {
    cpus = parseCpuList(text);
  } catch (error) {
    if (error instanceof FormatError) throw usageError('--cpu', error.message);
    throw error;
  }
  if (cpus.length === 0) throw usageError('--cpu', 'names no CPU');
  const online = facts.cpu.online.value;
  if (online === undefined) return cpus;
  const [missing] = subtract(cpus, parseCpuList(online));
  if (missing !== undefined)
    throw usageError('--cpu', `CPU ${missing} is not online; this host has ${online}`);
  if (subtract(parseCpuList(online), cpus).length === 0) {
    throw usageError('--cpu', 'names every CPU: one must be left for the system and for this program');
  }
  return cpus;
}
