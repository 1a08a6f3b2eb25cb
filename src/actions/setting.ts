import { ATTRIBUTES, plainValue } from '../formats/settings.ts';
import type { Host, ReadHost } from '../host/host.ts';
import type { ResolvedSetting } from '../profile/resolved.ts';
import { defineAction, type PlanContext, type Step } from './define.ts';
import { keepRefused, printRefused, readRefused, refusedNow, tryWrite } from './refused.ts';

type Before = {
  readonly key: string;
  /** For the reader: the value, or the values, that stand there. */
  readonly value: string;
  readonly each: Readonly<Record<string, string>>;
  /** What was kept of earlier refusals. */
  readonly refused: string | null;
};

type After = {
  readonly value: string;
  readonly each: Readonly<Record<string, string>>;
  /** Refusals of the kernel that are noted and no failure; none where the profile names the value itself. */
  readonly tolerated: readonly string[];
};

/** Locked down, switched off in the firmware, not changeable on this hardware. */
const TOLERATED = ['EPERM', 'EACCES', 'EOPNOTSUPP', 'ENODEV', 'EIO'];

const WATCHDOGS = ['/proc/sys/kernel/nmi_watchdog', '/proc/sys/kernel/soft_watchdog'];
/**
 * Who reads it while both are off, as `sysctl -a` does, turns it off as well; then neither of them takes a 1, and has
 * forgotten it when it is read (kernel/watchdog.c, proc_watchdog_common). So it is written first, and never read.
 */
const WATCHDOG = '/proc/sys/kernel/watchdog';

/** The running part of every attribute in the table of settings. */
export const settingAction = defineAction({
  name: 'setting',

  plan(context, note) {
    return (context.profile.settings ?? []).flatMap((setting) => settingStep(setting, context, note));
  },

  async apply(change, host) {
    const { each, tolerated } = change.after as After;
    const { key } = change.before as Before;
    const refused = new Map(refusedNow(host, key));
    for (const [path, value] of Object.entries(each)) {
      if (refused.has(path) || valueAt(host, path) === value) continue;
      admitWatchdog(host, path, value);
      const errno = tryWrite(host, path, value, tolerated);
      if (errno !== undefined) refused.set(path, errno);
    }
    keepRefused(host, key, printRefused(refused));
  },

  verify(change, host) {
    const refused = refusedNow(host, (change.before as Before).key);
    const { each } = change.after as After;
    return different(
      host,
      Object.entries(each).filter(([path]) => !refused.has(path)),
    );
  },

  async revert(change, host) {
    const { key, each, refused } = change.before as Before;
    for (const [path, value] of Object.entries(each)) {
      const now = valueAt(host, path);
      if (now === undefined || now === value) continue;
      admitWatchdog(host, path, value);
      host.writeAttribute(path, value);
    }
    keepRefused(host, key, refused);
  },

  holdsBefore(change, host) {
    return different(host, Object.entries((change.before as Before).each));
  },
});

function settingStep(
  { key, values, named }: ResolvedSetting,
  { facts }: PlanContext,
  note: (sentence: string) => void,
): Step[] {
  const setting = ATTRIBUTES.find((entry) => entry.key === key);
  const kept = facts.settings.refused[key];
  const refused = readRefused(kept);
  const now = (path: string) => plainValue(facts.settings.attributes[path]?.value ?? '');
  const wrong = Object.entries(values).filter(([path, value]) => now(path) !== value);
  const stuck = wrong.filter(([path]) => refused.has(path));
  if (stuck[0] !== undefined) {
    const [path] = stuck[0];
    const more = stuck.length === 1 ? '' : ` and ${stuck.length - 1} more`;
    note(`${key}: the kernel refuses to change ${path}${more} (${refused.get(path)})`);
  }
  const each = Object.fromEntries(wrong.filter(([path]) => named || !refused.has(path)));
  const paths = Object.keys(each);
  const [first] = paths;
  if (setting === undefined || first === undefined) return [];
  const before: Before = {
    key,
    value: distinct(paths.map(now)),
    each: Object.fromEntries(paths.map((path) => [path, now(path)])),
    refused: kept === undefined ? null : `${kept}\n`,
  };
  const after: After = { value: distinct(Object.values(each)), each, tolerated: named ? [] : TOLERATED };
  return [
    {
      target: paths.length === 1 ? first : setting.path,
      before,
      after,
      scope: 'runtime',
      effect: 'none',
      summary: `${key}: ${setting.summary}${paths.length === 1 ? '' : ` (${paths.length} attributes)`}`,
      commands: Object.entries(each).map(([path, value]) => `echo ${value} > ${path}`),
    },
  ];
}

function admitWatchdog(host: Host, path: string, value: string): void {
  if (value === '1' && WATCHDOGS.includes(path)) host.writeAttribute(WATCHDOG, '1');
}

function distinct(values: readonly string[]): string {
  return [...new Set(values)].join(' or ');
}

function valueAt(host: ReadHost, path: string): string | undefined {
  const text = host.readText(path);
  return text === undefined ? undefined : plainValue(text);
}

/** Attributes that are gone, with their device, are nobody's to set back. */
function different(host: ReadHost, wanted: readonly (readonly [string, string])[]): string | undefined {
  for (const [path, value] of wanted) {
    const now = valueAt(host, path);
    if (now !== undefined && now !== value) return `${path} is ${now}, not ${value}`;
  }
  return undefined;
}
