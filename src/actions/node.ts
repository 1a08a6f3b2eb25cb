import { posix } from 'node:path';
import { OWN } from '../formats/own-files.ts';
import type { ReadHost } from '../host/host.ts';
import type { PciFunction } from '../probes/facts.ts';
import { accessAction, vfioNicsOf } from './access.ts';
import { defineAction, type PlanContext } from './define.ts';
import { run } from './run.ts';
import { staysWithKernel, wantedVfsOf } from './vf.ts';

const MODE = 0o660;

type Before = {
  /** null: there was no node, and with the driver it goes again. */
  readonly uid: number | null;
  readonly gid: number | null;
  readonly mode: number | null;
};

type After = { readonly group: string };

/** The node of the group as it is now. At the next boot the udev rule of `access` does the same. */
export const nodeAction = defineAction({
  name: 'node',

  plan(context) {
    const { service } = context.profile;
    if (service === undefined) return [];
    const ruleChanges = accessAction.plan(context, () => {}).some(({ target }) => target === OWN.udev);
    return functionsOf(context).flatMap(({ target, found }) => {
      const group = found?.iommuGroup.value;
      const node = (context.facts.userspaceIo.vfioNodes.value ?? []).find(
        ({ path }) => path === `/dev/vfio/${group}` || path === `/dev/vfio/noiommu-${group}`,
      );
      // Which group a number is only the C library knows; that it is the profile's one follows from our rule.
      const given = node !== undefined && node.gid !== 0 && (node.mode & MODE) === MODE;
      if (given && !ruleChanges) return [];
      const before: Before = { uid: node?.uid ?? null, gid: node?.gid ?? null, mode: node?.mode ?? null };
      return [
        {
          target,
          before,
          after: { group: service.group },
          scope: 'runtime' as const,
          effect: 'none' as const,
          summary: `let group ${service.group} open the vfio group of ${target}`,
          commands: [`chgrp ${service.group} /dev/vfio/GROUP`, 'chmod 660 /dev/vfio/GROUP'].map((line) =>
            line.replace('GROUP', `${group ?? 'noiommu-*'}`),
          ),
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
    const { uid, gid, mode } = change.before as Before;
    const node = nodeOf(host, change.target);
    if (node === undefined || uid === null || gid === null || mode === null) return;
    await run(host, ['chown', `${uid}:${gid}`, node]);
    await run(host, ['chmod', mode.toString(8), node]);
  },

  holdsBefore(change, host) {
    const { uid, gid, mode } = change.before as Before;
    const node = nodeOf(host, change.target);
    const status = node === undefined ? undefined : host.stat(node);
    if (status === undefined || uid === null) return undefined;
    const same = status.uid === uid && status.gid === gid && status.mode === mode;
    return same
      ? undefined
      : `${node} has owner ${status.uid}:${status.gid}, mode ${status.mode.toString(8)}`;
  },
});

/** The rule of `access` names no virtual function: they have no address before they are there, and no boot makes them. */
function functionsOf(context: PlanContext): { target: string; found: PciFunction | undefined }[] {
  const virtual = wantedVfsOf(context).filter(
    (vf) => vf.settings.driver === 'vfio-pci' && !staysWithKernel(vf),
  );
  return [...vfioNicsOf(context).map(({ found }) => ({ target: found.address, found })), ...virtual];
}

function nodeOf(host: ReadHost, target: string): string | undefined {
  const link = host.readLink(`/sys/bus/pci/devices/${target}/iommu_group`);
  if (link === undefined) return undefined;
  const group = posix.basename(link);
  return [`/dev/vfio/${group}`, `/dev/vfio/noiommu-${group}`].find((path) => host.stat(path) !== undefined);
}
