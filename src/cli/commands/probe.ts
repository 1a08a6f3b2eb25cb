import { EXIT } from '../../host/errors.ts';
import { openReadHost } from '../../host/node-host.ts';
import { observe } from '../../probes/index.ts';
import { renderProbe } from '../../report/probe-text.ts';
import type { ProbeReport } from '../../report/report.ts';
import type { CommandRunner } from '../context.ts';
import { milliseconds } from '../stdio.ts';
import { VERSION } from '../version.ts';

export const runProbe: CommandRunner = ({ values, out, style, now }) => {
  const root = values.root ?? '/';
  const { facts, times } = observe(openReadHost(root), milliseconds);
  const report: ProbeReport = {
    schema: 'bypass-setup/probe@1',
    tool: VERSION,
    takenAt: now().toISOString(),
    root,
    facts,
    times,
  };
  out(values.json === undefined ? renderProbe(report, style) : `${JSON.stringify(report, null, 2)}\n`);
  return EXIT.ok;
};
