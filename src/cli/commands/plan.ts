import { ACTIONS } from '../../actions/index.ts';
import { survey } from '../../engine/survey.ts';
import { EXIT } from '../../host/errors.ts';
import { openReadHost } from '../../host/node-host.ts';
import { renderCommands, renderPlan } from '../../report/plan-text.ts';
import { usageError } from '../arguments.ts';
import type { CommandRunner } from '../context.ts';
import { checkWritable, writeResult } from '../output.ts';
import { documentOf } from '../plan-document.ts';
import { readWish } from '../wish.ts';

export const runPlan: CommandRunner = async (context) => {
  const { values, out, err, style, now } = context;
  if (values.commands !== undefined && values.json !== undefined) {
    throw usageError(
      '--commands',
      'is a shell script; --json has the commands in each change: give one of them',
    );
  }
  if (values.out !== undefined) checkWritable(values.out);
  const wish = await readWish(context);
  const root = values.root ?? '/';
  const host = openReadHost(root);
  const document = await documentOf(host, root, wish, survey(host, ACTIONS, wish), now());
  const json = `${JSON.stringify(document, null, 2)}\n`;
  if (values.commands !== undefined) out(renderCommands(document, wish.source.name));
  else out(values.json === undefined ? renderPlan(document, style, values.verbose !== undefined) : json);
  if (values.out !== undefined) {
    writeResult(values.out, json);
    err(`kept for: bypass-setup apply --plan ${values.out}\n`);
  }
  return document.changes.length === 0 ? EXIT.ok : EXIT.differs;
};
