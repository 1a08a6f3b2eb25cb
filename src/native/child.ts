import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { ToolError } from '../host/errors.ts';
import { type Header, STATE } from './figures.ts';
import { type WorkerMessage, workerMessage } from './messages.ts';
import { RESULT_FD, type WorkerConfig } from './protocol.ts';
import type { SharedPage } from './shared-page.ts';

/** EAL and the port are up within half a second on an idle machine. */
const START_MS = 20_000;
/** A NIC's driver may load firmware first, EAL loads every driver there is, and then the link is waited for. */
const PORT_START_MS = 60_000;
/** What the judge may need beyond the loop, and a machine with one CPU beyond that. */
const GRACE_MS = 10_000;
/** The loop publishes every few microseconds; a silence this long means that it hangs in a system call. */
const SILENCE_MS = 8_000;
const STOP_MS = 2_000;
const TICK_MS = 100;
/** Some drivers log a line per packet: only the end is kept. */
const KEPT_LOG = 16_384;
const KEPT_RESULT = 8 * 1024 * 1024;

export interface ChildRun {
  /** What to put in front of node, for instance `unshare -n`. */
  prefix: readonly string[];
  workerPath: string;
  config: WorkerConfig;
  page: SharedPage;
  signal: AbortSignal | undefined;
  onTick: () => void;
  /** The child is set up and waits for `page.go()`. */
  onWaiting: () => void;
}

function tail(stream: Readable | null | undefined, limit: number): () => string {
  let text = '';
  stream?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-limit);
  });
  return () => text;
}

function lastLines(log: string, count: number): string {
  return log.trim().split('\n').slice(-count).join('\n');
}

function logHint(log: string): { hint?: string } {
  const lines = lastLines(log, 5);
  return lines === '' ? {} : { hint: `its last words were:\n${lines}` };
}

function parse(result: string): WorkerMessage | undefined {
  try {
    const parsed = workerMessage.safeParse(JSON.parse(result));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

export interface ChildOutcome {
  message: WorkerMessage;
  /** End of what DPDK wrote to the child's standard output and error. */
  log: string;
}

/**
 * Runs the child to its end. Whatever happens, when this settles the child is gone.
 *
 * @throws ToolError ADDON_STALE, VALIDATOR_CRASHED, VALIDATOR_HUNG, INTERRUPTED or VALIDATOR_START
 */
export async function runChild(run: ChildRun): Promise<ChildOutcome> {
  const [command = process.execPath, ...rest] = [...run.prefix, process.execPath];
  // A session of its own: Ctrl-C must not reach it before its parent decided. It dies with its parent (PR_SET_PDEATHSIG).
  const child = spawn(command, [...rest, run.workerPath, JSON.stringify(run.config)], {
    stdio: ['ignore', 'pipe', 'pipe', run.page.fd, 'pipe'],
    detached: true,
    env: workerEnvironment(),
  });
  const stdout = tail(child.stdout, KEPT_LOG);
  const stderr = tail(child.stderr, KEPT_LOG);
  const result = tail(child.stdio[RESULT_FD] as Readable, KEPT_RESULT);
  const end = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal }));
  });

  const watch = watchChild(child, run);
  try {
    const { code, signal } = await end;
    const log = stderr() + stdout();
    const unreadable = watch.unreadable();
    if (unreadable !== undefined) throw unreadable;
    if (watch.interrupted())
      throw new ToolError('INTERRUPTED', 'the run was interrupted', { subject: 'validator' });
    if (watch.hung() !== undefined) {
      throw new ToolError('VALIDATOR_HUNG', `${watch.hung()}, so it was killed`, {
        subject: `validator (pid ${child.pid})`,
        ...logHint(log),
      });
    }
    const message = parse(result());
    if (message !== undefined && code === 0) return { message, log };
    const how = signal === null ? `exited with code ${code}` : `was ended by ${signal}`;
    throw new ToolError('VALIDATOR_CRASHED', `the validator process ${how} before its result`, {
      subject: `validator (pid ${child.pid})`,
      ...logHint(log),
    });
  } catch (error) {
    if (error instanceof ToolError) throw error;
    throw new ToolError('VALIDATOR_START', `cannot start the validator process: ${String(error)}`, {
      subject: command,
      cause: error,
    });
  } finally {
    watch.end();
  }
}

/** NODE_OPTIONS may load an inspector or a profiler into the child, whose threads would visit the polling core. */
function workerEnvironment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, ...environment } = process.env;
  return environment;
}

/** Progress, deadlines and interruption. */
function watchChild(child: ChildProcess, { page, config, signal, onTick, onWaiting }: ChildRun) {
  let hung: string | undefined;
  let unreadable: ToolError | undefined;
  let interrupted = false;
  let stopTimer: NodeJS.Timeout | undefined;
  const started = Date.now();
  const startMs = config.mode === 'port' ? PORT_START_MS : START_MS;
  let measuringSince: number | undefined;
  let waited = false;
  let heartbeat = 0;
  let alive = started;

  const giveUp = (reason: string): void => {
    hung ??= reason;
    child.kill('SIGKILL');
  };
  /** The page's words; a page that this version cannot read ends the child. */
  const readWords = (): Header['words'] | undefined => {
    try {
      return page.header().words;
    } catch (error) {
      if (!(error instanceof ToolError)) throw error;
      unreadable = error;
      child.kill('SIGKILL');
      return undefined;
    }
  };
  const tick = setInterval(() => {
    const now = Date.now();
    const words = readWords();
    if (words === undefined) return;
    if (words.heartbeat !== heartbeat || words.state !== STATE.measuring) {
      heartbeat = words.heartbeat;
      alive = now;
    }
    if (words.state === STATE.waiting && !waited) {
      waited = true;
      onWaiting();
    }
    if (words.state === STATE.measuring) {
      measuringSince ??= now;
      onTick();
    }
    if (words.state < STATE.waiting && now - started > startMs) {
      giveUp(`the validator did not start within ${startMs / 1000} s`);
    } else if (now - alive > SILENCE_MS) {
      giveUp(`the poll loop gave no sign of life for ${SILENCE_MS / 1000} s`);
    } else if (measuringSince !== undefined && now - measuringSince > config.durationMs + GRACE_MS) {
      giveUp('the validator did not end in time');
    }
  }, TICK_MS);

  const interrupt = (): void => {
    interrupted = true;
    page.stop();
    stopTimer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  };
  signal?.addEventListener('abort', interrupt, { once: true });
  if (signal?.aborted === true) interrupt();

  return {
    interrupted: () => interrupted,
    hung: () => hung,
    unreadable: () => unreadable,
    end(): void {
      clearInterval(tick);
      clearTimeout(stopTimer);
      signal?.removeEventListener('abort', interrupt);
    },
  };
}
