import { evidence } from '../checks/evidence.ts';
import { isolationHidden } from '../checks/isolated.ts';
import { attributionOf, DEFAULT_GAP_LIMIT_NS, named } from '../checks/measured.ts';
import { type CpuSet, formatCpuList, union } from '../formats/cpu-list.ts';
import { parseShortTime } from '../formats/duration.ts';
import type { ValidateResult } from '../native/messages.ts';
import { keepOff, type Supervisor } from '../native/supervisor.ts';
import type { Facts } from '../probes/facts.ts';
import type { Unresolved } from '../profile/problem.ts';
import type { ResolvedProfile } from '../profile/resolved.ts';
import type { Profile } from '../profile/schema.ts';
import type { CheckReport, Finding, Measurement } from '../report/report.ts';
import type { Context } from './context.ts';
import { measureCores, SIDE_BY_SIDE } from './measure-cores.ts';
import { driveNics, driveWire } from './measure-packets.ts';
import type { MeasureRequest, MeasureRun, Outcome } from './measure-run.ts';
import { chooseMeasured } from './measured-cpus.ts';

export interface Measured extends Pick<CheckReport, 'validation' | 'measurement'> {
  readonly findings: Finding[];
}

/** What stands in its place when there is no time left for it. */
function noTimeFor(seconds: number): Finding {
  return {
    check: 'core',
    subject: 'host',
    result: 'unknown',
    sentence: `the deadline left no time to measure for ${seconds} s`,
    evidence: [{ path: '--deadline', value: 'over' }],
    why: 'a host that is set up and was not measured may still have gaps, or carry no packets',
    remedy: 'allow more time',
  };
}

/**
 * The dynamic proof: the poll loop alone on each CPU that is meant for one, then packets on one of them: through the NICs
 * of the profile that are free, else on a veth pair. What cannot be run is unknown and not a failure.
 */
export async function measure(request: MeasureRequest, context: Context): Promise<Measured> {
  const { facts, profile } = request;
  const { problems = [] } = request.resolution ?? {};
  const resolved = problems.length === 0 ? request.resolution?.resolved : undefined;
  const { cpus, inUse } = await chooseMeasured(request.cpu, facts, resolved, request.host);
  if (1000 * needed(request, cpus, resolved) > request.sight.left())
    return { findings: [noTimeFor(request.seconds)] };
  const pollCpus = union(cpus, inUse);
  const supervisor = await keepOff(pollCpus);
  try {
    const run: MeasureRun = {
      ...request,
      context,
      cpus,
      inUse,
      pollCpus,
      resolved,
      gapLimitNs: parseGapLimit(profile),
      measuredHost: {
        vendor: facts.cpu.vendor.value,
        hypervisor: facts.machine.hypervisor.value,
        apart: supervisor.apart,
      },
    };
    const cores = await measureCores(run);
    const ports = await driveNics(run);
    const driven = ports.some(({ result }) => result !== undefined && result.port.address !== null);
    const wire = driven ? undefined : await driveWire(run);
    return {
      findings: [
        ...unresolved(problems),
        ...notMeasured(cpus, inUse, facts, resolved),
        ...cores.findings,
        ...ports.map(({ finding }) => finding),
        ...(wire === undefined ? [] : [wire.finding]),
      ],
      ...(wire?.result === undefined ? {} : { validation: wire.result }),
      ...measurementOf(run, supervisor, cores.runs, ports),
    };
  } finally {
    await supervisor.restore();
  }
}

function parseGapLimit(profile: Profile | undefined): number {
  const text = profile?.validate?.['max-gap'];
  return text === undefined ? DEFAULT_GAP_LIMIT_NS : parseShortTime(text);
}

function unresolved(problems: readonly Unresolved[]): Finding[] {
  if (problems.length === 0) return [];
  return [
    {
      check: 'core',
      subject: 'profile',
      result: 'unknown',
      sentence: 'its CPUs and NICs cannot be measured, because this host cannot give what it asks for',
      evidence: problems.map(({ subject, sentence }) => ({ path: subject, value: sentence })),
      why: 'what was planned and what is measured must be the same',
    },
  ];
}

/** Seconds: the CPUs in rounds, then each NIC, then the veth pair. */
function needed({ seconds }: MeasureRequest, cpus: CpuSet, resolved: ResolvedProfile | undefined): number {
  const nics = resolved?.nics.filter(({ stack }) => stack === 'dpdk') ?? [];
  return seconds * (Math.ceil(cpus.length / SIDE_BY_SIDE) + nics.length + 1);
}

function notMeasured(
  cpus: CpuSet,
  inUse: CpuSet,
  { isolation }: Facts,
  resolved: ResolvedProfile | undefined,
): Finding[] {
  const heading = { check: 'core', why: 'a CPU that was not measured may disturb its poll loop at any time' };
  if (inUse.length > 0) {
    return [
      {
        ...heading,
        subject: named(inUse),
        result: 'unknown',
        sentence:
          'in use, or not known to be idle, and not measured: a loop beside it would take half of the CPU from what runs there',
        evidence: [{ path: '/proc/stat', value: 'not known to be idle', expected: 'idle' }],
        remedy: `stop what runs there, or measure anyway with --cpu ${formatCpuList(inUse)}`,
      },
    ];
  }
  if (cpus.length > 0) return [];
  if (resolved?.cores !== undefined) {
    const sentence = 'none of the CPUs that the profile plans is online, so none was measured';
    const evidence = [{ path: '/sys/devices/system/cpu/online', value: 'without them' }];
    return [
      { ...heading, subject: `CPUs ${resolved.cores.isolated}`, result: 'unknown', sentence, evidence },
    ];
  }
  if (isolationHidden(isolation)) {
    const sentence =
      'which CPUs are isolated cannot be read, so none was measured; --cpu names one all the same';
    return [
      { ...heading, subject: 'host', result: 'unknown', sentence, evidence: [evidence(isolation.isolated)] },
    ];
  }
  return [
    {
      ...heading,
      subject: 'host',
      result: 'skip',
      sentence: 'no CPU is isolated, so none was measured; --cpu names one all the same',
      evidence: [],
    },
  ];
}

function measurementOf(
  { gapLimitNs, measuredHost }: MeasureRun,
  { cpus, apart }: Supervisor,
  runs: readonly ValidateResult[],
  outcomes: readonly Outcome[],
): { measurement?: Measurement } {
  const ports = outcomes.flatMap(({ result }) => result ?? []);
  if (runs.length + ports.length === 0) return {};
  const cores = runs.map((run) => {
    const { startedAt, durationSeconds, polls, clock, gaps, core } = run;
    return {
      startedAt,
      durationSeconds,
      polls,
      clock,
      gaps,
      core,
      attribution: attributionOf(run, measuredHost),
    };
  });
  return { measurement: { gapLimitNs, supervisor: { cpus, apart }, cores, ports } };
}
