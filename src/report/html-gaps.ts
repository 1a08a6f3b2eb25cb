import { formatNanoseconds as time } from '../formats/duration.ts';
import type { ValidateResult } from '../native/messages.ts';
import { type Markup, markup } from './markup.ts';
import type { Measurement } from './report.ts';

type Gaps = ValidateResult['gaps'];
type MeasuredCore = Measurement['cores'][number];

/** How long the poll loop was away while it drove packets: the figures, then the histogram. */
export function renderGaps({
  gaps,
  packets,
  core,
  port,
  reasons,
  notes,
  durationSeconds,
}: ValidateResult): Markup {
  const figures: Figure[] = [
    ...lengths(gaps),
    ['received', `${packets.received}`],
    ['answered', `${packets.answeredArp + packets.answeredIcmp}`],
    ['dropped', `${packets.droppedRx + packets.droppedTx}`],
  ];
  return markup`<p>${durationSeconds.toFixed(1)} s on CPU ${core.cpu} with ${port.driver}. A gap is a moment in which the loop did not look at its queue.</p>
${list(figures)}${histogram(gaps)}
<ul>${[...reasons, ...notes].map((text) => markup`<li>${text}</li>`)}</ul>`;
}

/** The same of the loop alone on a CPU, and what disturbed it. */
export function renderCore({ gaps, core, durationSeconds, attribution }: MeasuredCore): Markup {
  const counted = (count: number | null) => (count === null ? 'not known' : `${count}`);
  const figures: Figure[] = [
    ...lengths(gaps),
    ['interrupts', counted(attribution.interrupts)],
    ['softirqs', counted(attribution.softirqs)],
    ['other threads', counted(attribution.threads)],
    ['SMIs', counted(attribution.smis)],
  ];
  return markup`<h3>CPU ${core.cpu}</h3><p>${durationSeconds.toFixed(1)} s, the loop alone.</p>
${list(figures)}${histogram(gaps)}`;
}

type Figure = readonly [string, string];

function lengths(gaps: Gaps): Figure[] {
  return [
    ['median gap', time(gaps.p50Ns)],
    ['99 %', time(gaps.p99Ns)],
    ['99.9 %', time(gaps.p999Ns)],
    ['longest', time(gaps.maxNs)],
  ];
}

function list(figures: readonly Figure[]): Markup {
  return markup`<dl class="figures">${figures.map(([name, value]) => markup`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
`;
}

/** The bars are logarithmic, as counts span nine decades. */
function histogram(gaps: Gaps): Markup {
  const rows = gaps.histogram.filter(({ count }) => count > 0);
  const top = Math.log10(Math.max(1, ...rows.map(({ count }) => count)) + 1);
  const bars = rows.map(({ fromNs, toNs, count }, index) => {
    const range = index === 0 ? `up to ${time(toNs)}` : `${time(fromNs)} – ${time(toNs)}`;
    const percent = Math.max(0.5, Math.round((1000 * Math.log10(count + 1)) / top) / 10);
    return markup`<tr><th scope="row">${range}</th><td><svg width="100%" height="12" aria-hidden="true"><rect class="${severity(fromNs)}" width="${percent}%" height="12" rx="2"/></svg></td><td class="number">${count}</td></tr>
`;
  });
  return markup`<table class="gaps"><caption>Gaps by length, logarithmic bars</caption><thead><tr><th scope="col">length</th><th scope="col">share</th><th scope="col" class="number">gaps</th></tr></thead><tbody>
${bars}</tbody></table>`;
}

/** As the counters over1us, over10us and over100us divide them. */
function severity(fromNs: number): string {
  if (fromNs >= 100_000) return 'gap-worst';
  if (fromNs >= 10_000) return 'gap-bad';
  return fromNs >= 1_000 ? 'gap-some' : 'gap-fine';
}
