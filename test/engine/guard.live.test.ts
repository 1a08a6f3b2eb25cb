import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { guard } from '../../src/engine/guard.ts';
import { type ArchiveEntry, parseArchive } from '../../src/formats/text-archive.ts';
import { changed, factsOf, hostOf, theValue } from '../support/hosts.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const NICS = { p0: '0000:03:00.0', p1: '0000:04:00.0', p2: '0000:05:00.0' } as const;

/**
 * Three veth pairs in a network namespace of this test's own; their other ends and the ssh client are in a second one.
 * sysfs shows the interfaces of the namespace that mounted it.
 */
const START = `
mount -t sysfs sysfs /sys
unshare -n sleep 100 & peer=$!
while [ "$(readlink /proc/$peer/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
trap 'kill $peer' EXIT
there() { nsenter -t $peer -n "$@"; }
ip link set lo up
for n in 0 1 2; do
  ip link add p$n type veth peer name q$n
  ip link set q$n netns $peer
  ip link set p$n up
  there ip link set q$n up
done
`;

/** Listens for the client as sshd would, then records what the probes ask for while the connection stands. */
const RECORD = `
import { createServer } from 'node:net';
import { spawn } from 'node:child_process';
import { printArchive } from './src/formats/text-archive.ts';
import { openReadHost } from './src/host/node-host.ts';
import { RecordingHost } from './src/host/recording-host.ts';
import { observe } from './src/probes/index.ts';
const [address, peer] = process.argv.slice(2);
const finish = () => {
  const recording = new RecordingHost(openReadHost('/'));
  observe(recording, () => 0);
  process.stdout.write(printArchive(recording.recorded()), () => process.exit());
};
if (peer === undefined) finish();
else
  createServer(finish).listen(22, address, () => {
    const connect = 'require("node:net").connect(22, process.argv[1]).on("error", (e) => { console.error(e); process.exit(1); })';
    spawn('nsenter', ['-t', peer, '-n', process.execPath, '-e', connect, address], { stdio: 'inherit' });
  });
setTimeout(() => process.exit(3), 20000).unref();
`;

let folder = '';
let why: string | undefined;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bypass-setup-'));
  symlinkSync(join(ROOT, 'build'), join(folder, 'build'));
  buildSync({
    stdin: { contents: RECORD, resolveDir: ROOT, loader: 'ts' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: join(folder, 'dist', 'record.mjs'),
    logLevel: 'error',
  });
  const tried = spawnSync('unshare', [
    '-nm',
    'sh',
    '-ec',
    'mount -t sysfs sysfs /sys; ip link add type veth; unshare -n true',
  ]);
  if (tried.error !== undefined || tried.status !== 0) {
    why = `no network namespace with a veth pair can be made here: ${tried.error?.message ?? tried.stderr.toString().trim()}`;
  }
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the kernel and the probes make of the given commands; skips where the kernel lacks a kind of link. */
function built(
  ctx: TestContext,
  kinds: readonly string[],
  commands: string,
  ssh?: string,
): readonly ArchiveEntry[] {
  if (why !== undefined) ctx.skip(why);
  for (const kind of kinds) {
    const some =
      kind === 'vxlan'
        ? 'vxlan id 1 dstport 4789'
        : kind === 'vlan'
          ? 'vlan id 1'
          : kind === 'vrf'
            ? 'vrf table 9'
            : kind;
    const over = /^(vlan|macvlan|ipvlan)$/.test(kind) ? 'link one ' : '';
    const tried = spawnSync('unshare', [
      '-n',
      'sh',
      '-ec',
      `ip link add one type veth; ip link add ${over}two type ${some}`,
    ]);
    if (tried.status !== 0) ctx.skip(`this kernel makes no ${kind} link: ${tried.stderr.toString().trim()}`);
  }
  const script = `${START}\n${commands}\n${process.execPath} ${join(folder, 'dist', 'record.mjs')} ${ssh === undefined ? '' : `${ssh} $peer`}`;
  const run = spawnSync('unshare', ['-nm', 'sh', '-ec', script], { maxBuffer: 64 << 20 });
  expect(run.stderr.toString()).toBe('');
  expect(run.status).toBe(0);
  return parseArchive(run.stdout.toString());
}

/** The same host, with its veth ends as the interfaces of PCI functions. */
function asNics(entries: readonly ArchiveEntry[]) {
  const moved = Object.entries(NICS).reduce((all, [name, address]) => {
    const [virtual, device] = [`sys/devices/virtual/net/${name}`, `sys/devices/pci0000:00/${address}`];
    return all.map((entry): ArchiveEntry => {
      if (entry.path === `sys/class/net/${name}` && entry.kind === 'link')
        return { ...entry, target: `../../../${device}/net/${name}` };
      return entry.path === virtual || entry.path.startsWith(`${virtual}/`)
        ? { ...entry, path: `${device}/net/${name}${entry.path.slice(virtual.length)}` }
        : entry;
    });
  }, entries);
  // Hardware has no IFLA_INFO_KIND.
  const links = moved.flatMap((entry) =>
    entry.path === '.kernel/links.json' && entry.kind === 'file'
      ? [new TextDecoder().decode(entry.bytes).replace(/("name": "p\d"),\s*"kind": "veth"/g, '$1')]
      : [],
  );
  const functions = Object.values(NICS).flatMap((address) => {
    const device = `/sys/devices/pci0000:00/${address}`;
    return [
      [`/sys/bus/pci/devices/${address}`, { link: device }],
      [`${device}/class`, '0x020000\n'],
      [`${device}/driver`, { link: '/sys/bus/pci/drivers/i40e' }],
    ] as const;
  });
  return factsOf(
    hostOf(changed(moved, { '/.kernel/links.json': links.join(''), ...Object.fromEntries(functions) })),
  );
}

function refused(entries: readonly ArchiveEntry[]): Record<string, readonly string[]> {
  const facts = asNics(entries);
  const changes = Object.values(NICS).map((target) => ({
    id: `driver:${target}`,
    action: 'driver',
    target,
    before: null,
    after: null,
    scope: 'runtime' as const,
    effect: 'link-down' as const,
    summary: 'bind to vfio-pci',
    commands: [],
  }));
  const refusals = guard(facts, { changes, notes: [] }, { nics: [], hugepages: [], persistent: false }, []);
  const names = Object.fromEntries(Object.entries(NICS).map(([name, address]) => [address, name]));
  return Object.fromEntries(refusals.map(({ target, reasons }) => [names[target] ?? target, reasons]));
}

describe('what a running kernel says of links that this test made', () => {
  test('[B1] [B3] an ssh connection over a bridge; a NIC that is up with its own link-local address is free', (ctx) => {
    const entries = built(
      ctx,
      ['bridge'],
      `ip link add br0 type bridge
       ip link set p0 master br0
       ip link set br0 up
       ip address add 192.0.2.1/24 dev br0
       ip route add default via 192.0.2.254
       there ip address add 192.0.2.2/24 dev q0`,
      '192.0.2.1',
    );
    expect(refused(entries)).toEqual({
      p0: [
        'p0 ← br0: carries the ssh connection from 192.0.2.2',
        'p0 ← br0: carries the default route',
        'p0 ← br0: has address 192.0.2.1/24',
      ],
    });
    const spare = theValue(asNics(entries).network.interfaces).find(({ name }) => name === 'p1');
    expect(spare?.addresses).toEqual([expect.stringMatching(/^fe80::/)]);
  });

  test('[B2] [B3] an ssh connection over IPv6 and a macvlan', (ctx) => {
    const entries = built(
      ctx,
      ['macvlan'],
      `ip link add mac0 link p1 type macvlan mode bridge
       ip link set mac0 up
       ip address add 2001:db8::1/64 dev mac0 nodad
       there ip address add 2001:db8::2/64 dev q1 nodad`,
      '2001:db8::1',
    );
    expect(refused(entries)).toEqual({
      p1: ['p1 ← mac0: carries the ssh connection from 2001:db8::2', 'p1 ← mac0: has address 2001:db8::1/64'],
    });
  });

  test('[B2] an ssh connection inside a VXLAN; the NIC of its other end is the one', (ctx) => {
    const entries = built(
      ctx,
      ['vxlan'],
      `ip address add 203.0.113.1/24 dev p2
       ip link add vx0 type vxlan id 7 remote 203.0.113.2 dstport 4789
       ip link set vx0 up
       ip address add 10.9.0.1/24 dev vx0
       there ip address add 203.0.113.2/24 dev q2
       there ip link add vx0 type vxlan id 7 remote 203.0.113.1 dstport 4789
       there ip link set vx0 up
       there ip address add 10.9.0.2/24 dev vx0`,
      '10.9.0.1',
    );
    expect(refused(entries)).toEqual({
      p2: [
        'p2 ← vx0: carries the ssh connection from 10.9.0.2',
        'has address 203.0.113.1/24',
        'p2 ← vx0: has address 10.9.0.1/24',
      ],
    });
  });

  test('[B2] routes in a table that a rule leads to', (ctx) => {
    const entries = built(
      ctx,
      [],
      `ip address add 198.51.100.1/32 dev lo
       ip route add 10.7.0.0/16 dev p1 table 100
       ip rule add from 198.51.100.0/24 fwmark 7 table 100 priority 1000
       ip rule add not from 10.0.0.0/8 table 101 priority 1001`,
    );
    expect(refused(entries)).toEqual({ p1: ['carries the route to 10.7.0.0/16 in table 100'] });
    const rules = theValue(asNics(entries).network.rules).filter(
      ({ priority }) => priority >= 1000 && priority < 2000,
    );
    expect(rules).toEqual([
      { family: 'inet', priority: 1000, table: 100, from: '198.51.100.0/24', mark: 7 },
      { family: 'inet', priority: 1001, table: 101, from: '10.0.0.0/8', conditional: true },
    ]);
  });

  test('[B3] [J20] a macvlan that was given to a container', (ctx) => {
    const entries = built(
      ctx,
      ['macvlan'],
      `ip link add mac0 link p1 type macvlan mode bridge
       ip link set mac0 netns $peer
       there ip link set mac0 up
       there ip address add 10.1.1.1/24 dev mac0
       ip link add mac1 link p2 type macvlan mode bridge
       ip link set mac1 up`,
    );
    expect(refused(entries)).toEqual({
      p1: ['cannot know what it carries: an interface on top of it is in another network namespace'],
    });
  });

  test('[B3] an ssh connection over a bond and a VLAN', (ctx) => {
    const entries = built(
      ctx,
      ['bond', 'vlan'],
      `ip link add bond0 type bond mode active-backup
       for n in 0 1; do ip link set p$n down; ip link set p$n master bond0; done
       ip link set bond0 up
       ip link add link bond0 name bond0.10 type vlan id 10
       ip link set bond0.10 up
       ip address add 192.0.2.1/24 dev bond0.10
       there ip link add link q0 name q0.10 type vlan id 10
       there ip link set q0.10 up
       there ip address add 192.0.2.2/24 dev q0.10`,
      '192.0.2.1',
    );
    const over = (port: string) => [
      `${port} ← bond0 ← bond0.10: carries the ssh connection from 192.0.2.2`,
      `${port} ← bond0 ← bond0.10: has address 192.0.2.1/24`,
    ];
    expect(refused(entries)).toEqual({ p0: over('p0'), p1: over('p1') });
  });

  test('[B2] a VRF and its table', (ctx) => {
    const entries = built(
      ctx,
      ['vrf'],
      `ip link add blue type vrf table 1001
       ip link set blue up
       ip link set p0 master blue
       ip address add 192.0.2.1/24 dev p0
       ip route add default via 192.0.2.254 table 1001`,
    );
    expect(refused(entries)).toEqual({
      p0: ['carries the default route in VRF blue', 'has address 192.0.2.1/24'],
    });
  });

  test('[B2] a WireGuard link, whose other end only its keys tell', (ctx) => {
    const entries = built(
      ctx,
      ['wireguard'],
      `ip address add 192.0.2.1/24 dev p0
       ip route add default via 192.0.2.254
       ip link add wg0 type wireguard
       ip link set wg0 up
       ip address add 10.8.0.1/24 dev wg0`,
    );
    expect(refused(entries).p0).toContain('p0 ← wg0: may have address 10.8.0.1/24');
  });
});
