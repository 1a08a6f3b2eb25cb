import { formatCpuList, union } from '../formats/cpu-list.ts';
import { parseCpuMask } from '../formats/cpu-mask.ts';
import { ipv6Text } from '../formats/ip-address.ts';
import { parseAssignments } from '../formats/key-value.ts';
import type { Link } from '../formats/netlink.ts';
import { isPciAddress } from '../formats/pci-address.ts';
import type { Answer, DriverInfo, ReadHost } from '../host/host.ts';
import { ask } from './answers.ts';
import { carriedBy, LISTENERS } from './carried.ts';
import { connections } from './connections.ts';
import { defineProbe } from './define.ts';
import type { Carried, Fact, Facts, NetworkInterface, NetworkRoute } from './facts.ts';
import {
  absent,
  attribute,
  flag,
  guarded,
  known,
  linkName,
  names,
  natural,
  textOrNothing,
  word,
} from './read.ts';
import { Routing } from './routing.ts';
import { storage } from './storage.ts';

const NET = '/sys/class/net';

type Neighbour = NonNullable<Facts['network']['neighbours']['value']>[number];

export const networkProbe = defineProbe('network', (host, look) => {
  // The one plain file among the interfaces (drivers/net/bonding/bond_sysfs.c).
  const all = names(host, NET).filter((name) => name !== 'bonding_masters');
  const links = ask(host, 'links');
  const nameOf = interfaceNames(host, all, links);
  const facts = {
    interfaces: readInterfaces(host, all, links, nameOf),
    routes: routes(host, nameOf),
    rules: answered('RTM_GETRULE', ask(host, 'rules'), (rules) => [...rules]),
    neighbours: neighbours(host, nameOf),
    connections: connections(host, look),
    storage: storage(host),
  };
  const { interfaces, ...others } = facts;
  return {
    interfaces: all.length > 0 ? known(interfaces, NET) : absent('missing', 'no interface', NET),
    carried: carried(host, facts, links, nameOf),
    ...others,
  };
});

type Parts = Pick<Facts['network'], 'routes' | 'rules' | 'neighbours' | 'connections' | 'storage'> & {
  readonly interfaces: readonly NetworkInterface[];
};

/** Without routes nobody knows. */
function carried(
  host: ReadHost,
  facts: Parts,
  links: Answer<readonly Link[]>,
  nameOf: NameOf,
): Fact<Carried[]> {
  const { interfaces, routes: found, rules, neighbours: near } = facts;
  if (found.absent !== undefined) return absent(found.absent, `routes: ${found.reason}`, found.from);
  const answeredLinks = 'answer' in links ? links.answer : [];
  const questions = [
    ['routes', 'RTM_GETROUTE'],
    ['addresses', 'RTM_GETADDR'],
    ['links', 'RTM_GETLINK'],
  ] as const;
  const uses = carriedBy({
    ...facts,
    links: answeredLinks,
    routing: new Routing(interfaces, found.value, rules, near, answeredLinks),
    precisionTime: spokenOn(host, PRECISION_TIME, nameOf),
    pppBelow: pppBelow(host, nameOf),
    listeners: listeners(host),
    unasked: questions.flatMap(([question, from]) => {
      const answer = ask(host, question);
      return 'answer' in answer ? [] : [{ what: `${question}: ${answer.unanswered}`, from }];
    }),
  });
  return known(uses, found.from);
}

/** ETH_P_1588, ETH_P_PPP_DISC, ETH_P_PPP_SES (include/uapi/linux/if_ether.h). */
const PRECISION_TIME = ['88f7'];
const PPP = ['8863', '8864'];

/** Interfaces on which a program speaks a protocol: `sk RefCnt Type Proto Iface …` (net/packet/af_packet.c). */
function spokenOn(host: ReadHost, protocols: readonly string[], nameOf: NameOf): string[] {
  const lines = (textOrNothing(host, '/proc/net/packet') ?? '').split('\n').slice(1);
  const indexes = lines.flatMap((line) => {
    const [, , , protocol = '', index = ''] = line.trim().split(/\s+/);
    return protocols.includes(protocol.toLowerCase()) && /^[1-9]\d*$/.test(index) ? [Number(index)] : [];
  });
  return [...new Set(indexes.map(nameOf))];
}

/** `Id Address Device` of the sessions that the kernel has (drivers/net/ppp/pppoe.c, pppoe_seq_show). */
function pppBelow(host: ReadHost, nameOf: NameOf): string[] {
  const lines = (textOrNothing(host, '/proc/net/pppoe') ?? '').split('\n').slice(1);
  const kernel = lines.flatMap((line) => line.trim().split(/\s+/)[2] ?? []);
  return [...new Set([...kernel, ...spokenOn(host, PPP, nameOf)])];
}

/** 224.0.0.1 and ff02::1, which every interface that is up joins (RFC 1112, RFC 4291). */
const ALL_HOSTS = ['01005e000001', '333300000001'];

/** `index name users global address` (net/core/dev_addr_lists.c; net/core/net-procfs.c, dev_mc_seq_show). */
function listeners(host: ReadHost): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of (textOrNothing(host, LISTENERS) ?? '').split('\n')) {
    const [, name = '', users = '', , address = ''] = line.trim().split(/\s+/);
    if (!ALL_HOSTS.includes(address) || !/^\d+$/.test(users)) continue;
    counts.set(name, Math.max(counts.get(name) ?? 0, Number(users)));
  }
  return counts;
}

type NameOf = (index: number) => string;

function interfaceNames(host: ReadHost, all: readonly string[], links: Answer<readonly Link[]>): NameOf {
  const byIndex = new Map<number, string>();
  for (const name of all) {
    const index = attribute(host, `${NET}/${name}/ifindex`, natural).value;
    if (index !== undefined) byIndex.set(index, name);
  }
  if ('answer' in links) for (const link of links.answer) byIndex.set(link.index, link.name);
  return (index) => byIndex.get(index) ?? `if${index}`;
}

function readInterfaces(
  host: ReadHost,
  all: readonly string[],
  links: Answer<readonly Link[]>,
  nameOf: NameOf,
): NetworkInterface[] {
  const drivers = ask(host, 'drivers');
  const addresses = ask(host, 'addresses');
  return all.map((name) => {
    const link = 'answer' in links ? links.answer.find((candidate) => candidate.name === name) : undefined;
    const own =
      'answer' in addresses ? addresses.answer.filter((entry) => nameOf(entry.interface) === name) : [];
    return {
      ...readInterface(host, name, link, nameOf),
      ...driverFacts(name, drivers),
      permanentAddress: permanentAddress(name, links, link),
      virtualFunctions: virtualFunctions(links, link),
      xdpProgram: xdpProgram(links, link),
      addresses: own.map((entry) => entry.address),
      broadcasts: Object.fromEntries(
        own.flatMap(({ address, broadcast }) => (broadcast === undefined ? [] : [[address, broadcast]])),
      ),
    };
  });
}

function readInterface(host: ReadHost, name: string, link: Link | undefined, nameOf: NameOf) {
  const folder = `${NET}/${name}`;
  const entries = names(host, folder);
  const read = <T>(file: string, parse: (text: string) => T) => attribute(host, `${folder}/${file}`, parse);
  const kind =
    link?.kind ?? parseAssignments(textOrNothing(host, `${folder}/uevent`) ?? '').get('DEVTYPE') ?? null;
  const queues = names(host, `${folder}/queues`);
  const driver = linkName(host, `${folder}/device/driver`);
  return {
    name,
    index: link?.index ?? read('ifindex', natural).value ?? null,
    kind,
    address: read('address', word),
    pci: pciAddress(host, folder),
    driver:
      driver === undefined
        ? absent('missing', 'no device below it', `${folder}/device/driver`)
        : known(driver, `${folder}/device/driver`),
    state: read('operstate', word),
    carrier: carrier(host, folder),
    carrierDownCount: read('carrier_down_count', natural),
    mtu: read('mtu', natural),
    speed: speed(host, folder),
    uppers: after(entries, 'upper_'),
    lowers: lowers(host, folder, entries, kind, link, nameOf),
    master: linkName(host, `${folder}/master`) ?? null,
    queues:
      queues.length > 0
        ? known({ rx: after(queues, 'rx-').length, tx: after(queues, 'tx-').length }, `${folder}/queues`)
        : absent('missing', 'no queues', `${folder}/queues`),
    rps: queueCpus(host, folder, queues, 'rx-', 'rps_cpus'),
    xps: queueCpus(host, folder, queues, 'tx-', 'xps_cpus'),
    deferHardIrqs: read('napi_defer_hard_irqs', natural),
    groFlushTimeout: read('gro_flush_timeout', natural),
    ptpClock: ptpClock(host, folder),
    portId: portId(host, folder, driver),
  } satisfies Partial<NetworkInterface>;
}

function after(all: readonly string[], prefix: string): string[] {
  return all.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}

/** The interface's real path lies below its PCI function, with a virtio or auxiliary device between for some. */
function pciAddress(host: ReadHost, folder: string): string | null {
  try {
    return (host.realPath(folder) ?? '').split('/').reverse().find(isPciAddress) ?? null;
  } catch {
    return null;
  }
}

function lowers(
  host: ReadHost,
  folder: string,
  entries: readonly string[],
  kind: string | null,
  link: Link | undefined,
  nameOf: NameOf,
): string[] {
  const slaves = (textOrNothing(host, `${folder}/bonding/slaves`) ?? '').split(/\s+/).filter(Boolean);
  const ports = names(host, `${folder}/brif`);
  // IFLA_LINK of a veth is its peer, which may live in another namespace under the same number; of a tunnel that is
  // not tied to an interface it is 0.
  const below = link?.lower && link.lower !== link.index && kind !== 'veth' ? [nameOf(link.lower)] : [];
  return [...new Set([...after(entries, 'lower_'), ...slaves, ...ports, ...below])];
}

/** EINVAL of an interface that is not up (net/core/net-sysfs.c, carrier_show). */
function carrier(host: ReadHost, folder: string): Fact<boolean> {
  const fact = attribute(host, `${folder}/carrier`, flag);
  return fact.absent === 'unsupported' ? absent('missing', 'the interface is not up', fact.from) : fact;
}

/** −1 or EINVAL while the link is down (net/core/net-sysfs.c, speed_show). */
function speed(host: ReadHost, folder: string): Fact<number> {
  const fact = attribute(host, `${folder}/speed`, (text) => (text === '-1' ? -1 : natural(text)));
  return fact.value === -1 || fact.absent === 'unsupported'
    ? absent('missing', 'unknown to the driver', fact.from)
    : fact;
}

function queueCpus(
  host: ReadHost,
  folder: string,
  queues: readonly string[],
  prefix: string,
  file: string,
): Fact<string> {
  const path = `${folder}/queues/${prefix}*/${file}`;
  const facts = queues
    .filter((name) => name.startsWith(prefix))
    .map((name) => attribute(host, `${folder}/queues/${name}/${file}`, parseCpuMask));
  const masks = facts.flatMap((fact) => (fact.value === undefined ? [] : [fact.value]));
  if (masks.length === 0) {
    // ENOENT is what a single queue answers for XPS.
    const first = facts.find((fact) => fact.absent !== undefined && fact.absent !== 'missing');
    return first?.absent === undefined
      ? absent('missing', 'no such setting', path)
      : absent(first.absent, first.reason, path);
  }
  return known(formatCpuList(masks.reduce(union, [])), path);
}

function ptpClock(host: ReadHost, folder: string): Fact<string> {
  const clock = names(host, `${folder}/device/ptp`)[0];
  return clock === undefined
    ? absent('missing', 'no hardware clock', `${folder}/device/ptp`)
    : known(clock, `${folder}/device/ptp`);
}

function virtualFunctions(
  links: Answer<readonly Link[]>,
  link: Link | undefined,
): NetworkInterface['virtualFunctions'] {
  const from = 'RTM_GETLINK';
  if ('unanswered' in links) return absent('unsupported', links.unanswered, from);
  const found = link?.virtualFunctions;
  return found === undefined ? absent('missing', 'no virtual function', from) : known([...found], from);
}

/** EOPNOTSUPP of most drivers (net/core/net-sysfs.c, phys_port_id_show): each function has a port of its own. */
function portId(host: ReadHost, folder: string, driver: string | undefined): Fact<string> {
  const path = `${folder}/phys_port_id`;
  return driver === undefined ? absent('missing', 'no device below it', path) : attribute(host, path, word);
}

function driverFacts(name: string, drivers: Answer<Readonly<Record<string, DriverInfo>>>) {
  const from = 'ETHTOOL_GDRVINFO';
  if ('unanswered' in drivers) {
    const none = absent('unsupported', drivers.unanswered, from);
    return { firmware: none, driverVersion: none };
  }
  const info = drivers.answer[name];
  const field = (value: string | undefined): Fact<string> =>
    value && value !== 'N/A' ? known(value, from) : absent('missing', 'the driver does not say', from);
  return { firmware: field(info?.firmware), driverVersion: field(info?.version) };
}

function permanentAddress(
  name: string,
  links: Answer<readonly Link[]>,
  link: Link | undefined,
): Fact<string> {
  const from = 'RTM_GETLINK';
  if ('unanswered' in links) return absent('unsupported', links.unanswered, from);
  if (link?.permanentAddress !== undefined) return known(link.permanentAddress, from);
  return absent('missing', `the driver of ${name} reports none`, from);
}

function xdpProgram(links: Answer<readonly Link[]>, link: Link | undefined): Fact<number> {
  const from = 'RTM_GETLINK';
  if ('unanswered' in links) return absent('unsupported', links.unanswered, from);
  return link?.xdpProgram ? known(link.xdpProgram, from) : absent('missing', 'no XDP program', from);
}

function answered<T, U>(from: string, answer: Answer<T>, map: (value: T) => U): Fact<U> {
  return 'answer' in answer
    ? known(map(answer.answer), from)
    : absent('unsupported', answer.unanswered, from);
}

function routes(host: ReadHost, nameOf: NameOf): Fact<NetworkRoute[]> {
  const answer = ask(host, 'routes');
  if ('answer' in answer) {
    return known(
      answer.answer.map((entry) => ({ ...entry, interfaces: entry.interfaces.map(nameOf) })),
      'RTM_GETROUTE',
    );
  }
  return guarded('/proc/net/route', () => {
    const inet = host.readText('/proc/net/route');
    const inet6 = host.readText('/proc/net/ipv6_route');
    if (inet === undefined && inet6 === undefined)
      return absent('unsupported', answer.unanswered, 'RTM_GETROUTE');
    return known(
      [...procRoutes(inet ?? ''), ...procRoutes6(inet6 ?? '')],
      '/proc/net/route, /proc/net/ipv6_route (main table)',
    );
  });
}

/** Iface Destination Gateway Flags RefCnt Use Metric Mask …, addresses as hex in host byte order (little endian). */
function procRoutes(text: string): NetworkRoute[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const [name, destination, gateway, , , , metric, mask] = line.trim().split(/\s+/);
      if (name === undefined || !isHex(destination, 8) || !isHex(gateway, 8) || !isHex(mask, 8)) return [];
      const bits = [...Number.parseInt(mask, 16).toString(2)].filter((bit) => bit === '1').length;
      return [
        {
          family: 'inet' as const,
          destination: bits === 0 ? 'default' : `${hexAddress(destination)}/${bits}`,
          interfaces: [name],
          table: 254,
          type: 'unicast',
          ...(/^0+$/.test(gateway) ? {} : { gateway: hexAddress(gateway) }),
          ...(/^\d{1,10}$/.test(metric ?? '') && Number(metric) > 0 ? { priority: Number(metric) } : {}),
        },
      ];
    });
}

function isHex(text: string | undefined, digits: number): text is string {
  return text !== undefined && text.length === digits && /^[0-9a-f]+$/i.test(text);
}

function hexAddress(hex: string): string {
  return (hex.match(/../g) ?? [])
    .reverse()
    .map((byte) => Number.parseInt(byte, 16))
    .join('.');
}

/** destination length source length next-hop metric references use flags interface (net/ipv6/route.c, rt6_info_route). */
function procRoutes6(text: string): NetworkRoute[] {
  const RTF_UP = 0x1;
  const RTF_LOCAL = 0x80000000;
  return text.split('\n').flatMap((line) => {
    const [destination, length, , , hop, metric, , , flags, name] = line.trim().split(/\s+/);
    if (!isHex(destination, 32) || !isHex(length, 2) || !isHex(hop, 32) || !isHex(flags, 8)) return [];
    if (!isHex(metric, 8) || name === undefined) return [];
    const bits = Number.parseInt(flags, 16);
    if ((bits & RTF_UP) === 0 || (bits & RTF_LOCAL) !== 0 || name === 'lo') return [];
    const prefix = Number.parseInt(length, 16);
    return [
      {
        family: 'inet6' as const,
        destination: prefix === 0 ? 'default' : `${hexAddress6(destination)}/${prefix}`,
        interfaces: [name],
        table: 254,
        type: 'unicast',
        ...(/^0+$/.test(hop) ? {} : { gateway: hexAddress6(hop) }),
        priority: Number.parseInt(metric, 16),
      },
    ];
  });
}

function hexAddress6(hex: string): string {
  return ipv6Text((hex.match(/.{4}/g) ?? []).map((group) => Number.parseInt(group, 16)));
}

function neighbours(host: ReadHost, nameOf: NameOf): Fact<Neighbour[]> {
  const answer = ask(host, 'neighbours');
  if ('answer' in answer) {
    return known(
      answer.answer.map((entry) => ({ ...entry, interface: nameOf(entry.interface) })),
      'RTM_GETNEIGH',
    );
  }
  return attribute(host, '/proc/net/arp', (text) =>
    text
      .split('\n')
      .slice(1)
      .flatMap((line) => {
        const [address, , flags, linkAddress, , name] = line.trim().split(/\s+/);
        if (address === undefined || linkAddress === undefined || name === undefined) return [];
        // ATF_COM: the entry is complete (include/uapi/linux/if_arp.h).
        const complete = (Number(flags) & 0x2) !== 0;
        return [
          {
            family: 'inet' as const,
            address,
            interface: name,
            state: complete ? 'reachable' : 'incomplete',
            ...(complete ? { linkAddress } : {}),
          },
        ];
      }),
  );
}
