/**
 * One file of /loader/entries: https://uapi-group.org/specifications/specs/boot_loader_specification/, type 1. Keys may
 * stand more than once; the `options` are then joined.
 */
export function entryValues(text: string, key: string): string[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*([a-z-]+)[ \t]+(.*?)\s*$/.exec(line);
    return match?.[1] === key ? [match[2] ?? ''] : [];
  });
}

export function entryOptions(text: string): string {
  return entryValues(text, 'options').join(' ');
}

/** All else stays byte for byte. */
export function withOptions(text: string, options: string): string {
  let done = false;
  const lines = text.split('\n').flatMap((line) => {
    const head = /^\s*options[ \t]+/.exec(line)?.[0];
    if (head === undefined) return [line];
    if (done) return [];
    done = true;
    return [head + options];
  });
  if (done) return lines.join('\n');
  return `${text.replace(/\n?$/, '\n')}options ${options}\n`;
}
