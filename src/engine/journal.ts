import { EXIT, ToolError } from '../host/errors.ts';
import type { Host, ReadHost } from '../host/host.ts';
import type { Change } from '../plan/change.ts';
import { type JournalLine, journalLineSchema, type Outcome } from './journal-lines.ts';

const RUNS = '/var/lib/bypass-setup/runs';

/** Where a change of a run stands. From `begun` to `reverted` something of it may be there. */
export type Standing = 'planned' | 'begun' | 'done' | 'left' | 'reverted';

export interface Deadline {
  readonly deadline: string;
  readonly uptime: number;
  readonly bootId: string;
}

type Header = Extract<JournalLine, { line: 'run' }>;
type Without<T, K extends string> = T extends unknown ? Omit<T, K> : never;
/** A line without its time, which the journal puts to it. */
type News = Without<JournalLine, 'at'>;

export function journalPath(run: string): string {
  return `${RUNS}/${run}/journal.ndjson`;
}

/**
 * A run and its write-ahead log. What is appended is on the disk when the call returns. The state is always what the
 * lines say, whether this process has written them or another one that is gone.
 */
export class Journal {
  readonly header: Header;
  readonly standing = new Map<string, Standing>();
  /** Of the last end; undefined while somebody is at work on it, or died over it. */
  outcome: Outcome | undefined;
  /** Whether taking back has begun, so that there is no way but back. */
  undoing = false;
  why: string | undefined;
  deadline: Deadline | undefined;
  confirmed = false;
  /** When a later boot was looked at, and what of the run is not in force in it. */
  resumed: { readonly at: string; readonly wrong: readonly string[] } | undefined;
  /** Why a line could not be kept, once that happened. */
  broken: string | undefined;
  private readonly host: Host | undefined;
  private readonly now: () => Date;
  private text: string;
  private torn: boolean;

  private constructor(
    lines: readonly [Header, ...JournalLine[]],
    source: { text: string; torn: boolean; host: Host | undefined; now: () => Date },
  ) {
    [this.header] = lines;
    this.text = source.text;
    this.torn = source.torn;
    this.host = source.host;
    this.now = source.now;
    for (const line of lines) this.take(line);
  }

  /** Begins a run. */
  static create(host: Host, now: () => Date, header: Without<Header, 'at' | 'line' | 'schema'>): Journal {
    const line: Header = {
      line: 'run',
      at: now().toISOString(),
      schema: 'bypass-setup/journal@1',
      ...header,
    };
    const text = `${JSON.stringify(line)}\n`;
    host.appendFile(journalPath(line.run), text);
    return new Journal([line], { text, torn: false, host, now });
  }

  /** A run that somebody began; undefined when the crash came before its first line was whole. */
  static read(host: ReadHost, run: string, writer?: { host: Host; now: () => Date }): Journal | undefined {
    const path = journalPath(run);
    const text = host.readText(path) ?? '';
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    const lines = whole.split('\n').slice(0, -1);
    const [first, ...rest] = lines.map((line, index) => parseLine(line, `${path}:${index + 1}`));
    if (first === undefined) return undefined;
    if (first.line !== 'run') throw garbled(`${path}:1`, 'is not the first line of a run');
    return new Journal([first, ...rest], {
      text: whole,
      torn: whole !== text,
      host: writer?.host,
      now: writer?.now ?? (() => new Date(0)),
    });
  }

  /** Adds a line. When it throws, what the line announces must not be done. */
  announce(news: News): void {
    if (this.host === undefined) throw new Error('this journal was opened for reading');
    const { line: kind, ...rest } = news;
    const line = { line: kind, at: this.now().toISOString(), ...rest } as JournalLine;
    const path = journalPath(this.header.run);
    const text = `${JSON.stringify(line)}\n`;
    try {
      // What a crash or a full disk left of a line would make this one unreadable too.
      if (this.torn) this.host.replaceFile(path, this.text + text);
      else this.host.appendFile(path, text);
      this.torn = false;
    } catch (error) {
      this.torn = true;
      throw error;
    }
    this.text += text;
    this.take(line);
  }

  /**
   * Adds a line about taking back. That goes on when the disk is full: the lines before are enough to do it again, and
   * doing it again is harmless.
   */
  tell(news: News): void {
    try {
      this.announce(news);
    } catch (error) {
      this.broken ??= error instanceof Error ? error.message : String(error);
      this.take({ ...news, at: '' } as JournalLine);
    }
  }

  /** The changes that may have left something, last first. */
  toRevert(): Change[] {
    const open: readonly (Standing | undefined)[] = ['begun', 'done', 'left'];
    return this.header.plan.changes.filter(({ id }) => open.includes(this.standing.get(id))).reverse();
  }

  private take(line: JournalLine): void {
    switch (line.line) {
      case 'run':
        for (const { id } of line.plan.changes) this.standing.set(id, 'planned');
        break;
      case 'confirm-by':
        this.deadline = line;
        break;
      case 'begin':
        this.standing.set(line.change, 'begun');
        break;
      case 'done':
      case 'reverted':
      case 'left':
        this.standing.set(line.change, line.line);
        break;
      case 'undo':
        this.undoing = true;
        this.why = line.why;
        this.outcome = undefined;
        break;
      case 'end':
        this.outcome = line.outcome;
        break;
      case 'confirmed':
        this.confirmed = true;
        break;
      case 'resumed':
        this.resumed = line;
        break;
      case 'write':
      case 'failed':
      case 'revert':
        break;
    }
  }
}

/** Every run, the first one first. */
export function readRuns(host: ReadHost, writer?: { host: Host; now: () => Date }): Journal[] {
  return (host.list(RUNS) ?? []).flatMap((run) => Journal.read(host, run, writer) ?? []);
}

/** A name that sorts after every other one, even when the clock was set back. */
export function nextRun(host: ReadHost, now: Date): string {
  const last = host.list(RUNS)?.findLast((name) => parseRun(name) !== undefined);
  const after = (last === undefined ? undefined : parseRun(last)) ?? 0;
  const second = Math.max(Math.floor(now.getTime() / 1000), after + 1);
  return new Date(second * 1000)
    .toISOString()
    .replace(/[-:]|\.000Z/g, '')
    .replace('T', '-');
}

/** The second that a run is named after: `20261122-163908`. */
function parseRun(name: string): number | undefined {
  const match = /^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)$/.exec(name);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second] = match.map(Number);
  return Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second) / 1000;
}

function parseLine(text: string, place: string): JournalLine {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw garbled(place, 'is not JSON');
  }
  const result = journalLineSchema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0] ?? { path: [], message: 'is unknown' };
  throw garbled(place, `${path.join('.') || 'line'}: ${message}`);
}

function garbled(place: string, message: string): ToolError {
  return new ToolError('JOURNAL_GARBLED', message, {
    subject: place,
    exitCode: EXIT.unexpected,
    hint: 'it was written by a later version, or damaged; undo that run by hand and move its folder away',
  });
}
