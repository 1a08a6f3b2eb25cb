import { EXIT, type ExitCode, ToolError } from '../host/errors.ts';
import { runApply } from './commands/apply.ts';
import { runCapture } from './commands/capture.ts';
import { runCheck } from './commands/check.ts';
import { runConfirm } from './commands/confirm.ts';
import { runExplain } from './commands/explain.ts';
import { runPlan } from './commands/plan.ts';
import { runProbe } from './commands/probe.ts';
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
  explain: runExplain,
  capture: runCapture,
};

export async function main(words: readonly string[]): Promise<ExitCode> {
  try {
    const { command, argument, values } = parseArguments(words);
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
    return await RUNNERS[command](contextFor(values, argument));
  } catch (error) {
    return explain(error);
  }
}

function contextFor(values: Context['values'], argument: string | undefined): Context {
  const terminal = isTerminal('stdout');
  const color =
    terminal && values['no-color'] === undefined && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  return {
    values,
    argument,
    out: writeOut,
    err: writeErr,
    style: { color, width: terminal ? Math.max(40, process.stdout.columns || 80) : 80 },
    now: () => new Date(),
  };
}
