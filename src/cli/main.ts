import { NOTICE } from '../formats/own-files.ts';
import { EXIT, type ExitCode, ToolError } from '../host/errors.ts';
import { openReadHost } from '../host/node-host.ts';
import { plain } from '../report/terminal.ts';
import { runApply } from './commands/apply.ts';
import { runBaseline } from './commands/baseline.ts';
import { runCapture } from './commands/capture.ts';
import { runCheck } from './commands/check.ts';
import { runConfirm } from './commands/confirm.ts';
import { runExplain } from './commands/explain.ts';
import { runFleet } from './commands/fleet.ts';
import { runPlan } from './commands/plan.ts';
import { runProbe } from './commands/probe.ts';
import { runResume } from './commands/resume.ts';
import { runSuggest } from './commands/suggest.ts';
import { runUndo } from './commands/undo.ts';
import { runValidate } from './commands/validate.ts';
import type { CommandRunner, Context } from './context.ts';
import { explain } from './explain.ts';
import { type CommandName, helpText, parseArguments } from './options.ts';
import { isTerminal, writeErr, writeOut } from './stdio.ts';
import { VERSION } from './version.ts';

const RUNNERS: Readonly<Record<CommandName, CommandRunner>> = {
  probe: runProbe,
  check: runCheck,
  validate: runValidate,
  suggest: runSuggest,
  plan: runPlan,
  apply: runApply,
  confirm: runConfirm,
  undo: runUndo,
  resume: runResume,
  explain: runExplain,
  capture: runCapture,
  baseline: runBaseline,
  fleet: runFleet,
};

export async function main(words: readonly string[]): Promise<ExitCode> {
  try {
    const { command, argument, others, values } = parseArguments(words);
    if (values.help !== undefined) {
      writeOut(helpText(command));
      return EXIT.ok;
    }
    if (values.version !== undefined) {
      writeOut(`bypass-setup ${VERSION} (Node ${process.versions.node})\n`);
      return EXIT.ok;
    }
    if (command === undefined) {
      throw new ToolError('COMMAND_MISSING', 'no command is given', {
        exitCode: EXIT.usage,
        hint: 'try: bypass-setup probe, bypass-setup check, bypass-setup --help',
      });
    }
    if (command !== 'resume' && values.root === undefined && isTerminal('stderr')) showNotice();
    return await RUNNERS[command](contextFor(values, argument, others));
  } catch (error) {
    return explain(error);
  }
}

/** What the first boot after a run has found, which nobody saw. */
function showNotice(): void {
  try {
    const text = openReadHost('/').readText(NOTICE);
    if (text !== undefined) writeErr(`${plain(text.trim())}\n`);
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
  }
}

function contextFor(
  values: Context['values'],
  argument: string | undefined,
  others: readonly string[],
): Context {
  const terminal = isTerminal('stdout');
  const color =
    terminal && values['no-color'] === undefined && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  return {
    values,
    argument,
    others,
    out: writeOut,
    err: writeErr,
    style: { color, width: terminal ? Math.max(40, process.stdout.columns || 80) : 80 },
    now: () => new Date(),
  };
}
