import { FormatError } from '../formats/format-error.ts';
import { formatIp, type IpAddress, ipOfBytes, isLoopback, isUnspecified } from '../formats/ip-address.ts';
import type { ReadHost } from '../host/host.ts';
import type { Look } from './define.ts';
import type { Connection, Fact } from './facts.ts';
import { absent, guarded, known, textOrNothing } from './read.ts';

const TABLES = ['tcp', 'tcp6', 'udp', 'udp6'] as const;
const FROM = '/proc/net/tcp, tcp6, udp, udp6';
/** include/net/tcp_states.h; a UDP socket that was given a peer by connect(2) is "established" too. */
const ESTABLISHED = '01';
const LISTEN = '0A';
const SSH = 22;

/**
 * Connections that exist now, those of the kernel itself (NFS, iSCSI …) among them; only of this network namespace.
 * They are counted by the port that stands for the service.
 */
export function connections(host: ReadHost, { quick }: Look): Fact<Connection[]> {
  // For each table the kernel walks over every bucket of its hash, some 8 ms where it has a quarter of a million.
  if (quick) return absent('unsupported', 'nobody looked', FROM);
  return guarded(FROM, () => {
    const texts = TABLES.map((name) => [name, host.readText(`/proc/net/${name}`)] as const);
    if (texts.every(([, text]) => text === undefined)) return absent('missing', 'no such file', FROM);
    const rows = texts.flatMap(([name, text]) => (text === undefined ? [] : parseTable(name, text)));
    const listening = new Set(rows.filter((row) => row.state === LISTEN).map((row) => row.localPort));
    const shells = new Set([SSH, ...ownShellPort(host)]);
    const found = new Map<string, Connection>();
    for (const row of rows) {
      if (row.state !== ESTABLISHED || isUnspecified(row.remote) || isLoopback(row.remote)) continue;
      const incoming = row.protocol === 'tcp' && (listening.has(row.localPort) || shells.has(row.localPort));
      const connection = {
        protocol: row.protocol,
        local: formatIp(row.local),
        remote: formatIp(row.remote),
        port: incoming ? row.localPort : row.remotePort,
        incoming,
        service:
          shells.has(incoming ? row.localPort : row.remotePort) && row.protocol === 'tcp' ? 'ssh' : null,
        count: 1,
        from: row.from,
      } satisfies Connection;
      const key = JSON.stringify(connection);
      const same = found.get(key);
      found.set(key, same === undefined ? connection : { ...same, count: same.count + 1 });
    }
    return known([...found.values()], FROM);
  });
}

interface Row {
  readonly protocol: 'tcp' | 'udp';
  readonly local: IpAddress;
  readonly localPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
  readonly state: string;
  readonly from: string;
}

/** `sl local_address rem_address st …` (net/ipv4/tcp_ipv4.c, tcp4_seq_show; net/ipv6/tcp_ipv6.c, tcp6_seq_show). */
function parseTable(name: (typeof TABLES)[number], text: string): Row[] {
  const protocol = name.startsWith('tcp') ? 'tcp' : 'udp';
  return text
    .split('\n')
    .slice(1)
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, local = '', remote = '', state = ''] = line.trim().split(/\s+/);
      const [ours, theirs] = [parseEnd(local), parseEnd(remote)];
      if (ours === undefined || theirs === undefined)
        throw new FormatError('connection table', name, 'a line without addresses');
      return {
        protocol,
        local: ours.address,
        localPort: ours.port,
        remote: theirs.address,
        remotePort: theirs.port,
        state,
        from: `/proc/net/${name}`,
      };
    });
}

/** Words of 32 bits in the order of the processor, which is little endian wherever this program runs. */
function parseEnd(text: string): { address: IpAddress; port: number } | undefined {
  const [address = '', port = ''] = text.split(':');
  if ((address.length !== 8 && address.length !== 32) || port.length !== 4) return undefined;
  if (!/^[0-9a-f]+$/i.test(address + port)) return undefined;
  const words = address.match(/.{8}/g) ?? [];
  const bytes = words.flatMap((word) => (word.match(/../g) ?? []).reverse());
  return {
    address: ipOfBytes(bytes.map((byte) => Number.parseInt(byte, 16))),
    port: Number.parseInt(port, 16),
  };
}

/**
 * The port of the ssh session that this program was started in: `SSH_CONNECTION=client port server port`, which sudo
 * takes out of the environment of its child, but not out of that of the shell above.
 */
function ownShellPort(host: ReadHost): number[] {
  if (!host.live) return [];
  for (let pid = 'self', steps = 0; pid !== '0' && pid !== '' && steps < 16; steps++) {
    const environment = textOrNothing(host, `/proc/${pid}/environ`) ?? '';
    const value = environment.split('\0').find((entry) => entry.startsWith('SSH_CONNECTION='));
    const port = Number(value?.split(' ')[3]);
    if (Number.isInteger(port) && port > 0) return [port];
    const status = textOrNothing(host, `/proc/${pid}/status`) ?? '';
    pid = /^PPid:\s*(\d+)$/m.exec(status)?.[1] ?? '';
  }
  return [];
}
