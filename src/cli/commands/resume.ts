import { EXIT, type ExitCode } from '../../host/errors.ts';
import type { ResumeReport } from '../../report/report.ts';
import { renderResume } from '../../report/run-text.ts';
import type { CommandRunner } from '../context.ts';
import { withEngine } from '../process.ts';
import { VERSION } from '../version.ts';

const CODES: Readonly<Record<ResumeReport['outcome'], ExitCode>> = {
  nothing: EXIT.ok,
  verified: EXIT.ok,
  recovered: EXIT.ok,
  'not-in-force': EXIT.differs,
  left: EXIT.notUndone,
};

export const runResume: CommandRunner = async (context) => {
  const { values, out, style, now } = context;
  const { resumeRuns } = await import('../../engine/resume.ts');
  const document: ResumeReport = {
    schema: 'bypass-setup/resume@1',
    tool: VERSION,
    takenAt: now().toISOString(),
    root: values.root ?? '/',
    ...(await withEngine(context, resumeRuns)),
  };
  out(values.json === undefined ? renderResume(document, style) : `${JSON.stringify(document, null, 2)}\n`);
  const code = CODES[document.outcome];
  return code === EXIT.ok && document.rebootNeeded ? EXIT.rebootNeeded : code;
};
