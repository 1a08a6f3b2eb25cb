import type { FullReport } from './report.ts';
import { plain } from './terminal.ts';

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

const RESULTS = ['pass', 'warn', 'fail', 'unknown', 'skip'] as const;
const VERDICTS = ['ready', 'not-ready', 'cannot-know'] as const;

/** A subject names CPUs or a device of this host; a label must not grow with what stands there. */
const LABEL_LIMIT = 120;

/**
 * The text format of Prometheus for node_exporter's textfile collector: gauges, no time stamps of samples, which it
 * refuses; the age of the result is a gauge of its own, to be alerted on.
 */
export function renderPrometheus({ check, probe }: FullReport): string {
  const gaps = check.validation?.gaps;
  const metrics: (readonly [name: string, help: string, samples: readonly Sample[]])[] = [
    ['ready', 'Whether the host is ready for kernel bypass.', [[{}, check.verdict === 'ready' ? 1 : 0]]],
    [
      'verdict',
      'The verdict of bypass-setup check: 1 for the one that was given.',
      VERDICTS.map((verdict) => [{ verdict }, verdict === check.verdict ? 1 : 0]),
    ],
    [
      'findings',
      'Findings by result.',
      RESULTS.map((result) => [{ result }, check.findings.filter((entry) => entry.result === result).length]),
    ],
    ['finding', 'Findings of a check about a subject, by result.', findings(check.findings)],
    [
      'check_timestamp_seconds',
      'When the host was looked at, Unix time.',
      [[{}, Date.parse(check.takenAt) / 1000]],
    ],
    [
      'probe_duration_seconds',
      'How long each probe took.',
      Object.entries(probe.times).map(([name, time]) => [{ probe: name }, Number((time / 1000).toFixed(6))]),
    ],
    ['build_info', 'The version of bypass-setup; always 1.', [[{ version: check.tool }, 1]]],
    [
      'poll_gap_seconds',
      'Moments in which the poll loop did not look at its queue, by percentile; 100 is the longest.',
      gaps === undefined
        ? []
        : (
            [
              [50, gaps.p50Ns],
              [99, gaps.p99Ns],
              [99.9, gaps.p999Ns],
              [100, gaps.maxNs],
            ] as const
          ).map(([percentile, time]) => [{ percentile: `${percentile}` }, time / 1e9]),
    ],
  ];
  return metrics
    .filter(([, , samples]) => samples.length > 0)
    .map(([name, help, samples]) => family(`bypass_setup_${name}`, help, samples))
    .join('');
}

/** A series must not come twice, so what differs in the sentence alone is counted. */
function findings(all: FullReport['check']['findings']): Sample[] {
  const samples = new Map<string, [Labels, number]>();
  for (const { check, subject, result } of all) {
    const labels = { check, subject: label(subject), result };
    const key = JSON.stringify(labels);
    samples.set(key, [labels, (samples.get(key)?.[1] ?? 0) + 1]);
  }
  return [...samples.values()];
}

function family(name: string, help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${value}`;
  });
  return `${[`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...lines].join('\n')}\n`;
}

function label(text: string): string {
  const characters = [...plain(text)];
  return characters.length <= LABEL_LIMIT
    ? characters.join('')
    : `${characters.slice(0, LABEL_LIMIT - 1).join('')}…`;
}

/** github.com/prometheus/docs, exposition_formats.md: backslash, quote and line feed; plain() has taken the last. */
function escaped(text: string): string {
  return plain(text).replace(/[\\"]/g, '\\$&');
}
