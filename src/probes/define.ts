import type { ReadHost } from '../host/host.ts';
import type { Facts, ProbeName } from './facts.ts';

/** A probe reads one subject. It cannot write or start anything: ReadHost has no way to. */
export interface Probe<N extends ProbeName = ProbeName> {
  readonly name: N;
  read(host: ReadHost): Facts[N];
}

export function defineProbe<N extends ProbeName>(name: N, read: (host: ReadHost) => Facts[N]): Probe<N> {
  return { name, read };
}
