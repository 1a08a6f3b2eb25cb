import { type CpuSet, intersect, parseCpuList, subtract } from '../formats/cpu-list.ts';
import { formatCpuMaskLike, parseCpuMask } from '../formats/cpu-mask.ts';
import type { ReadHost } from '../host/host.ts';
import { defineAction } from './define.ts';
import { userspaceNicsOf } from './nics.ts';

type Masks = { readonly each: Readonly<Record<string, string>> };

/** Receive and transmit steering of the interfaces that stay: no packet of theirs is worth a gap in a poll loop. */
export const rpsXpsAction = defineAction({
  name: 'rps-xps',

  plan(context) {
    const { cores, moveInterrupts } = context.profile;
    if (cores === undefined || !moveInterrupts) return [];
    const isolated = parseCpuList(cores.isolated);
    const leaving = userspaceNicsOf(context).flatMap(({ found }) => found.interfaces);
    const masks = Object.entries(context.facts.settings.queues.value ?? {}).filter(
      ([path, mask]) => !leaving.includes(interfaceOf(path)) && touches(mask, isolated),
    );
    return interfacesOf(masks).map((name) => {
      const own = masks.filter(([path]) => interfaceOf(path) === name);
      const wanted = own.map(([path, mask]) => [path, cleared(mask, isolated)] as const);
      const before: Masks = { each: Object.fromEntries(own) };
      const after: Masks = { each: Object.fromEntries(wanted) };
      return {
        target: `/sys/class/net/${name}/queues`,
        before,
        after,
        scope: 'runtime' as const,
        effect: 'none' as const,
        summary: `take CPUs ${cores.isolated} out of the packet steering of ${name} (${own.length} queues)`,
        commands: wanted.map(([path, mask]) => `echo ${mask} > ${path}`),
      };
    });
  },

  async apply(change, host) {
    for (const [path, mask] of Object.entries((change.after as Masks).each)) {
      if (maskAt(host, path) !== mask) host.writeAttribute(path, mask);
    }
  },

  verify(change, host) {
    return different(host, change.after as Masks);
  },

  async revert(change, host) {
    for (const [path, mask] of Object.entries((change.before as Masks).each)) {
      const now = maskAt(host, path);
      if (now !== undefined && now !== mask) host.writeAttribute(path, mask);
    }
  },

  holdsBefore(change, host) {
    return different(host, change.before as Masks);
  },
});

const interfaceOf = (path: string) => path.split('/')[4] ?? '';

function interfacesOf(masks: readonly (readonly [string, string])[]): string[] {
  return [...new Set(masks.map(([path]) => interfaceOf(path)))];
}

function touches(mask: string, isolated: CpuSet): boolean {
  return intersect(parseCpuMask(mask), isolated).length > 0;
}

function cleared(mask: string, isolated: CpuSet): string {
  return formatCpuMaskLike(subtract(parseCpuMask(mask), isolated), mask);
}

function maskAt(host: ReadHost, path: string): string | undefined {
  return host.readText(path)?.trim();
}

function different(host: ReadHost, { each }: Masks): string | undefined {
  const wrong = Object.entries(each).find(([path, mask]) => (maskAt(host, path) ?? mask) !== mask);
  return wrong && `${wrong[0]} is ${maskAt(host, wrong[0])}, not ${wrong[1]}`;
}
