/** grub.cfg as grub-mkconfig writes it: enough of GRUB's script language to read every entry and its kernel line. */

export interface GrubEntry {
  /** `--id`, else the title, with those of the submenus before it: `a>b`, as grub-reboot takes it. */
  readonly id: string;
  readonly kernel: string;
  /** What stands behind the kernel, as the kernel gets it. */
  readonly line: string;
  /** Whether it is one of this system's own, which get GRUB_CMDLINE_LINUX_DEFAULT: made by 10_linux, no recovery. */
  readonly managed: boolean;
  readonly isDefault: boolean;
}

interface Open {
  readonly kind: 'menuentry' | 'submenu' | 'other';
  readonly id: string;
  readonly title: string;
  readonly index: number;
  children: number;
}

/** `saved` is saved_entry of grubenv. */
export function grubEntries(text: string, saved: string | undefined): GrubEntry[] {
  const found: (Omit<GrubEntry, 'isDefault'> & { readonly names: readonly string[][] })[] = [];
  const stack: Open[] = [{ kind: 'other', id: '', title: '', index: 0, children: 0 }];
  let section = '';
  for (const raw of joined(text)) {
    const line = raw.trim();
    section = /^### BEGIN (\S+) ###/.exec(line)?.[1] ?? section;
    const menu = /^(menuentry|submenu)\s/.exec(line);
    const inner = stack.at(-1);
    if (menu !== null && line.endsWith('{')) {
      const words = grubWords(line.slice(0, -1));
      const option = words.findIndex((word) => word === '--id' || word === '$menuentry_id_option');
      const title = words[1] ?? '';
      const menuOf = stack.findLast(({ kind }) => kind === 'submenu') ?? stack[0];
      const index = menuOf === undefined ? 0 : menuOf.children++;
      const kind = menu[1] === 'submenu' ? 'submenu' : 'menuentry';
      stack.push({ kind, id: option < 0 ? title : (words[option + 1] ?? title), title, index, children: 0 });
    } else if (/\{$/.test(line) && !line.startsWith('#')) {
      stack.push({ kind: 'other', id: '', title: '', index: 0, children: 0 });
    } else if (line === '}') {
      if (stack.length > 1) stack.pop();
    } else if (inner !== undefined && /^linux(16|efi)?\s/.test(line)) {
      const [, kernel = '', ...words] = grubWords(line);
      const path = stack.filter(({ kind }) => kind !== 'other');
      const entry = path.at(-1);
      if (entry?.kind !== 'menuentry') continue;
      found.push({
        id: path.map(({ id }) => id).join('>'),
        kernel,
        line: words.map(kernelWord).join(' '),
        managed:
          /\/\d\d_linux(_\w+)?$/.test(section) &&
          !/-recovery-/.test(entry.id) &&
          !/\(recovery mode\)/.test(entry.title),
        names: path.map(({ id, title, index }) => [id, title, `${index}`]),
      });
    }
  }
  const chosen = defaultEntry(text, saved);
  return found.map(({ names, ...entry }) => ({ ...entry, isDefault: matches(chosen, names) }));
}

/** The last plain `set default` counts; that of `next_entry` is for one boot (00_header). */
function defaultEntry(text: string, saved: string | undefined): string {
  const values = [...text.matchAll(/^\s*set default="?([^"\n]*)"?$/gm)].map((match) => match[1] ?? '');
  const value = values.filter((other) => !other.includes('next_entry')).at(-1) ?? '0';
  return value.includes('saved_entry') ? (saved ?? '0') : value;
}

/** `1>2`, ids and titles alike; of a submenu its first entry. */
function matches(chosen: string, names: readonly string[][]): boolean {
  const wanted = chosen.split('>');
  return names.every((level, depth) => level.includes(wanted[depth] ?? '0'));
}

/** A backslash at the end of a line joins it with the next. */
function joined(text: string): string[] {
  return text.replaceAll('\\\n', '').split('\n');
}

/** GRUB manual, "Quoting": single quotes keep all, double quotes keep blanks, a backslash keeps the next. */
export function grubWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? '';
    if (quote === "'" && char !== "'") word = (word ?? '') + char;
    else if (quote !== '' && char === quote) quote = '';
    else if (quote === '' && (char === "'" || char === '"')) {
      quote = char;
      word ??= '';
    } else if (char === '\\' && at + 1 < text.length) word = (word ?? '') + text[++at];
    else if (quote === '' && /\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + char;
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** grub_create_loader_cmdline (grub-core/lib/cmdline.c): a word with a blank in it is quoted as a whole. */
function kernelWord(word: string): string {
  return /\s/.test(word) ? `"${word}"` : word;
}

/** A block of 1024 octets: `key=value` lines, then `#`. */
export function grubEnvironment(text: string): Map<string, string> {
  return new Map(
    text.split('\n').flatMap((line) => {
      const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line);
      return match === null ? [] : [[match[1] ?? '', match[2] ?? ''] as const];
    }),
  );
}
