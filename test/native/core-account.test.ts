import { describe, expect, it } from 'vitest';
import { coreAccount, type Snapshot } from '../../src/native/core-account.ts';

const before: Snapshot = {
  interrupts: `            CPU0       CPU2
  24:          5          7   PCI-MSI 524288-edge      nvme0q0
 LOC:       1000       2000   Local timer interrupts
 RES:          1          2   Rescheduling interrupts
 ERR:          0
`,
  softirqs: `                    CPU0       CPU1       CPU2
       TIMER:         10         20         30
      NET_RX:          1          1          1
`,
  stat: 'cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 1 1 1 1 1 1 1 0 0\ncpu2 1 1 1 1 1 1 1 40 0 0\n',
  involuntarySwitches: 3,
  voluntarySwitches: 9,
};
const after: Snapshot = {
  interrupts: before.interrupts.replace('2000', '2500').replace('          7 ', '          8 '),
  softirqs: before.softirqs.replace('         30', '         37'),
  stat: before.stat.replace(' 40 ', ' 42 '),
  involuntarySwitches: 5,
  voluntarySwitches: 9,
};

describe('[S7] the account of the polling core', () => {
  it('takes the column of its own CPU, though offline CPUs have none', () => {
    expect(coreAccount(before, after, 2)).toEqual({
      involuntarySwitches: 2,
      voluntarySwitches: 0,
      interrupts: [
        { row: 'LOC', what: 'Local timer interrupts', count: 500 },
        { row: '24', what: 'PCI-MSI 524288-edge nvme0q0', count: 1 },
      ],
      softirqs: [{ row: 'TIMER', what: '', count: 7 }],
      stealTicks: 2,
    });
  });

  it('says nothing about what could not be read', () => {
    const unread = { ...before, interrupts: '', softirqs: '', stat: '' };
    expect(coreAccount(unread, { ...unread, involuntarySwitches: 4 }, 2)).toEqual({
      involuntarySwitches: 1,
      voluntarySwitches: 0,
    });
  });
});
