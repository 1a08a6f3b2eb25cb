import type { CommandRunner } from '../context.ts';
import { withEngine } from '../process.ts';
import { report } from './undo.ts';

export const runConfirm: CommandRunner = async (context) => {
  const { confirmRun } = await import('../../engine/undo.ts');
  return report(context, await withEngine(context, (engine) => confirmRun(engine, context.argument)));
};
