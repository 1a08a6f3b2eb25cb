import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { few } from '../formats/few.ts';
import { EXIT, type ExitCode, ToolError } from '../host/errors.ts';
import { SilentHost } from '../host/watched-host.ts';
import { packageRoot } from '../native/installation.ts';
import type { Look } from '../probes/define.ts';
import type { ProbeName, ServiceAccount } from '../probes/facts.ts';
import type { Identity } from '../probes/identity.ts';
import { collect, type Observation, observations, PROBES, type Seen } from '../probes/index.ts';
import { readServiceAccount } from '../probes/service-account.ts';
import type { Finding } from '../report/report.ts';
import type { AccountQuestion, Sight } from './sight.ts';
import { milliseconds } from './stdio.ts';

/** What a child shall read. */
export interface Task {
  readonly root: string;
  readonly look: Look;
  /** What hung before. */
  readonly refused: readonly string[];
  readonly probes: readonly ProbeName[];
  readonly account?: AccountQuestion;
  /** Milliseconds for the machine to introduce itself; not asked when it is left out. */
  readonly patience?: number;
}

/** What it says, a line each. */
export type Message =
  | { readonly at: string }
  | { readonly seen: Seen }
  | { readonly account: ServiceAccount }
  | { readonly identity: Identity }
  | { readonly done: true }
  | {
      readonly error: {
        readonly code: string;
        readonly message: string;
        readonly subject?: string;
        readonly hint?: string;
        readonly exitCode: ExitCode;
      };
    };

const OBSERVER = `${packageRoot()}/dist/observer.js`;
/** As many hanging reads fit into the time as this, less what the others need. */
const SHARES = 8;
const WHY = 'what was not looked at may be what makes the host fail';

/**
 * Reads a host within a time. A child reads and says what it is at; when it has been silent for an eighth of the time it is
 * killed, and another one goes on without the path at which it hung. A child that the kernel does not let go is left behind.
 * What there was no time for are facts that were late, so that every check has its word.
 */
export class TimedSight implements Sight {
  private readonly root: string;
  private readonly look: Look;
  private readonly limit: number;
  private readonly end: number;
  private readonly hung: string[] = [];
  private readonly unread: string[] = [];

  /** `limit` in milliseconds, from now on. */
  constructor(root: string, look: Look, limit: number) {
    this.root = root;
    this.look = look;
    this.limit = limit;
    this.end = milliseconds() + limit;
  }

  async observe(): Promise<Observation> {
    const seen = new Map<ProbeName, Seen>();
    const missing = () => PROBES.map(({ name }) => name).filter((name) => !seen.has(name));
    await this.read(
      () => ({ probes: missing() }),
      (message) => {
        if ('seen' in message) seen.set(message.seen.name, message.seen);
      },
    );
    const late = missing();
    this.unread.push(...late.map((name) => `probe ${name}`));
    const silent = observations(new SilentHost(this.root), milliseconds, this.look, late);
    const all = new Map([...silent, ...seen.values()].map((one) => [one.name, one]));
    return collect(PROBES.flatMap(({ name }) => all.get(name) ?? []));
  }

  async account(account: AccountQuestion): Promise<ServiceAccount> {
    let found: ServiceAccount | undefined;
    await this.read(
      () => ({ probes: [], account }),
      (message) => {
        if ('account' in message) found = message.account;
      },
    );
    if (found !== undefined) return found;
    this.unread.push(`account ${account.user}`);
    return readServiceAccount(new SilentHost(this.root), account.facts, account.user, account.unit);
  }

  async identity(patience: number): Promise<Identity | undefined> {
    let found: Identity | undefined;
    await this.read(
      () => ({ probes: [], patience }),
      (message) => {
        if ('identity' in message) found = message.identity;
      },
      true,
    );
    return found;
  }

  left(): number {
    return Math.max(0, this.end - milliseconds());
  }

  /** What was not read, a finding each. */
  findings(): Finding[] {
    const heading = { check: 'deadline', result: 'unknown', why: WHY } as const;
    const share = formatTime(this.limit / SHARES);
    return [
      ...this.hung.map((what) => ({
        ...heading,
        subject: what,
        sentence: `did not answer within ${share}`,
        evidence: [{ path: what, value: '(no answer)' }],
        remedy:
          'look for a driver that hangs ("blocked for more than" in the kernel log), or for a dead file server',
      })),
      ...(this.unread.length === 0
        ? []
        : [
            {
              ...heading,
              subject: 'host',
              sentence: `not all of it was read in ${formatTime(this.limit)}: ${few(this.unread)}`,
              evidence: this.unread.map((what) => ({ path: what, value: '(no time)' })),
              remedy: 'allow more time',
            },
          ]),
    ];
  }

  /** Starts children until one is through or the time is over. `once`: a decoration, which is not tried again. */
  private async read(
    rest: () => Pick<Task, 'probes' | 'account' | 'patience'>,
    take: (message: Message) => void,
    once = false,
  ): Promise<void> {
    for (;;) {
      const at = await this.runChild(
        { root: this.root, look: this.look, refused: this.hung, ...rest() },
        take,
        once,
      );
      if (at === undefined || once) return;
      this.hung.push(at);
    }
  }

  /** Undefined when it is through or the time is over; else where it hung or died. */
  private runChild(
    task: Task,
    take: (message: Message) => void,
    patient: boolean,
  ): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      // Nothing is inherited: who waits for the end of our standard error would wait for a child that hangs.
      const child = spawn(process.execPath, [OBSERVER], {
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      let at: string | undefined;
      let heard = milliseconds();
      const settle = (outcome: () => void) => {
        clearInterval(timer);
        leave(child);
        outcome();
      };
      const share = this.limit / SHARES;
      const timer = setInterval(
        () =>
          // What came while this process had to wait for a CPU is read first.
          setImmediate(() => {
            if (this.left() === 0) settle(() => resolve(undefined));
            else if (!patient && at !== undefined && milliseconds() - heard > share)
              settle(() => resolve(at));
          }),
        Math.max(1, share / 10),
      );
      createInterface({ input: child.stdout }).on('line', (line) => {
        heard = milliseconds();
        const message = JSON.parse(line) as Message;
        if ('at' in message) at = message.at;
        else if ('done' in message) settle(() => resolve(undefined));
        else if ('error' in message) {
          const { code, message: text, ...details } = message.error;
          settle(() => reject(new ToolError(code, text, details)));
        } else take(message);
      });
      child.on('error', (cause) => settle(() => reject(notStarted(cause))));
      child.on('close', () =>
        settle(() => {
          // Died before it was through: another one goes on without what it was at.
          if (at !== undefined || patient) resolve(at);
          else reject(notStarted());
        }),
      );
      child.stdin.on('error', () => undefined);
      child.stdin.end(JSON.stringify(task));
    });
  }
}

function notStarted(cause?: Error): ToolError {
  return new ToolError(
    'OBSERVER',
    `the process that reads the host does not start${cause ? `: ${cause.message}` : ''}`,
    {
      subject: OBSERVER,
      exitCode: EXIT.unexpected,
      hint: 'build it with `npm run build`, or leave out --deadline',
    },
  );
}

/** Ends a child without waiting for it: one that hangs in the kernel ends when the kernel lets it. */
function leave(child: ChildProcessByStdio<Writable, Readable, null>): void {
  child.removeAllListeners();
  child.kill('SIGKILL');
  child.stdin.destroy();
  child.stdout.destroy();
  child.unref();
}

function formatTime(milliseconds: number): string {
  return milliseconds < 1000
    ? `${Math.round(milliseconds)} ms`
    : `${Number((milliseconds / 1000).toPrecision(3))} s`;
}
