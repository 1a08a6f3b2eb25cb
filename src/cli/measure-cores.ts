import { judgeCore, judgeFrequency, judgeSmi, named } from '../checks/measured.ts';
import type { CpuSet } from '../formats/cpu-list.ts';
import type { ToolError } from '../host/errors.ts';
import { openGate } from '../native/gate.ts';
import type { ValidateResult } from '../native/messages.ts';
import type { Finding } from '../report/report.ts';
import { interruptible } from './drive-validator.ts';
import { cannotRun, type MeasureRun, tolerable } from './measure-run.ts';

/**
 * Poll loops that run at once. Side by side, because so they share caches, memory and the power budget as in production,
 * and the whole takes as long as one; each holds some 130 MiB, so a host with more CPUs has them measured in turn.
 */
export const SIDE_BY_SIDE = 16;

/** The poll loop alone on each CPU that is meant for one. */
export async function measureCores(
  run: MeasureRun,
): Promise<{ runs: ValidateResult[]; findings: Finding[] }> {
  const { cpus, measuredHost } = run;
  const runs: ValidateResult[] = [];
  const failures: { cpu: number; error: ToolError }[] = [];
  for (let at = 0; at < cpus.length; at += SIDE_BY_SIDE) {
    const round = cpus.slice(at, at + SIDE_BY_SIDE);
    for (const [index, outcome] of (await measureRound(round, run)).entries()) {
      if (outcome.status === 'fulfilled') runs.push(outcome.value);
      else failures.push({ cpu: round[index] ?? -1, error: tolerable(outcome.reason) });
    }
  }
  return {
    runs,
    findings: [
      ...runs.map((one) => judgeCore(one, measuredHost)),
      ...notRun(failures),
      ...judgeFrequency(runs, measuredHost),
      ...judgeSmi(runs, measuredHost),
    ],
  };
}

/** The loop alone, on each of these CPUs at the same time. */
async function measureRound(round: CpuSet, { seconds, pollCpus, gapLimitNs, context }: MeasureRun) {
  context.err(`measuring ${named(round)} for ${seconds} s\n`);
  // The messages' schemas bring zod, which a check without --measure does without.
  const { validate } = await import('../native/client.ts');
  const gates = openGate(round.length);
  return interruptible((signal) =>
    Promise.allSettled(
      round.map((cpu, index) =>
        validate(
          { target: { mode: 'quiet' }, seconds, cpu, pollCpus, gapLimitNs },
          { signal, gate: gates[index] },
        ),
      ),
    ),
  );
}

/** One finding for each reason: what is missing is missing on all CPUs. */
function notRun(failures: readonly { cpu: number; error: ToolError }[]): Finding[] {
  const codes = [...new Set(failures.map(({ error }) => error.code))];
  return codes.flatMap((code) => {
    const same = failures.filter(({ error }) => error.code === code);
    const [first] = same;
    if (first === undefined) return [];
    return [
      {
        ...cannotRun(first.error),
        check: 'core',
        subject: named(same.map(({ cpu }) => cpu)),
        why: 'a CPU that was not measured may disturb its poll loop at any time',
      },
    ];
  });
}
