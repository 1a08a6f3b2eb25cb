/** One setting of a unit or of systemd's own configuration. */
interface Assignment {
  readonly section: string;
  readonly key: string;
  readonly value: string;
}

/** Settings by key; each value in the order it was given, the last of which counts where the key takes only one. */
export type UnitSettings = Record<string, string[]>;

/** systemd.syntax(7): `#` and `;` begin a comment line, a backslash at the end joins lines, comments in between too. */
function parseUnit(text: string): Assignment[] {
  const found: Assignment[] = [];
  let section = '';
  let joined = '';
  for (const line of text.split('\n')) {
    if (/^\s*[#;]/.test(line)) continue;
    if (line.endsWith('\\')) {
      joined += `${line.slice(0, -1)} `;
      continue;
    }
    const whole = (joined + line).trim();
    joined = '';
    const heading = /^\[(.*)\]$/.exec(whole)?.[1];
    const equals = whole.indexOf('=');
    if (heading !== undefined) section = heading;
    else if (equals > 0) {
      found.push({ section, key: whole.slice(0, equals).trim(), value: whole.slice(equals + 1).trim() });
    }
  }
  return found;
}

/** The files of one unit put together: an empty value takes back what was given before it (systemd.unit(5)). */
export function mergeUnits(texts: readonly string[], section: string): UnitSettings {
  const settings: UnitSettings = {};
  for (const { key, value, section: place } of texts.flatMap(parseUnit)) {
    if (place !== section) continue;
    settings[key] = value === '' ? [] : [...(settings[key] ?? []), value];
  }
  return settings;
}

/** systemd.syntax(7), boolean arguments. */
export function isTrue(value: string | undefined): boolean {
  return ['1', 'yes', 'y', 'true', 't', 'on'].includes(value?.toLowerCase() ?? '');
}

/**
 * The names whose `.d` folders add to a unit, the most particular first: of an instance, its template, each shorter name
 * up to a dash, and the type (systemd.unit(5)).
 */
export function dropInNames(unit: string): string[] {
  const dot = unit.lastIndexOf('.');
  const type = unit.slice(dot + 1);
  const at = unit.indexOf('@');
  const template = at < 0 ? [] : [`${unit.slice(0, at + 1)}.${type}`];
  const stem = unit.slice(0, at < 0 ? dot : at);
  const dashes = [...stem.matchAll(/-/g)].map(({ index }) => index).reverse();
  const shorter = dashes
    .filter((index) => index < stem.length - 1)
    .map((index) => `${stem.slice(0, index + 1)}.${type}`);
  return [...new Set([unit, ...template, ...shorter, type])];
}
