import type { ReadHost } from '../host/host.ts';
import type { Facts, ProbeName } from './facts.ts';

/**
 * How closely to look. `quick` leaves out what costs the kernel or this program milliseconds and no check judges: then
 * the facts say that nobody looked, and a guard that is asked refuses.
 */
export interface Look {
  readonly quick?: true;
  /** With `quick`: what a plan is made of is looked at all the same. */
  readonly planned?: true;
}

/** A probe reads one subject. It cannot write or start anything: ReadHost has no way to. */
export interface Probe<N extends ProbeName = ProbeName> {
  readonly name: N;
  read(host: ReadHost, look?: Look): Facts[N];
}

export function defineProbe<N extends ProbeName>(
  name: N,
  read: (host: ReadHost, look: Look) => Facts[N],
): Probe<N> {
  return { name, read: (host, look = {}) => read(host, look) };
}
