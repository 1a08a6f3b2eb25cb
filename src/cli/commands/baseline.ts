import { CHECKS, verdictOf } from '../../checks/index.ts';
import { KEY_NAMES, readRecord, recordOf } from '../../checks/record.ts';
import { recommendations } from '../../formats/settings.ts';
import { EXIT, type ExitCode, ToolError } from '../../host/errors.ts';
import { openReadHost } from '../../host/node-host.ts';
import { renderBaseline } from '../../report/baseline-text.ts';
import type { Baseline } from '../../report/report.ts';
import { usageError } from '../arguments.ts';
import { BASELINE, loadBaseline, machineIdOf, sealed } from '../baseline.ts';
import type { CommandRunner, Context } from '../context.ts';
import { findingsOf, lookFor } from '../findings.ts';
import { checkWritable, writeResult } from '../output.ts';
import { writableHost } from '../process.ts';
import { readProfile } from '../read-profile.ts';
import { directSight } from '../sight.ts';
import { VERSION } from '../version.ts';

export const runBaseline: CommandRunner = (context) => {
  const { argument, others } = context;
  const [file, second] = others;
  if (second !== undefined) throw usageError(JSON.stringify(second), '"baseline" takes one FILE only');
  if (argument === 'save') return save(context, file);
  if (argument === 'show') return show(context, file);
  throw usageError(
    argument === undefined ? 'baseline' : JSON.stringify(argument),
    'must be followed by save or show',
    'bypass-setup baseline save keeps what this host is; bypass-setup baseline show prints it',
  );
};

async function save({ values, out, now }: Context, file: string | undefined): Promise<ExitCode> {
  if (file !== undefined) checkWritable(file);
  const root = values.root ?? '/';
  const asked = {
    ...(values.profile === undefined
      ? {}
      : { profile: { file: values.profile, profile: await readProfile(values.profile) } }),
    ...(values.user === undefined ? {} : { user: values.user }),
  };
  const own = file === undefined ? writableHost(root) : undefined;
  const host = own ?? openReadHost(root);
  const sight = directSight(root, lookFor(asked));
  const { facts } = await sight.observe();
  const { findings } = await findingsOf(sight, facts, asked);
  const verdict = verdictOf(findings);
  if (verdict !== 'ready' && values['allow-not-ready'] === undefined) {
    const bad = findings.filter(({ result }) => result === 'fail' || result === 'unknown');
    const [first] = bad.filter(({ result }) => result === (verdict === 'not-ready' ? 'fail' : 'unknown'));
    const others = bad.length > 1 ? `, and ${bad.length - 1} more` : '';
    throw new ToolError(
      'NOT_READY',
      `is not saved: the host is ${verdict === 'not-ready' ? 'not ready' : 'not known to be ready'}` +
        (first === undefined ? '' : ` (${first.check}: ${first.sentence}${others})`),
      {
        subject: 'baseline',
        exitCode: EXIT.differs,
        hint: 'see bypass-setup check; --allow-not-ready accepts the host as it is',
      },
    );
  }
  const machineId = machineIdOf(host);
  const hostname = facts.kernel.hostname.value;
  const document: Omit<Baseline, 'digest'> = {
    schema: 'bypass-setup/baseline@1',
    tool: VERSION,
    takenAt: now().toISOString(),
    root,
    ...(hostname === undefined ? {} : { host: hostname }),
    ...(machineId === undefined ? {} : { machineId }),
    verdict,
    checks: CHECKS.map(({ name }) => name),
    keys: [...KEY_NAMES],
    recommended: recommendations(),
    record: recordOf(readRecord(facts)),
  };
  const text = await sealed(document);
  if (file !== undefined) writeResult(file, text);
  else own?.replaceFile(BASELINE, text, 0o644);
  const unread = Object.values(document.record).filter((value) => value === null).length;
  const count = Object.keys(document.record).length - unread;
  if (values.json !== undefined) out(text);
  else {
    out(`${count} values saved in ${file ?? BASELINE}\n`);
    if (unread > 0) out(`${unread} could not be read and will not be compared (baseline show names them)\n`);
  }
  return EXIT.ok;
}

async function show({ values, out, style }: Context, file: string | undefined): Promise<ExitCode> {
  const { from, document } = await loadBaseline(openReadHost(values.root ?? '/'), file ?? '');
  if (document === undefined) {
    throw new ToolError('BASELINE_MISSING', 'there is no baseline', {
      subject: from,
      exitCode: EXIT.usage,
      hint: 'save one while the host is ready: bypass-setup baseline save',
    });
  }
  out(values.json === undefined ? renderBaseline(document, style) : `${JSON.stringify(document, null, 2)}\n`);
  return EXIT.ok;
}
