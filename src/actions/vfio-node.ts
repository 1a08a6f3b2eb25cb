import { posix } from 'node:path';
import type { Host, ReadHost } from '../host/host.ts';
import type { PciFunction } from '../probes/facts.ts';
import type { PlanContext } from './define.ts';
import { run } from './run.ts';

/** Who may open the group of a function. */
export type NodeOwner = { readonly uid: number; readonly gid: number; readonly mode: number };

/** null: there is no node. Where there is one, another member of the group may have made it. */
export function nodeOwner({ facts }: PlanContext, found: PciFunction | undefined): NodeOwner | null {
  const group = found?.iommuGroup.value;
  const node = facts.userspaceIo.vfioNodes.value?.find(({ path }) => nodes(`${group}`).includes(path));
  return node === undefined ? null : { uid: node.uid, gid: node.gid, mode: node.mode };
}

/** Takes an address, or `0000:af:00.0/virtfn3`. */
export function nodeOf(host: ReadHost, target: string): string | undefined {
  const link = host.readLink(`/sys/bus/pci/devices/${target}/iommu_group`);
  if (link === undefined) return undefined;
  return nodes(posix.basename(link)).find((path) => host.stat(path) !== undefined);
}

/** A node that is not there any more has no owner to bring back. */
export async function restoreOwner(host: Host, target: string, owner: NodeOwner | null): Promise<void> {
  const node = nodeOf(host, target);
  if (node === undefined || owner === null || wrongOwner(host, target, owner) === undefined) return;
  await run(host, ['chown', `${owner.uid}:${owner.gid}`, node]);
  await run(host, ['chmod', owner.mode.toString(8), node]);
}

export function wrongOwner(host: ReadHost, target: string, owner: NodeOwner | null): string | undefined {
  const node = nodeOf(host, target);
  const status = node === undefined ? undefined : host.stat(node);
  if (status === undefined || owner === null) return undefined;
  const same = status.uid === owner.uid && status.gid === owner.gid && status.mode === owner.mode;
  return same ? undefined : `${node} belongs to ${status.uid}:${status.gid}, mode ${status.mode.toString(8)}`;
}

const nodes = (group: string) => [`/dev/vfio/${group}`, `/dev/vfio/noiommu-${group}`];
