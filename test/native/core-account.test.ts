import { describe, expect, it } from 'vitest';
import { accountFiles, coreAccount, type Snapshot } from '../../src/native/core-account.ts';
import type { NamedCounter } from '../../src/native/counter-sources.ts';

const INTERRUPTS = `            CPU0       CPU2
  24:          5          7   PCI-MSI 524288-edge      nvme0q0
 LOC:       1000       2000   Local timer interrupts
 RES:          1          2   Rescheduling interrupts
 ERR:          0
`;
const SOFTIRQS = `                    CPU0       CPU1       CPU2
       TIMER:         10         20         30
      NET_RX:          1          1          1
`;
const STAT = 'cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1 1 1 1 1 1 1 1 0 0\ncpu2 1 1 1 1 1 1 1 40 0 0\n';
const ENOENT = -2;

/** What was read, by the end of its path; the rest does not exist. */
function snapshot(files: Record<string, string>, usage: Partial<Snapshot> = {}): Snapshot {
  return {
    files: accountFiles(2).map(
      (path) => Object.entries(files).find(([end]) => path.endsWith(end))?.[1] ?? ENOENT,
    ),
    counters: [],
    involuntarySwitches: 3,
    voluntarySwitches: 9,
    minorFaults: 100,
    majorFaults: 0,
    ...usage,
  };
}

const msr = (name: string, register: number): NamedCounter => ({
  name,
  from: `/dev/cpu/2/msr 0x${register.toString(16)}`,
  msr: '/dev/cpu/2/msr',
  register,
});

describe('[S7] the account of the polling core', () => {
  it('takes the column of its own CPU, though offline CPUs have none', () => {
    const before = snapshot({ '/proc/interrupts': INTERRUPTS, softirqs: SOFTIRQS, 'proc/stat': STAT });
    const after = snapshot(
      {
        '/proc/interrupts': INTERRUPTS.replace('2000', '2500').replace('          7 ', '          8 '),
        softirqs: SOFTIRQS.replace('         30', '         37'),
        'proc/stat': STAT.replace(' 40 ', ' 42 '),
      },
      { involuntarySwitches: 5, minorFaults: 101 },
    );
    expect(coreAccount(before, after, 2, [])).toEqual({
      involuntarySwitches: 2,
      voluntarySwitches: 0,
      minorFaults: 1,
      majorFaults: 0,
      interrupts: [
        { row: 'LOC', what: 'Local timer interrupts', count: 500 },
        { row: '24', what: 'PCI-MSI 524288-edge nvme0q0', count: 1 },
      ],
      softirqs: [{ row: 'TIMER', what: '', count: 7 }],
      stealTicks: 2,
      counters: {},
    });
  });

  it('says nothing about what could not be read', () => {
    expect(coreAccount(snapshot({}), snapshot({}, { involuntarySwitches: 4 }), 2, [])).toEqual({
      involuntarySwitches: 1,
      voluntarySwitches: 0,
      minorFaults: 0,
      majorFaults: 0,
      counters: {},
    });
  });

  it('[J14] knows how long other threads ran, whether it was moved, and how often heat slowed it down', () => {
    const files = {
      schedstat: '648111 49775 1\n',
      'self/sched': 'head (19628, #threads: 1)\nse.nr_migrations                 :         1\n',
      core_throttle_count: '4\n',
      package_throttle_count: '9\n',
      scaling_cur_freq: '2900000\n',
    };
    const after = { ...files, schedstat: '999999 60000 7\n', core_throttle_count: '6\n' };
    expect(coreAccount(snapshot(files), snapshot(after), 2, [])).toMatchObject({
      waitNs: 10_225,
      migrations: 0,
      throttles: { core: 2, package: 0 },
      scalingFrequencyKhz: 2_900_000,
    });
  });

  it('[J12] a counter that was not delivered has not stood still', () => {
    const { counters } = coreAccount(snapshot({}), snapshot({}), 2, [msr('smi', 0x34)]);
    expect(Object.values(counters)).toMatchObject([{ absent: 'was not read' }]);
  });

  it('[J14] one kind of throttle is told of without the other', () => {
    const path = '/sys/devices/system/cpu/cpu2/thermal_throttle/core_throttle_count';
    const { throttles } = coreAccount(snapshot({ [path]: '3\n' }), snapshot({ [path]: '5\n' }), 2, []);
    expect(throttles).toEqual({ core: 2 });
  });

  it('[J12] [J14] counters keep their last digit beyond 53 bits, and say why they could not be read', () => {
    const counters = [msr('aperf', 0xe8), msr('smi', 0x34)];
    const EIO = -5;
    const before = snapshot({}, { counters: ['9007199254740993', EIO] });
    const after = snapshot({}, { counters: ['9007199254740996', EIO] });
    expect(coreAccount(before, after, 2, counters).counters).toEqual({
      aperf: { from: '/dev/cpu/2/msr 0xe8', delta: 3 },
      smi: { from: '/dev/cpu/2/msr 0x34', absent: 'EIO' },
    });
  });
});
