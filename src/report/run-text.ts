import type { ApplyReport, ResumeReport, RunsReport, UndoReport } from './report.ts';
import { paint, plain, plural, type Style, table, wrap } from './terminal.ts';

/** What became of an apply, below the plan. */
export function renderApply(report: ApplyReport, style: Style): string {
  const { outcome, run, changes } = report;
  const count = plural(changes.length, 'change');
  const sentences: Readonly<Record<ApplyReport['outcome'], string>> = {
    nothing: '',
    pending: 'Nothing was changed (--check).',
    refused: 'Nothing was changed: the guard refuses.',
    declined: 'Nothing was changed.',
    applied: `APPLIED  ${count} as run ${run}`,
    undone: `UNDONE  run ${run} failed and all of it was taken back`,
    left: `NOT UNDONE  run ${run} failed and this is left:`,
  };
  const color = outcome === 'applied' ? 'green' : 'red';
  const lines = sentences[outcome] === '' ? [] : [paint(style, ['bold', color], sentences[outcome])];
  lines.push(...list(report.left, style));
  if (report.rebootNeeded) lines.push('A reboot is needed.');
  if (report.confirmBy !== undefined) {
    lines.push(
      wrap(`It is undone at ${report.confirmBy} unless you type: bypass-setup confirm`, style.width),
    );
  } else if (outcome === 'applied') lines.push(`To take it back: bypass-setup undo ${run}`);
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

export function renderUndo({ sentence, left }: UndoReport, style: Style): string {
  return `${[plain(`${sentence[0]?.toUpperCase()}${sentence.slice(1)}.`), ...list(left, style)].join('\n')}\n`;
}

export function renderResume({ sentence, left }: ResumeReport, style: Style): string {
  const text = wrap(plain(`${sentence[0]?.toUpperCase()}${sentence.slice(1)}.`), style.width);
  return `${[text, ...list(left, style)].join('\n')}\n`;
}

/** The runs, the last one first; `verbose` adds what each changed. */
export function renderRuns({ runs }: RunsReport, style: Style, verbose: boolean): string {
  if (runs.length === 0) return 'Nothing was ever applied here.\n';
  const rows = [...runs].reverse().map(({ run, state, by, command, changes, afterReboot }) => ({
    cells: [
      run,
      afterReboot === undefined ? state : afterBoot(afterReboot),
      by,
      countOf(changes),
      command,
    ].map(plain),
    changes,
    wrong: afterReboot?.wrong ?? [],
  }));
  const lines = table(
    [['run', 'state', 'by', 'changes', 'command'], ...rows.map(({ cells }) => cells)],
    style,
  );
  const below = rows.map(({ changes, wrong }) => [
    ...list(wrong, style),
    ...(verbose ? changes.map((change) => describe(change, style)) : []),
  ]);
  return `${lines.flatMap((line, index) => [line, ...(below[index - 1] ?? [])]).join('\n')}\n`;
}

/** What became of it in a later boot. */
function afterBoot({ wrong }: { readonly wrong: readonly string[] }): string {
  return wrong.length === 0 ? 'in force' : 'not in force';
}

function countOf(changes: RunsReport['runs'][number]['changes']): string {
  const left = changes.filter(({ standing }) => standing === 'left').length;
  return left === 0 ? String(changes.length) : `${changes.length}, ${left} left`;
}

function describe(
  { id, standing, summary }: RunsReport['runs'][number]['changes'][number],
  style: Style,
): string {
  const text = `${standing.padEnd(8)}  ${summary} (${id})`;
  return `  ${wrap(plain(text), style.width - 12, ' '.repeat(12))}`;
}

function list(sentences: readonly string[], style: Style): string[] {
  return sentences.map((sentence) => `  ${wrap(plain(sentence), style.width - 2, '  ')}`);
}
