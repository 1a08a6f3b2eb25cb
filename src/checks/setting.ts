import { ATTRIBUTES, type Attribute } from '../formats/settings.ts';
import type { Fact } from '../probes/facts.ts';
import type { Judgement } from './define.ts';
import { evidence } from './evidence.ts';

/** The entry of the settings table, whose words say why. */
function settingOf(key: string): Attribute {
  const found = ATTRIBUTES.find((entry) => entry.key === key);
  if (found === undefined) throw new Error(`no setting ${key}`);
  return found;
}

/** A finding about one attribute that does not read what it should. */
export function offSetting<T>(
  key: string,
  fact: Fact<T>,
  expected: string,
  sentence: string,
  result: 'fail' | 'warn' = 'warn',
): Judgement {
  return {
    subject: key,
    result,
    sentence,
    evidence: [evidence(fact, expected)],
    why: settingOf(key).why,
    remedy: `echo ${expected} > ${fact.from}; a profile keeps it (bypass-setup explain ${key})`,
  };
}

/** An attribute that every kernel has which could spoil anything by it, and that cannot be read. */
export function unreadSetting<T>(key: string, fact: Fact<T>, sentence: string, remedy: string): Judgement {
  return {
    subject: key,
    result: 'unknown',
    sentence,
    evidence: [evidence(fact)],
    why: settingOf(key).why,
    remedy,
  };
}

/** A kernel without the file has not the feature; a file that cannot be read hides it. */
export function hiddenSettings(facts: readonly Fact<unknown>[], sentence: string): Judgement[] {
  const hidden = facts.filter(({ absent }) => absent !== undefined && absent !== 'missing');
  if (hidden.length === 0) return [];
  return [
    {
      subject: 'host',
      result: 'unknown',
      sentence,
      evidence: hidden.map((fact) => evidence(fact)),
      ...(hidden.some(({ absent }) => absent === 'denied') ? { remedy: 'run as root' } : {}),
    },
  ];
}
