import { keepOff, parseCpuList } from '../formats/cpu-list.ts';
import { formatCpuMaskLike, parseCpuMask } from '../formats/cpu-mask.ts';
import { ATTRIBUTES, type Attribute, besideOf, matchesPath, plainValue } from '../formats/settings.ts';
import type { Facts } from '../probes/facts.ts';
import type { Report } from './problem.ts';
import type { ResolvedProfile, ResolvedSetting } from './resolved.ts';
import type { Profile } from './schema.ts';

interface Resolved {
  readonly settings: readonly ResolvedSetting[];
  readonly notes: readonly string[];
}

/** Which settings a profile asks for, with a value for each attribute that this host has. */
export function resolveSettings(
  profile: Profile,
  cores: ResolvedProfile['cores'],
  facts: Facts,
  report: Report,
): Resolved {
  const notes: string[] = [];
  const host: Place = { cores, facts, report, note: (sentence) => void notes.push(sentence) };
  const wanted = ATTRIBUTES.flatMap((setting) => {
    const named = wish(setting, profile, cores);
    return named === undefined ? [] : resolveSetting(setting, named, host);
  });
  if (cores !== undefined) noteFairServer(wanted, host);
  return { settings: withoutFights(wanted, profile.tuner ?? 'refuse', host), notes };
}

interface Place {
  readonly cores: ResolvedProfile['cores'];
  readonly facts: Facts;
  readonly report: Report;
  readonly note: (sentence: string) => void;
}

/** `auto`, the value that the profile names, or undefined where it is to be left alone. */
function wish(
  { key, section, recommended }: Attribute,
  profile: Profile,
  cores: ResolvedProfile['cores'],
): string | undefined {
  if (section === 'cores') {
    const left = key === 'default-irq-affinity' && profile.interrupts === 'leave';
    return cores === undefined || left ? undefined : 'auto';
  }
  const asked = profile[section];
  if (asked === undefined) return undefined;
  const named = asked === 'auto' ? undefined : asked[key];
  if (named === 'leave') return undefined;
  return named === undefined ? recommended && 'auto' : String(named);
}

function resolveSetting(setting: Attribute, asked: string, host: Place): ResolvedSetting[] {
  const { key, section, danger, recommended } = setting;
  const { facts, report, note } = host;
  const named = asked !== 'auto';
  const subject = `${section}.${key}`;
  if (!named && recommended === undefined) {
    report({ subject, sentence: 'has no value that is good for all; name one' });
    return [];
  }
  const values: Record<string, string> = {};
  const notes = new Set<string>();
  for (const path of pathsOf(setting, host)) {
    const fact = facts.settings.attributes[path];
    if (fact?.value === undefined) {
      notes.add(`${key}: ${setting.path} cannot be read (${fact?.reason}), so it is left alone`);
      continue;
    }
    const value = named ? asked : computed(setting, path, host);
    if (value === undefined) continue;
    const allowed = recommended && 'computed' in recommended ? undefined : allowedAt(setting, path, facts);
    if (allowed !== undefined && !allowed.includes(value)) {
      const sentence = `${setting.path} takes ${allowed.join(', ')}, not ${value}`;
      if (named) {
        report({ subject, sentence });
        return [];
      }
      notes.add(`${key}: ${sentence}; it is left alone`);
      continue;
    }
    values[path] = setting.first ? [value, ...plainValue(fact.value).split(' ').slice(1)].join(' ') : value;
  }
  for (const sentence of notes) note(sentence);
  if (Object.keys(values).length === 0) {
    if (named) report({ subject, sentence: `this host has no ${setting.path}` });
    return [];
  }
  if (named && danger !== undefined) note(`${subject}: ${asked}: ${danger}`);
  return [{ key, values, named }];
}

function pathsOf(setting: Attribute, { cores, facts }: Place): string[] {
  const isolated = new Set(parseCpuList(cores?.isolated ?? ''));
  return Object.keys(facts.settings.attributes).filter((path) => {
    if (!matchesPath(setting, path)) return false;
    if (!setting.path.includes('{isolated}')) return true;
    return isolated.has(Number(/cpu(\d+)/.exec(path)?.[1]));
  });
}

function computed(setting: Attribute, path: string, { cores, facts }: Place): string | undefined {
  const { recommended, beside = '' } = setting;
  const now = facts.settings.attributes[path]?.value ?? '';
  if (recommended === undefined) return undefined;
  if ('value' in recommended) {
    const number = Number(plainValue(now).split(' ')[0]);
    const far =
      setting.enough === 'lower' ? number <= Number(recommended.value) : number >= Number(recommended.value);
    return setting.enough !== undefined && far ? `${number}` : recommended.value;
  }
  if (recommended.computed === 'beside') return facts.settings.attributes[besideOf(path, beside)]?.value;
  if (recommended.computed === 'shallow idle') {
    // The state without any latency polls: a sibling that does so slows the other one down.
    const halting = facts.power.idleStates.value?.find(({ latency }) => latency > 0);
    return halting === undefined ? undefined : `${halting.latency}`;
  }
  const { isolated = '', housekeeping = '' } = cores ?? {};
  const left = keepOff(parseCpuMask(now), parseCpuList(isolated), parseCpuList(housekeeping));
  return formatCpuMaskLike(left, now);
}

function allowedAt({ beside }: Attribute, path: string, { settings }: Facts): string[] | undefined {
  const words = (text: string | undefined) => text?.split(/[\s[\]]+/).filter(Boolean);
  if (beside !== undefined) return words(settings.attributes[besideOf(path, beside)]?.value);
  const own = settings.attributes[path]?.value ?? '';
  return /\[/.test(own) ? words(own) : undefined;
}

/** From 6.12 on the server is there whether or not its switch can be reached (kernel/sched/deadline.c). */
function noteFairServer(wanted: readonly ResolvedSetting[], { facts, note }: Place): void {
  const [major = 0, minor = 0] = (facts.kernel.release.value ?? '').split('.').map(Number);
  if (major < 6 || (major === 6 && minor < 12) || wanted.some(({ key }) => key === 'fair-server')) return;
  const closed = (facts.kernel.lockdown.value ?? 'none') !== 'none';
  note(
    `fair-server: this kernel keeps a timer on each CPU that wakes isolated ones; it cannot be stopped, because ` +
      (closed
        ? 'lockdown closes debugfs: choose a kernel before 6.12, or boot without lockdown'
        : `${facts.tunables.fairServer.from} is not there: mount debugfs`),
  );
}

/** Two programs that set the same thing never agree: what another one sets is its own, or the host is refused. */
function withoutFights(
  wanted: readonly ResolvedSetting[],
  tuner: 'refuse' | 'leave',
  { facts, report, note }: Place,
): ResolvedSetting[] {
  const running = (facts.services.units.value ?? []).filter((unit) => unit.running ?? unit.enabled);
  let kept = [...wanted];
  for (const { name } of running) {
    const fights = kept.filter(({ key }) => sets(name, key, facts));
    if (fights.length === 0) continue;
    const profile = name === 'tuned.service' ? facts.services.tunedProfile.value : undefined;
    const who = `${name}${profile === undefined ? '' : ` (profile ${profile})`}`;
    const what = fights.map(({ key }) => key).join(', ');
    if (tuner === 'leave') note(`${who} is running: ${what} is left to it`);
    else {
      const sentence = `${who} is running and would set back ${what}; stop it (systemctl disable --now ${name}), or leave that to it with "tuner: leave"`;
      report({ subject: name, refused: 'TUNER_ACTIVE', sentence });
    }
    kept = kept.filter((setting) => !fights.includes(setting));
  }
  return kept;
}

function sets(unit: string, key: string, { services }: Facts): boolean {
  const setting = ATTRIBUTES.find((entry) => entry.key === key);
  if (setting === undefined || !setting.tuners.includes(unit)) return false;
  // Only those of tuned's profiles that isolate CPUs touch these.
  return setting.section !== 'cores' || /partitioning|realtime/.test(services.tunedProfile.value ?? '');
}
