import { spawn } from 'node:child_process';
import { EXIT, ToolError } from './errors.ts';

/** Milliseconds that a program has to say its first line. */
const PATIENCE = 20_000;

/**
 * Starts a program in a session of its own (setsid(2)) that outlives this process, its terminal and its ssh connection.
 * Returns its first line of output, which proves that it runs; afterwards nothing of it is connected to this process.
 */
export async function startDetached(argv: readonly [string, ...string[]]): Promise<string> {
  const [file, ...args] = argv;
  const child = spawn(file, args, { cwd: '/', detached: true, stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<string>((resolve, reject) => {
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
        if (text.includes('\n')) resolve(text.slice(0, text.indexOf('\n')));
      });
      child.once('error', reject);
      // Not at its exit: what it said before may not have been read then.
      child.once('close', (code, signal) => reject(new Error(`ended at once (${code ?? signal})`)));
      timer = setTimeout(() => reject(new Error(`said nothing in ${PATIENCE / 1000} s`)), PATIENCE);
    });
  } catch (error) {
    child.kill('SIGKILL');
    throw new ToolError('PROGRAM_NOT_STARTED', error instanceof Error ? error.message : String(error), {
      subject: argv.join(' '),
      cause: error,
      exitCode: EXIT.unexpected,
    });
  } finally {
    clearTimeout(timer);
    child.stdout.destroy();
    child.removeAllListeners();
    child.unref();
  }
}
