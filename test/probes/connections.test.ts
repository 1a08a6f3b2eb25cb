import { describe, expect, test } from 'vitest';
import type { ReadHost } from '../../src/host/host.ts';
import { connections } from '../../src/probes/connections.ts';
import type { Change } from '../support/hosts.ts';
import { absent, factsOf, known, theValue, withFiles } from '../support/hosts.ts';
import { wiredFacts, wiredHost } from '../support/wired-host.ts';

const FROM = '/proc/net/tcp, tcp6, udp, udp6';
const connectionsOf = (files: Readonly<Record<string, Change>>) =>
  factsOf(withFiles(wiredHost({ wires: [] }), files)).network.connections;

/** As Linux 6.1 printed them: a listening sshd, a session to it, one to the loopback address, one that is over. */
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1000 1 0000000000000000 100 0 0 10 0
   1: 010200C0:0016 076433C6:C350 01 00000000:00000000 02:000A7214 00000000     0        0 1001 4 0000000000000000 20 4 31 10 -1
   2: 0100007F:0016 0100007F:C351 01 00000000:00000000 02:000A7214 00000000     0        0 1002 4 0000000000000000 20 4 31 10 -1
   3: 010200C0:0016 076433C6:C352 06 00000000:00000000 03:00000A22 00000000     0        0 0 3 0000000000000000
`;
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: B80D0120000000000000000001000000:9C40 B80D0120000000000000000002000000:01BB 01 00000000:00000000 00:00000000 00000000     0        0 1003 1 0000000000000000 20 4 30 10 -1
   1: 0000000000000000FFFF0000010200C0:0016 0000000000000000FFFF0000086433C6:C353 01 00000000:00000000 00:00000000 00000000     0        0 1004 1 0000000000000000 20 4 30 10 -1
`;

test('[B1] [B2] the tables of sockets, in the order of bytes in which the kernel prints them', () => {
  expect(connectionsOf({ '/proc/net/tcp': TCP, '/proc/net/tcp6': TCP6 })).toEqual(
    known(
      [
        {
          protocol: 'tcp',
          local: '192.0.2.1',
          remote: '198.51.100.7',
          port: 22,
          incoming: true,
          service: 'ssh',
          count: 1,
          from: '/proc/net/tcp',
        },
        {
          protocol: 'tcp',
          local: '2001:db8::1',
          remote: '2001:db8::2',
          port: 443,
          incoming: false,
          service: null,
          count: 1,
          from: '/proc/net/tcp6',
        },
        {
          protocol: 'tcp',
          local: '192.0.2.1',
          remote: '198.51.100.8',
          port: 22,
          incoming: true,
          service: 'ssh',
          count: 1,
          from: '/proc/net/tcp6',
        },
      ],
      FROM,
    ),
  );
});

test('connections to one service are counted', () => {
  const sockets = Array.from({ length: 5 }, (_, n) => ({
    local: `192.0.2.1:${40000 + n}`,
    remote: '198.51.100.7:443',
  }));
  const facts = wiredFacts({ wires: [], sockets: [...sockets, { protocol: 'udp', local: '0.0.0.0:68' }] });
  expect(theValue(facts.network.connections)).toMatchObject([{ port: 443, incoming: false, count: 5 }]);
});

test('an ssh session that this host started is a connection like others', () => {
  const facts = wiredFacts({ wires: [], sockets: [{ local: '192.0.2.1:40000', remote: '198.51.100.7:22' }] });
  expect(theValue(facts.network.connections)).toMatchObject([{ service: 'ssh', incoming: false }]);
});

describe('[B1] the port of the ssh session that this program was started in', () => {
  const environ = 'PATH=/bin\0SSH_CONNECTION=198.51.100.7 50000 192.0.2.1 2222\0';
  const session = (files: Readonly<Record<string, Change>>, live = true) => {
    const sockets = [{ local: '0.0.0.0:2222' }, { local: '192.0.2.1:2222', remote: '198.51.100.7:50000' }];
    const host = withFiles(wiredHost({ wires: [], sockets }), files);
    const fact = connections(Object.assign(Object.create(host) as ReadHost, { live }), {});
    return theValue(fact).map(({ service }) => service);
  };

  test('[B1] from the own environment, and from that of the shell above sudo', () => {
    expect(session({ '/proc/self/environ': environ })).toEqual(['ssh']);
    const above = { '/proc/self/status': 'Name:\tnode\nPPid:\t41\n', '/proc/41/status': 'PPid:\t40\n' };
    expect(session({ ...above, '/proc/40/environ': environ })).toEqual(['ssh']);
    expect(session({ ...above, '/proc/40/environ': { denied: 'EACCES' } })).toEqual([null]);
  });

  test('[B1] a recording has no session, and its environment is not read', () => {
    expect(session({ '/proc/self/environ': environ }, false)).toEqual([null]);
  });
});

test.each([
  ['a line that is none', 'sl\n 0: nonsense\n', 'garbled'],
  ['an address that is cut off', 'sl\n 0: 0100:0016 0100:0016 01\n', 'garbled'],
  ['a table that must not be read', { denied: 'EACCES' }, 'denied'],
] as const)('%s', (_, content, kind) => {
  expect(connectionsOf({ '/proc/net/tcp': content }).absent).toBe(kind);
});

test('no table at all', () => {
  const gone = Object.fromEntries(['tcp', 'tcp6', 'udp', 'udp6'].map((name) => [`/proc/net/${name}`, null]));
  expect(connectionsOf(gone)).toEqual(absent('missing', 'no such file', FROM));
});
