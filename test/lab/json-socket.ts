/** QEMU's monitor (QMP) and the guest's agent speak alike: one JSON object a line over a socket. */
import { connect, type Socket } from 'node:net';

type Message = { readonly [key: string]: unknown };

/** The other side is silent, which may have any reason. */
export class NoAnswer extends Error {}

export class JsonSocket {
  private readonly waiting = new Map<number, (answer: Message) => void>();
  private readonly listeners = new Set<(event: Message) => void>();
  private next = 1;
  private rest = '';

  private readonly socket: Socket;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('utf8').on('data', (text: string) => this.take(text));
    // A guest or a QEMU that ends closes its side; what was asked then stays unanswered until its time is up.
    socket.on('error', () => {});
  }

  static open(path: string): Promise<JsonSocket> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once('error', reject);
      socket.once('connect', () => resolve(new JsonSocket(socket)));
    });
  }

  /** Sends a command and waits for its answer; throws what the other side says against it, or NoAnswer after `timeout` ms. */
  ask(execute: string, given: object = {}, timeout = 60_000): Promise<unknown> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiting.delete(id);
        reject(new NoAnswer(`no answer to ${execute} within ${timeout / 1000} s`));
      }, timeout);
      this.waiting.set(id, (answer) => {
        clearTimeout(timer);
        if (answer.error === undefined) resolve(answer.return);
        else reject(new Error(`${execute}: ${(answer.error as { desc?: string }).desc}`));
      });
      this.socket.write(`${JSON.stringify({ execute, arguments: given, id })}\n`);
    });
  }

  /** Resolves at the next event of this name (QMP only). */
  event(name: string, timeout: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const listener = (event: Message) => {
        if (event.event === name) settle(resolve);
      };
      const settle = (how: () => void) => {
        clearTimeout(timer);
        this.listeners.delete(listener);
        how();
      };
      const timer = setTimeout(
        () => settle(() => reject(new Error(`no ${name} within ${timeout / 1000} s`))),
        timeout,
      );
      this.listeners.add(listener);
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private take(text: string): void {
    const lines = (this.rest + text).split('\n');
    this.rest = lines.pop() ?? '';
    for (const line of lines) {
      let message: Message;
      try {
        message = JSON.parse(line);
      } catch {
        // The agent's half line from before a reboot.
        continue;
      }
      if (typeof message.id === 'number') {
        this.waiting.get(message.id)?.(message);
        this.waiting.delete(message.id);
      } else if (message.event !== undefined) {
        for (const listener of [...this.listeners]) listener(message);
      }
    }
  }
}
