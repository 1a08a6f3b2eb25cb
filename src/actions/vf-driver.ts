import { isUserspace } from '../formats/nic-drivers.ts';
import { bindingAction, bindingStep } from './binding.ts';
import type { Action, PlanContext, Step } from './define.ts';
import { judgeHost, refuseHeld } from './judge.ts';
import type { Sleep } from './sleep.ts';
import { staysWithKernel, type WantedVf, wantedVfsOf } from './vf.ts';

/** Binds virtual functions, which may not be there before the plan is applied. */
export function vfDriverAction(sleep: Sleep): Action {
  return bindingAction('vf-driver', sleep, (context, note) =>
    wantedVfsOf(context).flatMap((vf) => vfStep(vf, context, note)),
  );
}

function vfStep(vf: WantedVf, context: PlanContext, note: (sentence: string) => void): Step[] {
  const { physical, settings, target, found } = vf;
  const now = found?.driver.value;
  if (settings.driver === null) {
    if (found === undefined || !isUserspace(now)) return [];
    refuseHeld(found, context);
    return [bindingStep(context, target, found, null)];
  }
  if (staysWithKernel(vf)) {
    note(
      `${target}: correctly not bound; its poll-mode driver works beside the kernel, as that of ${physical.found.address}`,
    );
    return [];
  }
  if (now === settings.driver) return [];
  judgeHost(physical, settings.driver, context, note);
  if (found !== undefined) refuseHeld(found, context);
  return [bindingStep(context, target, found, settings.driver)];
}
