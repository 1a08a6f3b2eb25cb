import { renderCheck } from '../report/check-text.ts';
import { renderMeasurement } from '../report/measurement-text.ts';
import { renderProbe } from '../report/probe-text.ts';
import type { FullReport } from '../report/report.ts';
import type { Style } from '../report/terminal.ts';
import { renderValidation } from '../report/validate-text.ts';
import { writeResult } from './output.ts';

const PAGE: Style = { color: false, width: 100 };

/** Everything that was seen and judged, in one file: JSON or a page when its name ends so, else text. */
export async function writeFullReport(file: string, report: FullReport): Promise<void> {
  if (file.endsWith('.json')) writeResult(file, `${JSON.stringify(report, null, 2)}\n`);
  else if (file.endsWith('.html')) {
    const { renderHtml } = await import('../report/check-html.ts');
    writeResult(file, renderHtml(report));
  } else writeResult(file, pages(report));
}

function pages({ probe, check, identity }: FullReport): string {
  const title = `bypass-setup ${check.tool}, ${check.takenAt}, root ${check.root}`;
  const who =
    identity === undefined ? [] : Object.entries(identity).map(([name, text]) => `${name}: ${text}`);
  return [
    `${[title, ...who].join('\n')}\n`,
    renderProbe(probe, PAGE),
    renderCheck(check, PAGE, true),
    ...(check.measurement === undefined ? [] : [renderMeasurement(check.measurement, PAGE)]),
    ...(check.validation === undefined ? [] : [renderValidation(check.validation, PAGE)]),
  ].join(`\n${'─'.repeat(PAGE.width)}\n\n`);
}
