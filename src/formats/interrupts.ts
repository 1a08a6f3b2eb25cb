/** /proc/interrupts and /proc/softirqs (Documentation/filesystems/proc.rst). */
export interface InterruptRow {
  /** `24`, `LOC`, `NET_RX`. */
  readonly name: string;
  /** Parallel to InterruptTable.cpus; short rows (ERR, MIS) have fewer. */
  readonly counts: readonly number[];
  /** Chip, hardware number, trigger and action names, as printed. */
  readonly description: string;
}

export interface InterruptTable {
  /** The columns: online CPUs. */
  readonly cpus: readonly number[];
  readonly rows: readonly InterruptRow[];
}

export function parseInterrupts(text: string): InterruptTable {
  const [header = '', ...lines] = text.split('\n');
  const cpus = [...header.matchAll(/CPU(\d+)/g)].map((match) => Number(match[1]));
  const rows: InterruptRow[] = [];
  for (const line of lines) {
    const match = /^\s*([A-Za-z0-9_]+):((?:\s+\d+(?=\s|$))*)(.*)$/s.exec(line);
    if (match?.[1] === undefined) continue;
    const numbers = (match[2] ?? '').trim().split(/\s+/).filter(Boolean);
    // A chip's name may begin with a digit-only hardware number; only as many counts as there are CPUs are counts.
    const counts = numbers.slice(0, cpus.length).map(Number);
    const description = [...numbers.slice(cpus.length), (match[3] ?? '').trim()].filter(Boolean).join(' ');
    rows.push({ name: match[1], counts, description: description.replace(/\s+/g, ' ') });
  }
  return { cpus, rows };
}

/** What one CPU counted between two readings, rows without change left out. */
export function interruptDelta(
  before: InterruptTable,
  after: InterruptTable,
  cpu: number,
): Record<string, number> {
  const earlier = new Map(before.rows.map((row) => [row.name, row.counts[before.cpus.indexOf(cpu)] ?? 0]));
  const column = after.cpus.indexOf(cpu);
  const delta: Record<string, number> = {};
  for (const row of after.rows) {
    const count = (row.counts[column] ?? 0) - (earlier.get(row.name) ?? 0);
    if (count > 0) delta[row.name] = count;
  }
  return delta;
}
