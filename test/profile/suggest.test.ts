import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Carried, Facts, NetworkInterface, PciFunction } from '../../src/probes/facts.ts';
import { loadProfile } from '../../src/profile/load.ts';
import { printSuggestion } from '../../src/profile/print.ts';
import { resolveProfile } from '../../src/profile/resolve.ts';
import { suggest } from '../../src/profile/suggest.ts';
import {
  absent,
  type Change,
  FIXTURES,
  factsOf,
  fixtureHost,
  known,
  theValue,
  withFiles,
} from '../support/hosts.ts';

/** What holds for the suggestion on any host: it is read as it is meant, resolves, and touches nothing that is used. */
async function expectSound(facts: Facts): Promise<void> {
  const suggestion = suggest(facts);
  const text = printSuggestion(suggestion);
  expect(await loadProfile('suggested.yaml', text)).toEqual(suggestion.profile);
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  const { nics } = resolveProfile(suggestion.profile, facts);
  const carried = facts.network.carried.value;
  for (const { address, role, stack, driver } of nics) {
    const nic = theValue(facts.pci.networkFunctions).find((entry) => entry.address === address);
    if (carried?.some(({ pci }) => pci === address) ?? nic?.interfaces.length !== 0)
      expect([address, role, stack, driver]).toEqual([address, 'control', 'kernel', null]);
  }
}

function chosen(facts: Facts): Record<string, string> {
  const { nics } = resolveProfile(suggest(facts).profile, facts);
  return Object.fromEntries(
    nics.map(({ address, role, stack, driver }) => [address, `${role} ${stack} ${driver}`]),
  );
}

function why(facts: Facts, name: string): string {
  return (
    suggest(facts)
      .nics.find(({ nic }) => nic.name === name)
      ?.why.join('; ') ?? ''
  );
}

const on = (host: string, changes: Readonly<Record<string, Change>> = {}) =>
  factsOf(withFiles(host, changes));

describe('the suggestion', () => {
  it.each(FIXTURES)('[H16] for %s loads and resolves on it, and leaves alone what is used', async (name) => {
    await expectSound(factsOf(fixtureHost(name)));
  });

  it('sorts the NICs of a server', () => {
    expect(chosen(on('two-socket-smt'))).toEqual({
      '0000:04:00.0': 'control kernel null',
      '0000:04:00.1': 'control kernel null',
      '0000:3b:00.0': 'data dpdk null',
      '0000:af:00.0': 'control kernel null',
      '0000:af:00.1': 'data dpdk vfio-pci',
    });
  });

  it('makes everything control where what is carried cannot be known, or nothing is seen to be', () => {
    const blind = { '/proc/net/route': null, '/proc/net/ipv6_route': null, '/.kernel/routes.json': null };
    expect(new Set(Object.values(chosen(on('bond-vlan', blind))))).toEqual(new Set(['control kernel null']));
    const facts = on('bond-vlan');
    const idle: Facts = { ...facts, network: { ...facts.network, carried: known([], 'nowhere') } };
    expect(new Set(Object.values(chosen(idle)))).toEqual(new Set(['control kernel null']));
    expect(why(idle, 'ens4f1')).toContain('how this host is reached is not known');
    // A use that may be there is not one that is not: WireGuard tells nobody over which NIC its peer is.
    const sure = on('two-socket-smt');
    const doubt: Carried = {
      pci: '0000:3b:00.0',
      chain: ['enp59s0np0'],
      what: 'wireguard tunnel wg0',
      kind: 'route',
      certain: false,
      from: 'RTM_GETLINK',
    };
    const carried = known([...theValue(sure.network.carried), doubt], 'here');
    const unsure: Facts = { ...sure, network: { ...sure.network, carried } };
    expect(chosen(unsure)['0000:3b:00.0']).toBe('control kernel null');
    expect(why(unsure, 'enp59s0np0')).toContain('may carry something (wireguard tunnel wg0');
  });

  it('leaves a NIC alone that is part of something, carrying or not, or that has no link', () => {
    const bonded = editInterface(on('bond-vlan'), 'ens4f1', { master: 'bond9' });
    expect(why(bonded, 'ens4f1')).toContain('is part of bond9: control');
    const watched = editInterface(on('bond-vlan'), 'ens4f1', { uppers: ['macvtap0'] });
    expect(why(watched, 'ens4f1')).toContain('is part of macvtap0: control');
    const unplugged = editInterface(on('bond-vlan'), 'ens4f1', { carrier: known(false, 'carrier') });
    expect(why(unplugged, 'ens4f1')).toContain('carries nothing, but has no link either: control');
    const parent = edit(on('bond-vlan'), '0000:65:00.1', { virtualFunctions: ['0000:65:02.0'] });
    expect(why(parent, 'ens4f1')).toContain('has virtual functions that may be in use (1): control');
  });

  it('[B8] keeps a Solarflare NIC on its driver, for Onload', () => {
    const facts = edit(on('bond-vlan'), '0000:65:00.1', { driver: known('sfc', 'driver'), vendor: '0x1924' });
    expect(chosen(facts)['0000:65:00.1']).toBe('data onload null');
    expect(why(facts, 'ens4f1')).toContain('Onload, ef_vi and TCPDirect work on top of sfc');
  });

  it('[B20] does not suggest vfio-pci without an IOMMU, nor in a group with others', () => {
    expect(chosen(on('bond-vlan'))['0000:65:00.1']).toBe('data af-xdp null');
    expect(why(on('bond-vlan'), 'ens4f1')).toContain('not dpdk, because no IOMMU protects the memory');
    const facts = edit(on('bond-vlan'), '0000:65:00.1', { iommuGroup: known(3, 'group') });
    expect(chosen(facts)['0000:65:00.1']).toBe('data dpdk vfio-pci');
    const member = (address: string, code: string, driver: string) => ({ address, class: code, driver });
    const members = [
      member('0000:65:01.0', '0x060400', 'pcieport'),
      member('0000:65:00.1', '0x020000', 'i40e'),
      member('0000:65:00.2', '0x010802', 'nvme'),
    ];
    const group = { id: 3, type: absent('missing', '', ''), members, complete: true };
    const shared: Facts = { ...facts, iommu: { ...facts.iommu, groups: known([group], 'groups') } };
    expect(chosen(shared)['0000:65:00.1']).toBe('data af-xdp null');
    expect(why(shared, 'ens4f1')).toContain('its IOMMU group also holds 0000:65:00.2 (nvme)');
  });

  it('keeps a NIC on UIO where it is, and says what that costs', () => {
    const facts = edit(on('bond-vlan'), '0000:65:00.1', {
      driver: known('igb_uio', 'driver'),
      interfaces: [],
    });
    expect(chosen(facts)['0000:65:00.1']).toBe('data dpdk igb_uio');
    expect(printSuggestion(suggest(facts))).toContain('    driver: igb_uio\n    allow-no-iommu: true\n');
  });

  it('goes by the PCI address where the MAC address is not known, and by both where two NICs have it', () => {
    const facts = on('bond-vlan');
    const match = (all: Facts, address: string) => {
      const index = theValue(all.pci.networkFunctions).findIndex((nic) => nic.address === address);
      return suggest(all).profile.nics[index]?.match;
    };
    expect(match(facts, '0000:17:00.0')).toEqual({ address: '0000:17:00.0' });
    expect(match(facts, '0000:65:00.1')).toEqual({ mac: '02:00:5e:00:00:09' });
    const twins = editInterface(facts, 'ens4f0', { permanentAddress: known('02:00:5e:00:00:09', 'here') });
    expect(match(twins, '0000:65:00.1')).toEqual({ address: '0000:65:00.1', mac: '02:00:5e:00:00:09' });
  });

  it('cannot be broken out of by what a host calls its interfaces and drivers', async () => {
    const evil = 'x"]\n- name: y #\u2028';
    const facts = edit(on('bond-vlan'), '0000:65:00.1', {
      driver: known(evil, 'driver'),
      interfaces: [evil, 'null'],
    });
    await expectSound(facts);
    expect(suggest(facts).profile.nics).toHaveLength(8);
    await expectSound(edit(on('bond-vlan'), '0000:65:00.1', { interfaces: ['null'] }));
  });

  it('for a host of which nothing is known is empty, and loads', async () => {
    await expectSound(factsOf(withFiles([{ kind: 'dir', path: 'proc' }], {})));
  });
});

function edit(facts: Facts, address: string, change: Partial<PciFunction>): Facts {
  const functions = theValue(facts.pci.networkFunctions).map((nic) =>
    nic.address === address ? { ...nic, ...change } : nic,
  );
  return {
    ...facts,
    pci: { ...facts.pci, networkFunctions: known(functions, facts.pci.networkFunctions.from) },
  };
}

function editInterface(facts: Facts, name: string, change: Partial<NetworkInterface>): Facts {
  const interfaces = theValue(facts.network.interfaces).map((entry) =>
    entry.name === name ? { ...entry, ...change } : entry,
  );
  return { ...facts, network: { ...facts.network, interfaces: known(interfaces, 'edited') } };
}

describe('on any host', () => {
  const missing = absent('missing', 'not here', 'nowhere');
  const denied = absent('denied', 'needs root', 'nowhere');
  const text = fc.oneof(
    fc.constantFrom('eth0', 'null', 'true', '1e3', '-', '', 'a: b', '#', '\n- x'),
    fc.string({ unit: 'binary', maxLength: 20 }),
  );
  const change = fc.record<Partial<PciFunction>>(
    {
      driver: fc.oneof(
        fc
          .constantFrom('ice', 'mlx5_core', 'mana', 'sfc', 'vfio-pci', 'uio_pci_generic', 'igb_uio')
          .map((name) => known(name, 'd')),
        text.map((name) => known(name, 'd')),
        fc.constant(missing),
      ),
      vendor: fc.constantFrom('0x8086', '0x15b3', '0x1414', '0x1924', 'unknown'),
      class: fc.constantFrom('0x020000', '0x020700', '0x028000'),
      node: fc.oneof(
        fc.nat(3).map((id) => known(id, 'n')),
        fc.constant(missing),
      ),
      iommuGroup: fc.oneof(
        fc.nat(90).map((id) => known(id, 'g')),
        fc.constantFrom(missing, denied),
      ),
      serial: fc.oneof(fc.constant(known('00-00-00-00-00-00-00-01', 's')), fc.constantFrom(missing, denied)),
      interfaces: fc.array(text, { maxLength: 2 }),
      virtualFunctions: fc.constantFrom([], ['0000:af:01.0']),
      physicalFunction: fc.constantFrom(missing, known('0000:af:00.0', 'p')),
      remembered: fc.oneof(
        fc.constant(missing),
        fc
          .record({
            driver: text,
            address: fc.oneof(text, fc.constant('02:00:5e:00:3b:00')),
            interface: text,
          })
          .map((nic) => known(nic, 'r')),
      ),
    },
    { requiredKeys: [] },
  );

  it.each(FIXTURES)('that is like %s', async (name) => {
    const base = factsOf(fixtureHost(name));
    const addresses = theValue(base.pci.networkFunctions).map(({ address }) => address);
    const changes = fc.array(fc.tuple(fc.constantFrom(...addresses), change), { maxLength: 8 });
    const carried = fc.constantFrom(base.network.carried, known([], 'c'), missing);
    const iommu = fc.constantFrom(base.iommu.units, missing, denied);
    const cpu = fc.constantFrom(base.cpu, { ...base.cpu, cores: missing }, { ...base.cpu, online: denied });
    const hugepages = fc.constantFrom(base.hugepages, { ...base.hugepages, pools: denied });
    await fc.assert(
      fc.asyncProperty(
        changes,
        carried,
        iommu,
        cpu,
        hugepages,
        async (edits, uses, units, processors, pages) => {
          const start: Facts = {
            ...base,
            cpu: processors,
            hugepages: pages,
            iommu: { ...base.iommu, units },
            network: { ...base.network, carried: uses },
          };
          await expectSound(edits.reduce((facts, [address, edited]) => edit(facts, address, edited), start));
        },
      ),
      { numRuns: 150 },
    );
  });
});
