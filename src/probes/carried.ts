import type { Carried, NetworkInterface, NetworkRoute } from './facts.ts';

/** RT_TABLE_LOCAL holds the host's own addresses, which are no use of their own. */
const TABLE_LOCAL = 255;

/**
 * What hangs on each PCI function, through any bond, bridge, VLAN or other interface stacked above it. One entry for
 * each use and each function that it runs over.
 */
export function carriedBy(
  interfaces: readonly NetworkInterface[],
  routes: readonly NetworkRoute[],
  addressesKnown: boolean,
): Carried[] {
  const byName = new Map(interfaces.map((entry) => [entry.name, entry]));
  const found: Carried[] = [];
  const add = (name: string, what: string) => {
    for (const chain of chainsDown(byName, name, [])) {
      const pci = byName.get(chain[0] ?? '')?.pci;
      if (pci) found.push({ pci, chain, what });
    }
  };
  for (const entry of interfaces) {
    for (const address of entry.addresses) if (!/^fe80:/i.test(address)) add(entry.name, address);
  }
  for (const route of routes) {
    if (route.table === TABLE_LOCAL || route.type !== 'unicast') continue;
    // A connected route says no more than the address it belongs to, where that is known.
    if (addressesKnown && route.destination !== 'default' && route.gateway === undefined) continue;
    const what = route.destination === 'default' ? 'default route' : `route to ${route.destination}`;
    const where = route.table === 254 ? '' : ` in table ${route.table}`;
    for (const name of route.interfaces) add(name, what + where);
  }
  return unique(found);
}

/** Every way from an interface down to one that has nothing below, lowest first. */
function chainsDown(
  byName: ReadonlyMap<string, NetworkInterface>,
  name: string,
  above: readonly string[],
): string[][] {
  // A ring can only come from a damaged recording.
  if (above.includes(name)) return [];
  const chain = [name, ...above];
  const lowers = byName.get(name)?.lowers ?? [];
  if (lowers.length === 0) return [chain];
  return lowers.flatMap((lower) => chainsDown(byName, lower, chain));
}

function unique(all: readonly Carried[]): Carried[] {
  return [...new Map(all.map((entry) => [JSON.stringify(entry), entry])).values()];
}
