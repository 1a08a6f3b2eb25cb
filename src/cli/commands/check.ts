import { judge, verdictOf } from '../../checks/index.ts';
import { EXIT } from '../../host/errors.ts';
import { openReadHost } from '../../host/node-host.ts';
import { observe } from '../../probes/index.ts';
import { CHECK_FORMATS, type CheckFormatName, checkFormat } from '../../report/check-formats.ts';
import type { CheckReport, FullReport } from '../../report/report.ts';
import { seconds, usageError } from '../arguments.ts';
import type { CommandRunner, Context } from '../context.ts';
import { withIdentity, writeFullReport } from '../full-report.ts';
import { measure } from '../measure.ts';
import { checkWritable, writeResult } from '../output.ts';
import { readProfile } from '../read-profile.ts';
import { lookAsUser } from '../service-account.ts';
import { milliseconds } from '../stdio.ts';
import { VERSION } from '../version.ts';

export const runCheck: CommandRunner = async (context) => {
  const { values, out, style, now } = context;
  const heading = { tool: VERSION, takenAt: now().toISOString(), root: values.root ?? '/' };
  const format = formatOf(values);
  const whole = values.report !== undefined || checkFormat(format).whole === true;
  const duration = values.measure === undefined ? undefined : measuringTime(values);
  for (const file of [values.report, values.output]) if (file !== undefined) checkWritable(file);
  const profile = values.profile === undefined ? undefined : await readProfile(values.profile);
  // A report is to hold all that can be seen.
  const host = openReadHost(heading.root);
  const { facts, times } = observe(host, milliseconds, whole ? {} : { quick: true });
  const asUser = lookAsUser(host, facts, profile, values.user);
  const findings = [...judge(facts), ...(asUser?.findings ?? [])];
  const check: CheckReport = {
    schema: 'bypass-setup/check@1',
    ...heading,
    verdict: verdictOf(findings),
    findings,
  };
  if (duration !== undefined) {
    const { result, finding } = await measure(duration, context);
    findings.push(finding);
    check.verdict = verdictOf(findings);
    if (result !== undefined) check.validation = result;
  }
  const seen: FullReport = {
    schema: 'bypass-setup/report@1',
    probe: { schema: 'bypass-setup/probe@1', ...heading, facts, times },
    ...(asUser === undefined ? {} : { account: asUser.account }),
    check,
  };
  const report = whole ? await withIdentity(seen) : seen;
  const render = await checkFormat(format).load();
  const verbose = values.verbose !== undefined;
  if (values.output === undefined) out(render(report, style, verbose));
  else writeResult(values.output, render(report, { ...style, color: false }, verbose));
  if (values.report !== undefined) {
    await writeFullReport(values.report, report);
    if (format === 'text' && values.output === undefined) out(`Full report: ${values.report}\n`);
  }
  return check.verdict === 'ready' ? EXIT.ok : EXIT.differs;
};

function formatOf({ format, json }: Context['values']): CheckFormatName {
  if (format === undefined) return json === undefined ? 'text' : 'json';
  if (!Object.hasOwn(CHECK_FORMATS, format)) {
    const known = Object.keys(CHECK_FORMATS).join(', ');
    throw usageError('--format', `${JSON.stringify(format)} is none of ${known}`);
  }
  if (json !== undefined && format !== 'json') {
    throw usageError('--json', `is not --format ${format}`, 'give one of the two');
  }
  return format as CheckFormatName;
}

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
