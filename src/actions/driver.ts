import { isUserspace } from '../formats/nic-drivers.ts';
import { OWN } from '../formats/own-files.ts';
import { bindingAction, bindingStep } from './binding.ts';
import type { Action } from './define.ts';
import { judge, refuseHeld } from './judge.ts';
import { kernelDriver, nicsOf, waitsForIommu } from './nics.ts';
import { persistAction } from './persist.ts';
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
    const waiting = moving.filter((nic) => waitsForIommu(nic, context));
    for (const { found } of waiting) {
      note(
        `${found.address}: waits for the next boot, which turns the IOMMU on; its group and interrupt remapping can be judged only then`,
        'unmet',
      );
    }
    const arranged =
      waiting.length > 0 &&
      !persistAction.plan(context, () => {}).some(({ target }) => target === OWN.script);
    return [
      ...moving.flatMap((nic) => {
        const { found, wanted } = nic;
        if (!waiting.includes(nic)) return [bindingStep(context, found.address, found, wanted)];
        return arranged ? [] : [bindingStep(context, found.address, found, wanted, 'next boot')];
      }),
      ...returning.map(({ found }) => bindingStep(context, found.address, found, null)),
    ];
  });
}
