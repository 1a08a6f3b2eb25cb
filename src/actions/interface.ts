import type { Host, ReadHost } from '../host/host.ts';
import type { PciFunction } from '../probes/facts.ts';
import type { PlanContext } from './define.ts';
import { run } from './run.ts';
import type { Sleep } from './sleep.ts';

/** RT_TABLE_LOCAL: the kernel makes its entries from the addresses. */
const TABLE_LOCAL = 255;
/** The kernel driver has made its interfaces a moment after it was bound; firmware may take seconds. */
const RETURN_TRIES = 60;
const RETURN_PAUSE = 500;
const IFF_UP = 1;

type Route = {
  readonly family: 'inet' | 'inet6';
  readonly destination: string;
  readonly table: number;
  readonly gateway?: string;
  readonly priority?: number;
  readonly source?: string;
};

/** What goes with an interface when its driver is unbound, and has to come back with it. */
export type InterfaceState = {
  readonly name: string;
  /** The address in use: a bond may have changed it. */
  readonly mac: string | null;
  readonly mtu: number | null;
  readonly up: boolean;
  readonly master: string | null;
  readonly addresses: readonly string[];
  /** By address. */
  readonly broadcasts: Readonly<Record<string, string>>;
  readonly routes: readonly Route[];
};

export function interfaceStates({ facts }: PlanContext, found: PciFunction): InterfaceState[] {
  const interfaces = facts.network.interfaces.value ?? [];
  return found.interfaces.flatMap((name) => {
    const entry = interfaces.find((candidate) => candidate.name === name);
    if (entry === undefined) return [];
    const routes = (facts.network.routes.value ?? []).filter(
      (route) =>
        route.interfaces.length === 1 &&
        route.interfaces[0] === name &&
        route.table !== TABLE_LOCAL &&
        route.type === 'unicast',
    );
    return [
      {
        name,
        mac: entry.address.value ?? null,
        mtu: entry.mtu.value ?? null,
        // `carrier` can be read only while the interface is up (net/core/net-sysfs.c, carrier_show).
        up: entry.carrier.absent === undefined,
        master: entry.master,
        addresses: entry.addresses,
        broadcasts: entry.broadcasts,
        routes: routes.map(({ family, destination, table, gateway, priority, source }) => ({
          family,
          destination,
          table,
          ...(gateway === undefined ? {} : { gateway }),
          ...(priority === undefined ? {} : { priority }),
          ...(source === undefined ? {} : { source }),
        })),
      },
    ];
  });
}

/** Brings the interfaces of a function back as they were, whatever of it is already so. */
export async function restoreInterfaces(
  host: Host,
  address: string,
  states: readonly InterfaceState[],
  sleep: Sleep,
): Promise<void> {
  if (states.length === 0) return;
  for (let tries = 0; interfacesOf(host, address).length < states.length && tries < RETURN_TRIES; tries++) {
    await sleep(RETURN_PAUSE);
  }
  if (interfacesOf(host, address).length < states.length) return;
  if (missing(host, address, states).length > 0 && host.stat('/run/udev/control') !== undefined) {
    // udev may be about to give it another name.
    await run(host, ['udevadm', 'settle', '--timeout=10']).catch(() => undefined);
  }
  for (const state of states) {
    const current = match(host, address, state, states);
    if (current !== undefined) await restoreInterface(host, current, state);
  }
}

async function restoreInterface(host: Host, current: string, state: InterfaceState): Promise<void> {
  const { name } = state;
  const link = (...argv: string[]) => run(host, ['ip', 'link', 'set', 'dev', ...argv]);
  if (current !== name) {
    await link(current, 'down');
    await link(current, 'name', name);
  }
  if (state.mac !== null && attribute(host, name, 'address') !== state.mac) {
    await link(name, 'down');
    await link(name, 'address', state.mac);
  }
  if (state.mtu !== null && attribute(host, name, 'mtu') !== `${state.mtu}`)
    await link(name, 'mtu', `${state.mtu}`);
  if (state.master !== null && masterOf(host, name) !== state.master) {
    // A bond takes only what is down (drivers/net/bonding/bond_main.c, bond_enslave).
    await link(name, 'down');
    await link(name, 'master', state.master);
  }
  if (isUp(host, name) !== state.up) await link(name, state.up ? 'up' : 'down');
  for (const address of lostAddresses(host, state))
    await run(host, ['ip', 'address', 'replace', address, ...broadcastOf(state, address), 'dev', name]);
  for (const route of lostRoutes(host, state)) await run(host, routeCommand(route, name));
}

/** What an administrator reads when an interface is not as it was; nothing when it is. */
export function missing(host: ReadHost, address: string, states: readonly InterfaceState[]): string[] {
  const present = interfacesOf(host, address);
  return states.flatMap((state) => {
    const { name } = state;
    if (!present.includes(name)) return [`${name} is missing`];
    const wrong: string[] = [];
    const mtu = attribute(host, name, 'mtu');
    if (state.mtu !== null && mtu !== `${state.mtu}`) wrong.push(`${name} has MTU ${mtu}, not ${state.mtu}`);
    const mac = attribute(host, name, 'address');
    if (state.mac !== null && mac !== state.mac) wrong.push(`${name} has address ${mac}, not ${state.mac}`);
    if (isUp(host, name) !== state.up) wrong.push(`${name} is ${state.up ? 'down' : 'up'}`);
    if (state.master !== null && masterOf(host, name) !== state.master)
      wrong.push(`${name} is not in ${state.master}`);
    wrong.push(...lostAddresses(host, state).map((lost) => `${name} lacks ${lost}`));
    wrong.push(
      ...lostRoutes(host, state).map((route) => `the route to ${route.destination} over ${name} is missing`),
    );
    return wrong;
  });
}

/** virtio-pci puts a virtio device between the function and its interface. */
export function interfacesOf(host: ReadHost, address: string): string[] {
  const folder = `/sys/bus/pci/devices/${address}`;
  const virtio = (host.list(folder) ?? []).filter((entry) => /^virtio\d+$/.test(entry));
  return ['', ...virtio.map((entry) => `/${entry}`)].flatMap(
    (below) => host.list(`${folder}${below}/net`) ?? [],
  );
}

/** By name, then by address, then the one that is left over. */
function match(
  host: ReadHost,
  pci: string,
  state: InterfaceState,
  all: readonly InterfaceState[],
): string | undefined {
  const present = interfacesOf(host, pci);
  if (present.includes(state.name)) return state.name;
  const names = new Set(all.map(({ name }) => name));
  const free = present.filter((name) => !names.has(name));
  return free.find((name) => attribute(host, name, 'address') === state.mac) ?? free[0];
}

function attribute(host: ReadHost, name: string, file: string): string | undefined {
  return host.readText(`/sys/class/net/${name}/${file}`)?.trim();
}

function masterOf(host: ReadHost, name: string): string | null {
  return host.readLink(`/sys/class/net/${name}/master`)?.split('/').pop() ?? null;
}

export function isUp(host: ReadHost, name: string): boolean {
  return (Number(attribute(host, name, 'flags') ?? 0) & IFF_UP) !== 0;
}

function lostAddresses(host: ReadHost, { name, addresses }: InterfaceState): string[] {
  const index = Number(attribute(host, name, 'ifindex'));
  const answer = host.ask('addresses');
  const present = 'answer' in answer ? answer.answer.filter((entry) => entry.interface === index) : [];
  return addresses.filter((address) => !present.some((entry) => entry.address === address));
}

/** Without it iproute2 sets none. */
function broadcastOf({ broadcasts }: InterfaceState, address: string): string[] {
  const broadcast = broadcasts[address];
  return broadcast === undefined ? [] : ['broadcast', broadcast];
}

function lostRoutes(host: ReadHost, { name, routes }: InterfaceState): Route[] {
  const index = Number(attribute(host, name, 'ifindex'));
  const answer = host.ask('routes');
  const present = 'answer' in answer ? answer.answer.filter((entry) => entry.interfaces.includes(index)) : [];
  return routes.filter(
    (route) =>
      !present.some(
        (entry) =>
          entry.family === route.family &&
          entry.destination === route.destination &&
          entry.table === route.table &&
          entry.gateway === route.gateway,
      ),
  );
}

function routeCommand(route: Route, name: string): string[] {
  return [
    'ip',
    route.family === 'inet' ? '-4' : '-6',
    'route',
    'replace',
    route.destination,
    ...(route.gateway === undefined ? [] : ['via', route.gateway]),
    'dev',
    name,
    'table',
    `${route.table}`,
    ...(route.priority === undefined ? [] : ['metric', `${route.priority}`]),
    ...(route.source === undefined ? [] : ['src', route.source]),
  ];
}
