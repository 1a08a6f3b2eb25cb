import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import type { Installation } from '../../src/native/installation.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const builtAddon = here('../../build/Release/validator.node');

/** The addon's functions that only tests call. */
export interface TestAddon {
  layout(): {
    magic: bigint;
    version: number;
    words: string[];
    verdicts: string[];
    verdictSlots: number;
    buckets: number;
    bytes: number;
  };
  bucketOf(cycles: number): number;
  handleFrame(
    frame: Buffer,
    mac: Buffer,
    address: Buffer | null,
  ): { verdict: string; length: number; fast: boolean };
}

export const noAddon = existsSync(builtAddon)
  ? undefined
  : 'the addon is not built (no DPDK headers at build time); npm run build:native';

export const loadAddon = (): TestAddon => createRequire(import.meta.url)(builtAddon) as TestAddon;

export const isRoot = process.getuid?.() === 0;

export interface Lab extends Installation {
  /** Program that calls validate() and prints what came of it: driver.ts. */
  driver: string;
  folder: string;
  /** TMPDIR of the tests, so that what appears there is theirs. */
  temporary: string;
}

/** The child, the addon and a driver in a folder that every user can read. */
export function openLab(): Lab & { close: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'validator-test-'));
  chmodSync(folder, 0o755);
  const [workerPath, driver, addonPath] = ['worker.mjs', 'driver.mjs', 'validator.node'].map((name) =>
    join(folder, name),
  );
  if (workerPath === undefined || driver === undefined || addonPath === undefined)
    throw new Error('unreachable');
  for (const [from, to] of [
    ['../../src/native/worker.ts', workerPath],
    ['./driver.ts', driver],
  ] as const) {
    buildSync({
      entryPoints: [here(from)],
      outfile: to,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
    });
  }
  copyFileSync(builtAddon, addonPath);
  const temporary = join(folder, 'tmp');
  mkdirSync(temporary);
  chmodSync(temporary, 0o1777);
  const before = process.env.TMPDIR;
  process.env.TMPDIR = temporary;
  return {
    workerPath,
    addonPath,
    driver,
    folder,
    temporary,
    close: () => {
      if (before === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = before;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Whether this command can be run at all; for skipping with a reason. */
export function works(command: string, ...rest: string[]): boolean {
  return spawnSync(command, rest, { stdio: 'ignore' }).status === 0;
}

export function children(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
        .trim()
        .split(/\s+/)
        .filter(Boolean)
        .map(Number),
    );
  } catch {
    return [];
  }
}

export const isAlive = (pid: number): boolean => {
  try {
    // A zombie has no command line.
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '';
  } catch {
    return false;
  }
};

/** Network namespaces of a process; the judge's thread has one of its own. */
export function namespacesOf(pid: number | string): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((task) => readlinkSync(`/proc/${pid}/task/${task}/ns/net`));
  } catch {
    return []; // It ended meanwhile, or it is another user's.
  }
}

export const allNamespaces = (): Set<string> =>
  new Set(
    readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .flatMap(namespacesOf),
  );

const list = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);

/** `bypass-setup-PID-…` of this process, or of one that is gone: other test sessions may run beside this one. */
const sharedPageOfOurs = (name: string): boolean => {
  const pid = Number(/^bypass-setup-(\d+)-/.exec(name)?.[1]);
  return pid === process.pid || (pid > 0 && !existsSync(`/proc/${pid}`));
};

/** The arguments of a process; nothing when it has ended meanwhile. */
export const commandOf = (pid: string | number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
};

/** What a run of this lab could leave behind: files, directories, interfaces, processes. */
export function traces(lab: Lab): string[] {
  return [
    ...list('/dev/shm').filter(sharedPageOfOurs),
    ...list(lab.temporary).filter((name) => name.startsWith('bypass-setup')),
    ...list('/run/dpdk').filter((name) => name.startsWith('bypass-setup')),
    ...list('/sys/class/net').filter((name) => /^bypass[01]$/.test(name)),
    ...list('/proc').filter((name) => /^\d+$/.test(name) && commandOf(name).includes(lab.workerPath)),
  ];
}

/** What is there now and was not before; waits a little, because the kernel tidies up in the background. */
export async function leftBehind(lab: Lab, before: readonly string[]): Promise<string[]> {
  const added = (): string[] => traces(lab).filter((trace) => !before.includes(trace));
  await eventually(() => added().length === 0);
  return added();
}

/** Waits until the condition holds; false after the time-out. */
export async function eventually(condition: () => boolean, timeoutMs = 10_000): Promise<boolean> {
  for (const end = Date.now() + timeoutMs; Date.now() < end; ) {
    if (condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return condition();
}
