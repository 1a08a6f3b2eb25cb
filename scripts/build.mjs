// Bundles each process into one file: Node loads files slowly, not bytes. CommonJS, because Node's loader for it
// starts several milliseconds sooner than the one for ES modules. Packages go to files of their own, which are read
// only when something needs them.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
const root = fileURLToPath(new URL('..', import.meta.url));
const OWN_URL = "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;";
const PACKAGES = ['zod', 'execa', 'systeminformation', 'yaml'];

const common = {
  absWorkingDir: root,
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20.12',
  // bin/bypass-setup runs the bundle as a script, where import() is not to be had; require() is.
  supported: { 'dynamic-import': false },
  define: {
    BYPASS_SETUP_VERSION: JSON.stringify(version),
    'import.meta.url': 'importMetaUrl',
  },
  banner: { js: OWN_URL },
  logLevel: 'warning',
};

const packagesApart = {
  name: 'packages-apart',
  setup({ onResolve }) {
    onResolve({ filter: /^[a-z]/ }, ({ path }) =>
      PACKAGES.includes(path) ? { path: `./packages/${path}.js`, external: true } : undefined,
    );
  },
};

rmSync(`${root}dist`, { recursive: true, force: true });
mkdirSync(`${root}dist`);
writeFileSync(`${root}dist/package.json`, '{ "type": "commonjs" }\n');
await Promise.all([
  build({
    ...common,
    outdir: 'dist',
    entryPoints: { cli: 'src/cli/index.ts', worker: 'src/native/worker.ts', observer: 'src/cli/observer.ts' },
    plugins: [packagesApart],
  }),
  build({ ...common, outdir: 'dist/packages', entryPoints: PACKAGES }),
]);

// V8 keeps what a run has compiled, so runs are made: they go through most of the code. See bin/bypass-setup.
const host = ['--root', 'test/fixtures/hosts/two-socket-smt.tree'];
for (const words of [['plan', '-f', 'profiles/one-nic-dpdk.yaml'], ['check']]) {
  spawnSync(process.execPath, ['bin/bypass-setup', ...words, ...host], {
    cwd: root,
    env: { ...process.env, BYPASS_SETUP_KEEP_CODE: `${root}bin/../dist` },
    stdio: 'ignore',
  });
}
