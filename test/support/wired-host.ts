import type { InterfaceAddress, Link, Neighbour, Route, Rule } from '../../src/formats/netlink.ts';
import { type ArchiveEntry, parseArchive } from '../../src/formats/text-archive.ts';
import type { Facts } from '../../src/probes/facts.ts';
import {
  addInterface,
  addPci,
  addSockets,
  HostBuilder,
  linkVirtualFunction,
  type Socket,
} from './host-builder.ts';
import { factsOf, hostOf } from './hosts.ts';

/** An interface: of a PCI function, or stacked on others. */
export interface Wire extends Omit<Partial<Link>, 'name' | 'index' | 'lower' | 'master'> {
  readonly name: string;
  readonly pci?: string;
  readonly driver?: string;
  readonly group?: number;
  readonly portId?: string;
  readonly clock?: string;
  /** The function whose virtual function this one is. */
  readonly virtualOf?: string;
  readonly lowers?: readonly string[];
  /** IFLA_LINK alone, without a link in sysfs. */
  readonly lower?: string;
  readonly master?: string;
}

export interface Wiring {
  readonly wires: readonly Wire[];
  /** `eth0 192.0.2.1/24`. */
  readonly addresses?: readonly string[];
  /** As ip-route(8): `default via 192.0.2.254 dev eth0`, `10.0.0.0/8 dev eth1 table 100`. */
  readonly routes?: readonly string[];
  readonly rules?: readonly Rule[];
  readonly neighbours?: readonly (Omit<Neighbour, 'interface'> & { readonly interface: string })[];
  readonly sockets?: readonly Socket[];
  readonly mounts?: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly symlinks?: Readonly<Record<string, string>>;
  /** Answers that this host lacks. */
  readonly without?: readonly ('routes' | 'rules' | 'addresses' | 'links')[];
}

/** A host of a few interfaces, with the tables the kernel would have for them. */
export function wiredHost(wiring: Wiring): readonly ArchiveEntry[] {
  const host = new HostBuilder();
  const index = (name: string) => 2 + wiring.wires.findIndex((wire) => wire.name === name);
  const devices = new Map<string, string>();
  for (const wire of wiring.wires) {
    if (wire.pci === undefined) continue;
    const device = addPci(host, {
      address: wire.pci,
      above: '/sys/devices/pci0000:00/0000:00:01.0',
      class: '0x020000',
      id: '8086:1572',
      driver: wire.driver ?? 'i40e',
      ...(wire.group === undefined ? {} : { group: wire.group }),
    });
    devices.set(wire.pci, device);
    if (wire.clock !== undefined) host.link(`/sys/class/ptp/${wire.clock}`, `${device}/ptp/${wire.clock}`);
    if (wire.clock !== undefined) host.lines(`${device}/ptp/${wire.clock}`, { clock_name: 'i40e' });
  }
  for (const wire of wiring.wires) {
    const device = devices.get(wire.pci ?? '');
    const physical = devices.get(wire.virtualOf ?? '');
    if (device !== undefined && physical !== undefined) linkVirtualFunction(host, physical, 0, device);
    // A function that is in user space, or whose interface is elsewhere, has a name in the test alone.
    if (wire.name.startsWith('(')) continue;
    const above = wiring.wires
      .filter((other) => other.lowers?.includes(wire.name))
      .map((other) => other.name);
    addInterface(host, {
      name: wire.name,
      index: index(wire.name),
      address: '02:00:5e:00:00:01',
      uppers: above,
      lowers: wire.lowers ?? [],
      ...(device === undefined ? {} : { device }),
      ...(wire.master === undefined ? {} : { master: wire.master }),
    });
    if (wire.portId !== undefined) host.lines(`${device}/net/${wire.name}`, { phys_port_id: wire.portId });
  }
  const links: Link[] = wiring.wires.map(
    ({ name, pci: _, driver, group, portId, clock, virtualOf, lowers, lower, master, ...link }) => ({
      ...link,
      name,
      index: index(name),
      ...(master === undefined ? {} : { master: index(master) }),
      ...(lower === undefined && lowers?.length !== 1 ? {} : { lower: index(lower ?? lowers?.[0] ?? '') }),
    }),
  );
  const answers = {
    links,
    addresses: (wiring.addresses ?? []).map((text): InterfaceAddress => {
      const [name = '', address = ''] = text.split(' ');
      return { family: address.includes(':') ? 'inet6' : 'inet', address, interface: index(name) };
    }),
    routes: (wiring.routes ?? []).map((text) => parseRoute(text, index)),
    rules: wiring.rules ?? [
      { family: 'inet', priority: 0, table: 255 },
      { family: 'inet', priority: 32766, table: 254 },
      { family: 'inet6', priority: 0, table: 255 },
      { family: 'inet6', priority: 32766, table: 254 },
    ],
    neighbours: (wiring.neighbours ?? []).map((entry) => ({ ...entry, interface: index(entry.interface) })),
  };
  const kept = Object.entries(answers).filter(
    ([question]) => !wiring.without?.some((name) => name === question),
  );
  host.answers(Object.fromEntries(kept));
  addSockets(host, wiring.sockets ?? []);
  host.set('/proc/mounts', ['proc /proc proc rw 0 0', ...(wiring.mounts ?? []), ''].join('\n'));
  for (const [path, text] of Object.entries(wiring.files ?? {})) host.set(path, text);
  for (const [path, target] of Object.entries(wiring.symlinks ?? {})) host.set(path, { link: target });
  return parseArchive(host.archive());
}

export function wiredFacts(wiring: Wiring): Facts {
  return factsOf(hostOf(wiredHost(wiring)));
}

function parseRoute(text: string, index: (name: string) => number): Route {
  const [destination = '', ...words] = text.split(' ');
  const after = (word: string) => words.flatMap((entry, at) => (entry === word ? [words[at + 1] ?? ''] : []));
  const [gateway] = after('via');
  return {
    family: `${destination}${gateway ?? ''}`.includes(':') || words.includes('inet6') ? 'inet6' : 'inet',
    destination,
    ...(gateway === undefined ? {} : { gateway }),
    interfaces: after('dev').map(index),
    table: Number(after('table')[0] ?? 254),
    type: words.includes('blackhole') ? 'blackhole' : 'unicast',
  };
}
