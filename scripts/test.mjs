// npm test: sets up what is missing, then runs every test that needs no virtual machine. Arguments go to vitest.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setup } from './setup.mjs';

try {
  setup();
} catch (error) {
  process.stderr.write(`error[SETUP] ${error.message}\n`);
  process.exit(1);
}
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const result = spawnSync(
  process.execPath,
  [vitest, 'run', '--project', 'unit', '--project', 'native', ...process.argv.slice(2)],
  {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: 'inherit',
  },
);
process.exitCode = result.status ?? 1;
