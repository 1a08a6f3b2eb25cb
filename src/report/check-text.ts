import type { CheckReport, Finding, Verdict } from './report.ts';
import { paint, plain, type Style, wrap } from './terminal.ts';

const MARK: Readonly<Record<Finding['result'], string>> = {
  pass: 'pass   ',
  warn: 'warn   ',
  fail: 'FAIL   ',
  unknown: 'unknown',
  skip: 'skip   ',
};
/** After the mark and the name of the check. */
const TEXT_COLUMN = 22;
const COLOR = { pass: 'green', warn: 'yellow', fail: 'red', unknown: 'cyan', skip: 'dim' } as const;

/** The findings, worst last so that they stand above the verdict; `verbose` adds what was skipped, and all evidence. */
export function renderCheck(report: CheckReport, style: Style, verbose: boolean): string {
  const order = ['skip', 'pass', 'warn', 'unknown', 'fail'] as const;
  const shown = report.findings.filter((finding) => verbose || finding.result !== 'skip');
  const sorted = shown.sort((a, b) => order.indexOf(a.result) - order.indexOf(b.result));
  const lines = sorted.flatMap((finding) => renderFinding(finding, style, verbose));
  return `${[...lines, '', renderVerdict(report, style)].join('\n')}\n`;
}

function renderFinding(finding: Finding, style: Style, verbose: boolean): string[] {
  const name = finding.check.padEnd(12);
  const subject = finding.subject === 'host' ? '' : `${finding.subject}: `;
  const bad = finding.result === 'fail' || finding.result === 'unknown' || finding.result === 'warn';
  const indent = ' '.repeat(TEXT_COLUMN);
  const width = style.width - TEXT_COLUMN;
  const line = `${paint(style, COLOR[finding.result], MARK[finding.result])}  ${name} ${wrap(plain(subject + finding.sentence), width, indent)}`;
  const lines = [line];
  if (verbose) {
    for (const item of finding.evidence) {
      const expected = item.expected === undefined ? '' : `, expected ${item.expected}`;
      lines.push(
        paint(
          style,
          'dim',
          `${indent}${wrap(plain(`${item.path}: ${item.value}${expected}`), width, indent)}`,
        ),
      );
    }
    if (bad) lines.push(paint(style, 'dim', `${indent}${wrap(`why: ${finding.why}`, width, indent)}`));
  }
  if (bad && finding.remedy !== undefined) {
    lines.push(`${indent}${wrap(`→ ${plain(finding.remedy)}`, width - 2, `${indent}  `)}`);
  }
  return lines;
}

function renderVerdict(report: CheckReport, style: Style): string {
  const counts = (['fail', 'unknown', 'warn', 'pass', 'skip'] as const)
    .map((result) => [result, report.findings.filter((finding) => finding.result === result).length] as const)
    .filter(([, count]) => count > 0)
    .map(([result, count]) => `${count} ${result}`);
  const color: Record<Verdict, 'green' | 'red' | 'cyan'> = {
    ready: 'green',
    'not-ready': 'red',
    'cannot-know': 'cyan',
  };
  return `${paint(style, ['bold', color[report.verdict]], report.verdict.toUpperCase().replace('-', ' '))}  ${counts.join(', ')}`;
}
