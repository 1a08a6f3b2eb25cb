import { type Action, defineAction, type Step } from '../../src/actions/define.ts';
import type { ApplyRequest } from '../../src/engine/apply.ts';
import type { Engine } from '../../src/engine/engine.ts';
import type { Host, ReadHost } from '../../src/host/host.ts';
import type { Change } from '../../src/plan/change.ts';
import type { ResolvedProfile } from '../../src/profile/resolved.ts';

const PROFILE: ResolvedProfile = { nics: [], hugepages: [], persistent: true };
export const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/** What a file shall hold; null: it shall not be there. */
export type Wanted = Readonly<Record<string, string | null>>;

interface FileOptions {
  readonly name?: string;
  readonly scope?: Change['scope'];
  readonly effect?: Change['effect'];
  /** Comes between the two writes of an apply. */
  readonly inTheMiddle?: (path: string) => void | Promise<void>;
}

/**
 * An action on plain files that takes two writes, so that there is a middle to crash in: the file is first `changing`.
 * It plans from the host given here, because the files of a test are no facts.
 */
export function files(host: ReadHost, wanted: Wanted, options: FileOptions = {}): Action {
  const { name = 'file', scope = 'persistent', effect = 'none' } = options;
  const put = (on: Host, path: string, text: string | null) =>
    text === null ? on.remove(path) : on.replaceFile(path, text);
  const holds = (path: string, text: unknown, on: ReadHost) => {
    const found = on.readText(path) ?? null;
    return found === text ? undefined : `holds ${JSON.stringify(found)}, not ${JSON.stringify(text)}`;
  };
  return defineAction({
    name,
    plan: () =>
      Object.entries(wanted).flatMap(([target, after]): Step[] => {
        const before = host.readText(target) ?? null;
        if (before === after) return [];
        const summary = after === null ? 'remove the file' : `write ${after}`;
        return [{ target, before, after, scope, effect, summary, commands: [`edit ${target}`] }];
      }),
    async apply({ target, after }, on) {
      on.replaceFile(target, 'changing');
      await options.inTheMiddle?.(target);
      put(on, target, after as string | null);
    },
    verify: ({ target, after }, on) => holds(target, after, on),
    async revert({ target, before }, on) {
      if (holds(target, before, on) !== undefined) put(on, target, before as string | null);
    },
    holdsBefore: ({ target, before }, on) => holds(target, before, on),
  });
}

export interface TestClock {
  now: Date;
  uptime: number;
  bootId: string;
}

export interface TestEngine extends Engine {
  readonly said: string[];
  readonly time: TestClock;
  signal: string | undefined;
}

export function engineOn(host: Host, actions: readonly Action[], given: Partial<TestClock> = {}): TestEngine {
  const time = { now: new Date('2026-11-22T16:39:08Z'), uptime: 1000, bootId: 'boot-1', ...given };
  const said: string[] = [];
  const engine: TestEngine = {
    host,
    actions,
    tool: 'test',
    pid: 4242,
    command: 'bypass-setup apply -f test.yaml',
    who: { uid: 0 },
    self: ['/bin/false'],
    clock: { now: () => time.now, uptime: () => time.uptime, bootId: time.bootId },
    interrupted: () => engine.signal,
    say: (sentence) => said.push(sentence),
    said,
    time,
    signal: undefined,
  };
  return engine;
}

export const REQUEST: ApplyRequest = {
  resolve: () => PROFILE,
  allowActive: [],
  check: async () => undefined,
  approve: () => ({ yes: true, asked: false }),
};
