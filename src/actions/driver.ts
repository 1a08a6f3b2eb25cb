import { isUserspace } from '../formats/nic-drivers.ts';
import { bindingAction, bindingStep } from './binding.ts';
import type { Action } from './define.ts';
import { judge, refuseHeld } from './judge.ts';
import { kernelDriver, nicsOf } from './nics.ts';
import type { Sleep } from './sleep.ts';

/** Binds NICs to the driver that the profile names, or back to the kernel's own. */
export function driverAction(sleep: Sleep): Action {
  return bindingAction('driver', sleep, (context, note) => {
    const nics = nicsOf(context, note);
    const moving = nics.filter(({ found, wanted }) => wanted !== null && found.driver.value !== wanted);
    for (const nic of moving) judge(nic, nics, context, note);
    const returning = nics.filter(
      ({ found, wanted }) =>
        wanted === null &&
        (isUserspace(found.driver.value) ||
          (found.driver.absent === 'missing' && kernelDriver(found) !== null)),
    );
    for (const { found } of returning) refuseHeld(found, context);
    return [
      ...moving.map(({ found, wanted }) => bindingStep(context, found.address, found, wanted)),
      ...returning.map(({ found }) => bindingStep(context, found.address, found, null)),
    ];
  });
}
