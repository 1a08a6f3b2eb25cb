import { formatNanoseconds as time } from '../formats/duration.ts';
import type { Measurement } from './report.ts';
import { plain, type Style } from './terminal.ts';
import { renderValidation } from './validate-text.ts';

const COLUMNS = [
  'CPU',
  'p50',
  'p99.9',
  'max',
  '> 10 µs',
  '> limit',
  'interrupts',
  'switches',
  'SMIs',
] as const;

/** One line for each CPU, then the runs on NICs. */
export function renderMeasurement(measurement: Measurement, style: Style): string {
  const { gapLimitNs, supervisor, cores, ports } = measurement;
  const rows = cores.map(({ core, gaps, attribution }) => [
    `${core.cpu}`,
    time(gaps.p50Ns),
    time(gaps.p999Ns),
    time(gaps.maxNs),
    `${gaps.over10us}`,
    `${gaps.overLimit?.count ?? '?'}`,
    `${attribution.interrupts ?? '?'}`,
    `${attribution.threads}`,
    `${attribution.smis ?? '?'}`,
  ]);
  const table = [[...COLUMNS], ...rows];
  const widths = COLUMNS.map((_, i) => Math.max(...table.map((row) => row[i]?.length ?? 0)));
  const lines = table.map((row) => `  ${row.map((cell, i) => cell.padStart(widths[i] ?? 0)).join('  ')}`);
  const heading = `The poll loop alone; the limit is ${time(gapLimitNs)}; this program kept to CPUs ${plain(supervisor.cpus)}`;
  const pages = rows.length === 0 ? [] : [`${[heading, '', ...lines].join('\n')}\n`];
  return [...pages, ...ports.map((port) => renderValidation(port, style))].join('\n');
}
