import { describe, expect, it } from 'vitest';
import { CHECKS, judge, verdictOf } from '../../src/checks/index.ts';
import type { Finding } from '../../src/report/report.ts';
import { type Edit, editedHost, newlyBad, readCases } from '../support/check-cases.ts';
import { factsOf, withFiles } from '../support/hosts.ts';
import { sabotages } from '../support/sabotage.ts';

const CASES = new URL('cases/', import.meta.url);

/** What makes the recorded host ready: the one interrupt that is left on an isolated CPU goes to a housekeeping one. */
const READY: Readonly<Record<string, Edit>> = { '/proc/irq/140/effective_affinity_list': '3\n' };

interface Case {
  readonly note?: string;
  readonly host: string;
  /** Path to text, `{link}`, `{denied: errno}`, or null for a path that is gone. */
  readonly changes: Readonly<Record<string, Edit>>;
  /** Every finding that is neither on the ready host; the others must stay as they are. */
  readonly expect: readonly Pick<Finding, 'check' | 'subject' | 'result' | 'sentence'>[];
}

describe('each case changes the ready host and names every finding that this makes', () => {
  it.each(readCases<Case>(CASES))('%s', (_, entry) => {
    const findings = judgeHost(entry.host, entry.changes);
    const news = newlyBad(findings, judgeHost(entry.host, {}));
    expect(
      news.map(({ check, subject, result, sentence }) => ({ check, subject, result, sentence })),
    ).toEqual(expect.arrayContaining([...entry.expect]));
    expect(news).toHaveLength(entry.expect.length);
    for (const finding of news) {
      expect(finding.evidence, finding.sentence).not.toEqual([]);
      expect(finding.why).not.toBe('');
    }
    const worst = news.map((finding) => finding.result);
    expect(verdictOf(findings)).toBe(
      worst.includes('fail') ? 'not-ready' : worst.includes('unknown') ? 'cannot-know' : 'ready',
    );
  });

  it('no check passes always', () => {
    const expected = [...readCases<Case>(CASES), ...sabotages()].flatMap(([, entry]) => [...entry.expect]);
    const covered = CHECKS.map(({ name }) => name).filter((name) =>
      expected.some(({ check }) => check === name),
    );
    expect(covered).toEqual(CHECKS.map(({ name }) => name));
  });
});

describe('the verdict is never greener than its evidence', () => {
  const finding = (result: Finding['result']): Finding => ({
    check: 'x',
    subject: 'host',
    result,
    sentence: '',
    evidence: [],
    why: '',
  });

  it.each([
    [['pass'], 'ready'],
    [['pass', 'warn', 'skip'], 'ready'],
    [['pass', 'unknown'], 'cannot-know'],
    [['pass', 'unknown', 'fail'], 'not-ready'],
    [['skip', 'warn'], 'cannot-know'],
    [[], 'cannot-know'],
  ] as const)('[J20] %j is %s', (results, verdict) => {
    expect(verdictOf(results.map(finding))).toBe(verdict);
  });

  it('a host of which nothing can be read is never ready', () => {
    const findings = judge(factsOf(withFiles([], { '/proc': 'a folder' })));
    expect(findings.filter((entry) => entry.result === 'pass')).toEqual([]);
    expect(verdictOf(findings)).toBe('not-ready');
  });
});

function judgeHost(host: string, changes: Readonly<Record<string, Edit>>): Finding[] {
  return judge(factsOf(editedHost(host, { ...READY, ...changes })));
}
