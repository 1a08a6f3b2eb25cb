import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { parseArchive } from '../../src/formats/text-archive.ts';
import { cli } from '../support/cli.ts';
import { factsOf, fixtureHost, hostOf } from '../support/hosts.ts';

const scratch = mkdtempSync(`${tmpdir()}/bypass-setup-capture-`);
afterAll(() => rmSync(scratch, { recursive: true }));

const TWO_SOCKET = 'test/fixtures/hosts/two-socket-smt.tree';

describe('capture', () => {
  it('records what --root reads back: the same facts', () => {
    const file = `${scratch}/again.tree`;
    const { exitCode, stdout, stderr } = cli(['capture', '--root', TWO_SOCKET, '--output', file]);
    expect([exitCode, stdout]).toEqual([0, '']);
    expect(stderr).toMatch(/^recorded \d+ files and links in .*again\.tree\n$/);
    expect(factsOf(hostOf(parseArchive(readFileSync(file, 'utf8'))))).toEqual(
      factsOf(fixtureHost('two-socket-smt')),
    );
  });

  it('prints the archive on standard output without --output', () => {
    const { stdout, stderr } = cli(['capture', '--root', TWO_SOCKET]);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^bypass-setup archive 1\n/);
    expect(parseArchive(stdout).length).toBeGreaterThan(500);
  });

  it('with --mask no MAC address, serial number or UUID of the host is left, and what belongs together still does', () => {
    const plain = cli(['capture', '--root', TWO_SOCKET]).stdout;
    const masked = cli(['capture', '--root', TWO_SOCKET, '--mask']).stdout;
    const secrets = [
      ...plain.matchAll(
        /\b(?:[0-9a-f]{2}[:-]){5,7}[0-9a-f]{2}\b|\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b/g,
      ),
    ]
      .map(([secret]) => secret)
      // The name of the Secure Boot variable is the same on every machine.
      .filter((secret) => !/^(?:00:)+00$/.test(secret) && !secret.startsWith('8be4df61'));
    expect(new Set(secrets).size).toBeGreaterThan(5);
    expect(secrets.filter((secret) => masked.includes(secret))).toEqual([]);
    const facts = factsOf(hostOf(parseArchive(masked)));
    const own = factsOf(fixtureHost('two-socket-smt'));
    const shape = (entries: typeof own) => ({
      nics: entries.pci.networkFunctions.value?.map((nic) => [
        nic.address,
        nic.driver,
        nic.node,
        nic.interfaces,
      ]),
      carried: entries.network.carried,
      cores: entries.cpu.cores,
      // A NIC's address and its permanent one were equal, and still are.
      same: entries.network.interfaces.value?.map((net) => net.address.value === net.permanentAddress.value),
    });
    expect(shape(facts)).toEqual(shape(own));
    expect(facts.pci.networkFunctions.value?.map((nic) => nic.serial.value)).toEqual(
      own.pci.networkFunctions.value?.map(() => undefined),
    );
  });
});
