import { judge, verdictOf } from '../../checks/index.ts';
import { EXIT } from '../../host/errors.ts';
import { CHECK_FORMATS, type CheckFormatName, checkFormat } from '../../report/check-formats.ts';
import type { CheckReport, FullReport } from '../../report/report.ts';
import { seconds, usageError } from '../arguments.ts';
import type { CommandRunner, Context } from '../context.ts';
import { writeFullReport } from '../full-report.ts';
import { measure, notMeasured } from '../measure.ts';
import { checkWritable, writeResult } from '../output.ts';
import { readProfile } from '../read-profile.ts';
import { lookAsUser } from '../service-account.ts';
import { directSight, type Sight } from '../sight.ts';
import { VERSION } from '../version.ts';

/** How long the decoration of a report may take. */
const IDENTITY_PATIENCE_MS = 2000;

export const runCheck: CommandRunner = async (context) => {
  const { values, out, style, now } = context;
  const heading = { tool: VERSION, takenAt: now().toISOString(), root: values.root ?? '/' };
  const format = formatOf(values);
  const whole = values.report !== undefined || checkFormat(format).whole === true;
  const duration = values.measure === undefined ? undefined : measuringTime(values);
  for (const file of [values.report, values.output]) if (file !== undefined) checkWritable(file);
  const profile = values.profile === undefined ? undefined : await readProfile(values.profile);
  const sight = await sightOf(values, heading.root, whole);
  const { facts, times } = await sight.observe();
  const asUser = await lookAsUser(sight, facts, profile, values.user);
  const findings = [...judge(facts), ...(asUser?.findings ?? []), ...sight.findings()];
  const check: CheckReport = {
    schema: 'bypass-setup/check@1',
    ...heading,
    verdict: verdictOf(findings),
    findings,
  };
  if (duration !== undefined) {
    const late = 1000 * duration > sight.left();
    const { result, finding } = late ? notMeasured(duration) : await measure(duration, context);
    findings.push(finding);
    check.verdict = verdictOf(findings);
    if (result !== undefined) check.validation = result;
  }
  // Only the running machine can be asked for its name.
  const identity = whole && heading.root === '/' ? await sight.identity(IDENTITY_PATIENCE_MS) : undefined;
  const report: FullReport = {
    schema: 'bypass-setup/report@1',
    ...(identity === undefined ? {} : { identity }),
    probe: { schema: 'bypass-setup/probe@1', ...heading, facts, times },
    ...(asUser === undefined ? {} : { account: asUser.account }),
    check,
  };
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

async function sightOf(
  { deadline, measure: measuring }: Context['values'],
  root: string,
  whole: boolean,
): Promise<Sight> {
  // A report is to hold all that can be seen.
  const look = whole ? {} : ({ quick: true } as const);
  if (deadline === undefined) return directSight(root, look);
  const limit = seconds('--deadline', deadline);
  if (measuring !== undefined && seconds('--measure', measuring) >= limit) {
    throw usageError(
      '--deadline',
      `${deadline} leaves no time for --measure ${measuring}`,
      'give it more time',
    );
  }
  const { TimedSight } = await import('../timed-sight.ts');
  return new TimedSight(root, look, 1000 * limit);
}

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
