import { ATTRIBUTES, besideOf } from '../formats/settings.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact, Facts } from './facts.ts';
import { absent, attribute, cpuListText, known, names, numbered, textOrNothing, word } from './read.ts';

const IRQ = '/proc/irq';
const NET = '/sys/class/net';
const CGROUP = '/sys/fs/cgroup';
const SLICE = `${CGROUP}/bypass.slice`;
/** What the kernel has refused since it booted. */
const REFUSED = '/run/bypass-setup/refused';

type Settings = Facts['settings'];

/** The raw text of all that may be set, so that a plan knows what to put back. */
export const settingsProbe = defineProbe('settings', (host, { quick, planned }): Settings => {
  if (quick && !planned)
    return {
      attributes: {},
      interrupts: unseen(IRQ),
      queues: unseen(NET),
      cgroup: unseen(CGROUP),
      refused: {},
    };
  return {
    attributes: attributes(host),
    interrupts: interrupts(host),
    queues: queues(host),
    cgroup: cgroup(host),
    refused: Object.fromEntries(
      names(host, REFUSED).map((name) => [name, textOrNothing(host, `${REFUSED}/${name}`) ?? '']),
    ),
  };
});

function unseen(path: string): Fact<never> {
  return absent('unsupported', 'nobody looked', path);
}

/** Only what is there: most hosts lack some. */
function attributes(host: ReadHost): Settings['attributes'] {
  const paths = ATTRIBUTES.flatMap(({ path, beside }) =>
    expand(host, path).flatMap((found) =>
      beside === undefined ? [found] : [found, besideOf(found, beside)],
    ),
  );
  return Object.fromEntries(
    [...new Set(paths)].flatMap((path) => {
      const fact = attribute(host, path, (text) => text);
      return fact.absent === 'missing' ? [] : [[path, fact] as const];
    }),
  );
}

function expand(host: ReadHost, pattern: string): string[] {
  const [before = '', after] = pattern.split(/\*|\{isolated\}/);
  if (after === undefined) return [pattern];
  const slash = before.lastIndexOf('/');
  const folder = before.slice(0, slash);
  const prefix = before.slice(slash + 1);
  const all = names(host, folder);
  const found = pattern.includes('*')
    ? all.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length))
    : numbered(all, prefix);
  return found.map((name) => `${before}${name}${after}`);
}

function interrupts(host: ReadHost): Settings['interrupts'] {
  const numbers = numbered(names(host, IRQ), '');
  if (numbers.length === 0) return absent('missing', 'no interrupt is described', IRQ);
  return known(
    Object.fromEntries(
      numbers.flatMap((irq) => {
        const wanted = attribute(host, `${IRQ}/${irq}/smp_affinity_list`, cpuListText).value;
        const effective = attribute(host, `${IRQ}/${irq}/effective_affinity_list`, cpuListText).value;
        return wanted === undefined ? [] : [[`${irq}`, { wanted, effective: effective ?? null }] as const];
      }),
    ),
    IRQ,
  );
}

/** A queue of an interface with only one has no xps_cpus to read (net/core/net-sysfs.c, xps_cpus_show). */
function queues(host: ReadHost): Settings['queues'] {
  const interfaces = names(host, NET);
  const found = interfaces.flatMap((name) =>
    names(host, `${NET}/${name}/queues`).flatMap((queue) => {
      const path = `${NET}/${name}/queues/${queue}/${queue.startsWith('rx-') ? 'rps_cpus' : 'xps_cpus'}`;
      const mask = attribute(host, path, word).value;
      return mask === undefined ? [] : [[path, mask] as const];
    }),
  );
  return interfaces.length === 0
    ? absent('missing', 'no network interface', NET)
    : known(Object.fromEntries(found), NET);
}

function cgroup(host: ReadHost): Settings['cgroup'] {
  const controllers = attribute(host, `${CGROUP}/cgroup.controllers`, (text) => text);
  if (controllers.absent !== undefined) return controllers;
  return known(
    {
      cpuset: controllers.value.split(/\s+/).includes('cpuset'),
      enabled: (textOrNothing(host, `${CGROUP}/cgroup.subtree_control`) ?? '')
        .split(/\s+/)
        .includes('cpuset'),
      isolated: textOrNothing(host, `${CGROUP}/cpuset.cpus.isolated`) ?? null,
      slice: textOrNothing(host, `${SLICE}/cpuset.cpus`) ?? null,
      partition: textOrNothing(host, `${SLICE}/cpuset.cpus.partition`) ?? null,
    },
    controllers.from,
  );
}
