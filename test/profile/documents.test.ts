import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { withTable } from '../../scripts/profile-table.ts';
import { loadProfile } from '../../src/profile/load.ts';
import { resolveProfile } from '../../src/profile/resolve.ts';
import { keysAt } from '../../src/profile/schema.ts';
import { ROOT } from '../support/cli.ts';
import { factsOf, fixtureHost } from '../support/hosts.ts';

/** Each worked example, the recorded host it fits, and what becomes of its NICs there. */
const EXAMPLES: Readonly<
  Record<string, { host: string; nics: Record<string, string>; pages: string; isolated?: string }>
> = {
  'one-nic-dpdk.yaml': {
    host: 'two-socket-smt',
    nics: { feed: '0000:af:00.1 data dpdk vfio-pci' },
    pages: '1: 512 of 2097152',
    isolated: '18-31,50-63',
  },
  'hybrid.yaml': {
    host: 'two-socket-smt',
    nics: {
      management: '0000:04:00.0 control kernel null',
      feed: '0000:af:00.1 data dpdk vfio-pci',
      orders: '0000:04:00.1 order-entry busy-poll null',
    },
    pages: '1: 4 of 1073741824',
    isolated: '24-31,56-63',
  },
  'sr-iov.yaml': {
    host: 'two-socket-smt',
    nics: { 'port-a': '0000:af:00.0 data dpdk null vfio-pci,null' },
    pages: '1: 512 of 2097152',
  },
  'mellanox.yaml': {
    host: 'two-socket-smt',
    nics: { feed: '0000:3b:00.0 data dpdk null' },
    pages: '0: 512 of 2097152',
    isolated: '2-15,34-47',
  },
  'vm-without-iommu.yaml': {
    host: 'bond-vlan',
    nics: { feed: '0000:65:00.1 data dpdk vfio-pci' },
    pages: '0: 512 of 2097152',
    isolated: '2-3',
  },
};

describe('worked examples', () => {
  it('[H16] every one is here', () => {
    expect(readdirSync(`${ROOT}profiles`).sort()).toEqual(Object.keys(EXAMPLES).sort());
  });

  it.each(Object.entries(EXAMPLES))(
    '[H16] %s loads, and resolves on a host like the one it is for',
    async (file, expected) => {
      const profile = await loadProfile(file, readFileSync(`${ROOT}profiles/${file}`, 'utf8'));
      const resolved = resolveProfile(profile, factsOf(fixtureHost(expected.host)));
      const nics = resolved.nics.map(({ name, address, role, stack, driver, vfs }) => {
        const virtual = vfs === undefined ? '' : ` ${vfs.map((vf) => `${vf.driver}`).join(',')}`;
        return [name, `${address} ${role} ${stack} ${driver}${virtual}`];
      });
      expect(Object.fromEntries(nics)).toEqual(expected.nics);
      expect(
        resolved.hugepages.map(({ node, count, size }) => `${node}: ${count} of ${size}`).join(', '),
      ).toBe(expected.pages);
      expect(resolved.cores?.isolated).toBe(expected.isolated);
    },
  );
});

describe('docs/profile.md', () => {
  const page = readFileSync(`${ROOT}docs/profile.md`, 'utf8');
  const schema: unknown = JSON.parse(readFileSync(`${ROOT}schemas/profile.schema.json`, 'utf8'));

  it('has the table that the schema gives (npm run schemas)', () => {
    expect(withTable(page, schema)).toBe(page);
  });

  it('has a row for every key that a profile may have, with a meaning', () => {
    const all = [...keysBelow([], '')].sort();
    const rows = [...page.matchAll(/^\| `([^`]+)` \| [^|]+ \| [^|]+ \| (\S[^|]+) \|$/gm)].map(
      (row) => row[1],
    );
    expect(rows.sort()).toEqual(all);
    expect(all).toContain('nics[].vfs[].spoof-check');
    expect(page).not.toContain('undefined');
  });

  it('has an example that loads', async () => {
    const example = /^```yaml\n(.*?)^```$/ms.exec(page)?.[1] ?? '';
    expect((await loadProfile('docs', example)).nics).toHaveLength(1);
  });
});

function* keysBelow(path: readonly PropertyKey[], prefix: string): Generator<string> {
  for (const key of keysAt(path)) {
    yield `${prefix}${key}`;
    yield* keysBelow([...path, key], `${prefix}${key}.`);
    yield* keysBelow([...path, key, 0], `${prefix}${key}[].`);
  }
}
