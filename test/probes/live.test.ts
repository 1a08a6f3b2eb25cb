import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { expect, onTestFinished, test } from 'vitest';
import { parseArchive, printArchive } from '../../src/formats/text-archive.ts';
import { ArchiveHost } from '../../src/host/archive-host.ts';
import { openReadHost } from '../../src/host/node-host.ts';
import { RecordingHost } from '../../src/host/recording-host.ts';
import { type Facts, factsSchema } from '../../src/probes/facts.ts';
import { factsOf } from '../support/hosts.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** What goes on changing while it is read: counters, free memory, neighbours that age, connections. */
const VOLATILE = new Set([
  'free',
  'available',
  'neighbours',
  'carrierDownCount',
  'holders',
  'connections',
  'carried',
]);

function steady(facts: Facts): unknown {
  const masked: unknown = JSON.parse(
    JSON.stringify(facts, (key, value: unknown) => (VOLATILE.has(key) ? 'masked' : value)),
  );
  const lines = facts.interrupts.lines.value?.map(({ irq, description }) => ({ irq, description }));
  return { ...(masked as Facts), interrupts: lines };
}

test('the facts of the running machine match their schema', () => {
  const facts = factsOf(openReadHost('/'));
  expect(factsSchema.parse(facts)).toEqual(facts);
});

test('a recording of the running machine gives the facts of the running machine', () => {
  const host = openReadHost('/');
  const recording = new RecordingHost(host);
  factsOf(recording);
  const text = printArchive(recording.recorded());
  expect(printArchive(parseArchive(text))).toBe(text);
  expect(steady(factsOf(new ArchiveHost('(recorded)', text)))).toEqual(steady(factsOf(host)));
});

/** The system calls of a Node process that probes the running machine, and of all its threads. */
function traced(calls: string, failed: (reason: string) => never): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), 'bypass-setup-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  // The addon is looked for beside the folder of the bundle.
  symlinkSync(join(ROOT, 'build'), join(folder, 'build'));
  const script = join(folder, 'dist', 'probe.mjs');
  buildSync({
    stdin: {
      contents: `
        import { openReadHost } from './src/host/node-host.ts';
        import { observe } from './src/probes/index.ts';
        process.stdout.write('start');
        observe(openReadHost('/'), () => 0);
        process.stdout.write('end');`,
      resolveDir: ROOT,
      loader: 'ts',
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: script,
    logLevel: 'error',
  });
  const log = join(folder, 'strace');
  const run = spawnSync('strace', [
    '-f',
    '-qq',
    '-y',
    '-e',
    `trace=${calls}`,
    '-o',
    log,
    process.execPath,
    script,
  ]);
  if (run.error !== undefined) failed(`strace does not start: ${run.error.message}`);
  if (run.stdout.toString() !== 'startend') failed(`strace cannot trace here: ${run.stderr}`);
  return readFileSync(log, 'utf8').split('\n');
}

test('probing the running machine starts no process and writes nothing', (ctx) => {
  const lines = traced('execve,execveat,fork,vfork,clone,clone3,openat,write', (reason) => ctx.skip(reason));
  const start = lines.findIndex((line) => line.includes('"start"'));
  const end = lines.findIndex((line) => line.includes('"end"'));
  const probing = lines.slice(start + 1, end);
  expect(probing.filter((line) => line.includes('openat(')).length).toBeGreaterThan(100);
  expect(probing.filter((line) => /execve(at)?\(|vfork\(|\bfork\(/.test(line))).toEqual([]);
  // A thread shares its memory with the process; a child would not.
  expect(probing.filter((line) => /clone3?\(/.test(line) && !line.includes('CLONE_VM'))).toEqual([]);
  expect(probing.filter((line) => /openat\(.*O_(WRONLY|RDWR|CREAT)/.test(line))).toEqual([]);
  // The one program of the whole run is Node itself.
  expect(lines.filter((line) => /execve(at)?\(.* = 0$/.test(line))).toHaveLength(1);
  const opened = probing.flatMap((line) => /openat\([^"]*"([^"]*)"/.exec(line)?.[1] ?? []);
  // Node's own loader looks at package.json on its way to the addon.
  const ours = opened.filter((path) => !/\/(package\.json|kernel_query\.node)$/.test(path));
  const places = /^\/(proc|sys|dev|etc|boot|run|usr|lib|var|efi|ostree)(\/|$)/;
  expect(ours.filter((path) => !places.test(path))).toEqual([]);
});
