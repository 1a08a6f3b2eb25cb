/**
 * Calls validate() and prints one JSON line: {result} or {error}. Bundled by support.ts, for the cases that need a process
 * of their own: another user, another namespace, a parent that is killed. The file that READY names appears when it polls.
 */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ToolError } from '../../src/host/errors.ts';
import { type ValidateOptions, validate } from '../../src/native/client.ts';

const folder = dirname(fileURLToPath(import.meta.url));
const options = JSON.parse(process.argv[2] ?? '') as ValidateOptions;
try {
  const installation = { workerPath: join(folder, 'worker.mjs'), addonPath: join(folder, 'validator.node') };
  const ready = process.env.READY;
  const onProgress = (): void => {
    if (ready !== undefined) writeFileSync(ready, '');
  };
  const result = await validate(options, { installation, onProgress });
  process.stdout.write(`${JSON.stringify({ result })}\n`);
} catch (error) {
  if (!(error instanceof ToolError)) throw error;
  const { code, exitCode } = error;
  process.stdout.write(`${JSON.stringify({ error: { code, exitCode, text: error.format() } })}\n`);
}
