#!/usr/bin/env node
// Fuzzes src/native/packet.cc with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer.
//
//   node test/fuzz/run.mjs --seconds 60    exit code 0: nothing found; 1: a finding, with the input that shows it
//   node test/fuzz/run.mjs --planted       removes one length check from a copy and expects the fuzzer to notice
//
// Exit code 77 when there is no clang with libFuzzer (Debian: apt-get install clang-14 libclang-rt-14-dev).
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, planted: { type: 'boolean', default: false } },
});
const seconds = Number(values.seconds);
if (!(seconds > 0)) {
  console.error(`error[USAGE] --seconds: not a duration: ${values.seconds}`);
  process.exit(64);
}

const here = fileURLToPath(new URL('.', import.meta.url));
const native = join(here, '..', '..', 'src', 'native');
const work = join(here, '..', '..', 'build', 'fuzz', values.planted ? 'planted' : 'packet');

/** The directory with the packet.cc to fuzz. */
function source() {
  if (!values.planted) return native;
  const check = 'if (length < at + kArpSize) return ignored(Verdict::kTruncated);';
  const text = readFileSync(join(native, 'packet.cc'), 'utf8');
  if (!text.includes(check)) throw new Error(`packet.cc no longer holds the check to remove: ${check}`);
  writeFileSync(join(work, 'packet.cc'), text.replace(check, ''));
  return work;
}

/** Seeds are hexadecimal text with comments, so that they can be read and reviewed. */
function seedCorpus() {
  const corpus = join(work, 'corpus');
  mkdirSync(corpus, { recursive: true });
  const seeds = join(here, 'seeds');
  for (const name of readdirSync(seeds)) {
    const hex = readFileSync(join(seeds, name), 'utf8').replace(/#.*$/gm, '').replace(/\s+/g, '');
    writeFileSync(join(corpus, name.replace(/\.hex$/, '')), Buffer.from(hex, 'hex'));
  }
  return corpus;
}

function build(binary) {
  const sources = [join(here, 'packet_fuzz.cc'), join(source(), 'packet.cc')];
  // Without the assembler loop, in which the address sanitizer sees nothing; the property tests run it.
  const flags = ['-std=c++17', '-g', '-O1', '-Wall', '-Wextra', '-DBYPASS_PORTABLE_SUM', `-I${native}`];
  const sanitize = ['-fsanitize=fuzzer,address,undefined', '-fno-sanitize-recover=all'];
  let said = 'no clang++ was found';
  for (const compiler of ['clang++', 'clang++-19', 'clang++-16', 'clang++-14']) {
    const built = spawnSync(compiler, [...flags, ...sanitize, ...sources, '-o', binary], {
      encoding: 'utf8',
    });
    if (built.status === 0) return;
    if (built.error === undefined) said = `${compiler}: ${built.stderr.trim()}`;
    // A compiler that exists but lacks the runtime is no finding; one that rejects the source is.
    if (/error: (?!linker|unable to)/.test(said)) {
      console.error(said);
      process.exit(1);
    }
  }
  console.error(`skipped: cannot build a libFuzzer target (${said})`);
  process.exit(77);
}

rmSync(work, { recursive: true, force: true });
mkdirSync(work, { recursive: true });
const binary = join(work, 'packet_fuzz');
build(binary);
const corpus = seedCorpus();
const started = Date.now();
const run = spawnSync(
  binary,
  [
    `-max_total_time=${seconds}`,
    '-max_len=1600',
    '-print_final_stats=1',
    '-verbosity=0',
    `-artifact_prefix=${work}/`,
    corpus,
  ],
  { encoding: 'utf8', maxBuffer: 1 << 28, cwd: work },
);
const elapsed = ((Date.now() - started) / 1000).toFixed(1);
const kind = /(ERROR: \S+ \S+|broken promise: .*|runtime error: .*)/.exec(run.stderr)?.[1];
const executions = /number_of_executed_units:\s*(\d+)/.exec(run.stderr)?.[1];

if (values.planted) {
  console.log(
    run.status === 0
      ? `the planted bug was NOT found in ${elapsed} s`
      : `planted bug found in ${elapsed} s: ${kind}`,
  );
  process.exit(run.status === 0 ? 1 : 0);
}
if (run.status !== 0) {
  console.error(run.stderr.slice(-8000));
  console.error(
    `finding after ${elapsed} s: ${kind ?? run.signal ?? `exit code ${run.status}`}; the input is in ${work}`,
  );
  process.exit(1);
}
console.log(
  `no finding in ${elapsed} s, ${executions ?? '?'} executions, ${readdirSync(corpus).length} inputs in the corpus`,
);
