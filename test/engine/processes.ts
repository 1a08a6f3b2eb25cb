import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { scratch } from '../host/scratch.ts';

let bundled: string | undefined;

/** driver.ts as a program: Node 20 runs no TypeScript. */
function driver(): string {
  if (bundled !== undefined) return bundled;
  bundled = join(scratch(), 'driver.mjs');
  buildSync({
    entryPoints: [fileURLToPath(new URL('driver.ts', import.meta.url))],
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['execa', 'yaml'],
    outfile: bundled,
  });
  return bundled;
}

export interface Running {
  readonly child: ChildProcess;
  /** What it printed, once it has ended. */
  readonly ended: Promise<{ readonly result: Record<string, unknown>; readonly stderr: string }>;
}

export function start(root: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const child = spawn(process.execPath, [driver(), ...args], {
    env: { ...process.env, ROOT: root, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = once(child, 'close').then(() => {
    const last = stdout.trimEnd().split('\n').at(-1) ?? '';
    return { result: last === '' ? {} : (JSON.parse(last) as Record<string, unknown>), stderr };
  });
  return { child, ended };
}

export async function eventually(what: string, holds: () => boolean, seconds = 20): Promise<void> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; ) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`in ${seconds} s not seen: ${what}`);
}

/** Starts an apply and waits until it is in the middle of a file. */
export async function startAndHold(root: string, path: string, args: readonly string[]): Promise<Running> {
  const hold = `${root}${path}`;
  const running = start(root, args, { HOLD: hold });
  await eventually('the middle of the change', () => existsSync(`${hold}.held`));
  rmSync(`${hold}.held`);
  return running;
}
