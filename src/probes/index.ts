import type { ReadHost } from '../host/host.ts';
import { bootLoaderProbe } from './boot-loader.ts';
import { clockProbe } from './clock.ts';
import { cpuProbe } from './cpu.ts';
import type { Look } from './define.ts';
import type { Facts, ProbeName } from './facts.ts';
import { hugepagesProbe } from './hugepages.ts';
import { interruptsProbe } from './interrupts.ts';
import { iommuProbe } from './iommu.ts';
import { isolationProbe } from './isolation.ts';
import { kernelProbe } from './kernel.ts';
import { limitsProbe } from './limits.ts';
import { machineProbe } from './machine.ts';
import { networkProbe } from './network.ts';
import { numaProbe } from './numa.ts';
import { OnceHost } from './once.ts';
import { ownFilesProbe } from './own-files.ts';
import { pciProbe } from './pci.ts';
import { powerProbe } from './power.ts';
import { servicesProbe } from './services.ts';
import { settingsProbe } from './settings.ts';
import { stacksProbe } from './stacks.ts';
import { tunablesProbe } from './tunables.ts';
import { userspaceIoProbe } from './userspace-io.ts';

/** Every probe. A probe that is missing here is a type error: Facts names them all. */
export const PROBES = [
  kernelProbe,
  machineProbe,
  bootLoaderProbe,
  cpuProbe,
  isolationProbe,
  numaProbe,
  hugepagesProbe,
  pciProbe,
  networkProbe,
  iommuProbe,
  interruptsProbe,
  servicesProbe,
  powerProbe,
  tunablesProbe,
  clockProbe,
  limitsProbe,
  userspaceIoProbe,
  stacksProbe,
  ownFilesProbe,
  settingsProbe,
] as const;

type Unlisted = Exclude<ProbeName, (typeof PROBES)[number]['name']>;
const everyProbeIsListed: Unlisted extends never ? true : Unlisted = true;

/** Milliseconds each probe took. */
type ProbeTimes = Readonly<Record<ProbeName, number>>;

export interface Observation {
  readonly facts: Facts;
  readonly times: ProbeTimes;
}

/** What one probe has read; `time` in milliseconds. */
export interface Seen {
  readonly name: ProbeName;
  readonly facts: Facts[ProbeName];
  readonly time: number;
}

/** Reads the host, one probe after the other: those that are named, by default all. `now` gives milliseconds. */
export function* observations(
  host: ReadHost,
  now: () => number,
  look: Look = {},
  names: readonly ProbeName[] = PROBES.map(({ name }) => name),
): Generator<Seen> {
  const once = new OnceHost(host);
  for (const probe of PROBES) {
    if (!names.includes(probe.name)) continue;
    const start = now();
    const facts = probe.read(once, look);
    yield { name: probe.name, facts, time: Math.round((now() - start) * 1000) / 1000 };
  }
  void everyProbeIsListed;
}

/** Puts together what every probe has read. */
export function collect(seen: Iterable<Seen>): Observation {
  const facts: Record<string, unknown> = {};
  const times: Record<string, number> = {};
  for (const one of seen) {
    facts[one.name] = one.facts;
    times[one.name] = one.time;
  }
  return { facts: facts as Facts, times: times as ProbeTimes };
}

/** Reads the whole host. */
export function observe(host: ReadHost, now: () => number, look: Look = {}): Observation {
  return collect(observations(host, now, look));
}
