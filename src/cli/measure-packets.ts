import { judgeCore } from '../checks/measured.ts';
import { subtract, union } from '../formats/cpu-list.ts';
import { RESULT_OF } from '../formats/verdict.ts';
import { EXIT, ToolError } from '../host/errors.ts';
import type { ValidateOptions } from '../native/client.ts';
import type { ValidateResult } from '../native/messages.ts';
import { usableCpus } from '../native/poll-cpu.ts';
import type { ResolvedNic } from '../profile/resolved.ts';
import type { Profile } from '../profile/schema.ts';
import type { Finding } from '../report/report.ts';
import { driveValidator } from './drive-validator.ts';
import { mayOpen } from './may-open.ts';
import { cannotRun, type MeasureRun, type Outcome, tolerable } from './measure-run.ts';
import { preflight } from './port-preflight.ts';
import { userspaceFunctions } from './service-account.ts';

const WHY = 'a host that is set up and does not carry packets is not ready';

type Answer = Pick<Finding, 'result' | 'sentence' | 'evidence' | 'remedy'>;

/** The veth pair: packets without a NIC, on the CPU that is meant for them where there is one. */
export async function driveWire(run: MeasureRun): Promise<Outcome> {
  const { seconds, pollCpus, gapLimitNs, context } = run;
  const cpu = plannedCpu(run) ?? run.cpus.at(-1);
  const heading = { check: 'data-path', subject: 'host', why: WHY };
  const options: ValidateOptions = {
    target: { mode: 'embedded' },
    seconds,
    pollCpus,
    gapLimitNs,
    ...(cpu === undefined ? {} : { cpu }),
  };
  try {
    const result = await driveValidator(options, context);
    const { judge } = result;
    const sentence =
      judge?.kind === 'kernel' && result.verdict === 'ready'
        ? `${judge.echo.received} of ${judge.echo.sent} echo requests answered on a veth pair (no NIC)`
        : `${result.mode === 'ring' ? 'ring self-test' : 'veth pair'}: ${result.reasons[0] ?? result.verdict}`;
    return { result, finding: { ...heading, ...packetsAndGaps(result, sentence, run) } };
  } catch (error) {
    if (error instanceof ToolError && error.code === 'USAGE') throw error;
    return { finding: { ...heading, ...cannotRun(tolerable(error)) } };
  }
}

/** The CPU that the profile names for this, unless something uses it. */
function plannedCpu({ profile, inUse }: MeasureRun): number | undefined {
  const cpu = profile?.validate?.cpu;
  return cpu !== undefined && inUse.includes(cpu) ? undefined : cpu;
}

/**
 * What came back and how the loop did meanwhile are one answer. Where no CPU is meant for a loop the gaps are not judged:
 * that none is isolated is said already.
 */
function packetsAndGaps(
  result: ValidateResult,
  sentence: string,
  { cpus, measuredHost }: Pick<MeasureRun, 'cpus' | 'measuredHost'>,
): Answer {
  const packets = {
    result: RESULT_OF[result.verdict],
    sentence,
    evidence: result.reasons.map((reason) => ({ path: `validate ${result.port.driver}`, value: reason })),
  };
  if (!cpus.includes(result.core.cpu)) return packets;
  const core = judgeCore(result, measuredHost);
  const order = ['pass', 'warn', 'unknown', 'fail'] as const;
  const worst = order.findLast((one) => one === packets.result || one === core.result) ?? 'unknown';
  return {
    result: worst,
    sentence: `${sentence}; on ${core.subject} meanwhile ${core.sentence}`,
    evidence: [...packets.evidence, ...core.evidence],
    ...(core.remedy === undefined ? {} : { remedy: core.remedy }),
  };
}

/** The NICs of the profile that DPDK drives, one after another: each has its CPU to itself. */
export async function driveNics(run: MeasureRun): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const nic of run.resolved?.nics ?? []) {
    if (nic.stack !== 'dpdk') continue;
    const functions = userspaceFunctions(nic, run.facts);
    if (functions.length === 0) outcomes.push(leftAlone(nic));
    for (const address of functions) outcomes.push(await driveNic({ name: nic.name, address }, run));
  }
  return outcomes;
}

/** Any number of processes may open such a NIC, and one more would take packets from the one that trades. */
function leftAlone(nic: ResolvedNic): Outcome {
  return {
    finding: {
      check: 'data-path',
      subject: nic.address,
      why: WHY,
      result: 'unknown',
      sentence: `${nic.name}: not touched: it stays on its kernel driver, and whether a process uses it cannot be known`,
      evidence: [],
      remedy: `when none does: bypass-setup validate --port ${nic.address}`,
    },
  };
}

/** Which NIC the address of the profile is for. */
function addressFor({ name }: Driven, profile: Profile | undefined): string | undefined {
  const others = profile?.nics.filter(({ role }) => role !== 'control') ?? [];
  const chosen = profile?.validate?.nic ?? (others.length === 1 ? others[0]?.name : undefined);
  return chosen === name ? profile?.validate?.address : undefined;
}

/** A NIC of the profile, or a virtual function of one. */
type Driven = Pick<ResolvedNic, 'name' | 'address'>;

async function driveNic(nic: Driven, run: MeasureRun): Promise<Outcome> {
  const { profile, cpus, inUse, pollCpus, seconds, gapLimitNs, context } = run;
  const heading = { check: 'data-path', subject: nic.address, why: WHY };
  const address = addressFor(nic, profile);
  try {
    const { allowed, isolated } = usableCpus();
    // Anew: a process may have taken it while the CPUs were measured.
    const { facts } = await run.sight.observe();
    const { port, cpu } = preflight(facts, {
      pci: nic.address,
      cpu: address === undefined ? undefined : plannedCpu(run),
      usable: {
        allowed: subtract(allowed, inUse),
        isolated: subtract(union(isolated, cpus), inUse),
      },
      mayOpen,
    });
    const target = { mode: 'port', port, ...(address === undefined ? {} : { address }) } as const;
    const result = await driveValidator({ target, seconds, cpu, pollCpus, gapLimitNs }, context);
    return { result, finding: { ...heading, ...describeNic(nic, result, run) } };
  } catch (error) {
    return { finding: { ...heading, ...notDriven(nic, tolerable(error)) } };
  }
}

/** Without an address only the link is judged, and the finding says so. */
export function describeNic(
  nic: Pick<ResolvedNic, 'name'>,
  result: ValidateResult,
  run: Pick<MeasureRun, 'cpus' | 'measuredHost'>,
): Answer {
  const reason = `${nic.name}: ${result.reasons[0] ?? result.verdict}`;
  if (result.port.address !== null || result.verdict === 'not-ready')
    return packetsAndGaps(result, reason, run);
  const speed = result.port.link?.speed ? ` with ${result.port.link.speed} Mbit/s` : '';
  return {
    result: 'skip',
    sentence: `${nic.name}: opened, its link is up${speed}; packets were not tried, as the profile has no address for it (validate.address)`,
    evidence: [{ path: `validate ${result.port.driver}`, value: result.reasons.join('; ') }],
  };
}

/** A NIC that another process has, or that this user may not open, is not known to be wrong. */
function notDriven(nic: Driven, error: ToolError): Answer {
  const unknown =
    ['NIC_IN_USE', 'NOT_PRIVILEGED', 'CPU_NOT_ALLOWED'].includes(error.code) ||
    error.exitCode === EXIT.unexpected;
  return {
    result: unknown ? 'unknown' : 'fail',
    sentence: `${nic.name}: not touched: ${error.message}`,
    evidence: [{ path: error.subject ?? nic.address, value: error.code }],
    ...(error.hint === undefined ? {} : { remedy: error.hint }),
  };
}
