/** /proc/interrupts and /proc/softirqs (Documentation/filesystems/proc.rst). */
interface InterruptRow {
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
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim();
    if (!/^[A-Za-z0-9_]+$/.test(name)) continue;
    const { counts, end } = readCounts(line, colon + 1, cpus.length);
    rows.push({ name, counts, description: line.slice(end).trim().replace(/\s+/g, ' ') });
  }
  return { cpus, rows };
}

/**
 * At most `limit` numbers that stand alone: a chip's name may begin with digits. Read by hand, because a large server
 * has a thousand rows of hundreds of columns.
 */
function readCounts(line: string, start: number, limit: number): { counts: number[]; end: number } {
  // Made in one piece: growing a thousand rows of hundreds of columns costs more than reading them.
  const counts = new Array<number>(limit);
  let found = 0;
  let end = start;
  while (found < limit) {
    let at = end;
    while (isBlank(line, at)) at++;
    const first = at;
    let value = 0;
    for (
      let digit = line.charCodeAt(at) - ZERO;
      digit >= 0 && digit <= 9;
      digit = line.charCodeAt(at) - ZERO
    ) {
      value = value * 10 + digit;
      at++;
    }
    if (at === first || first === end || !(at === line.length || isBlank(line, at))) break;
    counts[found++] = value;
    end = at;
  }
  counts.length = found;
  return { counts, end };
}

const ZERO = 48;

function isBlank(line: string, at: number): boolean {
  const code = line.charCodeAt(at);
  return code === 32 || code === 9;
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
