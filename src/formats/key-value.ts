/** `Key:   value` lines as in /proc/meminfo, /proc/cpuinfo and /proc/self/limits. The first of equal keys wins. */
export function parseColonLines(text: string): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const key = line.slice(0, colon).trim();
    if (!map.has(key)) map.set(key, line.slice(colon + 1).trim());
  }
  return map;
}

/**
 * `KEY=value` lines as in os-release(5), uevent files and /etc/default: comments and blank lines are skipped,
 * shell quotes are taken off, the last of equal keys wins. Expansions are left as they stand.
 */
export function parseAssignments(text: string): ReadonlyMap<string, string> {
  const map = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(line);
    if (match?.[1] !== undefined) map.set(match[1], unquote((match[2] ?? '').trim()));
  }
  return map;
}

function unquote(value: string): string {
  const quote = value[0];
  if (value.length >= 2 && (quote === '"' || quote === "'") && value.endsWith(quote)) {
    const body = value.slice(1, -1);
    return quote === '"' ? body.replace(/\\(["\\$`])/g, '$1') : body;
  }
  return value;
}

/** The chosen word of a sysfs selector: `always [madvise] never` gives `madvise`. undefined when none is marked. */
export function selectedWord(text: string): string | undefined {
  return /\[([^[\]\s]+)\]/.exec(text)?.[1];
}
