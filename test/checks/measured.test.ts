import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  attributionOf,
  type CoreRun,
  judgeCore,
  judgeFrequency,
  judgeSmi,
  type MeasuredHost,
} from '../../src/checks/measured.ts';
import type { Finding } from '../../src/report/report.ts';

const CASES = new URL('measured/', import.meta.url);

interface Case {
  readonly note: string;
  readonly runs: readonly CoreRun[];
  readonly host: Omit<MeasuredHost, 'hypervisor'> & { hypervisor?: string };
  readonly expect: readonly Pick<Finding, 'check' | 'subject' | 'result' | 'sentence'>[];
}

function read(file: string): Case & { measured: MeasuredHost } {
  const entry = JSON.parse(readFileSync(new URL(file, CASES), 'utf8')) as Case;
  return { ...entry, measured: { ...entry.host, hypervisor: entry.host.hypervisor } };
}

describe('[H2] [H3] [J12] [J14] each case is what some CPUs showed, and every finding that it makes', () => {
  it.each(readdirSync(CASES))('%s', (file) => {
    const { runs, measured, expect: expected } = read(file);
    const findings = [
      ...runs.map((run) => judgeCore(run, measured)),
      ...judgeFrequency(runs, measured),
      ...judgeSmi(runs, measured),
    ];
    expect(
      findings.map(({ check, subject, result, sentence }) => ({ check, subject, result, sentence })),
    ).toEqual(expected);
    for (const finding of findings) {
      expect(finding.evidence, finding.sentence).not.toEqual([]);
      expect(finding.why).not.toBe('');
      const bad = finding.result !== 'pass' && finding.result !== 'skip';
      expect(finding.remedy !== undefined, finding.sentence).toBe(bad);
    }
  });
});

describe('[H3] the attribution', () => {
  const of = (file: string) => {
    const { runs, measured } = read(file);
    return runs.map((run) => attributionOf(run, measured));
  };

  it('tells devices and timers, threads, NMIs and machine checks apart', () => {
    expect(of('interrupts-and-threads.json')).toMatchObject([
      { interrupts: 266, threads: 1, unexplainedGaps: 0 },
    ]);
    expect(of('nmis-and-machine-checks.json')).toMatchObject([
      { interrupts: 0, nmis: 3, machineChecks: 1, unexplainedGaps: 5 },
    ]);
    expect(of('virtual-machine.json')).toMatchObject([{ stolenTicks: 1, smis: null }]);
  });

  it('does not guess where the kernel tables cannot be read', () => {
    expect(of('interrupts-unreadable.json')).toEqual([
      {
        interrupts: null,
        softirqs: null,
        threads: 0,
        nmis: null,
        machineChecks: null,
        stolenTicks: null,
        smis: 0,
        unexplainedGaps: null,
      },
    ]);
  });
});

describe('the remedy names what disturbed', () => {
  const remedy = (file: string) => {
    const { runs, measured } = read(file);
    return runs.map((run) => judgeCore(run, measured).remedy)[0];
  };

  it.each([
    ['interrupts-and-threads.json', 'move IRQ 36 away'],
    ['tick-goes-on.json', 'stop the tick: nohz_full=3'],
    ['virtual-machine.json', 'pin this virtual CPU'],
    ['nobody-counted-it.json', 'rtla osnoise'],
  ])('%s', (file, words) => {
    expect(remedy(file)).toContain(words);
  });
});
