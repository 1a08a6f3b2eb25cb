import type { Baseline, Evidence, Finding } from '../report/report.ts';
import { covers, type HostRecord, KEY_NAMES, matches, meaningOf, type Reading } from './record.ts';

/** What has become of one key since the baseline. */
interface Change {
  readonly key: string;
  readonly kind: 'other' | 'gone' | 'new' | 'unreadable';
  readonly sentence: string;
  readonly evidence: Evidence;
}

interface Moved {
  /** The baseline as if each card had always been where it is now. */
  readonly was: ReadonlyMap<string, string | null>;
  /** Slot of now, and where the card was. */
  readonly moves: ReadonlyMap<string, string>;
  /** Slots of the baseline whose card is nowhere, while another one has taken the slot. */
  readonly replaced: readonly string[];
}

const SHOWN = 4;
const REMEDY = 'put it back; or judge the host anew, and accept it with: bypass-setup baseline save';

/**
 * What of this host is not as the baseline has it, one finding for each group of keys. What the baseline could not read is
 * not compared, and is named; what it has and this observation cannot read is `unknown`.
 */
export function judgeDrift(readings: readonly Reading[], baseline: Baseline, from: string): Finding[] {
  const record = Object.fromEntries(
    Object.entries(baseline.record).filter(([key]) => covers(KEY_NAMES, key)),
  );
  const saved = { path: from, value: `saved ${baseline.takenAt} by bypass-setup ${baseline.tool}` };
  // What only one of the two versions records is news of the tool, not of the host: adoption.ts names it.
  const now = new Map(
    readings.filter(({ key }) => covers(baseline.keys, key)).map((reading) => [reading.key, reading]),
  );
  const { was: then, moves, replaced } = followCards(record, now);
  const changes = [
    ...replaced.map((slot) => lost(slot)),
    ...[...moves].map(([slot, old]) => moved(slot, old)),
    ...changesOf(now, then),
  ];
  const groups = new Map<string, Change[]>();
  for (const change of changes) {
    const subject = subjectOf(change.key);
    groups.set(subject, [...(groups.get(subject) ?? []), change]);
  }
  const findings = [...groups].map(([subject, group]) => findingOf(subject, group));
  if (findings.some(({ result }) => result !== 'skip')) return findings;
  const unread = Object.keys(record).filter((key) => record[key] === null);
  const same = then.size - unread.length - changes.filter(({ kind }) => kind !== 'new').length;
  const doubt = unread.length === 0 ? '' : `; ${unread.length} could not be read then and are not compared`;
  const pass: Finding = {
    check: 'drift',
    subject: 'host',
    result: same === 0 ? 'unknown' : 'pass',
    sentence: `${same} values are as they were on ${baseline.takenAt}${doubt}`,
    evidence: [saved, ...unread.map((key) => ({ path: key, value: '(not read then)' }))],
    why: 'what was accepted is what was measured',
  };
  return [...findings, pass];
}

function changesOf(now: ReadonlyMap<string, Reading>, then: Moved['was']): Change[] {
  const unreadNow = [...now.values()].filter(({ key }) => key.includes('*'));
  const unreadThen = [...then.keys()].filter((key) => key.includes('*'));
  const wholly = wholeCards(now, then);
  return [...new Set([...then.keys(), ...now.keys()])].sort().flatMap((key): Change[] => {
    const reading = now.get(key);
    const was = then.get(key);
    if (was === null || unreadThen.some((family) => matches(family, key))) return [];
    if (unreadNow.some((family) => matches(family.key, key))) return [];
    const card = cardOf(key);
    const whole = card === undefined ? undefined : wholly.get(card);
    // Of a card that came or went as a whole its driver speaks for all.
    if (whole !== undefined) return key === `nic/${card}/device` ? [whole] : [];
    if (reading === undefined) return was === undefined ? [] : [gone(key, was)];
    if (reading.value === undefined) return [unreadable(reading, was)];
    if (was === undefined) return [isNew(reading)];
    return reading.value === was ? [] : [other(reading, was)];
  });
}

const shown = (value: string) => (value === '' ? '(none)' : value);
/** A sentence names it; the evidence has all. */
const brief = (value: string) => (value.length > 60 ? `${value.slice(0, 59)}…` : shown(value));

function other(reading: Reading & { readonly value: string }, was: string): Change {
  return {
    key: reading.key,
    kind: 'other',
    sentence: `${nameOf(reading.key)} is ${brief(reading.value)}, was ${brief(was)}`,
    evidence: { path: reading.from, value: shown(reading.value), expected: shown(was) },
  };
}

function isNew(reading: Reading & { readonly value: string }): Change {
  return {
    key: reading.key,
    kind: 'new',
    sentence: `${nameOf(reading.key)} is new: ${brief(reading.value)}`,
    evidence: { path: reading.from, value: shown(reading.value), expected: '(not there)' },
  };
}

function gone(key: string, was: string): Change {
  return {
    key,
    kind: 'gone',
    sentence: `${nameOf(key)} is gone, was ${brief(was)}`,
    evidence: { path: key, value: '(not there)', expected: shown(was) },
  };
}

function unreadable({ key, from, absent }: Reading, was: string | undefined): Change {
  return {
    key,
    kind: 'unreadable',
    sentence: `${key.endsWith('/*') ? 'nothing of it can' : `${nameOf(key)} cannot`} be read: ${absent}`,
    evidence: { path: from, value: `(${absent})`, expected: was === undefined ? '(not there)' : shown(was) },
  };
}

function moved(slot: string, old: string): Change {
  return {
    key: `nic/${slot}/device`,
    kind: 'other',
    sentence: `the card moved here from ${old}`,
    evidence: { path: `/sys/bus/pci/devices/${slot}`, value: slot, expected: old },
  };
}

function lost(slot: string): Change {
  return {
    key: `nic/${slot}/device`,
    kind: 'gone',
    sentence: 'the card that was here is gone',
    evidence: { path: `/sys/bus/pci/devices/${slot}`, value: '(another card)', expected: slot },
  };
}

function findingOf(subject: string, changes: readonly Change[]): Finding {
  const severities = changes.map(({ key, kind }) =>
    kind === 'unreadable' ? 'unknown' : meaningOf(key).severity,
  );
  const worst =
    (['fail', 'unknown', 'warn', 'info'] as const).find((one) => severities.includes(one)) ?? 'info';
  const first = changes[severities.indexOf(worst)] ?? changes[0];
  const remedy = worst === 'unknown' ? 'run as root, as it was when the baseline was saved' : REMEDY;
  return {
    check: 'drift',
    subject,
    result: worst === 'info' ? 'skip' : worst,
    sentence: sentenceOf(changes),
    evidence: changes.map(({ evidence }) => evidence),
    why: meaningOf(first?.key ?? '').why,
    ...(worst === 'info' ? {} : { remedy }),
  };
}

/** The first ones; the evidence has all. */
function sentenceOf(changes: readonly Change[]): string {
  const shown = changes.length > SHOWN ? SHOWN - 1 : SHOWN;
  const more = changes.length > SHOWN ? [`and ${changes.length - shown} more`] : [];
  return [...changes.slice(0, shown).map(({ sentence }) => sentence), ...more].join('; ');
}

/** `kernel`; of a NIC or a virtual function its address. */
function subjectOf(key: string): string {
  const [group = '', name = ''] = key.split('/');
  if (name === '*') return group === 'nic' || group === 'vf' ? 'NICs' : group;
  return group === 'nic' || group === 'vf' ? name : group;
}

function nameOf(key: string): string {
  return key.replace(/^(?:(?:nic|vf)\/[^/]*|[^/]*)\//, '');
}

function cardOf(key: string): string | undefined {
  return /^nic\/([^/]*)\//.exec(key)?.[1];
}

/** Cards of which there was nothing, or is nothing. */
function wholeCards(now: ReadonlyMap<string, Reading>, then: Moved['was']): ReadonlyMap<string, Change> {
  const is = cardsIn(now.keys());
  const was = cardsIn(then.keys());
  const wholly = new Map<string, Change>();
  for (const slot of was) {
    if (is.has(slot)) continue;
    const mac = then.get(`nic/${slot}/mac`);
    const sentence = `the card is gone${mac ? `, and its address ${mac} is nowhere` : ''}`;
    const evidence = {
      path: `/sys/bus/pci/devices/${slot}`,
      value: '(not there)',
      expected: `${then.get(`nic/${slot}/device`)}`,
    };
    wholly.set(slot, { key: `nic/${slot}/device`, kind: 'gone', sentence, evidence });
  }
  for (const slot of is) {
    const reading = now.get(`nic/${slot}/device`);
    if (was.has(slot) || reading?.value === undefined) continue;
    wholly.set(slot, { ...isNew(reading), sentence: `the card is new: ${reading.value}` });
  }
  return wholly;
}

function cardsIn(keys: Iterable<string>): ReadonlySet<string> {
  return new Set([...keys].flatMap((key) => cardOf(key) ?? []).filter((slot) => slot !== '*'));
}

/** A card is known by its address, else by its serial number and the function: those of one card share the number. */
function followCards(record: HostRecord, now: ReadonlyMap<string, Reading>): Moved {
  const then = new Map(Object.entries(record));
  const slots = cardsIn(then.keys());
  const target = new Map<string, string>();
  for (const field of ['mac', 'serial']) {
    const was = slotsBy(field, slots, (key) => then.get(key));
    const is = slotsBy(field, cardsIn(now.keys()), (key) => now.get(key)?.value);
    for (const [identity, slot] of was) {
      const found = is.get(identity);
      if (found !== undefined && !target.has(slot)) target.set(slot, found);
    }
  }
  const taken = new Set([...target].filter(([slot, at]) => slot !== at).map(([, at]) => at));
  const replaced = [...slots].filter((slot) => taken.has(slot) && !target.has(slot));
  const placed = [...then].flatMap(([key, value]) => {
    const card = cardOf(key);
    if (card === undefined) return [[key, value] as const];
    if (replaced.includes(card)) return [];
    return [[key.replace(card, () => target.get(card) ?? card), value] as const];
  });
  const moves = [...target].filter(([slot, at]) => slot !== at).map(([slot, at]) => [at, slot] as const);
  return { was: new Map(placed), moves: new Map(moves), replaced };
}

/** Slots by an identity that no two of them have. */
function slotsBy(
  field: string,
  slots: ReadonlySet<string>,
  read: (key: string) => string | null | undefined,
): ReadonlyMap<string, string> {
  const found = new Map<string, string[]>();
  for (const slot of slots) {
    const value = read(`nic/${slot}/${field}`);
    if (!value) continue;
    const identity = field === 'serial' ? `${value} ${slot.split('.')[1]}` : value;
    found.set(identity, [...(found.get(identity) ?? []), slot]);
  }
  return new Map(
    [...found].flatMap(([identity, [slot, ...others]]) =>
      slot && others.length === 0 ? [[identity, slot]] : [],
    ),
  );
}
