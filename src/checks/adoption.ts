import type { Baseline, Evidence, Finding } from '../report/report.ts';

/**
 * What a newer version of this tool judges or recommends is adopted when the operator says so: until a baseline is saved
 * with it, it warns. Only what the baseline did not know is held back; what it did know fails as ever.
 */

/** What a version of this tool knows. */
export type Version = Pick<Baseline, 'tool' | 'checks' | 'recommended'> & {
  readonly keys: readonly string[];
};

/** The findings with those of new checks as warnings, and one that names all that waits to be adopted. */
export function stage(findings: readonly Finding[], version: Version, baseline: Baseline): Finding[] {
  const { tool, checks, keys, recommended } = version;
  const added = checks.filter((name) => !baseline.checks.includes(name));
  const staged = findings.map((finding) =>
    added.includes(finding.check) && (finding.result === 'fail' || finding.result === 'unknown')
      ? {
          ...finding,
          result: 'warn' as const,
          sentence: `${finding.sentence} (${finding.result} once it is adopted)`,
        }
      : finding,
  );
  const dropped = baseline.checks.filter((name) => !checks.includes(name));
  const news: readonly Evidence[] = [
    ...added.map((name) => ({ path: `check ${name}`, value: 'new', expected: '(not there)' })),
    ...dropped.map((name) => ({ path: `check ${name}`, value: '(no longer there)', expected: 'judged' })),
    // Not compared: one of the two versions knows nothing of them (drift.ts).
    ...keys
      .filter((key) => !baseline.keys.includes(key))
      .map((key) => ({ path: `record ${key}`, value: 'new', expected: '(not there)' })),
    ...baseline.keys
      .filter((key) => !keys.includes(key))
      .map((key) => ({ path: `record ${key}`, value: '(no longer there)', expected: 'compared' })),
    ...Object.keys({ ...baseline.recommended, ...recommended })
      .filter((key) => recommended[key] !== baseline.recommended[key])
      .map((key) => ({
        path: `recommended ${key}`,
        value: recommended[key] ?? '(nothing)',
        expected: baseline.recommended[key] ?? '(nothing)',
      })),
  ];
  if (news.length === 0) return staged;
  return [
    ...staged,
    {
      check: 'adoption',
      subject: 'host',
      result: 'warn',
      sentence: `bypass-setup ${tool} is not what the baseline was saved with (${baseline.tool}): ${news
        .map(({ path, value, expected }) => `${path}: ${value}, was ${expected}`)
        .join('; ')}`,
      evidence: [...news],
      why: 'what a new version asks for is to be looked at before it can stop a host from trading',
      remedy: 'see what it asks for with check and plan -f, then adopt it with: bypass-setup baseline save',
    },
  ];
}
