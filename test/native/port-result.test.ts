import { describe, expect, it } from 'vitest';
import { decodeFigures, FIGURES_BYTES, MAGIC, VERDICTS, VERSION, WORDS } from '../../src/native/figures.ts';
import { validateResult, type WorkerResult } from '../../src/native/messages.ts';
import { validateResultOf } from '../../src/native/result.ts';

const PORT: NonNullable<WorkerResult['port']> = {
  node: 1,
  memory: [{ node: 1, pageSize: 2 << 20, octets: 4852608 }],
  linkUp: true,
  linkSpeed: 10_000,
  linkLosses: 0,
};

/** A run on a NIC that answered one ARP and two echo requests, apart from what is changed. */
function resultOf(port: Partial<typeof PORT>, worker: Partial<WorkerResult> = {}, notes: string[] = []) {
  const page = Buffer.alloc(FIGURES_BYTES);
  const set = (index: number, value: bigint) => page.writeBigUInt64LE(value, index * 8);
  const counts = { magic: MAGIC, version: BigInt(VERSION), tscHz: 10n ** 9n, threshold: 256n, stride: 4n };
  for (const [name, value] of Object.entries({
    ...counts,
    received: 3n,
    sent: 3n,
    gaps: 1n,
    runCycles: 10n ** 9n,
  }))
    set(WORDS.indexOf(name as (typeof WORDS)[number]), value);
  set(WORDS.length + VERDICTS.indexOf('answered-arp'), 1n);
  set(WORDS.length + VERDICTS.indexOf('answered-icmp'), 2n);
  const result = validateResultOf({
    mode: 'port',
    iface: null,
    pci: '0000:81:00.0',
    address: '192.0.2.77',
    cpu: 3,
    notes,
    disturbed: false,
    absentCounters: {},
    gapLimitNs: undefined,
    figures: decodeFigures(page),
    worker: {
      type: 'result',
      dpdkVersion: 'DPDK 22.11.11',
      driver: 'net_e1000_em',
      mac: '52:54:00:00:00:01',
      startedAtMs: 0,
      setupNs: 0,
      durationNs: 10 ** 9,
      account: {
        involuntarySwitches: 0,
        voluntarySwitches: 0,
        minorFaults: 0,
        majorFaults: 0,
        counters: {},
      },
      imissed: 0,
      ierrors: 0,
      rxNombuf: 0,
      oerrors: 0,
      socketDrops: null,
      judge: null,
      selfTest: null,
      port: { ...PORT, ...port },
      ...worker,
    },
  });
  expect(validateResult.parse(result)).toEqual(result);
  return result;
}

describe('the result of a NIC', () => {
  it('is ready when ARP and echo were answered, nothing was lost and the link stayed', () => {
    const { verdict, port } = resultOf({});
    expect(verdict).toBe('ready');
    expect(port).toEqual({
      interface: null,
      driver: 'net_e1000_em',
      mac: '52:54:00:00:00:01',
      address: '192.0.2.77',
      pci: '0000:81:00.0',
      node: 1,
      memory: PORT.memory,
      link: { up: true, speed: 10_000, losses: 0 },
    });
  });

  it.each([
    ['no link', { linkUp: false, linkSpeed: null }, {}, 'no link after 10 s'],
    ['a link that was lost once', { linkLosses: 1 }, {}, 'the link was lost during the run'],
    ['a link that was lost twice', { linkLosses: 2 }, {}, 'the link was lost during the run, 2 times'],
    ['a loss that the NIC counted', {}, { imissed: 4 }, '4 packets were lost before the loop saw them'],
  ])('is not ready with %s', (_, port, worker, reason) => {
    const { verdict, reasons } = resultOf(port, worker);
    expect(verdict).toBe('not-ready');
    expect(reasons.join()).toContain(reason);
  });

  it('carries the notes of the pre-flight', () => {
    expect(resultOf({}, {}, ['far away']).notes).toEqual(['far away']);
  });
});
