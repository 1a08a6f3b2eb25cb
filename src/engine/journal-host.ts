import { shellWords } from '../formats/shell-words.ts';
import type { Host, Lock, RunOptions, RunResult } from '../host/host.ts';
import { PassingHost } from '../host/passing-host.ts';

/** The host as an action gets it: each write is announced, as an administrator would type it, before it is made. */
export class JournalHost extends PassingHost<Host> implements Host {
  private readonly announce: (command: string) => void;

  constructor(host: Host, announce: (command: string) => void) {
    super(host);
    this.announce = announce;
  }

  writeAttribute(path: string, value: string): void {
    this.announce(
      `${shellWords(value === '' ? ['echo'] : ['echo', value.replace(/\n$/, '')])} > ${shellWords([path])}`,
    );
    this.host.writeAttribute(path, value);
  }

  replaceFile(path: string, text: string, mode?: number): void {
    const known = mode ?? this.host.stat(path)?.mode ?? 0o644;
    const octets = Buffer.byteLength(text);
    // The text itself is in the plan, at the head of the journal.
    this.announce(`install -m ${known.toString(8)} /dev/stdin ${shellWords([path])}  # ${octets} octets`);
    this.host.replaceFile(path, text, mode);
  }

  appendFile(path: string, text: string): void {
    this.announce(`cat >> ${shellWords([path])}  # ${Buffer.byteLength(text)} octets`);
    this.host.appendFile(path, text);
  }

  remove(path: string): void {
    const folder = this.host.stat(path)?.type === 'directory';
    this.announce(shellWords(folder ? ['rmdir', path] : ['rm', '-f', path]));
    this.host.remove(path);
  }

  async run(argv: readonly [string, ...string[]], options: RunOptions): Promise<RunResult> {
    const input =
      options.input === undefined ? '' : `${shellWords(['echo', options.input.replace(/\n$/, '')])} | `;
    this.announce(input + shellWords(argv));
    return this.host.run(argv, options);
  }

  lock(path: string, holder: string): Promise<Lock | undefined> {
    return this.host.lock(path, holder);
  }
}
