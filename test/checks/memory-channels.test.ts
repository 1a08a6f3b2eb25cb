import { describe, expect, it } from 'vitest';
import { memoryChannelsCheck } from '../../src/checks/memory-channels.ts';
import { smbiosTable } from '../support/host-builder.ts';
import { factsOf, withFiles } from '../support/hosts.ts';

const TABLE = '/sys/firmware/dmi/tables/DMI';

function judge(slots: readonly (readonly [locator: string, bank: string, megabytes: number])[]) {
  const table = smbiosTable(
    slots.map(([locator, bank, megabytes]) => ({ locator, bank, megabytes, speed: 4800 })),
  );
  return memoryChannelsCheck.judge(factsOf(withFiles([], { [TABLE]: table })))[0];
}

describe('[A8] memory channels', () => {
  it.each([
    ['CPU1_DIMM_A1', 'NODE 1', 'CPU1_DIMM_B1', 'NODE 1'],
    ['P1-DIMMA1', 'BANK 0', 'P1-DIMMB1', 'BANK 1'],
    ['DIMM 0', 'P0 CHANNEL A', 'DIMM 0', 'P0 CHANNEL B'],
    ['P0_Node0_Channel0_Dimm0', 'BANK 0', 'P0_Node0_Channel1_Dimm0', 'BANK 1'],
  ])('%s %s and %s %s are two channels', (first, bank, second, otherBank) => {
    expect(
      judge([
        [first, bank, 16384],
        [second, otherBank, 16384],
      ]),
    ).toMatchObject({
      result: 'pass',
      sentence: 'all 2 memory channels hold a module',
    });
    expect(
      judge([
        [first, bank, 16384],
        [second, otherBank, 0],
      ]),
    ).toMatchObject({ result: 'warn' });
  });

  it('names the empty ones, by socket; a second slot of a channel may be empty', () => {
    const slots = ['A1', 'A2', 'B1', 'B2'].flatMap((slot) => [`CPU1_DIMM_${slot}`, `CPU2_DIMM_${slot}`]);
    const filled = ['CPU1_DIMM_A1', 'CPU1_DIMM_B1', 'CPU2_DIMM_A1'];
    expect(judge(slots.map((slot) => [slot, 'BANK', filled.includes(slot) ? 32768 : 0]))).toEqual({
      check: 'memory',
      why: 'a memory channel without a module takes its share of the bandwidth away from every core of the socket',
      subject: 'host',
      result: 'warn',
      sentence: '1 of 4 memory channels are empty: socket 2 channel B',
      evidence: [{ path: TABLE, value: '3 of 8 slots filled' }],
      remedy: 'put a module into each channel',
    });
  });

  it('says so when the names tell nothing, when there is no table, and when it must not be read', () => {
    expect(judge([['A1', 'BANK 0', 16384]])).toMatchObject({ result: 'skip' });
    const without = memoryChannelsCheck.judge(factsOf(withFiles([], { '/proc': 'a folder' })));
    expect(without).toMatchObject([{ result: 'skip', sentence: 'the firmware describes no memory slots' }]);
    const denied = memoryChannelsCheck.judge(factsOf(withFiles([], { [TABLE]: { denied: 'EACCES' } })));
    expect(denied).toMatchObject([{ result: 'unknown', remedy: 'run as root' }]);
  });
});
