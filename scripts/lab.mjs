// npm run lab: looks into the lab's guests; npm run test:lab: sets up what is missing, then runs the tests that need
// a whole virtual server. Further arguments of test:lab go to vitest.
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setup } from './setup.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const [verb, ...words] = process.argv.slice(2);

process.chdir(ROOT);
try {
  setup();
} catch (error) {
  process.stderr.write(`error[SETUP] ${error.message}\n`);
  process.exit(1);
}
const { build } = await import('esbuild');
// Beside its sources, because it looks for files from its own place.
const bundle = `${ROOT}test/lab/.main-${process.pid}.mjs`;
await build({
  entryPoints: [`${ROOT}test/lab/main.ts`],
  outfile: bundle,
  bundle: true,
  format: 'esm',
  platform: 'node',
});
const { lab, prepare } = await import(bundle).finally(() => rmSync(bundle));

process.exitCode = verb === 'test' ? await test() : await lab(words);

async function test() {
  const started = Date.now();
  const reason = await prepare();
  if (reason === undefined) {
    process.stderr.write(`lab: ready after ${Math.round((Date.now() - started) / 1000)} s\n`);
  } else {
    process.stderr.write(`lab: it cannot run here, so its tests are skipped: ${reason}\n`);
  }
  const env = { ...process.env, BYPASS_SETUP_LAB_MISSING: reason ?? '' };
  const vitest = `${ROOT}node_modules/vitest/vitest.mjs`;
  const child = spawn(process.execPath, [vitest, 'run', '--project', 'lab', ...words], {
    stdio: 'inherit',
    env,
  });
  // Ctrl-C reaches vitest by itself, which ends its tests; their machines end with them.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve) => child.on('exit', (code) => resolve(code ?? 130)));
}
