import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Finding } from '../../src/report/report.ts';
import { isBad, newlyBad } from '../support/check-cases.ts';
import { cli } from '../support/cli.ts';
import { fixturePath } from '../support/hosts.ts';
import { READY_PROFILE } from '../support/ready-server.ts';
import { checked, READY, type Sabotage, sabotages } from '../support/sabotage.ts';

it('the untouched ready host is ready for its profile', () => {
  const profile = fileURLToPath(READY_PROFILE);
  const { exitCode, stdout } = cli(['check', '--json', '--root', fixturePath(READY), '-f', profile]);
  const { verdict, findings } = JSON.parse(stdout) as { verdict: string; findings: Finding[] };
  expect(findings.filter(isBad)).toEqual([]);
  expect(verdict).toBe('ready');
  expect(exitCode).toBe(0);
});

describe('[J11] [J20] each sabotage of a ready host is found by the check it is meant for, for the right reason', () => {
  it.for(sabotages())('%s', async ([, sabotage], { task }) => {
    const { why, host = READY, profile, edits, expect: wanted } = sabotage;
    const before = await checked(host, profile, {});
    expect(before.verdict).toBe('ready');
    const { findings, verdict } = await checked(host, profile, edits);
    const news = newlyBad(findings, before.findings);
    task.meta.sabotage = { why, findings: news.map(line) };
    const met = (finding: Finding) => wanted.some((expected) => fits(finding, expected));
    expect(news.filter((finding) => !met(finding)).map(line)).toEqual([]);
    const missing = wanted.filter((expected) => !news.some((finding) => fits(finding, expected)));
    expect(missing, news.map(line).join('\n')).toEqual([]);
    for (const { evidence, why: cost, remedy, result, sentence } of news) {
      expect(evidence, sentence).not.toEqual([]);
      expect(cost, sentence).not.toBe('');
      if (result === 'fail') expect(remedy, sentence).toBeDefined();
    }
    const results = news.map(({ result }) => result);
    const bad = results.includes('unknown') ? 'cannot-know' : 'ready';
    expect(verdict).toBe(results.includes('fail') ? 'not-ready' : bad);
  });
});

function fits(finding: Finding, expected: Sabotage['expect'][number]): boolean {
  return (
    finding.check === expected.check &&
    finding.result === expected.result &&
    finding.subject === (expected.subject ?? finding.subject) &&
    new RegExp(expected.sentence).test(finding.sentence)
  );
}

const line = ({ check, subject, result, sentence }: Finding) =>
  `${result.padEnd(7)} ${check} ${subject}: ${sentence}`;
