import {
  busyPercentile,
  type Figures,
  gapOctaves,
  gapPercentile,
  gapsFrom,
  type VerdictName,
} from './figures.ts';
import type { ValidateResult, WorkerResult } from './messages.ts';

/** The embedded mode's addresses, as in judge.h: 198.18.0.0/15 is set aside for benchmarks (RFC 2544). */
const PEER_ADDRESS = '198.18.0.1';
export const VALIDATOR_ADDRESS = '198.18.0.2';
const OTHER_ADDRESS = '198.18.0.3';
const MISDIRECTED_ADDRESS = '198.18.0.4';

export interface Run {
  mode: ValidateResult['mode'];
  /** Interface mode only. */
  iface: string | null;
  /** Port mode only. */
  pci: string | null;
  address: string | null;
  cpu: number;
  /** Set where the mode is not the one that was asked for. */
  insteadOf?: { mode: ValidateResult['mode']; because: string };
  /** What was to be said before the run. */
  notes: readonly string[];
  worker: WorkerResult;
  figures: Figures;
  /** Counters that could not even be tried. */
  absentCounters: Record<string, { from: string; absent: string }>;
  gapLimitNs: number | undefined;
  /** Whether the interface went away, went down or lost its link during the run. */
  disturbed: boolean;
}

type Judgement = Pick<ValidateResult, 'verdict' | 'reasons'>;

function packetsOf({ worker, figures }: Run): ValidateResult['packets'] {
  const { words, verdicts } = figures;
  const answers: readonly VerdictName[] = ['answered-arp', 'answered-icmp'];
  const ignored = Object.entries(verdicts).filter(
    ([name, count]) => count > 0 && !answers.some((answer) => answer === name),
  );
  const droppedRxSources = {
    'rte_eth_stats.imissed': worker.imissed,
    'rte_eth_stats.ierrors': worker.ierrors,
    'rte_eth_stats.rx_nombuf': worker.rxNombuf,
    ...(worker.socketDrops === null ? {} : { 'PACKET_STATISTICS.tp_drops': worker.socketDrops }),
  };
  return {
    received: words.received,
    octets: words.octetsReceived,
    answeredArp: verdicts['answered-arp'],
    answeredIcmp: verdicts['answered-icmp'],
    sent: words.sent,
    ignored: Object.fromEntries(ignored),
    droppedRx: Object.values(droppedRxSources).reduce((sum, count) => sum + count, 0),
    droppedRxSources,
    droppedTx: words.droppedTx,
    txErrors: worker.oerrors,
  };
}

function portOf({ iface, pci, address, worker: { driver, mac, port } }: Run): ValidateResult['port'] {
  return {
    interface: iface,
    driver,
    mac,
    address,
    pci,
    node: port?.node ?? null,
    memory: port?.memory ?? null,
    link: port === null ? null : { up: port.linkUp, speed: port.linkSpeed, losses: port.linkLosses },
  };
}

function judgeOf({ worker: { judge, selfTest } }: Run): ValidateResult['judge'] {
  if (judge !== null) {
    return {
      kind: 'kernel',
      problems: judge.problems,
      cpu: judge.cpu,
      peerAddress: PEER_ADDRESS,
      arpResolutions: judge.arpResolutions,
      neighbour: { state: judge.neighbourState, mac: judge.neighbourMac },
      echo: {
        sent: judge.echoSent,
        received: judge.echoReceived,
        corrupt: judge.echoCorrupt,
        largest: judge.largestEcho,
        rttMinNs: judge.rttMinNs,
        rttMedianNs: judge.rttMedianNs,
      },
      otherAddress: { address: OTHER_ADDRESS, neighbourState: judge.otherState, replies: judge.otherReplies },
      misdirected: {
        address: MISDIRECTED_ADDRESS,
        sent: judge.misdirectedSent,
        replies: judge.misdirectedReplies,
      },
    };
  }
  if (selfTest !== null) {
    return {
      kind: 'self-test',
      problems: selfTest.problems,
      sent: selfTest.consumed,
      replies: selfTest.replies,
      wrongReplies: selfTest.wrongReplies,
    };
  }
  return null;
}

function losses({ droppedRx, droppedTx, txErrors }: ValidateResult['packets']): string[] {
  return [
    ...(droppedRx > 0 ? [`${droppedRx} packets were lost before the loop saw them`] : []),
    ...(droppedTx > 0 ? [`the driver refused ${droppedTx} replies`] : []),
    ...(txErrors > 0 ? [`the driver failed to send ${txErrors} packets`] : []),
  ];
}

function judgeEmbedded(
  judge: Extract<ValidateResult['judge'], { kind: 'kernel' }>,
  lost: string[],
): Judgement {
  const problems = [...judge.problems, ...lost];
  if (problems.length > 0) return { verdict: 'not-ready', reasons: problems };
  if (judge.echo.received === 0 || judge.arpResolutions === 0) {
    return { verdict: 'cannot-know', reasons: ['the peer exchanged no packet with the loop'] };
  }
  return {
    verdict: 'ready',
    reasons: [
      `the peer's kernel resolved ${VALIDATOR_ADDRESS} by ARP ${judge.arpResolutions} times, each time to the validator's MAC address`,
      `all ${judge.echo.received} ICMP echo requests came back intact, up to ${judge.echo.largest} octets`,
      `requests for ${OTHER_ADDRESS} and ${MISDIRECTED_ADDRESS}, which are not the validator's, stayed unanswered`,
    ],
  };
}

function judgeSelfTest(
  judge: Extract<ValidateResult['judge'], { kind: 'self-test' }>,
  lost: string[],
  run: Run,
): Judgement {
  const problems = [...judge.problems, ...lost];
  if (problems.length > 0) return { verdict: 'not-ready', reasons: problems };
  const passed = `self-test passed: ${judge.sent} frames through the poll loop, ${judge.replies} replies as expected, nothing else answered`;
  if (run.insteadOf === undefined) return { verdict: 'ready', reasons: [passed] };
  return {
    verdict: 'cannot-know',
    reasons: [`${passed}; but no kernel and no interface took part, because ${run.insteadOf.because}`],
  };
}

function linkProblems({ worker: { port } }: Run): string[] {
  if (port === null) return [];
  if (!port.linkUp) return ['no link after 10 s: look at the cable, the module and the other end'];
  if (port.linkLosses === 0) return [];
  return [`the link was lost during the run${port.linkLosses === 1 ? '' : `, ${port.linkLosses} times`}`];
}

/** On a kernel interface or a NIC, where only the packets tell. */
function judgeFromPackets(packets: ValidateResult['packets'], run: Run, lost: string[]): Judgement {
  const conflicts = packets.ignored['arp-conflict'] ?? 0;
  const problems = [
    ...(conflicts > 0
      ? [`another station uses ${run.address}: ${conflicts} ARP packets claim it (RFC 5227)`]
      : []),
    ...(run.disturbed ? ['the interface went away, went down or lost its link during the run'] : []),
    ...linkProblems(run),
    ...lost,
  ];
  if (problems.length > 0) return { verdict: 'not-ready', reasons: problems };
  if (packets.received === 0)
    return { verdict: 'cannot-know', reasons: ['no packet arrived during the run'] };
  if (run.address === null) {
    return {
      verdict: 'cannot-know',
      reasons: [
        `${packets.received} packets arrived and none was lost; nothing was answered, because no address was given`,
      ],
    };
  }
  // An echo request alone may come from a peer that has the MAC address from elsewhere and hears no reply.
  if (packets.answeredIcmp > 0 && packets.answeredArp === 0) {
    return {
      verdict: 'cannot-know',
      reasons: [
        `${packets.answeredIcmp} echo requests were answered, but no peer asked for the address by ARP, so nothing shows that a reply arrived: clear the peer's neighbour entry and ping again`,
      ],
    };
  }
  if (packets.answeredIcmp > 0) {
    return {
      verdict: 'ready',
      reasons: [
        `${packets.answeredArp} ARP and ${packets.answeredIcmp} ICMP echo requests for ${run.address} were answered and none was lost`,
        'a peer asked for the address by ARP and sent echo requests to the MAC address of the answer',
      ],
    };
  }
  return {
    verdict: 'cannot-know',
    reasons: [
      `no echo request for ${run.address} arrived: ping it from another host on this network during the run`,
    ],
  };
}

function judgement(run: Run, packets: ValidateResult['packets'], judge: ValidateResult['judge']): Judgement {
  const lost = losses(packets);
  if (judge?.kind === 'kernel') return judgeEmbedded(judge, lost);
  if (judge?.kind === 'self-test') return judgeSelfTest(judge, lost, run);
  if (run.mode === 'quiet')
    return { verdict: 'cannot-know', reasons: ['the poll loop alone was measured: no packet was driven'] };
  return judgeFromPackets(packets, run, lost);
}

/** Everything the run showed, with a verdict that rests on it alone. Pure. */
export function validateResultOf(run: Run): ValidateResult {
  const { worker, figures } = run;
  const { words } = figures;
  const ns = (cycles: number): number => Math.round((cycles * 1e10) / words.tscHz) / 10;
  const cyclesOf = (nanoseconds: number): number => Math.ceil((nanoseconds * words.tscHz) / 1e9);
  const packets = packetsOf(run);
  const judge = judgeOf(run);
  const idleSeconds = (words.runCycles - words.busyCycles) / words.tscHz;
  // No gap exceeded the threshold: then that is all there is to say about the longest.
  const longest = words.gapMax === 0 ? words.threshold : words.gapMax;
  return {
    schema: 'bypass-setup/validate@1',
    mode: run.mode,
    ...judgement(run, packets, judge),
    notes: [
      ...(run.insteadOf === undefined
        ? []
        : [`ran the ${run.mode} self-test instead of ${run.insteadOf.mode}: ${run.insteadOf.because}`]),
      ...run.notes,
    ],
    startedAt: new Date(worker.startedAtMs).toISOString(),
    durationSeconds: worker.durationNs / 1e9,
    setupSeconds: worker.setupNs / 1e9,
    dpdkVersion: worker.dpdkVersion,
    port: portOf(run),
    packets,
    judge,
    polls: {
      total: words.polls,
      empty: words.polls - words.batches,
      perSecond: idleSeconds > 0 ? Math.round(words.polls / idleSeconds) : 0,
      stride: words.stride,
    },
    clock: { tscHz: words.tscHz, resolutionNs: ns(words.tscStep) },
    gaps: {
      count: words.gaps,
      thresholdNs: ns(words.threshold),
      bucketWidth: 1 / 32,
      p50Ns: ns(gapPercentile(figures, 0.5)),
      p99Ns: ns(gapPercentile(figures, 0.99)),
      p999Ns: ns(gapPercentile(figures, 0.999)),
      maxNs: ns(longest),
      over1us: gapsFrom(figures.gap, cyclesOf(1e3)),
      over10us: gapsFrom(figures.gap, cyclesOf(1e4)),
      over100us: gapsFrom(figures.gap, cyclesOf(1e5)),
      ...overLimit(run, cyclesOf),
      histogram: gapOctaves(figures).map(({ from, to, count }) => ({
        fromNs: ns(from),
        toNs: ns(to),
        count,
      })),
    },
    batches: {
      count: words.batches,
      p50Ns: ns(busyPercentile(figures, 0.5)),
      p99Ns: ns(busyPercentile(figures, 0.99)),
      maxNs: ns(words.busyMax),
      totalNs: ns(words.busyCycles),
    },
    core: {
      cpu: run.cpu,
      ...worker.account,
      counters: { ...worker.account.counters, ...run.absentCounters },
    },
  };
}

/** The bucket that the limit falls into counts whole, so that a longest gap over the limit is never none. */
function overLimit({ gapLimitNs, figures }: Run, cyclesOf: (nanoseconds: number) => number) {
  if (gapLimitNs === undefined) return {};
  const limit = cyclesOf(gapLimitNs);
  const count = figures.words.gapMax > limit ? gapsFrom(figures.gap, limit) : 0;
  return { overLimit: { limitNs: gapLimitNs, count } };
}
