import * as z from 'zod';

const count = z.int().nonnegative();

const nativeJudge = z.object({
  problems: z.array(z.string()),
  cpu: z.int(),
  arpResolutions: count,
  neighbourState: z.string(),
  neighbourMac: z.string(),
  echoSent: count,
  echoReceived: count,
  echoCorrupt: count,
  largestEcho: count,
  rttMinNs: count,
  rttMedianNs: count,
  otherState: z.string(),
  otherReplies: count,
  misdirectedSent: count,
  misdirectedReplies: count,
});

const nativeSelfTest = z.object({
  problems: z.array(z.string()),
  consumed: count,
  replies: count,
  wrongReplies: count,
});

const nativePort = z.object({
  node: count.nullable(),
  memory: z.array(z.object({ node: z.int(), pageSize: count, octets: count })),
  linkUp: z.boolean(),
  linkSpeed: count.nullable(),
  linkLosses: count,
});

const row = z.object({
  row: z.string().describe('Row of the table, for instance "LOC" or "24"'),
  what: z.string().describe('The description that the kernel prints beside it; empty for softirqs'),
  count: z.int().describe('Events on the polling CPU during the run'),
});

const account = z.object({
  involuntarySwitches: count.describe(
    'Times the scheduler took the CPU away (getrusage(RUSAGE_THREAD) ru_nivcsw)',
  ),
  voluntarySwitches: count.describe('Times the poll thread slept (ru_nvcsw)'),
  interrupts: z
    .array(row)
    .optional()
    .describe('/proc/interrupts, rows that changed on the polling CPU; absent where it cannot be read'),
  softirqs: z.array(row).optional().describe('/proc/softirqs, rows that changed on the polling CPU'),
  stealTicks: z
    .int()
    .optional()
    .describe('/proc/stat steal of the polling CPU, in ticks of 1/USER_HZ second'),
  minorFaults: count.describe('Page faults without a read (ru_minflt)'),
  majorFaults: count.describe('Page faults that read from a disk (ru_majflt)'),
  waitNs: count
    .optional()
    .describe('Nanoseconds in which the poll thread could run and another thread did (/proc/TID/schedstat)'),
  migrations: count.optional().describe('Times it was moved to another CPU (/proc/TID/sched)'),
  throttles: z
    .object({ core: z.int().optional(), package: z.int().optional() })
    .optional()
    .describe('Times the processor slowed down for heat (cpuN/thermal_throttle/*_throttle_count)'),
  scalingFrequencyKhz: count
    .optional()
    .describe('scaling_cur_freq at the end of the run; an estimate of the kernel'),
  counters: z
    .record(
      z.string(),
      z.union([
        z.object({ from: z.string(), delta: z.int() }),
        z.object({ from: z.string(), absent: z.string().describe('Why it is not known') }),
      ]),
    )
    .describe('aperf, mperf and smi: what these registers grew by, and where they were read'),
});

/** One line of NDJSON from the child: the result, or why there is none. */
export const workerMessage = z.discriminatedUnion('type', [
  z.object({ type: z.literal('failure'), code: z.string(), message: z.string() }),
  z.object({
    type: z.literal('result'),
    dpdkVersion: z.string(),
    driver: z.string(),
    mac: z.string(),
    startedAtMs: count,
    setupNs: count,
    durationNs: count,
    account,
    imissed: count,
    ierrors: count,
    rxNombuf: count,
    oerrors: count,
    socketDrops: count.nullable(),
    judge: nativeJudge.nullable(),
    selfTest: nativeSelfTest.nullable(),
    port: nativePort.nullable(),
  }),
]);

export type WorkerMessage = z.output<typeof workerMessage>;
export type WorkerResult = Extract<WorkerMessage, { type: 'result' }>;

const nanoseconds = z.number().nonnegative();

const kernelJudge = z.object({
  kind: z.literal('kernel'),
  problems: z.array(z.string()).describe('What the peer saw and should not have; empty when all is well'),
  cpu: z.int().describe('CPU on which the judge ran'),
  peerAddress: z.string(),
  arpResolutions: count.describe(
    "Times the peer's neighbour entry was removed and became REACHABLE again with the validator's MAC address",
  ),
  neighbour: z
    .object({ state: z.string(), mac: z.string() })
    .describe("The peer kernel's neighbour entry of the validator's address (RTM_GETNEIGH)"),
  echo: z.object({
    sent: count,
    received: count.describe('Replies with the right source, checksum and payload'),
    corrupt: count,
    largest: count.describe('Largest payload answered, in octets'),
    rttMinNs: nanoseconds,
    rttMedianNs: nanoseconds,
  }),
  otherAddress: z.object({
    address: z.string(),
    neighbourState: z.string().describe('FAILED or INCOMPLETE: nobody answered ARP for it, as it should be'),
    replies: count,
  }),
  misdirected: z
    .object({ address: z.string(), sent: count, replies: count })
    .describe("Echo requests for another address, sent to the validator's MAC address on purpose"),
});

const selfTestJudge = z.object({
  kind: z.literal('self-test'),
  problems: z
    .array(z.string())
    .describe('Differences between what was sent and what was counted or answered'),
  sent: count.describe('Frames that the generator put on the ring and the loop took'),
  replies: count,
  wrongReplies: count.describe('Replies that differ from the expected octets'),
});

/** The result of `validate`, and its published JSON Schema. */
export const validateResult = z.object({
  schema: z.literal('bypass-setup/validate@1'),
  mode: z
    .enum(['embedded', 'ring', 'interface', 'port', 'quiet'])
    .describe(
      'What was run: a veth pair with the kernel as peer, the ring self-test, a kernel interface, a NIC that DPDK drives, or the poll loop without packets',
    ),
  verdict: z
    .enum(['ready', 'not-ready', 'cannot-know'])
    .describe('Never greener than the evidence in this document'),
  reasons: z.array(z.string()).min(1).describe('Sentences that carry the verdict'),
  notes: z.array(z.string()).describe('Other things to know, for instance why another mode was run'),
  startedAt: z.iso.datetime().describe('Start of the measured window'),
  durationSeconds: z.number().describe('Length of the measured window (CLOCK_MONOTONIC_RAW)'),
  setupSeconds: z.number().describe('From the start of the poll thread to its first poll: EAL, port, clock'),
  dpdkVersion: z.string().describe('rte_version()'),
  port: z.object({
    interface: z.string().nullable().describe('Kernel interface, null for the ring and for a NIC'),
    driver: z.string().describe('Poll-mode driver'),
    mac: z.string(),
    address: z.string().nullable().describe('IPv4 address that was answered for; null: nothing was answered'),
    pci: z
      .string()
      .nullable()
      .describe('PCI address of the NIC; null in the other modes, like the next three'),
    node: count
      .nullable()
      .describe('NUMA node of the NIC (rte_eth_dev_socket_id); null also where the firmware names none'),
    memory: z
      .array(
        z.object({
          node: z.int().describe('NUMA node'),
          pageSize: count.describe('Octets'),
          octets: count,
        }),
      )
      .nullable()
      .describe('Where the packet buffers really are (rte_mem_virt2memseg_list)'),
    link: z
      .object({
        up: z.boolean().describe('Whether the link came up within 10 s of the start of the port'),
        speed: count.nullable().describe('Mbit/s; null where the driver does not know'),
        losses: count.describe('Times it was found lost during the run, in ten looks a second'),
      })
      .nullable(),
  }),
  packets: z.object({
    received: count,
    octets: count.describe('Octets received, without the frame check sequence'),
    answeredArp: count.describe('ARP replies built'),
    answeredIcmp: count.describe('ICMP echo replies built'),
    sent: count.describe('Replies that the driver took'),
    ignored: z
      .record(z.string(), count)
      .describe('Packets not answered, by reason; reasons with 0 are left out'),
    droppedRx: count.describe('Packets lost before the loop saw them, summed over droppedRxSources'),
    droppedRxSources: z
      .record(z.string(), count)
      .describe(
        'Where the loss was counted: rte_eth_stats fields, PACKET_STATISTICS of the AF_PACKET sockets',
      ),
    droppedTx: count.describe('Replies that the driver refused'),
    txErrors: count.describe('rte_eth_stats oerrors'),
  }),
  judge: z
    .discriminatedUnion('kind', [kernelJudge, selfTestJudge])
    .nullable()
    .describe('Who looked at the replies from outside the poll loop; null on an interface and on a NIC'),
  polls: z.object({
    total: count,
    empty: count,
    perSecond: z.number().describe('Polls per second of the time not spent on packets'),
    stride: count.describe('Empty polls per clock reading'),
  }),
  clock: z.object({
    tscHz: z.number().describe('Time stamp counter, measured against CLOCK_MONOTONIC_RAW during the run'),
    resolutionNs: nanoseconds.describe('Usual difference between two successive readings'),
  }),
  gaps: z
    .object({
      count: count.describe(
        'Gaps measured: from one clock reading to the next, over `polls.stride` empty polls',
      ),
      thresholdNs: nanoseconds.describe(
        'Gaps up to here are counted together; percentiles among them come from 1 in 1024',
      ),
      bucketWidth: z.number().describe('Relative width of a bucket; percentiles are rounded up to its edge'),
      p50Ns: nanoseconds,
      p99Ns: nanoseconds,
      p999Ns: nanoseconds,
      maxNs: nanoseconds.describe('Longest gap; exact'),
      over1us: count,
      over10us: count,
      over100us: count,
      overLimit: z
        .object({ limitNs: nanoseconds, count })
        .optional()
        .describe('Gaps over the limit that this run was judged by; up to 3.1 % shorter ones included'),
      histogram: z
        .array(z.object({ fromNs: nanoseconds, toNs: nanoseconds, count }))
        .describe('Gaps by octave; the first entry holds all up to the threshold'),
    })
    .describe('Moments in which the loop did not look at the queue, packets aside'),
  batches: z
    .object({
      count: count.describe('Polls that brought packets'),
      p50Ns: nanoseconds,
      p99Ns: nanoseconds,
      maxNs: nanoseconds.describe('Longest time on one batch; a stall while handling packets shows here'),
      totalNs: nanoseconds,
    })
    .describe('Time from a poll that brought packets until its replies were handed to the driver'),
  core: account.extend({ cpu: z.int().describe('CPU of the poll loop') }),
});

export type ValidateResult = z.output<typeof validateResult>;
