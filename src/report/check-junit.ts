import { RESULT_OF } from '../formats/verdict.ts';
import { type Markup, markup } from './markup.ts';
import type { Finding, FullReport, Verdict } from './report.ts';

interface TestCase {
  readonly group: string;
  readonly name: string;
  readonly result: Finding['result'];
  readonly sentence: string;
  readonly lines: readonly string[];
}

/**
 * One suite, a test case for each finding and one for the verdict. `unknown` is an error, JUnit's word for a test that
 * could not be carried out, and turns a build red as `fail` does; `warn` passes, with its text as output. Attributes and
 * order as both the schema of Ant's JUnitReport and that of Jenkins' xUnit plugin (junit-10.xsd) want them.
 */
export function renderJunit({ check, probe, identity }: FullReport): string {
  const seconds = Object.values(probe.times).reduce((sum, time) => sum + time, 0) / 1000;
  const host = identity?.hostname || (check.root === '/' ? 'localhost' : check.root);
  const seen = new Map<string, number>();
  const cases = [...check.findings.map(fromFinding), fromVerdict(check.verdict)].map((entry) => {
    // Readers take cases of one name for one case.
    const key = `${entry.group} ${entry.name}`;
    const times = (seen.get(key) ?? 0) + 1;
    seen.set(key, times);
    return times === 1 ? entry : { ...entry, name: `${entry.name} (${times})` };
  });
  const count = (result: Finding['result']) => cases.filter((entry) => entry.result === result).length;
  const counts = markup`tests="${cases.length}" failures="${count('fail')}" errors="${count('unknown')}"`;
  // Both schemas know no fraction and no zone.
  const timestamp = check.takenAt.slice(0, 19);
  return markup`<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="bypass-setup" id="0" package="bypass-setup" ${counts} skipped="${count('skip')}" time="${seconds.toFixed(3)}" timestamp="${timestamp}" hostname="${host}">
    <properties>
      <property name="tool" value="${check.tool}"/>
      <property name="root" value="${check.root}"/>
    </properties>
${cases.map(testCase)}    <system-out></system-out>
    <system-err></system-err>
  </testsuite>
</testsuites>
`.text;
}

function fromFinding({ check, subject, result, sentence, evidence, why, remedy }: Finding): TestCase {
  const seen = evidence.map(({ path, value, expected }) =>
    expected === undefined ? `${path}: ${value}` : `${path}: ${value}, expected ${expected}`,
  );
  const lines = [...seen, `why: ${why}`, ...(remedy === undefined ? [] : [`remedy: ${remedy}`])];
  return { group: check, name: subject, result, sentence, lines };
}

/** A host of which nothing was found wrong because there was nothing to judge must not be green. */
function fromVerdict(verdict: Verdict): TestCase {
  return { group: 'verdict', name: 'host', result: RESULT_OF[verdict], sentence: verdict, lines: [] };
}

function testCase(entry: TestCase): Markup {
  return markup`    <testcase classname="bypass-setup.${entry.group}" name="${entry.name}" time="0">${outcome(entry)}</testcase>
`;
}

function outcome({ result, sentence, lines }: TestCase): Markup {
  const body = lines.map(
    (line) => markup`
${line}`,
  );
  switch (result) {
    case 'pass':
      return markup``;
    case 'skip':
      return markup`<skipped message="${sentence}"/>`;
    case 'warn':
      return markup`<system-out>warning: ${sentence}${body}</system-out>`;
    case 'fail':
      return markup`<failure type="fail" message="${sentence}">${sentence}${body}</failure>`;
    case 'unknown':
      return markup`<error type="unknown" message="${sentence}">${sentence}${body}</error>`;
  }
}
