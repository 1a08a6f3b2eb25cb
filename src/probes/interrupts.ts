import { formatCpuList, intersect, parseCpuList, union } from '../formats/cpu-list.ts';
import { parseCpuMask } from '../formats/cpu-mask.ts';
import { FormatError } from '../formats/format-error.ts';
import { parseInterrupts } from '../formats/interrupts.ts';
import { defineProbe } from './define.ts';
import type { Facts } from './facts.ts';
import { isolatedOn } from './isolated.ts';
import { attribute, cpuListText, firstKnown, word } from './read.ts';

const IRQ = '/proc/irq';

export const interruptsProbe = defineProbe('interrupts', (host): Facts['interrupts'] => ({
  defaultAffinity: attribute(host, `${IRQ}/default_smp_affinity`, (text) =>
    formatCpuList(parseCpuMask(text)),
  ),
  lines: attribute(host, '/proc/interrupts', (text) => {
    const isolated = isolatedOn(host);
    const table = parseInterrupts(word(text));
    if (table.cpus.length === 0) throw new FormatError('interrupt table', text, 'no CPU columns');
    return table.rows
      .filter((row) => /^\d+$/.test(row.name) && row.name.length < 10)
      .map((row) => {
        const mask = () => attribute(host, `${IRQ}/${row.name}/smp_affinity_list`, cpuListText);
        // Older kernels have no effective list; what was asked for is then the best that is known.
        const affinity = firstKnown(
          attribute(host, `${IRQ}/${row.name}/effective_affinity_list`, someCpus),
          mask,
        );
        const intrudes =
          isolated.length > 0 && intersect(parseCpuList(affinity.value ?? ''), isolated).length > 0;
        return {
          irq: Number(row.name),
          description: row.description,
          affinity,
          mask: intrudes ? (mask().value ?? null) : null,
          cpus: formatCpuList(
            union(
              table.cpus.filter((_, column) => (row.counts[column] ?? 0) > 0),
              [],
            ),
          ),
        };
      });
  }),
}));

/** Chips that never tell leave the effective list empty (kernel/irq/manage.c, irq_validate_effective_affinity). */
function someCpus(text: string): string {
  return word(cpuListText(text));
}
