import type { Answer, FileStatus, KernelAnswers, Question, ReadHost } from './host.ts';

/** Passes every question on to another host; who wraps one says only what is different. */
export class PassingHost<H extends ReadHost = ReadHost> implements ReadHost {
  readonly root: string;
  readonly live: boolean;
  protected readonly host: H;

  constructor(host: H) {
    this.host = host;
    this.root = host.root;
    this.live = host.live;
  }

  readText(path: string): string | undefined {
    return this.host.readText(path);
  }

  readBytes(path: string, limit: number): Uint8Array | undefined {
    return this.host.readBytes(path, limit);
  }

  readLink(path: string): string | undefined {
    return this.host.readLink(path);
  }

  list(path: string): readonly string[] | undefined {
    return this.host.list(path);
  }

  stat(path: string): FileStatus | undefined {
    return this.host.stat(path);
  }

  realPath(path: string): string | undefined {
    return this.host.realPath(path);
  }

  ask<Q extends Question>(question: Q): Answer<KernelAnswers[Q]> {
    return this.host.ask(question);
  }
}
