import { expect, test } from 'vitest';
import { judgeFirmware } from '../../src/checks/nic-firmware.ts';
import type { ResolvedNic } from '../../src/profile/resolved.ts';
import { factsOf, known, pciFunction, theValue, withFiles } from '../support/hosts.ts';

const facts = factsOf(withFiles('ready-server', {}));
const found = pciFunction(facts, '0000:ca:00.0');

function result(firmware: string, least: string): string | undefined {
  const interfaces = theValue(facts.network.interfaces).map((entry) =>
    entry.pci === found.address ? { ...entry, firmware: known(firmware, 'ETHTOOL_GDRVINFO') } : entry,
  );
  const network = { ...facts.network, interfaces: known(interfaces, '/sys/class/net') };
  const nic = { name: 'orders', address: found.address, firmware: least } as ResolvedNic;
  return judgeFirmware(nic, found, { ...facts, network })[0]?.result;
}

test.each([
  ['4.40 0x8001c7d4 1.3534.0', '4.40', 'pass'],
  ['4.40 0x8001c7d4 1.3534.0', '4.5', 'pass'],
  ['4.40 0x8001c7d4 1.3534.0', '4.41', 'fail'],
  ['4.40 0x8001c7d4 1.3534.0', '4.40.1', 'fail'],
  ['16.35.3502 (MT_0000000080)', '16.35.3006', 'pass'],
  ['16.9.3502 (MT_0000000080)', '16.35.3006', 'fail'],
  ['1.63, 0x80000a05', '1.63', 'pass'],
  ['10.0', '9.99', 'pass'],
  ['0x80000a05', '0.1', 'unknown'],
  ['N/A', '1.0', 'unknown'],
])('[A7] firmware %s against %s: %s', (firmware, least, expected) => {
  expect(result(firmware, least)).toBe(expected);
});

test('[A7] it is remembered when the NIC leaves the kernel, and nothing is said where nothing is asked', () => {
  expect(pciFunction(facts, '0000:b1:00.0').remembered.value?.firmware).toBe('4.40 0x8001c7d4 1.3534.0');
  const nic = { name: 'orders', address: found.address } as ResolvedNic;
  expect(judgeFirmware(nic, found, facts)).toEqual([]);
});
