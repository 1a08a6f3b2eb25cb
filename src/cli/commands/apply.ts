import { readFileSync } from 'node:fs';
import { ACTIONS } from '../../actions/index.ts';
import type { ApplyRequest } from '../../engine/apply.ts';
import { type Survey, survey } from '../../engine/survey.ts';
import { changeTitle } from '../../formats/change-title.ts';
import { EXIT, type ExitCode, errnoName, errnoText, ToolError } from '../../host/errors.ts';
import type { ReadHost } from '../../host/host.ts';
import { openReadHost } from '../../host/node-host.ts';
import type { PlanDocument } from '../../plan/document.ts';
import { renderPlan } from '../../report/plan-text.ts';
import type { ApplyReport } from '../../report/report.ts';
import { renderApply } from '../../report/run-text.ts';
import { plural } from '../../report/terminal.ts';
import { seconds, usageError } from '../arguments.ts';
import type { CommandRunner, Context } from '../context.ts';
import { explain } from '../explain.ts';
import { documentOf, refusalsOf } from '../plan-document.ts';
import { withEngine } from '../process.ts';
import { askYes, isTerminal } from '../stdio.ts';
import { VERSION } from '../version.ts';
import { type GivenWish, readWish, wishOf } from '../wish.ts';

const CODES: Readonly<Record<ApplyReport['outcome'], ExitCode>> = {
  nothing: EXIT.ok,
  pending: EXIT.differs,
  declined: EXIT.differs,
  refused: EXIT.refused,
  applied: EXIT.ok,
  undone: EXIT.undone,
  left: EXIT.notUndone,
};

export const runApply: CommandRunner = async (context) => {
  const { values } = context;
  const asks = mustAsk(context);
  if (values.plan !== undefined && values.profile !== undefined) {
    throw usageError('--plan', 'has its profile in it: leave out -f');
  }
  const kept = values.plan === undefined ? undefined : await readPlan(values.plan);
  const wish =
    kept === undefined
      ? await readWish(context)
      : await wishOf(kept.profile.name, kept.profile.text, values['allow-active']);
  const compare = kept && (await comparison(kept, wish, context));
  return values.check === undefined
    ? await change(context, wish, asks, compare)
    : await look(context, wish, compare);
};

type Compare = (host: ReadHost, found: Survey) => Promise<void>;

/** Surveys with a host that can be read only. */
async function look(context: Context, wish: GivenWish, compare: Compare | undefined): Promise<ExitCode> {
  const { readRuns } = await import('../../engine/journal.ts');
  const { unfinished } = await import('../../engine/recover.ts');
  const host = openReadHost(context.values.root ?? '/');
  for (const sentence of unfinished(readRuns(host))) context.err(`${sentence}\n`);
  const found = survey(host, ACTIONS, wish);
  await compare?.(host, found);
  const { plan, refusals } = found;
  const outcome = plan.changes.length === 0 ? 'nothing' : refusals.length > 0 ? 'refused' : 'pending';
  return report(context, found, { outcome, recovered: [], left: [], rebootNeeded: false }, false);
}

async function change(
  context: Context,
  wish: GivenWish,
  asks: boolean,
  compare: Compare | undefined,
): Promise<ExitCode> {
  const { values, out, err, style } = context;
  const { applyProfile } = await import('../../engine/apply.ts');
  const within = values['confirm-within'];
  const confirmWithin = within === undefined ? {} : { confirmWithin: patience(within) };
  let shown = false;
  const result = await withEngine(context, (engine, withSignals) => {
    const request: ApplyRequest = {
      ...wish,
      ...confirmWithin,
      check: async (found) => {
        await compare?.(engine.host, found);
        refuseRuntime(engine.host, found);
      },
      approve: ({ plan }) => {
        shown = asks || values.json === undefined;
        if (shown)
          (asks ? err : out)(renderPlan({ ...plan, refusals: [] }, style, values.verbose !== undefined));
        if (!asks) return { yes: true, asked: false };
        return {
          yes: withSignals(() => askYes(`Make ${plural(plan.changes.length, 'change')}?`)),
          asked: true,
        };
      },
    };
    return applyProfile(engine, request);
  });
  const { found, error, ...rest } = result;
  const exitCode = report(context, found, { ...rest, ...describe(error) }, shown);
  if (error !== undefined) explain(error);
  return exitCode;
}

/** Too short a time would take everything back before anybody could confirm. */
function patience(text: string): number {
  const time = seconds('--confirm-within', text);
  if (time < 1)
    throw usageError('--confirm-within', `${text} is too short to confirm in; 120s is a usual time`);
  return time;
}

/** In a directory files can be set up, and nothing that only a running kernel has. */
function refuseRuntime(host: ReadHost, { plan }: Survey): void {
  const change = plan.changes.find(({ scope }) => scope === 'runtime');
  if (host.live || change === undefined) return;
  throw new ToolError(
    'ROOT_NOT_RUNNING',
    `is not the running machine, which this needs: ${changeTitle(change)}`,
    {
      subject: host.root,
      exitCode: EXIT.refused,
      hint: 'apply it on the machine itself',
    },
  );
}

function report(
  { values, out, style, now }: Context,
  { plan, refusals }: Survey,
  result: Pick<
    ApplyReport,
    'outcome' | 'run' | 'left' | 'rebootNeeded' | 'confirmBy' | 'error' | 'recovered'
  >,
  shown: boolean,
): ExitCode {
  const document: ApplyReport = {
    schema: 'bypass-setup/apply@1',
    tool: VERSION,
    takenAt: now().toISOString(),
    root: values.root ?? '/',
    ...result,
    ...plan,
    refusals: refusalsOf(refusals),
  };
  if (values.json !== undefined) out(`${JSON.stringify(document, null, 2)}\n`);
  else
    out(
      `${shown ? '' : renderPlan(document, style, values.verbose !== undefined)}${renderApply(document, style)}`,
    );
  if (document.outcome === 'refused') for (const { error } of refusals) explain(error);
  return document.rebootNeeded ? EXIT.rebootNeeded : CODES[document.outcome];
}

function describe(error: unknown): Pick<ApplyReport, 'error'> {
  if (error === undefined) return {};
  if (!(error instanceof ToolError)) return { error: { code: 'INTERNAL', message: String(error) } };
  const { code, subject, message, hint } = error;
  return { error: { code, message, ...(subject && { subject }), ...(hint && { hint }) } };
}

/** Whether a person is to be asked; nobody there to answer is no consent. */
function mustAsk({ values }: Context): boolean {
  if (values.check !== undefined || values.yes !== undefined) return false;
  if (values.profile !== '-' && isTerminal('stdin') && isTerminal('stderr')) return true;
  throw new ToolError('NOBODY_TO_ASK', 'there is no terminal to ask on', {
    exitCode: EXIT.usage,
    hint: 'look at the plan first, and give --yes to apply it',
  });
}

async function readPlan(file: string): Promise<PlanDocument> {
  const { planDocumentSchema } = await import('../../plan/document.ts');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const errno = errnoName(error);
    throw new ToolError('PLAN_UNREADABLE', `cannot be read: ${errnoText(error)}`, {
      subject: file,
      cause: error,
      exitCode: errno === 'EACCES' || errno === 'EPERM' ? EXIT.noPrivilege : EXIT.usage,
    });
  }
  try {
    return planDocumentSchema.parse(JSON.parse(text));
  } catch {
    throw new ToolError('PLAN_INVALID', 'is not a plan of this version', {
      subject: file,
      exitCode: EXIT.usage,
      hint: 'make one with: bypass-setup plan -f PROFILE --out FILE',
    });
  }
}

/** Refuses a host for which the kept plan is no longer the plan. */
async function comparison(kept: PlanDocument, wish: GivenWish, { values, now }: Context): Promise<Compare> {
  const { staleness } = await import('../../plan/document.ts');
  return async (host, found) => {
    const today = await documentOf(host, values.root ?? '/', wish, found, now());
    const differences = staleness(kept, today);
    if (differences.length === 0) return;
    throw new ToolError('PLAN_STALE', differences.join('\n  '), {
      subject: values.plan ?? '',
      exitCode: EXIT.refused,
      hint: 'plan again, and look at what is different',
    });
  };
}
