type Sample = [labels: Record<string, string>, value: number];

/** The text format of Prometheus, as strictly as node_exporter's textfile collector takes it; throws otherwise. */
export function parseExposition(text: string): Map<string, Sample[]> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  const families = new Map<string, Sample[]>();
  const seen = new Set<string>();
  let help: string | undefined;
  let current: string | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const about = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line);
    if (about?.[1] === 'HELP') {
      help = about[2];
      current = undefined;
    } else if (about?.[1] === 'TYPE') {
      current = about[2] ?? '';
      if (current !== help || about[3] !== 'gauge') throw new Error(`TYPE does not follow its HELP: ${line}`);
      if (families.has(current)) throw new Error(`${current} comes twice`);
      families.set(current, []);
    } else {
      const sample = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
      if (sample === null || sample[1] !== current || current === undefined)
        throw new Error(`no sample: ${line}`);
      const key = `${current}{${sample[2] ?? ''}}`;
      if (seen.has(key)) throw new Error(`${key} comes twice`);
      seen.add(key);
      if (!/^-?\d+(\.\d+)?(e-?\d+)?$/.test(sample[3] ?? '')) throw new Error(`no number: ${line}`);
      families.get(current)?.push([labels(sample[2] ?? ''), Number(sample[3])]);
    }
  }
  return families;
}

function labels(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  const pair = /([a-z_]+)="((?:[^"\\]|\\["\\n])*)"(,|$)/gy;
  let at = 0;
  for (let match = pair.exec(text); match !== null; match = pair.exec(text)) {
    at = pair.lastIndex;
    found[match[1] ?? ''] = (match[2] ?? '').replace(/\\(.)/g, (_, character) =>
      character === 'n' ? '\n' : character,
    );
    if (match[3] === '') break;
  }
  if (at !== text.length) throw new Error(`labels: ${text}`);
  return found;
}
