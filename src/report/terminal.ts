import { styleText } from 'node:util';

/** How to write for the stream at hand. */
export interface Style {
  readonly color: boolean;
  /** Columns; 80 where the stream does not say. */
  readonly width: number;
}

type Paint = 'green' | 'yellow' | 'red' | 'cyan' | 'dim' | 'bold';

export function paint(style: Style, format: Paint | readonly Paint[], text: string): string {
  return style.color ? styleText(format as Paint[], text) : text;
}

/** Text from the host must not move the cursor or colour the terminal. */
export function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]+/g, ' ');
}

/** Breaks at blanks so that no line is longer than `width`; `indent` goes before each further line and is not counted. */
export function wrap(text: string, width: number, indent = ''): string {
  const lines: string[] = [];
  let line = '';
  // The terminal would break a word that is too long anyway, but without the indent.
  const words = text.split(' ').flatMap((word) => word.match(new RegExp(`.{1,${width}}`, 'gsu')) ?? ['']);
  for (const word of words) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${indent}`);
}

/** `1 core`, `2 cores`. */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Columns as wide as their widest cell, two blanks apart. The last one takes what is left and goes on below itself. */
export function table(rows: readonly (readonly string[])[], style: Style, indent = ''): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) =>
    Math.max(...rows.map((row) => (row[i] ?? '').length)),
  );
  const left = indent.length + widths.slice(0, -1).reduce((sum, width) => sum + width + 2, 0);
  return rows.map((row) => {
    const fixed = row.slice(0, -1).map((cell, i) => cell.padEnd(widths[i] ?? 0));
    const last = wrap(row.at(-1) ?? '', Math.max(10, style.width - left), ' '.repeat(left));
    return (indent + [...fixed, last].join('  ')).trimEnd();
  });
}

export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`;
}
