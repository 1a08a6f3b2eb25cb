import type { Answer, KernelAnswers, Question, ReadHost } from '../host/host.ts';

const VF_FIELDS = [
  ['index', 'count'],
  ['mac', 'text'],
  ['vlan', 'count'],
  ['trust', 'flag?'],
  ['spoofCheck', 'flag?'],
] as const;

const IS = {
  flag: (value: unknown) => typeof value === 'boolean',
  vfs: (value: unknown) => Array.isArray(value) && value.every((vf) => known(vf, VF_FIELDS) !== undefined),
  family: (value: unknown) => value === 'inet' || value === 'inet6',
  text: (value: unknown) => typeof value === 'string',
  texts: (value: unknown) => Array.isArray(value) && value.every(IS.text),
  count: (value: unknown) => Number.isSafeInteger(value) && Number(value) >= 0,
  yes: (value: unknown) => value === true,
  counts: (value: unknown) => Array.isArray(value) && value.every(IS.count),
};

/** The fields of one entry of an answer; a question mark after those that may be missing. */
const FIELDS: Readonly<Record<Exclude<Question, 'kernelLog'>, Readonly<Record<string, string>>>> = {
  routes: {
    family: 'family',
    destination: 'text',
    gateway: 'text?',
    interfaces: 'counts',
    table: 'count',
    type: 'text',
    priority: 'count?',
    source: 'text?',
  },
  rules: {
    family: 'family',
    priority: 'count',
    table: 'count',
    from: 'text?',
    to: 'text?',
    inputInterface: 'text?',
    outputInterface: 'text?',
    mark: 'count?',
    vrf: 'yes?',
    conditional: 'yes?',
  },
  neighbours: { family: 'family', address: 'text', interface: 'count', linkAddress: 'text?', state: 'text' },
  addresses: { family: 'family', address: 'text', interface: 'count', broadcast: 'text?' },
  links: {
    index: 'count',
    name: 'text',
    kind: 'text?',
    permanentAddress: 'text?',
    virtualFunctions: 'vfs?',
    lower: 'count?',
    master: 'count?',
    xdpProgram: 'count?',
    altNames: 'texts?',
    vrfTable: 'count?',
    tunnelLocal: 'text?',
    tunnelRemote: 'text?',
  },
  drivers: { driver: 'text', version: 'text', firmware: 'text', busInfo: 'text' },
};

/**
 * Asks the kernel. What a recorded host answers may have been written by hand, or by another version of this program:
 * fields that are unknown here are left out, and what lacks one or has it in another form is no answer.
 */
export function ask<Q extends Question>(host: ReadHost, question: Q): Answer<KernelAnswers[Q]> {
  const answer = host.ask(question);
  if (host.live || 'unanswered' in answer || question === 'kernelLog') return answer;
  const fields = Object.entries(FIELDS[question as keyof typeof FIELDS]);
  const recorded = Object.entries(answer.answer);
  const entries = recorded.map(([key, entry]) => [key, known(entry, fields)] as const);
  if (entries.some(([, entry]) => entry === undefined))
    return { unanswered: `the recorded answer about ${question} is garbled` };
  const list = entries.map(([, entry]) => entry);
  const checked: unknown = Array.isArray(answer.answer) ? list : Object.fromEntries(entries);
  return { answer: checked as KernelAnswers[Q] };
}

/** The known fields of an entry, or nothing when one is not as it must be. */
function known(entry: unknown, fields: readonly (readonly [string, string])[]): object | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined;
  const values = new Map(Object.entries(entry));
  const found: Record<string, unknown> = {};
  for (const [name, type] of fields) {
    const value = values.get(name);
    if (value === undefined && type.endsWith('?')) continue;
    if (!IS[type.replace('?', '') as keyof typeof IS](value)) return undefined;
    found[name] = value;
  }
  return found;
}
