import { EXIT, type ExitCode, ToolError } from '../host/errors.ts';
import { runCapture } from './commands/capture.ts';
import { runCheck } from './commands/check.ts';
import { runProbe } from './commands/probe.ts';
import { runSuggest } from './commands/suggest.ts';
import { runValidate } from './commands/validate.ts';
import type { CommandRunner, Context } from './context.ts';
import { type CommandName, helpText, parseArguments } from './options.ts';
import { isTerminal, writeErr, writeOut } from './stdio.ts';
import { VERSION } from './version.ts';

const RUNNERS: Readonly<Record<CommandName, CommandRunner>> = {
  probe: runProbe,
  check: runCheck,
  validate: runValidate,
  suggest: runSuggest,
  capture: runCapture,
};

export async function main(words: readonly string[]): Promise<ExitCode> {
  try {
    const { command, values } = parseArguments(words);
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
    return await RUNNERS[command](contextFor(values));
  } catch (error) {
    return explain(error);
  }
}

function contextFor(values: Context['values']): Context {
  const terminal = isTerminal('stdout');
  const color =
    terminal && values['no-color'] === undefined && !process.env.NO_COLOR && process.env.TERM !== 'dumb';
  return {
    values,
    out: writeOut,
    err: writeErr,
    style: { color, width: terminal ? Math.max(40, process.stdout.columns || 80) : 80 },
    now: () => new Date(),
  };
}

function explain(error: unknown): ExitCode {
  if (error instanceof ToolError) {
    writeErr(`${error.format()}\n`);
    return error.exitCode;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  writeErr(
    `error[INTERNAL] this is a defect of bypass-setup ${VERSION}, please report it with the lines below\n${text}\n`,
  );
  return EXIT.unexpected;
}
