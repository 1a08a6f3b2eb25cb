import type { ServiceAccount } from '../probes/facts.ts';
import { type Identity, identify } from '../probes/identity.ts';
import { renderCheck } from '../report/check-text.ts';
import { renderMeasurement } from '../report/measurement-text.ts';
import { renderProbe } from '../report/probe-text.ts';
import type { CheckReport, FullReport, ProbeReport } from '../report/report.ts';
import type { Style } from '../report/terminal.ts';
import { renderValidation } from '../report/validate-text.ts';
import { writeResult } from './output.ts';

/** How long the decoration of a report may take. */
const IDENTITY_PATIENCE_MS = 2000;

const PAGE: Style = { color: false, width: 100 };

/** Everything that was seen and judged, in one file: JSON when its name ends so, else text. */
export async function writeFullReport(
  file: string,
  probe: ProbeReport,
  check: CheckReport,
  account: ServiceAccount | undefined,
): Promise<void> {
  const identity = probe.root === '/' ? await identify(IDENTITY_PATIENCE_MS) : undefined;
  if (file.endsWith('.json')) {
    const report: FullReport = {
      schema: 'bypass-setup/report@1',
      ...(identity === undefined ? {} : { identity }),
      probe,
      ...(account === undefined ? {} : { account }),
      check,
    };
    writeResult(file, `${JSON.stringify(report, null, 2)}\n`);
  } else writeResult(file, pages(probe, check, identity));
}

function pages(probe: ProbeReport, check: CheckReport, identity: Identity | undefined): string {
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
