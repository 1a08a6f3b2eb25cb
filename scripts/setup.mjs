// Brings a checkout to the point where the program runs: system packages, npm packages, bundle, addon. Uses nothing
// but Node, because nothing else is there yet. Each step is skipped when its inputs have not changed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** What each step makes; a step whose product is not whole runs again. */
const PACKAGES = [
  'node_modules/.package-lock.json',
  'node_modules/esbuild/package.json',
  'node_modules/zod/package.json',
];
const BUNDLES = [
  'cli.js',
  'worker.js',
  ...['zod', 'execa', 'systeminformation', 'yaml'].map((name) => `packages/${name}.js`),
];

/** What the addon and the embedded validator need, by the command or file that shows it. */
const NEEDS = [
  { apt: 'g++', dnf: 'gcc-c++', present: () => inPath('g++') },
  { apt: 'make', dnf: 'make', present: () => inPath('make') },
  { apt: 'python3', dnf: 'python3', present: () => inPath('python3') },
  { apt: 'pkg-config', dnf: 'pkgconf-pkg-config', present: () => inPath('pkg-config') },
  {
    apt: 'libdpdk-dev',
    dnf: 'dpdk-devel',
    present: () => ok('pkg-config', ['--atleast-version=22.11', 'libdpdk']),
  },
  { apt: 'util-linux', dnf: 'util-linux', present: () => inPath('unshare') },
];

/** Does what is missing. Gives false when something could not be had, and has said what. */
export function setup() {
  if (!writable()) {
    say(`this checkout cannot be written, so nothing is set up: ${ROOT}`);
    return false;
  }
  const complete = systemPackages();
  step({
    title: 'npm packages',
    inputs: ['package.json', 'package-lock.json', '.npmrc'],
    products: PACKAGES,
    action: () => run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']),
  });
  step({
    title: 'the command',
    inputs: ['src', 'scripts/build.mjs', 'package.json', 'bin'],
    endings: /\.(ts|mjs|json)$|bypass-setup$/,
    products: BUNDLES.map((name) => `dist/${name}`),
    action: () => run(process.execPath, ['scripts/build.mjs'], { quiet: true }),
  });
  return addon() && complete;
}

function writable() {
  try {
    accessSync(ROOT, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function addon() {
  if (!inPath('g++') || !inPath('make') || !inPath('python3')) return false;
  // Which addons can be built depends on whether DPDK is there, so its version is an input too.
  const dpdk = spawnSync('pkg-config', ['--modversion', 'libdpdk'], { encoding: 'utf8' });
  const env = { ...process.env };
  // Headers beside the running Node save a download, which a server without internet could not make.
  const prefix = dirname(dirname(process.execPath));
  if (existsSync(join(prefix, 'include/node/node_api.h'))) env.npm_config_nodedir ??= prefix;
  try {
    step({
      title: 'the native addons',
      inputs: ['src/native', 'binding.gyp'],
      endings: /\.(cc|h|gyp)$/,
      products: ['kernel_query.node', ...(dpdk.status === 0 ? ['validator.node'] : [])].map(
        (name) => `build/Release/${name}`,
      ),
      extra: (dpdk.stdout ?? '') + process.version,
      action: () => run('npm', ['run', '--silent', 'build:native'], { env, quiet: true }),
    });
    return true;
  } catch (error) {
    say(`the native addons could not be built, so nothing can drive packets: ${error.message}`);
    return false;
  }
}

function systemPackages() {
  const missing = NEEDS.filter((need) => !need.present());
  if (missing.length === 0) return true;
  const apt = inPath('apt-get');
  const dnf = !apt && inPath('dnf');
  const names = missing.map((need) => (dnf ? need.dnf : need.apt));
  const install = apt
    ? ['apt-get', 'install', '-y', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300', ...names]
    : ['dnf', 'install', '-y', ...names];
  if (!apt && !dnf) {
    say(`missing, and no package manager that is known here: ${names.join(', ')}`);
    return false;
  }
  if (process.getuid() !== 0) {
    const sudo = inPath('sudo') ? 'sudo ' : '';
    const update = apt ? `${sudo}apt-get update; ` : '';
    const who = sudo === '' ? ', as root' : '';
    say(
      `missing system packages. To have everything, run${who}:\n\n  ${update}${sudo}${install.join(' ')}\n`,
    );
    say('carrying on with what works without them');
    return false;
  }
  say(`installing system packages: ${names.join(', ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    if (apt) update(env);
    run(install[0], install.slice(1), { env, quiet: true });
    return true;
  } catch (error) {
    say(`they could not be installed: ${error.message}`);
    return false;
  }
}

/** Another package manager may hold the lists, and a repository that nobody needs here may be broken. */
function update(env) {
  for (let attempt = 0; attempt < 60; attempt++) {
    const { status, stderr } = spawnSync('apt-get', ['update', '-qq'], { env, encoding: 'utf8' });
    if (status === 0) return;
    if (!/Could not get lock/.test(stderr)) {
      say(
        `apt-get update failed; trying to install with the lists that are there: ${stderr.trim().split('\n')[0]}`,
      );
      return;
    }
    if (attempt === 0) say('another package manager is at work; waiting for it up to 5 minutes');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5000);
  }
}

/** Runs `action` unless it ran to its end before on the same inputs and what it made is still whole. */
function step({ title, inputs, endings = /./, products, extra = '', action }) {
  // Beside what it made, so that both go together.
  const stamp = join(ROOT, dirname(products[0]), `.made-of-${title.replaceAll(' ', '-')}`);
  const digest = digestOf(inputs, endings, extra);
  const whole = products.every(
    (path) => (statSync(join(ROOT, path), { throwIfNoEntry: false })?.size ?? 0) > 0,
  );
  if (whole && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  say(`setting up ${title}`);
  rmSync(stamp, { force: true });
  action();
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, digest);
}

function digestOf(inputs, endings, extra) {
  const hash = createHash('sha256').update(extra);
  const add = (path) =>
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(ROOT, path)))
      .update('\0');
  for (const input of inputs) {
    const entries = existsSync(join(ROOT, input)) ? walk(input) : [];
    for (const path of entries.filter((name) => endings.test(name))) add(path);
  }
  return hash.digest('hex');
}

function walk(path) {
  let entries;
  try {
    entries = readdirSync(join(ROOT, path), { withFileTypes: true });
  } catch {
    return [path];
  }
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => (entry.isDirectory() ? walk(`${path}/${entry.name}`) : [`${path}/${entry.name}`]));
}

function run(command, args, { env = process.env, quiet = false } = {}) {
  // Results go to standard output, so what is said while setting up must not.
  const stdio = ['ignore', quiet ? 'pipe' : 2, quiet ? 'pipe' : 2];
  const result = spawnSync(command, args, { cwd: ROOT, env, stdio, encoding: 'utf8', maxBuffer: 64 << 20 });
  if (result.error) throw result.error;
  if (result.status !== 0) {
    if (quiet) process.stderr.write(`${result.stdout}${result.stderr}`);
    throw new Error(`"${command} ${args.join(' ')}" ended with ${result.status ?? result.signal}`);
  }
}

function ok(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function inPath(command) {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .some((folder) => folder !== '' && existsSync(join(folder, command)));
}

function say(text) {
  process.stderr.write(`${text}\n`);
}
