import { OWN } from '../formats/own-files.ts';
import type { PciFunction } from '../probes/facts.ts';
import { accessAction, vfioNicsOf } from './access.ts';
import { defineAction, type PlanContext } from './define.ts';
import { waitsForIommu } from './nics.ts';
import { run } from './run.ts';
import { staysWithKernel, wantedVfsOf } from './vf.ts';
import { type NodeOwner, nodeOf, nodeOwner, restoreOwner, wrongOwner } from './vfio-node.ts';

const MODE = 0o660;

type After = { readonly group: string };

/** The node of the group as it is now. At the next boot the udev rule of `access` does the same. */
export const nodeAction = defineAction({
  name: 'node',

  plan(context) {
    const { service } = context.profile;
    if (service === undefined) return [];
    const ruleChanges = accessAction.plan(context, () => {}).some(({ target }) => target === OWN.udev);
    return functionsOf(context).flatMap(({ target, found }) => {
      const before = nodeOwner(context, found);
      // Which group a number is only the C library knows; that it is the profile's one follows from our rule.
      const given = before !== null && before.gid !== 0 && (before.mode & MODE) === MODE;
      if (given && !ruleChanges) return [];
      const node = found?.iommuGroup.value ?? 'GROUP';
      return [
        {
          target,
          before: before && { ...before, group: String(before.gid) },
          after: { group: service.group },
          scope: 'runtime' as const,
          effect: 'none' as const,
          summary: `let group ${service.group} open the vfio group of ${target}`,
          commands: [`chgrp ${service.group} /dev/vfio/${node}`, `chmod 660 /dev/vfio/${node}`],
        },
      ];
    });
  },

  async apply(change, host) {
    const node = nodeOf(host, change.target);
    if (node === undefined) return;
    await run(host, ['chgrp', (change.after as After).group, node]);
    await run(host, ['chmod', '660', node]);
  },

  verify(change, host) {
    const node = nodeOf(host, change.target);
    const status = node === undefined ? undefined : host.stat(node);
    if (node === undefined || status === undefined) return `${change.target} has no node in /dev/vfio`;
    if (status.gid === 0) return `${node} still belongs to group 0`;
    return (status.mode & MODE) === MODE ? undefined : `${node} has mode ${status.mode.toString(8)}`;
  },

  async revert(change, host) {
    await restoreOwner(host, change.target, change.before as NodeOwner | null);
  },

  holdsBefore(change, host) {
    return wrongOwner(host, change.target, change.before as NodeOwner | null);
  },
});

/** The rule of `access` names no virtual function: they have no address before they are there, and no boot makes them. */
function functionsOf(context: PlanContext): { target: string; found: PciFunction | undefined }[] {
  const virtual = wantedVfsOf(context).filter(
    (vf) => vf.settings.driver === 'vfio-pci' && !staysWithKernel(vf),
  );
  const bound = vfioNicsOf(context).filter((nic) => !waitsForIommu(nic, context));
  return [...bound.map(({ found }) => ({ target: found.address, found })), ...virtual];
}
