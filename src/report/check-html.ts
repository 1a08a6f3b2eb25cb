import { few } from '../formats/few.ts';
import { RESULT_OF } from '../formats/verdict.ts';
import { renderCore, renderGaps } from './html-gaps.ts';
import { renderHostMap } from './html-host-map.ts';
import { STYLE } from './html-style.ts';
import { type Markup, markup } from './markup.ts';
import { machineLines, settingRows } from './probe-text.ts';
import type { Evidence, Finding, FullReport, Verdict } from './report.ts';

/** Worst first. */
const ORDER = ['fail', 'unknown', 'warn', 'pass', 'skip'] as const;
const TITLE: Readonly<Record<Verdict, string>> = {
  ready: 'Ready',
  'not-ready': 'Not ready',
  'cannot-know': 'Cannot know',
};
/** As many as the first look can hold. */
const FIRST = 5;
/** More of one kind are one entry. */
const MANY = 4;

/**
 * One page that needs nothing else: no script, no network (its own policy forbids both), folded by `details`. Verdict,
 * what differs from before, the host as a map, findings with evidence and remedy, the gaps of a measurement, settings.
 */
export function renderHtml({ check, probe, identity }: FullReport): string {
  const { facts } = probe;
  const host = identity?.hostname || (check.root === '/' ? 'this host' : check.root);
  const ordered = entriesOf(check.findings);
  const drift = check.findings.filter((finding) => finding.check === 'drift');
  // The style is a constant of this program and holds nothing that is escaped.
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="color-scheme" content="light dark">
${markup`<title>${TITLE[check.verdict]}: ${host} – bypass-setup</title>`.text}
<style>${STYLE}</style>
</head>
${
  markup`<body>
<header>
<div class="verdict" style="--tone: var(--${RESULT_OF[check.verdict]})">
<h1>${TITLE[check.verdict]}</h1>
<p class="host">${host}</p>
${machineLines(facts).map((line) => markup`<p class="quiet">${line}</p>`)}
<p class="quiet">looked at <time datetime="${check.takenAt}">${check.takenAt.slice(0, 19).replace('T', ' ')} UTC</time>, root ${check.root}</p>
<ul class="counts" aria-label="Findings by result">${counts(check.findings)}</ul>
${troubles(ordered)}</div>
</header>
<main>
${drift.length === 0 ? [] : [section('Before and now', renderDrift(drift))]}
${section('Host', renderHostMap(facts, pollCpusOf(check)))}
${section('Findings', renderFindings(ordered))}
${measured(check)}
${section('Settings', renderSettings(settingRows(facts)))}
</main>
<footer>bypass-setup ${check.tool}</footer>
</body>
</html>
`.text
}`;
}

/** One finding, or many of one kind: a server has hundreds of functions. */
interface Entry {
  readonly id: string;
  readonly findings: readonly [Finding, ...Finding[]];
  /** Unfolded from the start. */
  readonly open: boolean;
}

/** Worst first. Many that have check, result and remedy in common go into one. */
function entriesOf(findings: readonly Finding[]): Entry[] {
  const kinds = new Map<string, [Finding, ...Finding[]]>();
  for (const finding of findings) {
    const key = JSON.stringify([finding.check, finding.result, finding.remedy]);
    const known = kinds.get(key);
    if (known === undefined) kinds.set(key, [finding]);
    else known.push(finding);
  }
  const groups = [...kinds.values()].flatMap((group) =>
    group.length > MANY ? [group] : group.map((finding): [Finding] => [finding]),
  );
  return ORDER.flatMap((result) => groups.filter(([first]) => first.result === result)).map(
    (group, index) => ({
      id: `finding-${index + 1}`,
      findings: group,
      open: group[0].result === 'fail' && group.length === 1 && index < FIRST,
    }),
  );
}

function titleOf({ findings }: Entry): string {
  const subjects = findings.map(({ subject }) => subject);
  return subjects.length === 1 && subjects[0] === 'host' ? '' : few(subjects);
}

function sentenceOf({ findings: [first, ...others] }: Entry): string {
  return others.length === 0 ? first.sentence : `${first.sentence}; ${others.length} more of this kind`;
}

function section(title: string, body: Markup): Markup {
  return markup`<section><h2>${title}</h2>
${body}
</section>
`;
}

function pollCpusOf({ validation, measurement }: FullReport['check']): number[] {
  const runs = [
    ...(measurement?.cores ?? []),
    ...(measurement?.ports ?? []),
    ...(validation ? [validation] : []),
  ];
  return runs.map(({ core }) => core.cpu);
}

/** The packets first, then each CPU without them. */
function measured({ validation, measurement }: FullReport['check']): Markup[] {
  const runs = [
    ...(validation === undefined ? [] : [renderGaps(validation)]),
    ...(measurement?.ports ?? []).map(renderGaps),
    ...(measurement?.cores ?? []).map(renderCore),
  ];
  const cards = runs.map((run) => markup`<div class="card">${run}</div>`);
  return cards.length === 0 ? [] : [section('Measurement', markup`${cards}`)];
}

function counts(findings: readonly Finding[]): Markup[] {
  return ORDER.flatMap((result) => {
    const count = findings.filter((finding) => finding.result === result).length;
    return count === 0 ? [] : [markup`<li class="${result}">${count} ${result}</li>`];
  });
}

/** What stands between this host and ready, to be seen without unfolding anything. */
function troubles(entries: readonly Entry[]): Markup {
  const bad = entries.filter(({ findings: [{ result }] }) => result === 'fail' || result === 'unknown');
  if (bad.length === 0) return markup``;
  const items = bad.slice(0, FIRST).map((entry) => {
    const title = titleOf(entry);
    return markup`<li><a href="#${entry.id}">${entry.findings[0].check}</a>: ${title === '' ? '' : `${title}: `}${sentenceOf(entry)}</li>`;
  });
  const more = bad.length - FIRST;
  return markup`<ol>${items}</ol>${more > 0 ? [markup`<p class="quiet">and ${more} more below</p>`] : []}
`;
}

/** What went well or did not apply is folded, so that the rest stands alone. */
function renderFindings(entries: readonly Entry[]): Markup {
  const of = (...results: Finding['result'][]) =>
    entries.filter(({ findings: [{ result }] }) => results.includes(result));
  const fold = (title: string, list: readonly Entry[]) => {
    const count = list.reduce((sum, { findings }) => sum + findings.length, 0);
    return count === 0
      ? markup``
      : markup`<details class="group"><summary>${count} ${title}</summary><div class="findings">${list.map(renderEntry)}</div></details>
`;
  };
  const bad = of('fail', 'unknown', 'warn').map(renderEntry);
  return markup`<div class="findings">${bad}</div>
${fold('passed', of('pass'))}${fold('skipped', of('skip'))}`;
}

function renderEntry(entry: Entry): Markup {
  const { id, findings, open } = entry;
  const [{ check, result, why, remedy }, ...others] = findings;
  const evidence = findings.flatMap((finding) => finding.evidence);
  return markup`<details class="finding" id="${id}" style="--tone: var(--${result})"${open ? markup` open` : markup``}>
<summary><span class="badge ${result}">${result}</span><b>${check} ${others.length === 0 ? titleOf(entry) : `(${findings.length} subjects)`}</b><span class="sentence">${sentenceOf(entry)}</span></summary>
<div class="detail">
${remedy === undefined || result === 'pass' ? [] : [markup`<p class="remedy"><b>Remedy:</b> ${remedy}</p>`]}
<p class="quiet">Why: ${why}</p>
${others.length === 0 ? [] : [markup`<ul>${findings.map(({ subject, sentence }) => markup`<li>${subject}: ${sentence}</li>`)}</ul>`]}
${evidence.length === 0 ? [] : [evidenceTable(evidence)]}</div>
</details>
`;
}

function evidenceTable(evidence: readonly Evidence[]): Markup {
  const rows = evidence.map(
    ({ path, value, expected = '' }) =>
      markup`<tr><td><code>${path}</code></td><td data-name="found"><code>${value}</code></td><td${expected === '' ? markup`` : markup` data-name="expected"`}><code>${expected}</code></td></tr>
`,
  );
  return markup`<table class="evidence"><thead><tr><th scope="col">read from</th><th scope="col">found</th><th scope="col">expected</th></tr></thead><tbody>
${rows}</tbody></table>
`;
}

/** A drift finding holds the key, what it is now and, as expected, what it was. */
function renderDrift(drift: readonly Finding[]): Markup {
  const rows = drift.flatMap(({ evidence }) =>
    evidence.map(
      ({ path, value, expected = '' }) =>
        markup`<tr><td><code>${path}</code></td><td data-name="before"><code>${expected}</code></td><td data-name="now"><code>${value}</code></td></tr>
`,
    ),
  );
  return markup`<div class="card">${drift.map(({ sentence }) => markup`<p>${sentence}</p>`)}
<table class="evidence"><thead><tr><th scope="col">what</th><th scope="col">before</th><th scope="col">now</th></tr></thead><tbody>
${rows}</tbody></table></div>`;
}

function renderSettings(rows: readonly (readonly [name: string, text: string])[]): Markup {
  return markup`<div class="card"><table class="settings"><tbody>
${rows.map(
  ([name, text]) => markup`<tr><th scope="row">${name}</th><td>${text}</td></tr>
`,
)}</tbody></table></div>`;
}
