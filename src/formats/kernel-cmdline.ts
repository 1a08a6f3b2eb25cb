import { FormatError } from './format-error.ts';

/**
 * The kernel command line as lib/cmdline.c (next_arg) reads it: parameters apart by white space, double quotes
 * protect white space, `-` and `_` are the same in a name, and what follows `--` belongs to init.
 */

interface Parameter {
  /** The name as written, without quotes. */
  readonly name: string;
  /** undefined for a bare flag such as `quiet`; quotes around the value are taken off. */
  readonly value: string | undefined;
  /** The exact text, so that printing gives back what was read. */
  readonly text: string;
}

export interface CommandLine {
  readonly parameters: readonly Parameter[];
  /** The white space before each parameter, and after the last. */
  readonly gaps: readonly string[];
  /** Index of the first parameter that belongs to init (after a bare `--`). */
  readonly kernelEnd: number;
}

export function parseCommandLine(text: string): CommandLine {
  const parameters: Parameter[] = [];
  const gaps: string[] = [];
  let kernelEnd = -1;
  let at = 0;
  for (;;) {
    const gapStart = at;
    while (at < text.length && isSpace(text[at])) at++;
    gaps.push(text.slice(gapStart, at));
    if (at === text.length) break;
    const start = at;
    let quoted = false;
    while (at < text.length && (quoted || !isSpace(text[at]))) {
      if (text[at] === '"') quoted = !quoted;
      at++;
    }
    const parameter = parseParameter(text.slice(start, at));
    if (kernelEnd < 0 && parameter.name === '--' && parameter.value === undefined)
      kernelEnd = parameters.length;
    parameters.push(parameter);
  }
  return { parameters, gaps, kernelEnd: kernelEnd < 0 ? parameters.length : kernelEnd };
}

export function printCommandLine(line: CommandLine): string {
  let text = line.gaps[0] ?? '';
  line.parameters.forEach((parameter, index) => {
    text += parameter.text + (line.gaps[index + 1] ?? '');
  });
  return text;
}

/** All values of a parameter in order, `''` for a bare flag. Only what the kernel itself would see. */
export function valuesOf(line: CommandLine, name: string): readonly string[] {
  return line.parameters
    .slice(0, line.kernelEnd)
    .filter((parameter) => sameName(parameter.name, name))
    .map((parameter) => parameter.value ?? '');
}

/**
 * Replaces every occurrence of a parameter by the given values (`undefined` for a bare flag), at the place of the
 * first one, or at the kernel's end: before `--` and before a quote that nobody closed. No values removes it.
 * Nothing else changes, and nothing at all when the values are there already.
 */
export function setParameter(
  line: CommandLine,
  name: string,
  values: readonly (string | undefined)[],
): CommandLine {
  const present = line.parameters.slice(0, line.kernelEnd).filter((p) => sameName(p.name, name));
  if (present.length === values.length && present.every((p, i) => p.value === values[i])) return line;
  const parameters: Parameter[] = [];
  const gaps: string[] = [];
  const last = line.parameters[line.kernelEnd - 1];
  const end = last === undefined || isBalanced(last.text) ? line.kernelEnd : line.kernelEnd - 1;
  let pending = values.map((value) => printParameter(name, value));
  let kernelEnd = 0;
  const place = (gap: string) => {
    pending.forEach((text, index) => {
      push(parseParameter(text), index === 0 ? gap : ' ');
    });
    pending = [];
  };
  const push = (parameter: Parameter, gap: string) => {
    const start = line.parameters.length === 0 ? '' : (line.gaps[0] ?? '');
    gaps.push(parameters.length === 0 ? start : gap === '' ? ' ' : gap);
    parameters.push(parameter);
  };
  line.parameters.forEach((parameter, index) => {
    const gap = line.gaps[index] ?? ' ';
    if (index === end) place(gap);
    if (index === line.kernelEnd) kernelEnd = parameters.length;
    if (index < line.kernelEnd && sameName(parameter.name, name)) place(gap);
    else push(parameter, gap);
  });
  place(' ');
  if (line.kernelEnd === line.parameters.length) kernelEnd = parameters.length;
  gaps.push(line.gaps[line.parameters.length] ?? '');
  return { parameters, gaps, kernelEnd };
}

/** Dashes and underscores are the same in a parameter's name (kernel/params.c, dash2underscore). */
export function sameName(a: string, b: string): boolean {
  return a.replaceAll('-', '_') === b.replaceAll('-', '_');
}

function printParameter(name: string, value: string | undefined): string {
  const text = value === undefined ? name : /\s/.test(value) ? `${name}="${value}"` : `${name}=${value}`;
  // The grammar has no escapes: a quote at the wrong place would swallow the parameters behind it.
  const [parameter, ...others] = parseCommandLine(text).parameters;
  if (others.length > 0 || parameter?.name !== name || parameter.value !== value || !isBalanced(text)) {
    throw new FormatError('kernel parameter', text, 'quotes cannot express it');
  }
  return text;
}

function isBalanced(text: string): boolean {
  return text.split('"').length % 2 === 1;
}

function parseParameter(text: string): Parameter {
  // A quote before the name protects the whole argument: "name=a b" (lib/cmdline.c, next_arg). Of the quotes at the
  // end one is taken off, and a `=` in the first place is part of the name.
  const whole = text.startsWith('"');
  const body = whole ? text.slice(1) : text;
  const equals = body.indexOf('=', 1);
  const opened = equals > 0 && body[equals + 1] === '"';
  const inner = (whole || opened) && body.endsWith('"') ? body.slice(0, -1) : body;
  if (equals < 0) return { name: inner, value: undefined, text };
  return { name: inner.slice(0, equals), value: inner.slice(opened ? equals + 2 : equals + 1), text };
}

function isSpace(char: string | undefined): boolean {
  return char !== undefined && /[ \t\n\v\f\r]/.test(char);
}
