import { formatNanoseconds as time } from '../formats/duration.ts';
import { formatSize } from '../formats/size.ts';
import type { ValidateResult } from '../native/messages.ts';
import { paint, plain, type Style, wrap } from './terminal.ts';

const MODE: Readonly<Record<ValidateResult['mode'], string>> = {
  embedded: 'a veth pair in a namespace, the kernel as peer and judge',
  ring: 'the ring self-test, no kernel involved',
  interface: 'a kernel interface',
  port: 'a NIC that DPDK drives',
  quiet: 'the poll loop alone, without packets',
};
const COLOR = { ready: 'green', 'not-ready': 'red', 'cannot-know': 'cyan' } as const;

/** The run on one screen: what was driven, what came back, how long the loop was away, and the verdict. */
export function renderValidation(result: ValidateResult, style: Style): string {
  const rows: [string, string][] = [
    ['port', `${MODE[result.mode]} (${result.port.driver}, ${result.dpdkVersion})`],
    ['nic', nic(result)],
    ['packets', packets(result)],
    ['peer', peer(result)],
    [
      'polls',
      `${millions(result.polls.perSecond)} million/s, ${share(result)} empty, the clock read once in ${result.polls.stride}`,
    ],
    ['gaps', gaps(result)],
    ['core', core(result)],
  ];
  const width = 9;
  const lines = rows
    .filter(([, text]) => text !== '')
    .map(([name, text]) => {
      const body = wrap(plain(text), style.width - width - 2, ' '.repeat(width + 2));
      return `  ${paint(style, 'dim', name.padEnd(width))}${body}`;
    });
  const notes = result.notes.map(
    (note) =>
      `  ${paint(style, 'yellow', 'note')}     ${wrap(plain(note), style.width - 11, ' '.repeat(11))}`,
  );
  const word = result.verdict.toUpperCase().replace('-', ' ');
  const indent = ' '.repeat(word.length + 2);
  const verdict = paint(style, ['bold', COLOR[result.verdict]], word);
  const reasons = wrap(plain(result.reasons.join('; ')), style.width - indent.length, indent);
  return `${[...lines, ...histogram(result, style), ...notes, '', `${verdict}  ${reasons}`].join('\n')}\n`;
}

function nic({ port: { pci, node, link, memory } }: ValidateResult): string {
  if (pci === null) return '';
  const speed = link?.speed ? `, ${link.speed} Mbit/s` : '';
  const places = (memory ?? []).map((part) => `${formatSize(part.pageSize)} pages of node ${part.node}`);
  return [
    `${pci} on node ${node ?? '?'}`,
    `link ${link?.up ? 'up' : 'down'}${speed}`,
    `packets in ${places.join(' and ')}`,
  ].join('; ');
}

function packets({ packets: seen }: ValidateResult): string {
  const ignored = Object.entries(seen.ignored).map(([reason, count]) => `${count} ${reason}`);
  return [
    `${seen.received} received`,
    `${seen.answeredArp} ARP and ${seen.answeredIcmp} echo requests answered`,
    `ignored: ${ignored.join(', ') || 'none'}`,
    `dropped: ${seen.droppedRx} in, ${seen.droppedTx} out`,
  ].join('; ');
}

function peer({ judge }: ValidateResult): string {
  if (judge === null) return '';
  if (judge.kind === 'self-test')
    return `${judge.sent} sent, ${judge.replies} replies, ${judge.wrongReplies} of them wrong`;
  const { echo, otherAddress } = judge;
  return [
    `echo ${echo.received} of ${echo.sent}, median ${time(echo.rttMedianNs)}`,
    `neighbour ${judge.neighbour.state}, resolved ${judge.arpResolutions} times`,
    `${otherAddress.address}: ${otherAddress.neighbourState}, ${otherAddress.replies} replies`,
  ].join('; ');
}

function gaps({ gaps: seen, clock }: ValidateResult): string {
  const percentiles = `p50 ${time(seen.p50Ns)}, p99 ${time(seen.p99Ns)}, p99.9 ${time(seen.p999Ns)}, max ${time(seen.maxNs)}`;
  return `${percentiles} (clock steps of ${time(clock.resolutionNs)})`;
}

function core({ core: account }: ValidateResult): string {
  const busiest = [...(account.interrupts ?? [])].sort((a, b) => b.count - a.count).slice(0, 3);
  const interrupts = busiest.map((row) => `${row.row} ${row.count}`).join(', ');
  return [
    `CPU ${account.cpu}`,
    `${account.involuntarySwitches} involuntary switches`,
    account.interrupts === undefined ? 'interrupts unknown' : `interrupts: ${interrupts || 'none'}`,
    account.stealTicks ? `${account.stealTicks} ticks stolen by the hypervisor` : '',
  ]
    .filter(Boolean)
    .join(', ');
}

const BLOCKS = '▏▎▍▌▋▊▉█';
const BAR = 30;

/** Counts span nine decades, so the bars are logarithmic. */
function histogram({ gaps: seen }: ValidateResult, style: Style): string[] {
  const rows = seen.histogram.filter((row) => row.count > 0);
  const top = Math.log10(Math.max(1, ...rows.map((row) => row.count)) + 1);
  return rows.map((row, index) => {
    const range = index === 0 ? `≤ ${time(row.toNs)}` : `${time(row.fromNs)} – ${time(row.toNs)}`;
    const eighths = Math.max(1, Math.round((Math.log10(row.count + 1) / top) * BAR * 8));
    const bar = '█'.repeat(eighths >> 3) + (eighths & 7 ? (BLOCKS[(eighths & 7) - 1] ?? '') : '');
    return `           ${range.padStart(19)}  ${paint(style, 'cyan', bar.padEnd(BAR + 1))} ${row.count}`;
  });
}

function share({ polls }: ValidateResult): string {
  return polls.total === 0 ? 'none' : `${((100 * polls.empty) / polls.total).toFixed(1)} %`;
}

function millions(perSecond: number): string {
  return (perSecond / 1e6).toPrecision(3);
}
