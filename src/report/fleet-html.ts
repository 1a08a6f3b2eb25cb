import { shownValue } from './fleet-text.ts';
import { type Markup, markup } from './markup.ts';
import type { FleetReport } from './report.ts';

type Role = FleetReport['roles'][number];

const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
const STYLE = [
  'body{font:14px/1.4 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em}',
  'table{border-collapse:collapse;width:100%;margin:1em 0}',
  'td,th{border-bottom:1px solid #8884;padding:.3em .6em;text-align:left;vertical-align:top}',
  '.fail,.not-ready{color:#b00020}.warn,.cannot-know{color:#9a6700}.ready{color:#1a7f37}.info{color:#777}',
  'code{overflow-wrap:anywhere}@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}}',
].join('');

/** One page that needs nothing else: no script, no file beside it; its own policy forbids both. */
export function renderFleetPage(report: FleetReport): string {
  const refused = report.refused.map(({ file, reason }) => row([markup`${file}`, markup`${reason}`]));
  const answer = report.alike
    ? markup`<span class="ready">alike</span>`
    : markup`<span class="fail">not alike</span>`;
  // The style is a constant of this program and holds nothing that is escaped.
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}"><title>bypass-setup fleet</title><style>${STYLE}</style></head><body>
${
  markup`<h1>Fleet: ${answer}</h1>
<p>bypass-setup ${report.tool}, ${report.takenAt}</p>
${report.roles.map(section)}${
  refused.length === 0
    ? []
    : [
        markup`<h2>Not compared</h2>
${tableOf(['file', 'why'], refused)}`,
      ]
}</body></html>
`.text
}`;
}

function section({ role, hosts, differences }: Role): Markup {
  const hostRows = hosts.map(({ host, verdict, takenAt, differs, problems }) =>
    row([
      markup`${host}`,
      markup`<span class="${verdict}">${verdict.replace('-', ' ')}</span>`,
      markup`${takenAt}`,
      markup`${differs}`,
      lines(problems.map((problem) => markup`${problem}`)),
    ]),
  );
  const keyRows = differences.map(({ key, severity, why, values, unread }) =>
    row([
      markup`<span class="${severity}">${severity}</span>`,
      markup`<code title="${why}">${key}</code>`,
      lines([
        ...values.map(
          ({ value, count, hosts: who }) =>
            markup`<code>${shownValue(value)}</code>: ${who === undefined ? `${count} of ${hosts.length}` : who.join(', ')}`,
        ),
        ...(unread.length === 0 ? [] : [markup`cannot be read: ${unread.join(', ')}`]),
      ]),
    ]),
  );
  return markup`<h2>${role ?? 'without a role'}</h2>
${tableOf(['host', 'verdict', 'taken', 'differs in', 'problems'], hostRows)}${
  keyRows.length === 0 ? markup`<p>All are alike.</p>\n` : tableOf(['', 'key', 'values'], keyRows)
}`;
}

function tableOf(heads: readonly string[], rows: readonly Markup[]): Markup {
  return markup`<table>
<tr>${heads.map((head) => markup`<th>${head}</th>`)}</tr>
${rows}</table>
`;
}

function row(cells: readonly Markup[]): Markup {
  return markup`<tr>${cells.map((cell) => markup`<td>${cell}</td>`)}</tr>
`;
}

const lines = (parts: readonly Markup[]): Markup =>
  markup`${parts.map((part, index) => (index === 0 ? part : markup`<br>${part}`))}`;
