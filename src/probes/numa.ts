import { formatCpuList } from '../formats/cpu-list.ts';
import { FormatError } from '../formats/format-error.ts';
import { parseColonLines } from '../formats/key-value.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact, NumaNode } from './facts.ts';
import { absent, attribute, cpuListText, known, listing, names, natural, numbered } from './read.ts';

const NODE = '/sys/devices/system/node';

export const numaProbe = defineProbe('numa', (host) => {
  return {
    nodes: nodes(host),
    memory: attribute(host, '/proc/meminfo', (text) => {
      const info = parseColonLines(text);
      return {
        total: kilobytes(info.get('MemTotal')),
        // Before 3.14 there is no estimate; free memory is the careful one.
        available: kilobytes(info.get('MemAvailable') ?? info.get('MemFree')),
      };
    }),
    swap: attribute(host, '/proc/meminfo', (text) => {
      const info = parseColonLines(text);
      const total = kilobytes(info.get('SwapTotal'));
      return { total, used: Math.max(0, total - kilobytes(info.get('SwapFree'))) };
    }),
  };
});

function nodes(host: ReadHost): Fact<NumaNode[]> {
  const none = 'the kernel describes no NUMA node';
  const found = listing(host, NODE, none);
  if (found.absent !== undefined) return found;
  const ids = numbered(found.value, 'node');
  if (ids.length === 0) return absent('missing', none, NODE);
  const nodes: NumaNode[] = [];
  for (const id of ids) {
    const cpus = attribute(host, `${NODE}/node${id}/cpulist`, cpuListText);
    // A node without CPUs is another thing than one whose CPUs are hidden.
    if (cpus.absent !== undefined && cpus.absent !== 'missing') return cpus;
    nodes.push(readNode(host, id, ids, cpus.value));
  }
  return known(nodes, NODE);
}

function readNode(host: ReadHost, id: number, ids: readonly number[], cpus: string | undefined): NumaNode {
  const folder = `${NODE}/node${id}`;
  return {
    id,
    cpus: cpus ?? formatCpuList(numbered(names(host, folder), 'cpu')),
    memory: attribute(host, `${folder}/meminfo`, (text) => {
      // "Node 0 MemTotal:   32768 kB"
      const info = parseColonLines(text.replace(/^Node \d+ /gm, ''));
      const reclaimable = ['Inactive(file)', 'SReclaimable'].map((name) =>
        kilobytes(info.get(name) ?? '0 kB'),
      );
      return {
        total: kilobytes(info.get('MemTotal')),
        free: kilobytes(info.get('MemFree')),
        reclaimable: reclaimable.reduce((sum, bytes) => sum + bytes, 0),
      };
    }),
    distances: distances(host, folder, ids),
  };
}

/** One number per online node, in ascending order of the nodes that exist. */
function distances(host: ReadHost, folder: string, ids: readonly number[]): Fact<Record<string, number>> {
  return attribute(host, `${folder}/distance`, (text) => {
    const numbers = text.split(/\s+/).map(natural);
    if (numbers.length !== ids.length) {
      throw new FormatError('distance row', text, `${ids.length} nodes, ${numbers.length} numbers`);
    }
    return Object.fromEntries(ids.map((id, index) => [id, numbers[index] ?? 0]));
  });
}

function kilobytes(text: string | undefined): number {
  const match = /^(\d+) kB$/.exec(text ?? '');
  if (match === null) throw new FormatError('memory size', text ?? '', 'expected a number of kB');
  return natural(match[1] ?? '') * 1024;
}
