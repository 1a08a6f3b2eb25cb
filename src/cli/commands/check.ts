import { verdictOf } from '../../checks/index.ts';
import { readRecord, recordOf } from '../../checks/record.ts';
import { EXIT } from '../../host/errors.ts';
import { openReadHost } from '../../host/node-host.ts';
import type { Look } from '../../probes/define.ts';
import { CHECK_FORMATS, type CheckFormatName, checkFormat } from '../../report/check-formats.ts';
import type { CheckReport, FullReport } from '../../report/report.ts';
import { seconds, usageError } from '../arguments.ts';
import { compare, loadBaseline } from '../baseline.ts';
import type { CommandRunner, Context } from '../context.ts';
import { findingsOf, lookFor } from '../findings.ts';
import { writeFullReport } from '../full-report.ts';
import { measure } from '../measure.ts';
import { checkWritable, writeResult } from '../output.ts';
import { readProfile } from '../read-profile.ts';
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
  if (values.cpu !== undefined && duration === undefined) throw usageError('--cpu', 'needs --measure');
  for (const file of [values.report, values.output]) if (file !== undefined) checkWritable(file);
  const file = values.profile;
  const profile = file === undefined ? undefined : { file, profile: await readProfile(file) };
  const asked = {
    ...(profile === undefined ? {} : { profile }),
    ...(values.user === undefined ? {} : { user: values.user }),
  };
  const host = openReadHost(heading.root);
  const baseline = values.baseline === undefined ? undefined : await loadBaseline(host, values.baseline);
  // A report is to hold all that can be seen.
  const sight = await sightOf(values, heading.root, whole ? {} : lookFor(asked));
  const { facts, times } = await sight.observe();
  const { findings: judged, account, resolution } = await findingsOf(sight, facts, asked);
  const findings = baseline === undefined ? judged : compare(host, facts, judged, baseline);
  const check: CheckReport = {
    schema: 'bypass-setup/check@1',
    ...heading,
    ...(facts.kernel.hostname.value === undefined ? {} : { host: facts.kernel.hostname.value }),
    ...(profile?.profile.role === undefined ? {} : { role: profile.profile.role }),
    verdict: verdictOf(findings),
    findings,
    ...(format === 'json' || whole ? { record: recordOf(readRecord(facts)) } : {}),
  };
  if (duration !== undefined) {
    const request = {
      ...{ seconds: duration, host, sight, facts, resolution },
      ...{ profile: profile?.profile, cpu: values.cpu },
    };
    const { findings: measured, ...documents } = await measure(request, context);
    findings.push(...measured);
    Object.assign(check, documents);
    check.verdict = verdictOf(findings);
  }
  // Only the running machine can be asked for its name.
  const identity = whole && heading.root === '/' ? await sight.identity(IDENTITY_PATIENCE_MS) : undefined;
  const report: FullReport = {
    schema: 'bypass-setup/report@1',
    ...(identity === undefined ? {} : { identity }),
    probe: { schema: 'bypass-setup/probe@1', ...heading, facts, times },
    ...(account === undefined ? {} : { account }),
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
  look: Look,
): Promise<Sight> {
  if (deadline === undefined) return directSight(root, look);
  const limit = seconds('--deadline', deadline);
  if (measuring !== undefined && 2 * seconds('--measure', measuring) >= limit) {
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
