import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface CliResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built command as a user would, in a pipe of 80 columns without colour. */
export function cli(args: readonly string[], env: NodeJS.ProcessEnv = {}): CliResult {
  const result = spawnSync(process.execPath, [`${ROOT}bin/bypass-setup`, ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', ...env },
    maxBuffer: 64 << 20,
    // A command that hangs would stop the tests' own clock too.
    timeout: 120_000,
    killSignal: 'SIGKILL',
  });
  return { exitCode: result.status, stdout: result.stdout, stderr: result.stderr };
}
