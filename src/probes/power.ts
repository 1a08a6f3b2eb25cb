import { type CpuSet, formatCpuList, parseCpuList, union } from '../formats/cpu-list.ts';
import { selectedWord } from '../formats/key-value.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact, Facts } from './facts.ts';
import { isolatedOn } from './isolated.ts';
import {
  absent,
  attribute,
  firstKnown,
  flag,
  guarded,
  known,
  listing,
  names,
  natural,
  numbered,
  textOrNothing,
  word,
} from './read.ts';

const CPU = '/sys/devices/system/cpu';
const PREFERENCE = 'energy_performance_preference';

type Policy = NonNullable<Facts['power']['policies']['value']>[number];
type Settings = Omit<Policy, 'cpus'>;
type IdleState = NonNullable<Facts['power']['idleStates']['value']>[number];
type IdleLimit = NonNullable<Facts['power']['idleLimits']['value']>[number];

export const powerProbe = defineProbe('power', (host) => ({
  policies: policies(host),
  idleDriver: attribute(host, `${CPU}/cpuidle/current_driver`, word),
  ...idle(host),
  latencyLimit: latencyLimit(host),
  throttled: throttled(host),
  maximumPerformance: attribute(host, `${CPU}/intel_pstate/max_perf_pct`, natural),
  turbo: firstKnown(
    attribute(host, `${CPU}/intel_pstate/no_turbo`, (text) => !flag(text)),
    () => attribute(host, `${CPU}/cpufreq/boost`, flag),
  ),
  aspmPolicy: attribute(
    host,
    '/sys/module/pcie_aspm/parameters/policy',
    (text) => selectedWord(text) ?? word(text),
  ),
}));

/** Policies that agree in everything are one entry: a server has one per CPU. */
function policies(host: ReadHost): Fact<Policy[]> {
  const folder = `${CPU}/cpufreq`;
  const found = listing(host, folder, 'the kernel does not scale frequencies here');
  if (found.absent !== undefined) return found;
  const numbers = numbered(found.value, 'policy');
  if (numbers.length === 0) return absent('missing', 'the kernel does not scale frequencies here', folder);
  // Every policy of a driver has the same files, so that the first tells which to look for.
  const present = new Set(names(host, `${folder}/policy${numbers[0]}`));
  const merged = new Map<string, { cpus: number[]; settings: Settings }>();
  // On most servers every CPU has a policy to itself, which is named after it.
  const ownPolicies = numbers.length === numbered(names(host, CPU), 'cpu').length;
  for (const number of numbers) {
    const policy = `${folder}/policy${number}`;
    const settings = readSettings(host, policy, present);
    const key = JSON.stringify(settings);
    const cpus = ownPolicies ? [] : relatedCpus(host, policy);
    const same = merged.get(key);
    if (same === undefined) merged.set(key, { cpus: [...cpus, number], settings });
    else same.cpus.push(...cpus, number);
  }
  return known(
    [...merged.values()].map(({ cpus, settings }) => ({ cpus: formatCpuList(union(cpus, [])), ...settings })),
    folder,
  );
}

/** Apart by blanks, not the usual list (drivers/cpufreq/cpufreq.c, cpufreq_show_cpus). */
function relatedCpus(host: ReadHost, policy: string): CpuSet {
  return (
    attribute(host, `${policy}/related_cpus`, (list) =>
      parseCpuList(list.split(/\s+/).filter(Boolean).join()),
    ).value ?? []
  );
}

function readSettings(host: ReadHost, folder: string, present: ReadonlySet<string>): Settings {
  const text = (name: string) => textOrNothing(host, `${folder}/${name}`) ?? null;
  const kilohertz = (name: string) => attribute(host, `${folder}/${name}`, natural).value ?? null;
  return {
    driver: text('scaling_driver'),
    governor: text('scaling_governor'),
    minimum: kilohertz('scaling_min_freq'),
    maximum: kilohertz('scaling_max_freq'),
    hardwareMaximum: kilohertz('cpuinfo_max_freq'),
    preference: present.has(PREFERENCE) ? (textOrNothing(host, `${folder}/${PREFERENCE}`) ?? null) : null,
  };
}

/** The states of the first CPU that has them, and how deep each isolated CPU may sleep among those. */
function idle(host: ReadHost): Pick<Facts['power'], 'idleStates' | 'idleLimits'> {
  const cpus = numbered(names(host, CPU), 'cpu');
  for (const cpu of cpus) {
    const folder = `${CPU}/cpu${cpu}/cpuidle`;
    const numbers = numbered(names(host, folder), 'state');
    if (numbers.length === 0) continue;
    const latencies = numbers.map((number) => attribute(host, `${folder}/state${number}/latency`, natural));
    const states = numbers.map((number, index) => ({
      name: textOrNothing(host, `${folder}/state${number}/name`) ?? `state${number}`,
      latency: latencies[index]?.value ?? 0,
      disabled: isDisabled(host, cpu, number) ?? false,
    }));
    const numberedStates = states.map((state, index) => ({ ...state, number: numbers[index] ?? index }));
    const unread = latencies.find((fact) => fact.absent !== undefined && fact.absent !== 'missing');
    return {
      idleStates: known(states, folder),
      idleLimits: unread?.absent === undefined ? known(idleLimits(host, numberedStates), CPU) : unread,
    };
  }
  const none = absent('missing', 'the kernel manages no idle states', `${CPU}/cpu0/cpuidle`);
  return { idleStates: none, idleLimits: none };
}

/**
 * From the deepest state up until one may be used, which on a tuned host is a look or two. Which states the governor
 * takes is in drivers/cpuidle/governors: none that is disabled, none that takes longer to leave than the limit allows.
 * A CPU whose states cannot be read is left out.
 */
function idleLimits(host: ReadHost, states: readonly (IdleState & { number: number })[]): IdleLimit[] {
  const merged = new Map<string, { cpus: number[]; rest: Omit<IdleLimit, 'cpus'> }>();
  const fromDeepest = states.toReversed();
  for (const cpu of isolatedOn(host)) {
    const limit = resumeLatency(host, cpu);
    let rest: Omit<IdleLimit, 'cpus'> | undefined = { deepest: 'none', latency: 0, limit };
    for (const { name, latency, number } of fromDeepest) {
      if (limit !== null && latency > limit) continue;
      const disabled = isDisabled(host, cpu, number);
      if (disabled === true) continue;
      rest = disabled === undefined ? undefined : { deepest: name, latency, limit };
      break;
    }
    if (rest === undefined) continue;
    const key = JSON.stringify(rest);
    const same = merged.get(key);
    if (same === undefined) merged.set(key, { cpus: [cpu], rest });
    else same.cpus.push(cpu);
  }
  return [...merged.values()].map(({ cpus, rest }) => ({ cpus: formatCpuList(cpus), ...rest }));
}

function isDisabled(host: ReadHost, cpu: number, state: number): boolean | undefined {
  return attribute(host, `${CPU}/cpu${cpu}/cpuidle/state${state}/disable`, flag).value;
}

/** `0` is no limit, and `n/a` one of 0 µs (drivers/base/power/sysfs.c, pm_qos_resume_latency_us_show). */
function resumeLatency(host: ReadHost, cpu: number): number | null {
  const text = textOrNothing(host, `${CPU}/cpu${cpu}/power/pm_qos_resume_latency_us`);
  if (text === 'n/a') return 0;
  return text !== undefined && /^[1-9]\d*$/.test(text) ? Number(text) : null;
}

/**
 * Who reads it gets what all processes together ask for, as a number of four octets; opening it for that asks for
 * nothing (kernel/power/qos.c, cpu_latency_qos_open and cpu_latency_qos_read).
 */
function latencyLimit(host: ReadHost): Fact<number> {
  const path = '/dev/cpu_dma_latency';
  return guarded(path, () => {
    const bytes = host.readBytes(path, 4);
    if (bytes === undefined) return absent('missing', 'no such device', path);
    if (bytes.length !== 4) return absent('garbled', `${bytes.length} octets where four are expected`, path);
    return known(new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true), path);
  });
}

/** Isolated CPUs that were slowed down for heat since boot; only x86 counts (arch/x86/.../mce/therm_throt.c). */
function throttled(host: ReadHost): Fact<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const cpu of isolatedOn(host)) {
    const path = `${CPU}/cpu${cpu}/thermal_throttle/core_throttle_count`;
    const count = attribute(host, path, natural);
    if (count.absent !== undefined) return count;
    if (count.value > 0) found[cpu] = count.value;
  }
  return known(found, `${CPU}/cpu*/thermal_throttle/core_throttle_count`);
}
