import { isolatedBy } from '../formats/boot-line.ts';
import { formatCpuList, parseCpuList } from '../formats/cpu-list.ts';
import { parseCpuMask } from '../formats/cpu-mask.ts';
import { parseCommandLine, valuesOf } from '../formats/kernel-cmdline.ts';
import { parseColonLines } from '../formats/key-value.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact, Facts } from './facts.ts';
import { absent, attribute, cpuListText, guarded, known, listing, word } from './read.ts';

const CPU = '/sys/devices/system/cpu';
const CGROUP = '/sys/fs/cgroup';

type Partition = NonNullable<Facts['isolation']['partitions']['value']>[number];

export const isolationProbe = defineProbe('isolation', (host) => {
  const possible = attribute(host, `${CPU}/possible`, parseCpuList).value ?? [];
  const requested = attribute(host, '/proc/cmdline', (text) => requestedLists(text, possible.at(-1)));
  return {
    isolated: attribute(host, `${CPU}/isolated`, cpuListText),
    nohzFull: attribute(host, `${CPU}/nohz_full`, cpuListText),
    rcuNocbs: rcuNocbs(host),
    cgroup: attribute(host, `${CGROUP}/cpuset.cpus.isolated`, cpuListText),
    partitions: partitions(host),
    requested,
    workqueues: attribute(host, '/sys/devices/virtual/workqueue/cpumask', (text) =>
      formatCpuList(parseCpuMask(text)),
    ),
    initAffinity: attribute(host, '/proc/1/status', (text) =>
      cpuListText(word(parseColonLines(text).get('Cpus_allowed_list') ?? '')),
    ),
  };
});

/**
 * Groups that want CPUs to themselves, as the kernel sees it: a partition that has become invalid says why
 * (Documentation/admin-guide/cgroup-v2.rst, cpuset.cpus.partition). Those right below the root are looked at: before
 * Linux 6.7 no other can be one unless each group above it is.
 */
function partitions(host: ReadHost): Fact<Partition[]> {
  const groups = listing(host, CGROUP, 'no control groups');
  if (groups.absent !== undefined) return groups;
  const found: Partition[] = [];
  for (const group of groups.value) {
    // Only folders have a dot-less name or the ending of a unit; attributes of the root are cgroup.* and the like.
    if (!/\.(?:slice|scope|service)$/.test(group) && group.includes('.')) continue;
    const state = attribute(host, `${CGROUP}/${group}/cpuset.cpus.partition`, (text) => text);
    if (state.absent !== undefined && state.absent !== 'missing') return state;
    if (!state.value || state.value === 'member') continue;
    const cpus = attribute(host, `${CGROUP}/${group}/cpuset.cpus`, cpuListText).value ?? '';
    found.push({ group, cpus, state: state.value });
  }
  return known(found, CGROUP);
}

function requestedLists(
  text: string,
  last: number | undefined,
): NonNullable<Facts['isolation']['requested']['value']> {
  const line = parseCommandLine(text);
  const cpus = (value: string | undefined) => cpuListText(spelledOut(value ?? '', last));
  // Of a repeated parameter the first counts where a second list is refused (kernel/sched/isolation.c,
  // housekeeping_setup), and the last where it overwrites (kernel/rcu/tree_nocb.h, kernel/irq/irqdesc.c).
  return {
    isolcpus: cpus(isolatedBy(valuesOf(line, 'isolcpus')[0] ?? '')),
    nohzFull: cpus(valuesOf(line, 'nohz_full')[0]),
    rcuNocbs: cpus(valuesOf(line, 'rcu_nocbs').at(-1)),
    irqaffinity: cpus(valuesOf(line, 'irqaffinity').at(-1)),
  };
}

/** Since 5.13 `N` stands for the last CPU and `all` for every one (lib/bitmap-str.c, bitmap_parselist). */
function spelledOut(list: string, last: number | undefined): string {
  return last === undefined ? list : list.replace(/\ball\b/gi, `0-${last}`).replace(/\bN\b/g, `${last}`);
}

/** The kernel gives no read-back but a line at boot (kernel/rcu/tree_nocb.h, rcu_init_nohz). */
function rcuNocbs(host: ReadHost): Fact<string> {
  const from = 'syslog(2)';
  const log = host.ask('kernelLog');
  if ('unanswered' in log) return absent('unsupported', log.unanswered, from);
  const match = /Offload RCU callbacks from CPUs: (?:([\d,-]*)|\(none\))\./.exec(log.answer);
  if (match !== null) return guarded(from, () => known(cpuListText(match[1] ?? ''), from));
  if (/Linux version |Command line: /.test(log.answer)) return known('', from);
  return absent('missing', 'the ring buffer no longer holds the start of this boot', from);
}
