import fc from 'fast-check';
import { beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { loadAddon, noAddon, type TestAddon } from './support.ts';

const MAC = Buffer.from('020000000002', 'hex');
const PEER = Buffer.from('020000000001', 'hex');
const BROADCAST = Buffer.alloc(6, 0xff);
const ADDRESS = Buffer.from([198, 18, 0, 2]);
const PEER_ADDRESS = Buffer.from([198, 18, 0, 1]);

/** RFC 1071, from the text of the RFC. */
function checksum(data: Buffer): number {
  let sum = 0;
  for (let i = 0; i < data.length; i += 2) sum += data.readUInt8(i) * 256 + (data[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return 0xffff - sum;
}

interface Arp {
  to?: Buffer;
  tags?: Buffer;
  operation?: number;
  senderMac?: Buffer;
  sender?: Buffer;
  target?: Buffer;
  padding?: number;
}

function arp(fields: Arp = {}): Buffer {
  const { to = BROADCAST, tags = Buffer.alloc(0), operation = 1, senderMac = PEER } = fields;
  const { sender = PEER_ADDRESS, target = ADDRESS, padding = 0 } = fields;
  const kind = Buffer.from([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, operation]);
  return Buffer.concat([
    to,
    senderMac,
    tags,
    kind,
    senderMac,
    sender,
    Buffer.alloc(6),
    target,
    Buffer.alloc(padding),
  ]);
}

interface Echo {
  to?: Buffer;
  from?: Buffer;
  tags?: Buffer;
  source?: Buffer;
  target?: Buffer;
  payload?: Buffer;
  options?: Buffer;
  ttl?: number;
  fragment?: number;
  protocol?: number;
  type?: number;
  id?: number;
  padding?: number;
}

function echo(fields: Echo = {}): Buffer {
  const { to = MAC, from = PEER, tags = Buffer.alloc(0), source = PEER_ADDRESS, target = ADDRESS } = fields;
  const { payload = Buffer.alloc(56, 7), options = Buffer.alloc(0), ttl = 64, fragment = 0x4000 } = fields;
  const { protocol = 1, type = 8, id = 0x1234, padding = 0 } = fields;
  const icmp = Buffer.concat([Buffer.from([type, 0, 0, 0, id >> 8, id & 255, 0, 1]), payload]);
  icmp.writeUInt16BE(checksum(icmp), 2);
  const header = Buffer.alloc(20 + options.length);
  header[0] = 0x40 + header.length / 4;
  header.writeUInt16BE(header.length + icmp.length, 2);
  header.writeUInt16BE(id, 4);
  header.writeUInt16BE(fragment, 6);
  header[8] = ttl;
  header[9] = protocol;
  source.copy(header, 12);
  target.copy(header, 16);
  options.copy(header, 20);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([to, from, tags, Buffer.from([8, 0]), header, icmp, Buffer.alloc(padding)]);
}

const VLAN = Buffer.from('81000064', 'hex');
const QINQ = Buffer.from('88a8000a81000064', 'hex');

let addon: TestAddon;
beforeAll(() => {
  if (noAddon === undefined) addon = loadAddon();
});

function handle(request: Buffer, address: Buffer | null = ADDRESS) {
  const frame = Buffer.from(request);
  const { verdict, length, fast } = addon.handleFrame(frame, MAC, address);
  return { verdict, fast, reply: frame.subarray(0, length), frame };
}

/** The reply that the RFCs ask for, built from scratch. */
function expectEcho(reply: Buffer, fields: Echo): void {
  const at = 14 + (fields.tags?.length ?? 0);
  const wanted = echo({
    ...fields,
    to: fields.from ?? PEER,
    from: MAC,
    source: ADDRESS,
    target: fields.source ?? PEER_ADDRESS,
    type: 0,
    ttl: 64,
    options: Buffer.alloc(0),
    padding: 0,
  });
  const exact = Buffer.from(reply.subarray(0, wanted.length));
  expect(checksum(exact.subarray(at, at + 20))).toBe(0);
  expect(checksum(exact.subarray(at + 20))).toBe(0);
  // 0 and 0xffff are the same checksum; which of them stands there is not compared.
  wanted.copy(exact, at + 22, at + 22, at + 24);
  expect(exact.toString('hex')).toBe(wanted.toString('hex'));
  expect(reply.length === wanted.length || reply.length <= 60).toBe(true);
}

const test = (title: string, body: () => void) =>
  it(title, (ctx: TestContext) => {
    if (noAddon !== undefined) return ctx.skip(noAddon);
    body();
  });

const octets = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Buffer.from(array));
const tagged = fc.constantFrom(Buffer.alloc(0), VLAN, QINQ);
const hostAddress = octets(4).filter((address) => {
  const first = address.readUInt8(0);
  return first > 0 && first < 224 && first !== 127 && !address.equals(ADDRESS);
});
const unicastMac = octets(6).filter(
  (mac) => mac.readUInt8(0) % 2 === 0 && !mac.equals(Buffer.alloc(6)) && !mac.equals(MAC),
);

describe('[H5] ARP', () => {
  test('[S6] answers a request for its own address, tags and all', () => {
    fc.assert(
      fc.property(
        tagged,
        unicastMac,
        hostAddress,
        fc.constantFrom(BROADCAST, MAC),
        fc.nat(30),
        (tags, senderMac, sender, to, padding) => {
          const request = arp({ tags, senderMac, sender, to, padding });
          const { verdict, reply } = handle(request);
          expect(verdict).toBe('answered-arp');
          const body = Buffer.concat([
            Buffer.from([8, 6, 0, 1, 8, 0, 6, 4, 0, 2]),
            MAC,
            ADDRESS,
            senderMac,
            sender,
          ]);
          const wanted = Buffer.concat([senderMac, MAC, tags, body]);
          expect(reply.subarray(0, wanted.length).toString('hex')).toBe(wanted.toString('hex'));
          expect(reply.length).toBe(Math.max(wanted.length, Math.min(request.length, 60)));
        },
      ),
    );
  });

  test('[S6] answers a probe, which has no sender address yet (RFC 5227)', () => {
    const { verdict, reply } = handle(arp({ sender: Buffer.alloc(4) }));
    expect(verdict).toBe('answered-arp');
    expect(reply.subarray(38, 42)).toEqual(Buffer.alloc(4));
  });

  test('[S6] answers for no other address', () => {
    fc.assert(
      fc.property(
        octets(4).filter((target) => !target.equals(ADDRESS)),
        tagged,
        (target, tags) => {
          expect(handle(arp({ target, tags })).verdict).toBe('arp-other-address');
        },
      ),
    );
    // One bit away in each octet.
    for (let bit = 0; bit < 32; ++bit) {
      const target = Buffer.from(ADDRESS);
      target.writeUInt32BE((target.readUInt32BE() ^ (1 << bit)) >>> 0);
      expect(handle(arp({ target })).verdict).toBe('arp-other-address');
    }
  });

  test('answers nothing without an address', () => {
    for (const target of [ADDRESS, Buffer.alloc(4), Buffer.alloc(4, 255)]) {
      expect(handle(arp({ target }), null).reply).toHaveLength(0);
      expect(handle(echo({ target }), null).reply).toHaveLength(0);
    }
  });

  test('names the reason for every other packet', () => {
    const cases: [string, Buffer][] = [
      ['arp-not-request', arp({ operation: 2 })],
      ['arp-conflict', arp({ sender: ADDRESS })],
      ['arp-conflict', arp({ sender: ADDRESS, operation: 2 })],
      ['bad-source', arp({ senderMac: MAC })],
      ['bad-arp', arp({ senderMac: Buffer.from('010000000001', 'hex') })],
      ['bad-arp', arp({ senderMac: Buffer.alloc(6) })],
      ['bad-arp', arp({ sender: Buffer.from([224, 0, 0, 1]) })],
      ['not-for-us', arp({ to: Buffer.from('020000000003', 'hex') })],
      ['truncated', arp().subarray(0, 41)],
    ];
    for (const [reason, frame] of cases) expect(handle(frame).verdict).toBe(reason);
    const odd = arp();
    odd[15] = 6; // IEEE 802 instead of Ethernet
    expect(handle(odd).verdict).toBe('bad-arp');
  });
});

describe('[H5] ICMP echo', () => {
  test('answers with the same payload and right checksums, whatever the length', () => {
    fc.assert(
      fc.property(
        fc.record({
          payload: fc.uint8Array({ maxLength: 1472 }).map((array) => Buffer.from(array)),
          tags: tagged,
          from: unicastMac,
          source: hostAddress,
          ttl: fc.integer({ min: 0, max: 255 }),
          id: fc.nat(0xffff),
          padding: fc.nat(30),
        }),
        (fields) => {
          const request = echo(fields);
          const { verdict, reply } = handle(request);
          expect(verdict).toBe('answered-icmp');
          expect(reply.length).toBeLessThanOrEqual(request.length);
          expectEcho(reply, fields);
        },
      ),
      { numRuns: 500 },
    );
  });

  test('answers an echo of zeros, whose checksum is the corner case of RFC 1624', () => {
    for (let length = 0; length < 200; ++length) {
      const fields = { id: 0, payload: Buffer.alloc(length) };
      const request = echo(fields);
      request.writeUInt16BE(0, 40);
      request.writeUInt16BE(0, 36);
      request.writeUInt16BE(checksum(request.subarray(34)), 36);
      const { verdict, reply } = handle(request);
      expect(verdict).toBe('answered-icmp');
      expect(checksum(Buffer.from(reply.subarray(34, 42 + length)))).toBe(0);
    }
  });

  test('drops IP options from the reply', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10 }), fc.nat(100), (words, length) => {
        const fields = { options: Buffer.alloc(words * 4, 1), payload: Buffer.alloc(length, 3) };
        const { verdict, reply } = handle(echo(fields));
        expect(verdict).toBe('answered-icmp');
        expectEcho(reply, fields);
      }),
    );
  });

  test('takes the quick way for an ordinary ping, and only the length decides otherwise', () => {
    expect(handle(echo()).fast).toBe(true);
    expect(handle(arp()).fast).toBe(true);
    expect(handle(echo({ payload: Buffer.alloc(8), padding: 10 })).fast).toBe(false);
    expect(handle(echo({ tags: VLAN })).fast).toBe(false);
  });

  test('names the reason for every other packet', () => {
    const group = Buffer.from('01005e000001', 'hex');
    const cases: [string, Buffer][] = [
      ['not-for-us', echo({ to: BROADCAST })],
      ['not-for-us', echo({ to: group })],
      ['not-for-us', echo({ to: PEER })],
      ['bad-source', echo({ from: group })],
      ['bad-source', echo({ from: MAC })],
      ['bad-source', echo({ source: Buffer.alloc(4) })],
      ['bad-source', echo({ source: Buffer.alloc(4, 255) })],
      ['bad-source', echo({ source: Buffer.from([224, 0, 0, 1]) })],
      ['bad-source', echo({ source: Buffer.from([127, 0, 0, 1]) })],
      ['bad-source', echo({ source: ADDRESS })],
      ['ip-other-address', echo({ target: Buffer.from([198, 18, 0, 3]) })],
      ['ip-other-address', echo({ target: Buffer.from([198, 18, 0, 255]) })],
      ['fragment', echo({ fragment: 0x2000 })],
      ['fragment', echo({ fragment: 1 })],
      ['fragment', echo({ fragment: 0x1fff })],
      ['other-protocol', echo({ protocol: 17 })],
      ['other-icmp', echo({ type: 0 })],
      ['other-icmp', echo({ type: 13 })],
      ['truncated', echo().subarray(0, 97)],
      ['truncated', echo().subarray(0, 13)],
      ['other-ethertype', Buffer.concat([MAC, PEER, Buffer.from([0x86, 0xdd]), Buffer.alloc(46)])],
    ];
    for (const [reason, frame] of cases) expect(handle(frame).verdict).toBe(reason);
  });

  test('answers no packet in which one bit was flipped under a checksum', () => {
    const request = echo();
    for (let bit = 14 * 8; bit < request.length * 8; ++bit) {
      const flipped = Buffer.from(request);
      flipped[bit >> 3] = flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7));
      expect(handle(flipped).reply, `bit ${bit}`).toHaveLength(0);
    }
  });
});

describe('any frame at all', () => {
  test('is left as it was unless it is answered', () => {
    const near = fc
      .tuple(fc.constantFrom(arp(), echo(), echo({ tags: VLAN })), fc.nat(), fc.nat(255), fc.nat(120))
      .map(([frame, at, value, length]) => {
        const changed = Buffer.from(frame.subarray(0, length));
        if (changed.length > 0) changed[at % changed.length] = value;
        return changed;
      });
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
          near,
        ),
        (request) => {
          const { verdict, reply, frame } = handle(request);
          if (verdict.startsWith('answered')) {
            expect(reply.length).toBeLessThanOrEqual(request.length);
            expect(reply.subarray(6, 12)).toEqual(MAC);
          } else {
            expect(reply).toHaveLength(0);
            expect(frame).toEqual(request);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
