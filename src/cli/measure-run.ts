import type { MeasuredHost } from '../checks/measured.ts';
import type { CpuSet } from '../formats/cpu-list.ts';
import { ToolError } from '../host/errors.ts';
import type { ReadHost } from '../host/host.ts';
import type { ValidateResult } from '../native/messages.ts';
import type { Facts } from '../probes/facts.ts';
import type { Resolution } from '../profile/resolve.ts';
import type { ResolvedProfile } from '../profile/resolved.ts';
import type { Profile } from '../profile/schema.ts';
import type { Finding } from '../report/report.ts';
import type { Context } from './context.ts';
import type { Sight } from './sight.ts';

export interface MeasureRequest {
  readonly seconds: number;
  readonly host: ReadHost;
  /** Looks again, and within the time that there is. */
  readonly sight: Sight;
  readonly facts: Facts;
  readonly profile: Profile | undefined;
  /** What became of the profile on this host. */
  readonly resolution: Resolution | undefined;
  /** What --cpu says. */
  readonly cpu: string | undefined;
}

/** What all parts of one measurement know. */
export interface MeasureRun extends MeasureRequest {
  readonly context: Context;
  /** The CPUs to measure. */
  readonly cpus: CpuSet;
  /** Those that are left alone, because something uses them. */
  readonly inUse: CpuSet;
  /** Both: nothing but poll loops shall run there. */
  readonly pollCpus: CpuSet;
  readonly resolved: ResolvedProfile | undefined;
  readonly gapLimitNs: number;
  readonly measuredHost: MeasuredHost;
}

export interface Outcome {
  readonly finding: Finding;
  readonly result?: ValidateResult;
}

/** An error that says only that something could not be measured; all others are thrown. */
export function tolerable(error: unknown): ToolError {
  if (!(error instanceof ToolError) || error.code === 'INTERRUPTED') throw error;
  return error;
}

export function cannotRun(error: ToolError): Pick<Finding, 'result' | 'sentence' | 'evidence' | 'remedy'> {
  return {
    result: 'unknown',
    sentence: `the validator cannot run: ${error.message}`,
    evidence: [{ path: error.subject ?? 'validator', value: error.code }],
    ...(error.hint === undefined ? {} : { remedy: error.hint }),
  };
}
