import type { Facts, PciFunction } from '../probes/facts.ts';
import type { ResolvedNic } from './resolved.ts';

/** A NIC of the profile with the node that its memory and its CPUs should be on. */
export interface PlacedNic {
  readonly name: string;
  readonly address: string;
  readonly stack: ResolvedNic['stack'];
  /** Undefined where the host does not say. */
  readonly node: number | undefined;
  /** The firmware names no node, and there is only one. */
  readonly guessed: boolean;
  /** It leaves the kernel, and with it its interrupts. */
  readonly leaves: boolean;
}

/** −1 in numa_node is no node; where there is but one, that is no riddle. */
export function nodeOf(nic: PciFunction, { numa }: Facts): number | undefined {
  if (nic.node.value !== undefined) return nic.node.value;
  if (numa.nodes.absent === 'missing') return 0;
  const [first, second] = numa.nodes.value ?? [];
  return second === undefined ? first?.id : undefined;
}
