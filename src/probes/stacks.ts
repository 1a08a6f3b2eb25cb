import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact, Facts } from './facts.ts';
import { absent, exists, known, names, textOrNothing } from './read.ts';

type Dpdk = NonNullable<Facts['stacks']['dpdk']['value']>;
type Onload = NonNullable<Facts['stacks']['onload']['value']>;

const LIBRARIES = [
  '/usr/local/lib/x86_64-linux-gnu',
  '/usr/local/lib/aarch64-linux-gnu',
  '/usr/local/lib64',
  '/usr/local/lib',
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
];

/** Library ABI to release (DPDK's ABI_VERSION: one number a year, first at 19.11 and then still with a minor one). */
const DPDK_ABI: readonly (readonly [string, string])[] = [
  ['27', '26.11'],
  ['26', '25.11'],
  ['25', '24.11'],
  ['24', '23.11'],
  ['23', '22.11'],
  ['22', '21.11'],
  ['21', '20.11'],
  ['20.0', '19.11'],
];

export const stacksProbe = defineProbe('stacks', (host) => ({
  dpdk: dpdk(host),
  onload: onload(host),
  sfc: exists(host, '/sys/module/sfc')
    ? known({ version: textOrNothing(host, '/sys/module/sfc/version') ?? null }, '/sys/module/sfc')
    : absent('missing', 'the sfc driver is not loaded', '/sys/module/sfc'),
  mlx5: mlx5(host),
}));

function dpdk(host: ReadHost): Fact<Dpdk> {
  for (const folder of LIBRARIES.filter((path) => exists(host, path))) {
    const abi = DPDK_ABI.find(([number]) => exists(host, `${folder}/librte_eal.so.${number}`));
    if (abi === undefined) continue;
    const config = textOrNothing(host, `${folder}/pkgconfig/libdpdk.pc`);
    const exact = /^Version:\s*(\S+)/m.exec(config ?? '')?.[1];
    const drivers = names(host, `${folder}/dpdk`).find((name) => name.startsWith('pmds-'));
    return known(
      { version: exact ?? abi[1], drivers: drivers === undefined ? null : `${folder}/dpdk/${drivers}` },
      `${folder}/librte_eal.so.${abi[0]}`,
    );
  }
  return absent('missing', 'no librte_eal in the usual library folders', '/usr/lib');
}

function onload(host: ReadHost): Fact<Onload> {
  const library =
    LIBRARIES.map((folder) => `${folder}/libonload.so`).find((path) => exists(host, path)) ?? null;
  const loaded = exists(host, '/sys/module/onload');
  if (!loaded && library === null)
    return absent('missing', 'neither the module nor the library', '/sys/module/onload');
  const driver = /onload (\S+)/i.exec(textOrNothing(host, '/proc/driver/onload/version') ?? '')?.[1];
  const nodes = ['/dev/onload', '/dev/onload_epoll', '/dev/sfc_char'].filter((path) => exists(host, path));
  return known(
    { driver: loaded ? (driver ?? 'loaded') : null, library, nodes },
    loaded ? '/sys/module/onload' : (library ?? ''),
  );
}

function mlx5(host: ReadHost): Fact<NonNullable<Facts['stacks']['mlx5']['value']>> {
  const path = '/sys/module/mlx5_core';
  if (!exists(host, path)) return absent('missing', 'the mlx5 driver is not loaded', path);
  return known(
    {
      rdma: names(host, '/sys/class/infiniband').filter((name) => name.startsWith('mlx5_')),
      uverbs: names(host, '/dev/infiniband').filter((name) => name.startsWith('uverbs')),
    },
    path,
  );
}
