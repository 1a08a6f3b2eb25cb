/**
 * A small command line around the engine, in a process of its own that can be killed, with an action on plain files in
 * place of the program's. `apply WANTED [SECONDS]` makes the files (JSON) what is wanted; `undo RUN --unless-confirmed`
 * is what the dead-man starts; `hold` keeps the lock. With HOLD the apply stops in the middle of that file, makes
 * `HOLD.held` beside it and goes on when `HOLD.go` appears. One JSON line tells what came of it.
 */
import { existsSync, writeFileSync } from 'node:fs';
import { withEngine } from '../../src/cli/process.ts';
import { applyProfile } from '../../src/engine/apply.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { withLock } from '../../src/engine/lock.ts';
import { confirmRun, undoRun, undoUnlessConfirmed } from '../../src/engine/undo.ts';
import { ToolError } from '../../src/host/errors.ts';
import { files, REQUEST, type Wanted } from './support.ts';

const [command = '', argument = '', further = ''] = process.argv.slice(2);
const root = process.env.ROOT ?? process.argv.at(-1) ?? '';
const hold = process.env.HOLD;
const context = {
  values: { root },
  argument,
  others: [],
  out: (text: string) => void process.stdout.write(text),
  err: (text: string) => void process.stderr.write(text),
  style: { color: false, width: 80 },
  now: () => new Date(),
};

try {
  print(await withEngine(context, run));
} catch (error) {
  if (!(error instanceof ToolError)) throw error;
  print({ error: error.code, exitCode: error.exitCode, message: error.message });
}

function run(engine: Engine): Promise<unknown> {
  const wanted = command === 'apply' ? (JSON.parse(argument) as Wanted) : {};
  const on = { ...engine, actions: [files(engine.host, wanted, { inTheMiddle })] };
  switch (command) {
    case 'apply':
      return apply(on);
    case 'undo':
      if (further !== '--unless-confirmed') return undoRun(on, argument || undefined);
      return undoUnlessConfirmed(on, argument, (deadline) => context.out(`${deadline}\n`));
    case 'confirm':
      return confirmRun(on, undefined);
    case 'hold':
      return withLock(on, async () => {
        writeFileSync(argument, '');
        await there(`${argument}.go`);
        return { outcome: 'held' };
      });
    default:
      throw new Error(command);
  }
}

async function apply(engine: Engine): Promise<unknown> {
  const within = further === '' ? {} : { confirmWithin: Number(further) };
  const { found: _, error, ...result } = await applyProfile(engine, { ...REQUEST, ...within });
  return { ...result, ...(error === undefined ? {} : { error: String(error) }) };
}

async function inTheMiddle(path: string): Promise<void> {
  if (hold === undefined || !hold.endsWith(path)) return;
  writeFileSync(`${hold}.held`, '');
  await there(`${hold}.go`);
}

async function there(path: string): Promise<void> {
  while (!existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 10));
}

function print(result: unknown): void {
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
