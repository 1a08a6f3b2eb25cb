import { few } from '../formats/few.ts';
import type { FleetReport, Verdict } from './report.ts';
import { cut, paint, plain, plural, type Style, wrap } from './terminal.ts';

type Role = FleetReport['roles'][number];
type Value = Role['differences'][number]['values'][number];

const VERDICTS: Readonly<Record<Verdict, string>> = {
  ready: 'ready',
  'not-ready': 'NOT READY',
  'cannot-know': 'CANNOT KNOW',
};
const COLOR = { fail: 'red', warn: 'yellow', info: 'dim' } as const;

/** Role by role: the hosts that are not ready, then the keys in which hosts are not as most are. */
export function renderFleet(report: FleetReport, style: Style): string {
  const lines = report.roles.flatMap((role) => [...roleLines(role, style), '']);
  if (report.refused.length > 0) {
    lines.push(paint(style, 'bold', 'Not compared'));
    for (const { file, reason } of report.refused) {
      lines.push(`  ${wrap(plain(`${file}: ${reason}`), style.width - 4, '    ')}`);
    }
    lines.push('');
  }
  const hosts = report.roles.flatMap((role) => role.hosts);
  const ready = hosts.filter(({ verdict }) => verdict === 'ready').length;
  const keys = report.roles.reduce((sum, { differences }) => sum + differences.length, 0);
  const word = paint(style, ['bold', report.alike ? 'green' : 'red'], report.alike ? 'ALIKE' : 'NOT ALIKE');
  lines.push(
    `${word}  ${ready} of ${plural(hosts.length, 'host')} ready, ${plural(keys, 'key')} ${keys === 1 ? 'differs' : 'differ'}`,
  );
  return `${lines.join('\n')}\n`;
}

function roleLines({ role, hosts, differences }: Role, style: Style): string[] {
  const counts = (Object.keys(VERDICTS) as Verdict[]).flatMap((verdict) => {
    const count = hosts.filter((host) => host.verdict === verdict).length;
    return count === 0 ? [] : [`${count} ${VERDICTS[verdict].toLowerCase()}`];
  });
  const lines = [
    paint(
      style,
      'bold',
      `${plain(role ?? 'without a role')}  ${plural(hosts.length, 'host')}: ${counts.join(', ')}`,
    ),
  ];
  for (const { host, verdict, problems } of hosts) {
    if (verdict === 'ready') continue;
    const what = `${host}: ${VERDICTS[verdict]}: ${few(problems)}`;
    lines.push(`  ${wrap(plain(what), style.width - 4, '    ')}`);
  }
  for (const { key, severity, values, unread } of differences) {
    lines.push(`  ${paint(style, COLOR[severity], severity.padEnd(4))}  ${plain(key)}`);
    for (const value of values) lines.push(`        ${valueText(value, hosts.length, style.width - 10)}`);
    if (unread.length > 0)
      lines.push(`        ${wrap(plain(`cannot be read: ${few(unread)}`), style.width - 10, '          ')}`);
  }
  return lines;
}

export function shownValue(value: string | null): string {
  return value === null ? '(not there)' : value === '' ? '(none)' : value;
}

function valueText({ value, count, hosts }: Value, all: number, width: number): string {
  const who = hosts === undefined ? `${count} of ${all}` : few(hosts);
  return wrap(plain(`${cut(shownValue(value), 200)}: ${who}`), width, '          ');
}
