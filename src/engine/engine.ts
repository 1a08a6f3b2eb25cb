import type { Action } from '../actions/define.ts';
import type { Host } from '../host/host.ts';

/** Who asked for it, as far as the environment tells. */
interface Who {
  readonly uid: number;
  readonly sudoUser?: string;
  readonly ssh?: string;
}

/** What the engine may use of the process around it. */
export interface Engine {
  readonly host: Host;
  readonly actions: readonly Action[];
  /** Version of this program. */
  readonly tool: string;
  readonly pid: number;
  /** The command line, for people. */
  readonly command: string;
  readonly who: Who;
  /** Starts this program anew. */
  readonly self: readonly [string, ...string[]];
  readonly clock: Clock;
  /** What stops an apply in good order: a signal's name, once there was one. */
  interrupted(): string | undefined;
  /** Tells of progress. */
  say(sentence: string): void;
}

interface Clock {
  /** For people, and for the names of runs. */
  now(): Date;
  /** Seconds since boot (CLOCK_BOOTTIME), which no clock step moves. */
  uptime(): number;
  /** Of the running machine, whatever --root says. */
  readonly bootId: string;
}

/** The boot of the host that is changed: a recorded one has its own, or none. */
export function hostBootId(host: Pick<Host, 'readText'>): string | undefined {
  return host.readText('/proc/sys/kernel/random/boot_id')?.trim();
}

/** Lets signals and timers have their turn: most actions never wait for anything. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
