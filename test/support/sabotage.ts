import { readFileSync } from 'node:fs';
import { verdictOf } from '../../src/checks/index.ts';
import { findingsOf, lookFor } from '../../src/cli/findings.ts';
import { sightOf } from '../../src/cli/sight.ts';
import { loadProfile } from '../../src/profile/load.ts';
import type { Finding, Verdict } from '../../src/report/report.ts';
import { type Edit, editedHost, readCases } from './check-cases.ts';
import { READY_PROFILE } from './ready-server.ts';

/** One way in which a host that was ready is spoiled, and what `check` must then say. */
export interface Sabotage {
  /** What happened in the world, in one line. */
  readonly why: string;
  /** Else the ready host. */
  readonly host?: string;
  /** What replaces what in the text of its profile; false: without a profile. */
  readonly profile?: readonly [what: string, by: string] | false;
  readonly edits: Readonly<Record<string, Edit>>;
  /** Every finding that becomes bad by this; the first is the one that names it. Sentences are regular expressions. */
  readonly expect: readonly (Pick<Finding, 'check' | 'result' | 'sentence'> &
    Partial<Pick<Finding, 'subject'>>)[];
}

const CASES = new URL('../sabotage/', import.meta.url);

export const READY = 'ready-server';

export const sabotages = () => readCases<Sabotage>(CASES);

/** What `check -f` says of the host with the edits made. */
export async function checked(
  host: string,
  profile: Sabotage['profile'],
  edits: Sabotage['edits'],
): Promise<{ findings: Finding[]; verdict: Verdict }> {
  const tree = editedHost(host, edits);
  const asked = profile === false ? {} : { profile: await wanted(profile) };
  const sight = sightOf(tree, lookFor(asked));
  const { facts } = await sight.observe();
  const { findings } = await findingsOf(sight, facts, asked);
  return { findings, verdict: verdictOf(findings) };
}

async function wanted(change: readonly [string, string] | undefined) {
  return { file: 'host.yaml', profile: await loadProfile('host.yaml', profileText(change)) };
}

function profileText(change: readonly [string, string] | undefined): string {
  const text = readFileSync(READY_PROFILE, 'utf8');
  const changed = change === undefined ? text : text.replace(...change);
  if (change !== undefined && changed === text) throw new Error(`the profile does not hold ${change[0]}`);
  return changed;
}
