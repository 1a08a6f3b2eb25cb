import { type CpuSet, parseCpuList, union } from '../formats/cpu-list.ts';
import type { ReadHost } from '../host/host.ts';
import { attribute } from './read.ts';

/** Isolated at boot, or by a cgroup-v2 partition: the CPUs of which each is worth a look. None where nothing tells. */
export function isolatedOn(host: ReadHost): CpuSet {
  const cpus = (path: string) => attribute(host, path, parseCpuList).value ?? [];
  return union(cpus('/sys/devices/system/cpu/isolated'), cpus('/sys/fs/cgroup/cpuset.cpus.isolated'));
}
