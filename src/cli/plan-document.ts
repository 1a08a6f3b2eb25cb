import type { Survey } from '../engine/survey.ts';
import type { ReadHost } from '../host/host.ts';
import type { PlanDocument, Refusal } from '../plan/document.ts';
import { VERSION } from './version.ts';
import type { GivenWish } from './wish.ts';

/** The survey as a document that can be kept and compared. */
export async function documentOf(
  host: ReadHost,
  root: string,
  { source }: GivenWish,
  { profile, plan, refusals }: Survey,
  now: Date,
): Promise<PlanDocument> {
  const { planDocument } = await import('../plan/document.ts');
  const heading = {
    tool: VERSION,
    takenAt: now.toISOString(),
    root,
    bootId: host.readText('/proc/sys/kernel/random/boot_id')?.trim(),
    machineId: host.readText('/etc/machine-id')?.trim(),
    profile: source,
  };
  return planDocument(heading, profile, plan, refusalsOf(refusals));
}

export function refusalsOf(refusals: Survey['refusals']): Refusal[] {
  return refusals.map(({ target, reasons, error: { code, message, hint } }) => ({
    target,
    code,
    sentence: message,
    ...(hint === undefined ? {} : { hint }),
    reasons,
  }));
}
