import { describe, expect, it } from 'vitest';
import { perfEventConfig } from '../../src/formats/perf-event.ts';
import { busyShare, cpuTicks } from '../../src/formats/proc-stat.ts';
import { threadMigrations, threadWaitNs } from '../../src/formats/scheduler.ts';

const stat = (line: string) => `cpu  9 9 9 9 9 9 9 9 0 0\n${line}\nintr 5\n`;

describe('/proc/stat', () => {
  it('takes the line of one CPU and not of another that begins alike', () => {
    expect(cpuTicks(stat('cpu11 1 1 1 1 1 1 1 1 0 0\ncpu1 1 2 3 4 5 6 7 8 0 0'), 1)).toEqual({
      idle: 9,
      busy: 19,
      steal: 8,
    });
  });

  it('knows nothing of a CPU without a line, or with too few columns', () => {
    expect(cpuTicks(stat('cpu1 1 2 3 4'), 1)).toBeUndefined();
    expect(cpuTicks(stat('cpu1 1 2 3 4 5 6 7 8'), 2)).toBeUndefined();
    expect(cpuTicks('', 0)).toBeUndefined();
  });

  it('says which part of the time a CPU was busy, and nothing where no time went by', () => {
    const before = stat('cpu1 10 0 0 100 0 0 0 0 0 0');
    expect(busyShare(before, stat('cpu1 20 0 5 105 0 0 0 0 0 0'), 1)).toBe(0.75);
    expect(busyShare(before, stat('cpu1 10 0 0 120 0 0 0 0 0 0'), 1)).toBe(0);
    expect(busyShare(before, before, 1)).toBeUndefined();
    expect(busyShare(before, '', 1)).toBeUndefined();
  });
});

describe("the scheduler's account of a thread", () => {
  it('reads schedstat and sched, and nothing else', () => {
    expect(threadWaitNs('648111 49775 1\n')).toBe(49_775);
    expect(threadWaitNs('0 0\n')).toBeUndefined();
    expect(threadMigrations('x (1, #threads: 1)\nse.nr_migrations    :    12\nprio : 1\n')).toBe(12);
    expect(threadMigrations('')).toBeUndefined();
  });
});

describe('an event of a PMU', () => {
  it('is one number, else it is not understood', () => {
    expect(perfEventConfig('event=0x04\n')).toBe(4);
    expect(perfEventConfig('event=0x3c,umask=0x1')).toBeUndefined();
    expect(perfEventConfig('')).toBeUndefined();
  });
});
