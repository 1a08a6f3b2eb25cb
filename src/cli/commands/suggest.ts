import { EXIT } from '../../host/errors.ts';
import { openReadHost } from '../../host/node-host.ts';
import { observe } from '../../probes/index.ts';
import { printSuggestion } from '../../profile/print.ts';
import { suggest } from '../../profile/suggest.ts';
import type { CommandRunner } from '../context.ts';
import { checkWritable, writeResult } from '../output.ts';

export const runSuggest: CommandRunner = ({ values, out, err }) => {
  const { output } = values;
  if (output !== undefined) checkWritable(output);
  const { facts } = observe(openReadHost(values.root ?? '/'), () => 0);
  const text = printSuggestion(suggest(facts));
  if (output === undefined) out(text);
  else {
    writeResult(output, text);
    err(`wrote ${output}; read it before you use it\n`);
  }
  return EXIT.ok;
};
