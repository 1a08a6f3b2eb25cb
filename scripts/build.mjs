// Bundles each process into one file: Node loads files slowly, not bytes.
import { readFileSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const root = new URL('..', import.meta.url).pathname;

rmSync(`${root}dist`, { recursive: true, force: true });
const common = {
  absWorkingDir: root,
  outdir: 'dist',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.12',
  define: { BYPASS_SETUP_VERSION: JSON.stringify(version) },
  // Bundled packages in CommonJS still call require() for Node's own modules.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  logLevel: 'warning',
};

await Promise.all([
  // Split, so that zod, execa and systeminformation are loaded only by what needs them.
  build({ ...common, entryPoints: { cli: 'src/cli/index.ts' }, splitting: true }),
  // Apart, because code shared between two entries would be one more file for both to load.
  build({ ...common, entryPoints: { worker: 'src/native/worker.ts' } }),
]);
