import { readdirSync, readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stage } from '../../src/checks/adoption.ts';
import { judgeDrift } from '../../src/checks/drift.ts';
import { KEY_NAMES, meaningOf, type Reading, readRecord, recordOf } from '../../src/checks/record.ts';
import { recommendations } from '../../src/formats/settings.ts';
import type { ReadHost } from '../../src/host/host.ts';
import { openReadHost } from '../../src/host/node-host.ts';
import type { Baseline, Finding } from '../../src/report/report.ts';
import { smbiosTable } from '../support/host-builder.ts';
import { type Change, FIXTURES, factsOf, fixtureEntries, fixtureHost, withFiles } from '../support/hosts.ts';

const CASES = new URL('drift/', import.meta.url);
const TAKEN = '2026-11-22T16:39:08.000Z';

interface Case {
  readonly note: string;
  readonly host: string;
  /** What was otherwise when the baseline was saved. */
  readonly was?: Readonly<Record<string, Change>>;
  readonly changes: Readonly<Record<string, Change>>;
  /** Every finding, but for the pass where nothing else is expected. */
  readonly expect: readonly Pick<Finding, 'subject' | 'result' | 'sentence'>[];
}

describe('[J5] [H9] each case changes the host since its baseline and names every finding', () => {
  it.each(readdirSync(CASES))('%s', (file) => {
    const entry = JSON.parse(readFileSync(new URL(file, CASES), 'utf8')) as Case;
    const findings = drift(withFiles(entry.host, entry.was ?? {}), withFiles(entry.host, entry.changes));
    expect(findings.map(({ subject, result, sentence }) => ({ subject, result, sentence }))).toEqual(
      entry.expect,
    );
    for (const finding of findings) {
      expect(finding.evidence).not.toEqual([]);
      expect(finding.why).not.toBe('');
      expect(finding.remedy === undefined).toBe(finding.result === 'pass' || finding.result === 'skip');
    }
  });
});

describe('[J5] cards are followed', () => {
  const readings = readRecord(factsOf(fixtureHost('two-socket-smt')));

  it('to another slot: moved, and compared there', () => {
    const findings = compare(readings, inSlot(readings, '0000:3b:00.0', '0000:5e:00.0', { node: '1' }));
    expect(brief(findings)).toEqual([
      ['0000:5e:00.0', 'fail', 'the card moved here from 0000:3b:00.0; node is 1, was 0'],
    ]);
  });

  it('by serial number and function where the address is not known', () => {
    const without = readings.filter(({ key }) => !key.endsWith('/mac'));
    const findings = compare(without, inSlot(without, '0000:af:00.1', '0000:d8:00.1'));
    expect(brief(findings)).toEqual([['0000:d8:00.1', 'fail', 'the card moved here from 0000:af:00.1']]);
  });

  it('two that changed places', () => {
    const swapped = inSlot(
      inSlot(inSlot(readings, '0000:04:00.0', 'x'), '0000:04:00.1', '0000:04:00.0'),
      'x',
      '0000:04:00.1',
    );
    expect(brief(compare(readings, swapped))).toEqual([
      ['0000:04:00.1', 'fail', 'the card moved here from 0000:04:00.0'],
      ['0000:04:00.0', 'fail', 'the card moved here from 0000:04:00.1'],
    ]);
  });

  it('into the slot of one that is gone', () => {
    const left = readings.filter(({ key }) => !key.startsWith('nic/0000:3b:00.0/'));
    const findings = compare(readings, inSlot(left, '0000:af:00.0', '0000:3b:00.0'));
    expect(brief(findings)).toEqual([
      ['0000:3b:00.0', 'fail', 'the card that was here is gone; the card moved here from 0000:af:00.0'],
    ]);
  });

  it('not by an address that two have', () => {
    const twins = readings.map((entry) =>
      /^nic\/0000:04:00\..\/mac$/.test(entry.key) ? { ...entry, value: '02:00:00:00:00:01' } : entry,
    ) as Reading[];
    const findings = compare(twins, inSlot(twins, '0000:04:00.0', '0000:05:00.0'));
    expect(brief(findings)).toEqual([
      ['0000:04:00.0', 'fail', 'the card is gone, and its address 02:00:00:00:00:01 is nowhere'],
      ['0000:05:00.0', 'fail', 'the card is new: 0x8086 0x1521 0x8086:0x0001'],
    ]);
  });

  it('another card in the same slot', () => {
    const other = readings.map((entry) =>
      entry.key === 'nic/0000:3b:00.0/mac' ? { ...entry, value: '02:00:5e:00:3b:99' } : entry,
    ) as Reading[];
    expect(brief(compare(readings, other))).toEqual([
      ['0000:3b:00.0', 'fail', 'mac is 02:00:5e:00:3b:99, was 02:00:5e:00:3b:00'],
    ]);
  });
});

describe('[J5] memory and firmware of a NIC', () => {
  it('a module that is no longer there', () => {
    const slots = ['A1', 'A2'].map((locator) => ({ locator, bank: 'NODE 1', megabytes: 32768, speed: 3200 }));
    const table = (megabytes: number) => ({
      '/sys/firmware/dmi/tables/DMI': smbiosTable(
        slots.map((slot, n) => (n === 1 ? { ...slot, megabytes } : slot)),
      ),
    });
    const findings = drift(withFiles('two-socket-smt', table(32768)), withFiles('two-socket-smt', table(0)));
    expect(brief(findings)).toEqual([['memory', 'fail', 'NODE 1 A2 is empty, was 32G 3200 MT/s']]);
  });

  it('firmware of a NIC that was flashed', () => {
    const answers = fixtureHost('two-socket-smt').readText('/.kernel/drivers.json') ?? '';
    const flashed = withFiles('two-socket-smt', {
      '/.kernel/drivers.json': answers.replace('16.35.3502', '16.35.4030'),
    });
    expect(brief(drift(fixtureHost('two-socket-smt'), flashed))).toEqual([
      ['0000:3b:00.0', 'fail', 'firmware is 16.35.4030 (MT_0000000080), was 16.35.3502 (MT_0000000080)'],
    ]);
  });
});

describe('a record', () => {
  it.each(FIXTURES)('of %s is the same as itself, and each of its keys has a meaning', (name) => {
    const host = fixtureHost(name);
    expect(drift(host, host).map(({ result }) => result)).toEqual(['pass']);
    for (const { key } of readRecord(factsOf(host))) {
      expect(meaningOf(key).why, key).not.toBe('another version of this tool records it');
    }
  });

  /** What changes by itself on a running host, as the paths of an archive. */
  const VOLATILE =
    /^(proc\/(interrupts|meminfo|net\/.*|sys\/kernel\/random\/boot_id)|.*\/(carrier_down_count|free_hugepages|aer_dev_.*|node\d+\/meminfo))$/;

  it('has nothing in it that changes by itself: two observations are equal', async () => {
    const volatile = fixtureEntries('two-socket-smt').filter(({ path }) => VOLATILE.test(path));
    expect(volatile.length).toBeGreaterThan(10);
    const before = readRecord(factsOf(fixtureHost('two-socket-smt')));
    await fc.assert(
      fc.property(
        fc.subarray([...volatile], { minLength: 1 }),
        fc.integer({ min: 1, max: 9 }),
        (some, digit) => {
          const changes = Object.fromEntries(
            some.map((entry) => [
              `/${entry.path}`,
              later(entry.kind === 'file' ? entry.bytes : new Uint8Array(), digit),
            ]),
          );
          expect(readRecord(factsOf(withFiles('two-socket-smt', changes)))).toEqual(before);
        },
      ),
      { numRuns: 30 },
    );
  });

  /** Other counts, the same totals. */
  function later(bytes: Uint8Array, digit: number): string {
    const text = new TextDecoder().decode(bytes);
    if (text.includes('MemTotal')) return text.replace(/(MemFree:|MemAvailable:) +\d+/g, `$1 ${digit}000`);
    if (text.includes('TOTAL_ERR')) return text.replace(/(TOTAL_ERR_\w+) \d+/g, `$1 ${digit}`);
    return text.includes('CPU') || text.includes(':') ? text.replace(/ \d+ /g, ` ${digit} `) : `${digit}\n`;
  }

  it('of the running machine is the same when it is read again', () => {
    const read = () => recordOf(readRecord(factsOf(openReadHost('/'))));
    expect(read()).toEqual(read());
  });

  it('a boot argument with a star or a strange name stands for itself alone', () => {
    const host = (line: string) => withFiles('two-socket-smt', { '/proc/cmdline': `${line}\n` });
    const line = 'root=/dev/sda ro __proto__=1';
    expect(brief(drift(host(line), host(`${line} a*=2`)))).toEqual([['boot', 'warn', 'a? is new: 2']]);
    expect(brief(drift(host(line), host('root=/dev/sda ro')))).toEqual([
      ['boot', 'warn', '__proto__ is gone, was 1'],
    ]);
  });

  it('[J20] a baseline of a host that could not be read at all proves nothing', () => {
    const nothing = withFiles([], { '/proc': 'a folder' });
    const baseline = { ...baselineOf(readRecord(factsOf(nothing))), record: { 'kernel/release': null } };
    expect(judgeDrift([], baseline, 'x').map(({ result }) => result)).toEqual(['unknown']);
  });
});

describe('[H17] what a newer version judges and recommends', () => {
  const finding = (check: string, result: Finding['result']): Finding => ({
    check,
    subject: 'host',
    result,
    sentence: 'it is so',
    evidence: [],
    why: '',
  });
  const old = {
    ...baselineOf([]),
    checks: ['iommu', 'gone'],
    recommended: { ...recommendations(), swappiness: '30' },
  };

  const newer = {
    tool: '0.2.0',
    checks: ['iommu', 'smi'],
    keys: KEY_NAMES,
    recommended: recommendations(),
  };

  it('values that only one of the two versions records are no drift, and are named', () => {
    const readings = readRecord(factsOf(fixtureHost('two-socket-smt')));
    const then = baselineOf(readings.filter(({ key }) => key !== 'cpu/smt'));
    const baseline = {
      ...then,
      checks: newer.checks,
      recommended: newer.recommended,
      keys: [...KEY_NAMES.filter((key) => key !== 'cpu/smt'), 'cpu/retired'],
      record: { ...then.record, 'cpu/retired': 'x' },
    };
    expect(judgeDrift(readings, baseline, 'b').map(({ result }) => result)).toEqual(['pass']);
    expect(stage([], newer, baseline).map(({ evidence }) => evidence)).toEqual([
      [
        { path: 'record cpu/smt', value: 'new', expected: '(not there)' },
        { path: 'record cpu/retired', value: '(no longer there)', expected: 'compared' },
      ],
    ]);
  });

  it('warns until the next baseline adopts it; what was judged before fails as ever', () => {
    const findings = stage(
      [finding('iommu', 'fail'), finding('smi', 'fail'), finding('smi', 'unknown'), finding('smi', 'pass')],
      newer,
      old,
    );
    expect(findings.map(({ check, result, sentence }) => [check, result, sentence])).toEqual([
      ['iommu', 'fail', 'it is so'],
      ['smi', 'warn', 'it is so (fail once it is adopted)'],
      ['smi', 'warn', 'it is so (unknown once it is adopted)'],
      ['smi', 'pass', 'it is so'],
      [
        'adoption',
        'warn',
        `bypass-setup 0.2.0 is not what the baseline was saved with (0.1.0): check smi: new, was (not there); check gone: (no longer there), was judged; recommended swappiness: ${recommendations().swappiness}, was 30`,
      ],
    ]);
  });

  it('nothing is held back when nothing is new', () => {
    const same = { ...old, checks: ['iommu'], recommended: recommendations() };
    const findings = [finding('iommu', 'unknown'), finding('data-path', 'fail')];
    const version = { ...newer, checks: ['iommu'] };
    expect(stage(findings, version, same)).toEqual(findings);
  });
});

function drift(then: ReadHost, now: ReadHost): Finding[] {
  return compare(readRecord(factsOf(then)), readRecord(factsOf(now)));
}

function compare(then: readonly Reading[], now: readonly Reading[]): Finding[] {
  return judgeDrift(now, baselineOf(then), 'baseline.json');
}

function baselineOf(readings: readonly Reading[]): Baseline {
  return {
    schema: 'bypass-setup/baseline@1',
    tool: '0.1.0',
    takenAt: TAKEN,
    root: '/',
    verdict: 'ready',
    checks: [],
    keys: [...KEY_NAMES],
    recommended: {},
    record: recordOf(readings),
    digest: '',
  };
}

function brief(findings: readonly Finding[]): string[][] {
  return findings.map(({ subject, result, sentence }) => [subject, result, sentence]);
}

/** The readings with a card in another slot. */
function inSlot(
  readings: readonly Reading[],
  from: string,
  to: string,
  values: Readonly<Record<string, string>> = {},
): Reading[] {
  return readings.map((entry) => {
    if (!entry.key.startsWith(`nic/${from}/`)) return entry;
    const key = entry.key.replace(from, to);
    const value = values[key.split('/')[2] ?? ''];
    return (value === undefined ? { ...entry, key } : { ...entry, key, value }) as Reading;
  });
}
