import { verdictOf } from '../../checks/index.ts';
import { readRecord, recordOf } from '../../checks/record.ts';
import { EXIT } from '../../host/errors.ts';
import { openReadHost } from '../../host/node-host.ts';
import { observe } from '../../probes/index.ts';
import { renderCheck } from '../../report/check-text.ts';
import type { CheckReport } from '../../report/report.ts';
import { seconds, usageError } from '../arguments.ts';
import { compare, loadBaseline } from '../baseline.ts';
import type { CommandRunner, Context } from '../context.ts';
import { findingsOf, lookFor } from '../findings.ts';
import { writeFullReport } from '../full-report.ts';
import { measure } from '../measure.ts';
import { checkWritable } from '../output.ts';
import { readProfile } from '../read-profile.ts';
import { milliseconds } from '../stdio.ts';
import { VERSION } from '../version.ts';

export const runCheck: CommandRunner = async (context) => {
  const { values, out, style, now } = context;
  const heading = { tool: VERSION, takenAt: now().toISOString(), root: values.root ?? '/' };
  const duration = values.measure === undefined ? undefined : measuringTime(values);
  if (values.cpu !== undefined && duration === undefined) throw usageError('--cpu', 'needs --measure');
  if (values.report !== undefined) checkWritable(values.report);
  const file = values.profile;
  const profile = file === undefined ? undefined : { file, profile: await readProfile(file) };
  const asked = {
    ...(profile === undefined ? {} : { profile }),
    ...(values.user === undefined ? {} : { user: values.user }),
  };
  const host = openReadHost(heading.root);
  const baseline = values.baseline === undefined ? undefined : await loadBaseline(host, values.baseline);
  // A report is to hold all that can be seen.
  const { facts, times } = observe(host, milliseconds, values.report === undefined ? lookFor(asked) : {});
  const { findings: judged, account } = findingsOf(host, facts, asked);
  const findings = baseline === undefined ? judged : compare(host, facts, judged, baseline);
  const report: CheckReport = {
    schema: 'bypass-setup/check@1',
    ...heading,
    ...(facts.kernel.hostname.value === undefined ? {} : { host: facts.kernel.hostname.value }),
    ...(profile?.profile.role === undefined ? {} : { role: profile.profile.role }),
    verdict: verdictOf(findings),
    findings,
    ...(values.json === undefined && values.report === undefined
      ? {}
      : { record: recordOf(readRecord(facts)) }),
  };
  if (duration !== undefined) {
    const request = { seconds: duration, host, facts, profile: profile?.profile, cpu: values.cpu };
    const { findings: measured, ...documents } = await measure(request, context);
    findings.push(...measured);
    Object.assign(report, documents, { verdict: verdictOf(findings) });
  }
  if (values.json === undefined) out(renderCheck(report, style, values.verbose !== undefined));
  else out(`${JSON.stringify(report, null, 2)}\n`);
  if (values.report !== undefined) {
    await writeFullReport(
      values.report,
      { schema: 'bypass-setup/probe@1', ...heading, facts, times },
      report,
      account,
    );
    if (values.json === undefined) out(`Full report: ${values.report}\n`);
  }
  return report.verdict === 'ready' ? EXIT.ok : EXIT.differs;
};

function measuringTime({ measure: text, root }: Context['values']): number {
  if (root !== undefined && root !== '/') {
    throw usageError(
      `--root ${root}`,
      'cannot be measured: it is not the running machine',
      'leave out --measure or --root',
    );
  }
  return seconds('--measure', text ?? '');
}
