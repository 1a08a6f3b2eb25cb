import { FormatError } from '../formats/format-error.ts';
import { defineProbe } from './define.ts';
import { attribute, natural } from './read.ts';

export const limitsProbe = defineProbe('limits', (host) => ({
  lockedMemory: attribute(host, '/proc/self/limits', (text) => {
    // The soft limit comes first; columns are apart by blanks.
    const soft = /^Max locked memory\s+(\S+)/m.exec(text)?.[1];
    if (soft === undefined) throw new FormatError('limits table', text, 'no "Max locked memory" line');
    return soft === 'unlimited' ? ('unlimited' as const) : natural(soft);
  }),
  dmaEntries: attribute(host, '/sys/module/vfio_iommu_type1/parameters/dma_entry_limit', natural),
}));
