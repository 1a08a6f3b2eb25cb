import { EXIT, type ExitCode } from '../../host/errors.ts';
import { openReadHost } from '../../host/node-host.ts';
import type { RunsReport, UndoReport } from '../../report/report.ts';
import { renderRuns, renderUndo } from '../../report/run-text.ts';
import { usageError } from '../arguments.ts';
import type { CommandRunner, Context } from '../context.ts';
import { withEngine } from '../process.ts';
import { VERSION } from '../version.ts';

export const runUndo: CommandRunner = async (context) => {
  const { values, argument, err } = context;
  if (values.list !== undefined) return list(context);
  const { undoRun, undoUnlessConfirmed } = await import('../../engine/undo.ts');
  if (values['unless-confirmed'] === undefined) {
    return report(context, await withEngine(context, (engine) => undoRun(engine, argument)));
  }
  if (argument === undefined) throw usageError('--unless-confirmed', 'needs the name of a run');
  const ready = (deadline: string) => context.out(`undone at ${deadline} unless it is confirmed\n`);
  // Whoever started it has gone, and with it the other end of these pipes.
  const quiet = { ...context, err: values.verbose === undefined ? () => undefined : err };
  return report(quiet, await withEngine(quiet, (engine) => undoUnlessConfirmed(engine, argument, ready)));
};

/** Prints what became of an undo or a confirm. */
export function report(
  { values, out, style, now }: Context,
  result: Omit<UndoReport, 'schema' | 'tool' | 'takenAt' | 'root'>,
): ExitCode {
  const document: UndoReport = {
    schema: 'bypass-setup/undo@1',
    tool: VERSION,
    takenAt: now().toISOString(),
    root: values.root ?? '/',
    ...result,
  };
  out(values.json === undefined ? renderUndo(document, style) : `${JSON.stringify(document, null, 2)}\n`);
  if (document.outcome === 'left') return EXIT.notUndone;
  return document.rebootNeeded ? EXIT.rebootNeeded : EXIT.ok;
}

async function list({ values, argument, out, style, now }: Context): Promise<ExitCode> {
  if (argument !== undefined) throw usageError('--list', 'takes no run');
  const { listRuns } = await import('../../engine/undo.ts');
  const root = values.root ?? '/';
  const document: RunsReport = {
    schema: 'bypass-setup/runs@1',
    tool: VERSION,
    takenAt: now().toISOString(),
    root,
    runs: listRuns(openReadHost(root)),
  };
  out(
    values.json === undefined
      ? renderRuns(document, style, values.verbose !== undefined)
      : `${JSON.stringify(document, null, 2)}\n`,
  );
  return EXIT.ok;
}
