import type { Baseline } from './report.ts';
import { plain, type Style, table } from './terminal.ts';

/** All that a baseline holds, a line for each key. */
export function renderBaseline(baseline: Baseline, style: Style): string {
  const who = baseline.host === undefined ? '' : ` of ${baseline.host}`;
  const rows = Object.entries(baseline.record).map(([key, value]) => [
    plain(key),
    plain(value === null ? '(could not be read)' : value === '' ? '(none)' : value),
  ]);
  const heading = `Baseline${who}, ${baseline.takenAt}, bypass-setup ${baseline.tool}: ${baseline.verdict}`;
  return `${[plain(heading), '', ...table(rows, style)].join('\n')}\n`;
}
