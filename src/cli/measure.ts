import { EXIT, ToolError } from '../host/errors.ts';
import type { ValidateResult } from '../native/messages.ts';
import type { Finding } from '../report/report.ts';
import type { Context } from './context.ts';
import { driveValidator } from './drive-validator.ts';

export interface Measurement {
  readonly result: ValidateResult | undefined;
  readonly finding: Finding;
}

const WHY = 'a host that is set up and does not carry packets is not ready';
const RESULT = { ready: 'pass', 'not-ready': 'fail', 'cannot-know': 'unknown' } as const;

/** What stands in its place when there is no time left for it. */
export function notMeasured(seconds: number): Measurement {
  const finding: Finding = {
    ...{ check: 'data-path', subject: 'host', why: WHY },
    result: 'unknown',
    sentence: `the deadline left no time to drive packets for ${seconds} s`,
    evidence: [{ path: '--deadline', value: 'over' }],
    remedy: 'allow more time',
  };
  return { result: undefined, finding };
}

/** The dynamic proof: what the validator saw, as one finding. Where it cannot run, that is unknown and not a failure. */
export async function measure(seconds: number, context: Context): Promise<Measurement> {
  const heading = { check: 'data-path', subject: 'host', why: WHY };
  try {
    const result = await driveValidator({ target: { mode: 'embedded' }, seconds }, context);
    return { result, finding: { ...heading, ...describe(result) } };
  } catch (error) {
    if (!(error instanceof ToolError) || error.code === 'INTERRUPTED' || error.exitCode === EXIT.usage)
      throw error;
    const finding: Finding = {
      ...heading,
      result: 'unknown',
      sentence: `the validator cannot run: ${error.message}`,
      evidence: [{ path: error.subject ?? 'validator', value: error.code }],
      ...(error.hint === undefined ? {} : { remedy: error.hint }),
    };
    return { result: undefined, finding };
  }
}

function describe(result: ValidateResult): Pick<Finding, 'result' | 'sentence' | 'evidence'> {
  const { judge } = result;
  const sentence =
    judge?.kind === 'kernel' && result.verdict === 'ready'
      ? `${judge.echo.received} of ${judge.echo.sent} echo requests answered on a veth pair (no NIC)`
      : `${result.mode === 'ring' ? 'ring self-test' : 'veth pair'}: ${result.reasons[0] ?? result.verdict}`;
  return {
    result: RESULT[result.verdict],
    sentence,
    evidence: result.reasons.map((reason) => ({ path: `validate ${result.port.driver}`, value: reason })),
  };
}
