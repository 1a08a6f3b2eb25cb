// Brings a checkout to the point where the program runs: system packages, npm packages, bundle, addon. Uses nothing
// but Node, because nothing else is there yet. Each step is skipped when its inputs have not changed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const STAMPS = join(ROOT, 'node_modules', '.bypass-setup');

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
  const complete = systemPackages();
  step('npm packages', ['package-lock.json'], () =>
    run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']),
  );
  step(
    'the command',
    ['src', 'scripts/build.mjs', 'package.json'],
    () => run(process.execPath, ['scripts/build.mjs']),
    'dist/cli.js',
  );
  return addon() && complete;
}

function addon() {
  if (!inPath('g++') || !inPath('make') || !inPath('python3')) return false;
  // Which addons can be built depends on whether DPDK is there, so its version is an input too.
  const dpdk = spawnSync('pkg-config', ['--modversion', 'libdpdk'], { encoding: 'utf8' }).stdout ?? '';
  const env = { ...process.env };
  // Headers beside the running Node save a download, which a server without internet could not make.
  const prefix = dirname(dirname(process.execPath));
  if (existsSync(join(prefix, 'include/node/node_api.h'))) env.npm_config_nodedir ??= prefix;
  try {
    step(
      'the native addons',
      ['src/native', 'binding.gyp'],
      () => run('npm', ['run', '--silent', 'build:native'], { env, quiet: true }),
      'build/Release/kernel_query.node',
      dpdk + process.version,
    );
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
    const update = apt ? 'sudo apt-get update && ' : '';
    say(`missing system packages. To have everything, run:\n\n  ${update}sudo ${install.join(' ')}\n`);
    say('carrying on with what works without them');
    return false;
  }
  say(`installing system packages: ${names.join(', ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  try {
    if (apt) run('apt-get', ['update', '-qq', '-o', 'DPkg::Lock::Timeout=300'], { env, quiet: true });
    run(install[0], install.slice(1), { env, quiet: true });
    return true;
  } catch (error) {
    say(`they could not be installed: ${error.message}`);
    return false;
  }
}

/** Runs `action` unless it ran before on the same inputs and its product is still there. */
function step(title, inputs, action, product = 'node_modules', extra = '') {
  const stamp = join(STAMPS, title.replaceAll(' ', '-'));
  const digest = digestOf(inputs, extra);
  const fresh =
    existsSync(stamp) && readFileSync(stamp, 'utf8') === digest && existsSync(join(ROOT, product));
  if (fresh) return;
  say(`setting up ${title}`);
  action();
  mkdirSync(STAMPS, { recursive: true });
  writeFileSync(stamp, digest);
}

function digestOf(inputs, extra) {
  const hash = createHash('sha256').update(extra);
  const add = (path) =>
    hash
      .update(`${path}\0`)
      .update(readFileSync(join(ROOT, path)))
      .update('\0');
  for (const input of inputs) {
    const entries = existsSync(join(ROOT, input)) ? walk(input) : [];
    for (const path of entries) add(path);
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
