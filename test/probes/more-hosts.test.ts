import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openReadHost } from '../../src/host/node-host.ts';
import { factsSchema } from '../../src/probes/facts.ts';
import { factsOf } from '../support/hosts.ts';

const folder = process.env.BYPASS_SETUP_HOSTS;

/** The folders that hold proc/ or sys/ of a host, at most three levels down. */
function roots(path: string, depth: number): readonly string[] {
  const folders = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  if (folders.some((entry) => entry.name === 'proc' || entry.name === 'sys')) return [path];
  return depth === 0 ? [] : folders.flatMap((entry) => roots(join(path, entry.name), depth - 1));
}

if (folder === undefined) {
  test('recorded hosts that are kept elsewhere', (ctx) => {
    ctx.skip('BYPASS_SETUP_HOSTS names no folder with unpacked hosts');
  });
} else {
  describe.each(roots(folder, 3))('%s', (root) => {
    const facts = factsOf(openReadHost(root));

    test('has facts that match their schema', () => {
      expect(factsSchema.parse(facts)).toEqual(facts);
    });

    test('has every CPU that is on in one core, and in one node at most', () => {
      const cpus = (facts.cpu.cores.value ?? []).flatMap((core) => expand(core.cpus));
      expect(new Set(cpus).size).toBe(cpus.length);
      if (facts.cpu.online.value !== undefined) {
        expect(cpus.sort((a, b) => a - b)).toEqual(expand(facts.cpu.online.value));
      }
      const placed = (facts.numa.nodes.value ?? []).flatMap((node) => expand(node.cpus));
      expect(new Set(placed).size).toBe(placed.length);
    });

    test('has the interfaces of its network functions', () => {
      const interfaces = facts.network.interfaces.value ?? [];
      for (const nic of facts.pci.networkFunctions.value ?? []) {
        for (const name of nic.interfaces) {
          expect(interfaces.find((entry) => entry.name === name)?.pci).toBe(nic.address);
        }
      }
    });
  });
}

function expand(list: string): number[] {
  return list
    .split(',')
    .filter(Boolean)
    .flatMap((part) => {
      const [first = 0, last = first] = part.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, n) => first + n);
    });
}
