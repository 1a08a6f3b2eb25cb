import { type Attribute, isAttribute, type Setting } from '../formats/settings.ts';
import { paint, type Style, table, wrap } from './terminal.ts';

/** Each setting in one line. */
export function renderSettings(settings: readonly Setting[], style: Style): string {
  const sections = [...new Set(settings.map(({ section }) => section))];
  return `${sections
    .flatMap((section) => [
      paint(style, 'bold', section),
      ...table(
        settings.filter((setting) => setting.section === section).map(({ key, summary }) => [key, summary]),
        style,
        '  ',
      ),
      '',
    ])
    .join('\n')}bypass-setup explain SETTING tells more of each; "explain cores" of this host.\n`;
}

export function renderSetting(setting: Setting, style: Style): string {
  const rows = describe(setting);
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return [
    paint(style, 'bold', wrap(`${setting.key}: ${setting.summary}`, style.width)),
    ...rows.map(
      ([name, text]) =>
        `  ${name.padEnd(width)}${wrap(text, style.width - width - 2, ' '.repeat(width + 2))}`,
    ),
    '',
  ].join('\n');
}

/** Everything that is known of a setting, for a terminal and for docs/settings.md. */
export function describe(setting: Setting): [name: string, text: string][] {
  const { path, why, cost, source, proof, danger } = setting;
  const rows: [string, string | undefined][] = [
    ['profile', profileKey(setting)],
    ['where', path],
    ['value', isAttribute(setting) ? recommendedText(setting) : undefined],
    ['why', why],
    ['cost', cost],
    ['danger', danger],
    ['source', source],
    ['proof', proof],
    ['undo', undoText(setting)],
  ];
  return rows.flatMap(([name, text]) => (text === undefined ? [] : [[name, text] as [string, string]]));
}

function profileKey(setting: Setting): string {
  if (!isAttribute(setting) && setting.asked !== undefined) return setting.asked;
  if (setting.section === 'cores')
    return setting.key === 'cpuset' ? 'cores.isolation: cpuset' : 'comes with cores';
  if (setting.section === 'interrupts') return 'comes with cores, unless "interrupts: leave"';
  if (setting.section !== 'boot') return `${setting.section}.${setting.key}`;
  return setting.danger === undefined ? 'comes with cores' : 'boot.arguments, by name';
}

function recommendedText(setting: Attribute): string {
  const { recommended, beside = '', first } = setting;
  if (recommended === undefined) return 'only what the profile names';
  if ('value' in recommended) {
    const what = `${recommended.value}${first ? ' (the first number)' : ''}`;
    return setting.enough === undefined ? what : `${what}, or ${setting.enough}`;
  }
  if (recommended.computed === 'beside') return `that of ${beside}`;
  if (recommended.computed === 'shallow idle') return 'the latency of the first idle state that halts, in µs';
  return 'what is there, without the isolated CPUs';
}

function undoText(setting: Setting): string {
  if (!isAttribute(setting)) {
    return setting.undo ?? 'puts back the line of each boot entry; the next boot completes it';
  }
  const place = setting.persistent === 'sysctl' ? 'sysctl.d' : 'tmpfiles.d';
  return `writes back what was there, and takes the file out of /etc/${place}`;
}
