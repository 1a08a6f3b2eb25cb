import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { renderGoss } from '../../src/report/check-goss.ts';
import { renderJunit } from '../../src/report/check-junit.ts';
import { renderPrometheus } from '../../src/report/check-prometheus.ts';
import type { Finding } from '../../src/report/report.ts';
import { fixtureHost } from '../support/hosts.ts';
import { finding, HOSTILE, reportOf } from './formats-support.ts';
import { parseExposition } from './parse-exposition.ts';
import { type Element, parseXml } from './parse-xml.ts';

const HOST = fixtureHost('firecracker-vm');
const ALL = (['pass', 'warn', 'fail', 'unknown', 'skip'] as const).map((result) =>
  finding(result, { subject: result }),
);
const hostile = finding('fail', {
  check: HOSTILE,
  subject: HOSTILE,
  sentence: HOSTILE,
  why: HOSTILE,
  remedy: HOSTILE,
  evidence: [{ path: HOSTILE, value: HOSTILE, expected: HOSTILE }],
});
const junit = (findings: Finding[]) => parseXml(renderJunit(reportOf(HOST, { findings })));
const prometheus = (findings: Finding[]) => parseExposition(renderPrometheus(reportOf(HOST, { findings })));
const goss = (findings: Finding[]) => renderGoss(reportOf(HOST, { findings }));

describe('JUnit', () => {
  it('[H6] has one case for each finding: fail is a failure, unknown an error, skip skipped, warn passes with its text', () => {
    const { suite, cases } = parts(junit(ALL));
    expect(
      cases.map(({ attributes, children }) => [attributes.name, children.map(({ name }) => name)]),
    ).toEqual([
      ['pass', []],
      ['warn', ['system-out']],
      ['fail', ['failure']],
      ['unknown', ['error']],
      ['skip', ['skipped']],
      ['host', ['failure']],
    ]);
    expect(suite.attributes).toMatchObject({ tests: '6', failures: '2', errors: '1', skipped: '1' });
    expect(cases[2]?.children[0]).toMatchObject({ attributes: { type: 'fail', message: 'it is fail' } });
  });

  it('is red where nothing was judged, because such a host is not ready', () => {
    const { cases } = parts(junit([finding('skip')]));
    expect(cases.at(-1)).toMatchObject({ attributes: { classname: 'bypass-setup.verdict' } });
    expect(cases.at(-1)?.children.map(({ name }) => name)).toEqual(['error']);
  });

  it('is green for a ready host', () => {
    const { suite } = parts(junit([finding('pass')]));
    expect(suite.attributes).toMatchObject({ tests: '2', failures: '0', errors: '0', skipped: '0' });
  });

  it('keeps what the schemas of Ant and Jenkins ask for', () => {
    const root = junit([...ALL, hostile]);
    expect(root).toMatchObject({ name: 'testsuites', attributes: {} });
    const { suite, cases } = parts(root);
    const { timestamp, time, ...rest } = suite.attributes;
    expect(timestamp).toBe('2026-01-02T03:04:05');
    expect(time).toBe('0.002');
    expect(Object.keys(rest).sort()).toEqual(
      ['errors', 'failures', 'hostname', 'id', 'name', 'package', 'skipped', 'tests'].sort(),
    );
    expect(suite.children.map(({ name }) => name).filter((name) => name !== 'testcase')).toEqual([
      'properties',
      'system-out',
      'system-err',
    ]);
    for (const entry of cases) {
      expect(Object.keys(entry.attributes).sort()).toEqual(['classname', 'name', 'time']);
      expect(entry.children.length).toBeLessThanOrEqual(1);
      for (const { name, attributes } of entry.children) {
        const wanted =
          { failure: ['message', 'type'], error: ['message', 'type'], skipped: ['message'] }[name] ?? [];
        expect(Object.keys(attributes).sort()).toEqual(wanted);
      }
    }
  });

  it('gives findings of one subject names of their own', () => {
    const { cases } = parts(junit([finding('pass'), finding('fail'), finding('fail')]));
    expect(cases.slice(0, 3).map(({ attributes }) => attributes.name)).toEqual([
      'host',
      'host (2)',
      'host (3)',
    ]);
  });

  it('names the host as the machine does, else by its root', () => {
    const report = reportOf(HOST, { findings: ALL, root: 'some.tree' });
    expect(parts(parseXml(renderJunit(report))).suite.attributes.hostname).toBe('some.tree');
    const identity = { hostname: 'trade7', distribution: '', processor: '', system: '' };
    expect(parts(parseXml(renderJunit({ ...report, identity }))).suite.attributes.hostname).toBe('trade7');
  });

  it('lets nothing of a host become markup', () => {
    const { cases } = parts(junit([hostile]));
    expect(cases[0]?.children[0]?.attributes.message).toContain('<script>alert(1)</script>');
  });
});

describe('Prometheus', () => {
  it('[H18] says whether the host is ready, what was found and when, as gauges', () => {
    const samples = prometheus(ALL);
    expect(samples.get('bypass_setup_ready')).toEqual([[{}, 0]]);
    expect(samples.get('bypass_setup_verdict')).toEqual([
      [{ verdict: 'ready' }, 0],
      [{ verdict: 'not-ready' }, 1],
      [{ verdict: 'cannot-know' }, 0],
    ]);
    expect(samples.get('bypass_setup_finding')).toContainEqual([
      { check: 'clocksource', subject: 'fail', result: 'fail' },
      1,
    ]);
    expect(samples.get('bypass_setup_check_timestamp_seconds')).toEqual([
      [{}, Date.UTC(2026, 0, 2, 3, 4, 5, 678) / 1000],
    ]);
    expect(samples.get('bypass_setup_probe_duration_seconds')).toContainEqual([{ probe: 'kernel' }, 0.0015]);
    expect(prometheus([finding('pass')]).get('bypass_setup_ready')).toEqual([[{}, 1]]);
    expect(prometheus([finding('unknown')]).get('bypass_setup_ready')).toEqual([[{}, 0]]);
  });

  it('counts findings of one subject instead of giving a series twice', () => {
    const twice = prometheus([finding('fail'), finding('fail', { sentence: 'another' })]);
    expect(twice.get('bypass_setup_finding')).toEqual([
      [{ check: 'clocksource', subject: 'host', result: 'fail' }, 2],
    ]);
  });

  it('escapes what a host says, and cuts it', () => {
    const subject = `${HOSTILE}${'x'.repeat(500)}`;
    const [[labels] = [{}]] = prometheus([finding('fail', { subject })]).get('bypass_setup_finding') ?? [];
    expect([...((labels as Record<string, string>).subject ?? '')]).toHaveLength(120);
    expect((labels as Record<string, string>).subject).toContain(']]>\\');
  });

  it('the parser of these tests refuses what node_exporter does', () => {
    const fine = '# HELP a b\n# TYPE a gauge\na{b="c"} 1\n';
    expect(() => parseExposition(fine)).not.toThrow();
    for (const bad of [
      fine.trimEnd(),
      `${fine}a{b="c"} 2\n`,
      fine.replace('1', '1 1395066363000'),
      fine.replace('"c"', '"c'),
      fine.replace('"c"', '"\\d"'),
      fine.replace('a{', 'c{'),
      fine.replace(' 1', ' one'),
      `${fine}${fine.replaceAll(' a ', ' b ')}`,
    ]) {
      expect(() => parseExposition(bad), bad).toThrow();
    }
  });
});

describe('goss', () => {
  const attribute = { path: '/sys/devices/system/cpu/nohz_full', value: '2', expected: '2-3,6' };

  it('[H6] tests a file for each attribute that has to hold a text, and the rest by the command', () => {
    const document = parse(
      goss([
        finding('fail', { evidence: [attribute] }),
        finding('pass', { evidence: [{ path: '/proc/cmdline', value: 'a', expected: 'iommu=pt quiet' }] }),
      ]),
    );
    expect(document.file[attribute.path].contents).toEqual(['/^2-3,6$/']);
    expect(document.file['/proc/cmdline'].contents).toEqual(['/(^| )iommu=pt( |$)/', '/(^| )quiet( |$)/']);
    expect(document.command['bypass-setup check']).toMatchObject({ 'exit-status': 0 });
  });

  it('a pattern finds its text and not one like it', () => {
    const expected = '1.5+2';
    const { file } = parse(goss([finding('fail', { evidence: [{ ...attribute, expected }] })]));
    const pattern = new RegExp(file[attribute.path].contents[0].slice(1, -1));
    expect(pattern.test(expected)).toBe(true);
    expect(pattern.test('1x552')).toBe(false);
  });

  it.each([
    ['a sentence', { ...attribute, expected: 'more than 0 free' }],
    ['a pattern for files', { ...attribute, path: '/sys/a/policy*/b (CPUs 1)' }],
    ['a reading of ours', { ...attribute, path: '/proc/interrupts', expected: 'true' }],
    ['no expectation', { path: attribute.path, value: '2' }],
    ['quotes', { path: '/proc/cmdline', value: '', expected: 'a="b c"' }],
  ])('names in a comment what it cannot test: %s', (_, entry) => {
    const text = goss([finding('fail', { evidence: [entry], sentence: 'the sentence' })]);
    expect(parse(text).file).toBeUndefined();
    expect(text).toContain('#   clocksource, host: the sentence');
  });

  it('stays one document whatever a host says', () => {
    const document = parse(goss([hostile, finding('fail', { evidence: [attribute], why: HOSTILE })]));
    expect(Object.keys(document)).toEqual(['file', 'command']);
    expect(Object.keys(document.file)).toEqual([attribute.path]);
  });
});

function parts(root: Element): { suite: Element; cases: Element[] } {
  const [suite, ...others] = root.children;
  if (suite === undefined) throw new Error('no suite');
  expect(others).toEqual([]);
  return { suite, cases: suite.children.filter(({ name }) => name === 'testcase') };
}
