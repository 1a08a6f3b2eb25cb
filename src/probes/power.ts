import { type CpuSet, formatCpuList, parseCpuList, union } from '../formats/cpu-list.ts';
import { selectedWord } from '../formats/key-value.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact, Facts } from './facts.ts';
import {
  absent,
  attribute,
  firstKnown,
  flag,
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

export const powerProbe = defineProbe('power', (host) => ({
  policies: policies(host),
  idleDriver: attribute(host, `${CPU}/cpuidle/current_driver`, word),
  idleStates: idleStates(host),
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

function idleStates(host: ReadHost): Fact<IdleState[]> {
  for (const cpu of numbered(names(host, CPU), 'cpu')) {
    const folder = `${CPU}/cpu${cpu}/cpuidle`;
    const states = numbered(names(host, folder), 'state').map((number) => ({
      name: textOrNothing(host, `${folder}/state${number}/name`) ?? `state${number}`,
      latency: attribute(host, `${folder}/state${number}/latency`, natural).value ?? 0,
      disabled: attribute(host, `${folder}/state${number}/disable`, flag).value ?? false,
    }));
    if (states.length > 0) return known(states, folder);
  }
  return absent('missing', 'the kernel manages no idle states', `${CPU}/cpu0/cpuidle`);
}
