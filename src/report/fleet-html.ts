import { shownValue } from './fleet-text.ts';
import type { FleetReport } from './report.ts';

type Role = FleetReport['roles'][number];

const STYLE = [
  'body{font:14px/1.4 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em}',
  'table{border-collapse:collapse;width:100%;margin:1em 0}',
  'td,th{border-bottom:1px solid #8884;padding:.3em .6em;text-align:left;vertical-align:top}',
  '.fail,.not-ready{color:#b00020}.warn,.cannot-know{color:#9a6700}.ready{color:#1a7f37}.info{color:#777}',
  'code{overflow-wrap:anywhere}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}}',
].join('');

/** One page that needs nothing else: no script, no file beside it. */
export function renderFleetPage(report: FleetReport): string {
  const refused = report.refused.map(({ file, reason }) => row([text(file), text(reason)]));
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><title>bypass-setup fleet</title><style>${STYLE}</style></head><body>`,
    `<h1>Fleet: ${report.alike ? '<span class="ready">alike</span>' : '<span class="fail">not alike</span>'}</h1>`,
    `<p>${text(`bypass-setup ${report.tool}, ${report.takenAt}`)}</p>`,
    ...report.roles.flatMap(section),
    ...(refused.length === 0 ? [] : ['<h2>Not compared</h2>', ...tableOf(['file', 'why'], refused)]),
    '</body></html>',
    '',
  ].join('\n');
}

function section({ role, hosts, differences }: Role): string[] {
  const hostRows = hosts.map(({ host, verdict, takenAt, differs, problems }) =>
    row([
      text(host),
      `<span class="${verdict}">${verdict.replace('-', ' ')}</span>`,
      text(takenAt),
      `${differs}`,
      problems.map(text).join('<br>'),
    ]),
  );
  const keyRows = differences.map(({ key, severity, why, values, unread }) =>
    row([
      `<span class="${severity}">${severity}</span>`,
      `<code title="${text(why)}">${text(key)}</code>`,
      [
        ...values.map(
          ({ value, count, hosts: who }) =>
            `<code>${text(shownValue(value))}</code>: ${who === undefined ? `${count} of ${hosts.length}` : text(who.join(', '))}`,
        ),
        ...(unread.length === 0 ? [] : [`cannot be read: ${text(unread.join(', '))}`]),
      ].join('<br>'),
    ]),
  );
  return [
    `<h2>${text(role ?? 'without a role')}</h2>`,
    ...tableOf(['host', 'verdict', 'taken', 'differs in', 'problems'], hostRows),
    ...(keyRows.length === 0 ? ['<p>All are alike.</p>'] : tableOf(['', 'key', 'values'], keyRows)),
  ];
}

function tableOf(heads: readonly string[], rows: readonly string[]): string[] {
  return ['<table>', `<tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr>`, ...rows, '</table>'];
}

function row(cells: readonly string[]): string {
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
}

function text(raw: string): string {
  return raw.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
