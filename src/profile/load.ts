import type * as Yaml from 'yaml';
import type * as z from 'zod';
import { quote } from '../formats/format-error.ts';
import { nearest } from '../formats/nearest.ts';
import { EXIT, ToolError } from '../host/errors.ts';
import { contradictions, type Problem } from './contradictions.ts';
import type { Profile } from './schema.ts';

/** Octets. A NIC takes some 200; what is much larger is another file. */
export const LARGEST_PROFILE = 256 << 10;
/** A profile is 8 levels deep. Thousands overflow the stack of the YAML composer, and end this process. */
const DEEPEST = 32;
/** Aliases that may be followed: enough to say a thing once for many NICs, too few for a bomb. */
const MOST_ALIASES = 1000;
/** More would push the first off the screen. */
const MOST_SHOWN = 20;

/**
 * Reads a profile. `name` is what messages call it: the path, or `-`. A text that begins with `{` is JSON and is read
 * without loading the YAML package, unless there is something to complain about, which wants line and column. Throws
 * ToolError PROFILE_INVALID (exit code 64) that lists everything that is wrong.
 */
export async function loadProfile(name: string, input: string | Uint8Array): Promise<Profile> {
  const text = plainText(name, input);
  const schema = await import('./schema.ts');
  const quick = text.trimStart().startsWith('{') ? parseJson(text) : undefined;
  if (quick !== undefined) {
    const result = schema.profileSchema.safeParse(quick);
    if (result.success && contradictions(result.data).length === 0) return result.data;
  }
  const source = parseYaml(name, text, await import('yaml'));
  const result = schema.profileSchema.safeParse(source.value);
  const problems = result.success
    ? contradictions(result.data)
    : result.error.issues.flatMap((issue) => explain(issue, source.value, schema.keysAt));
  if (result.success && problems.length === 0) return result.data;
  throw invalid(
    name,
    problems.map(({ path, sentence }) => ({
      at: source.at(path),
      sentence: `${printPath(path)}: ${sentence}`,
    })),
  );
}

function plainText(name: string, input: string | Uint8Array): string {
  if (input.length > LARGEST_PROFILE) {
    throw invalid(name, [{ sentence: `is larger than ${LARGEST_PROFILE >> 10} KiB, so it is no profile` }]);
  }
  const text = typeof input === 'string' ? input : decode(name, input);
  const line = text.split('\n').findIndex((part) => part.includes('\0'));
  if (line >= 0) throw invalid(name, [{ at: { line: line + 1, col: 1 }, sentence: 'holds binary data' }]);
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

function decode(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw invalid(name, [{ sentence: 'is not UTF-8 text' }]);
  }
}

/** Undefined where only the YAML parser can say what is wrong, and where. */
function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    // JSON.parse keeps the last of several equal keys without a word. Every string before a colon is a key.
    const keys = [...text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)].filter((match) => match[1] !== undefined);
    return keys.length === countKeys(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce<number>((sum, child) => sum + countKeys(child), own);
}

interface Position {
  readonly line: number;
  readonly col: number;
}

interface Source {
  readonly value: unknown;
  /** Where the value at this path begins; for a key that is not there, where its parent does. */
  at(path: readonly PropertyKey[]): Position | undefined;
}

function parseYaml(name: string, text: string, yaml: typeof Yaml): Source {
  const lines = new yaml.LineCounter();
  const tokens = [...new yaml.Parser(lines.addNewLine).parse(text)];
  const at = (offset: number): Position => lines.linePos(offset);
  const deep = tooDeep(tokens);
  if (deep !== undefined) {
    throw invalid(name, [{ at: at(deep), sentence: `is nested more than ${DEEPEST} levels deep` }]);
  }
  // Its own look for equal keys takes the square of their number. Core schema, YAML 1.2: `no` is a text and 1:30 is not 90.
  const composer = new yaml.Composer({ version: '1.2', schema: 'core', uniqueKeys: false });
  const documents = [...composer.compose(tokens, true, text.length)];
  const [document, second] = documents;
  // An unknown tag is a warning only, and what it meant is lost.
  const complaints = [...(document?.errors ?? []), ...(document?.warnings ?? [])];
  const found = complaints.map((error) => ({ at: at(error.pos[0]), sentence: wording(error) }));
  if (document !== undefined) {
    const sentence = 'this key is there already; each may stand once';
    found.push(...repeatedKeys(document, yaml).map((offset) => ({ at: at(offset), sentence })));
  }
  if (second !== undefined) {
    found.push({ at: at(second.range[0]), sentence: 'a second document begins; a profile is one' });
  }
  if (document === undefined || found.length > 0) throw invalid(name, found);
  if (document.contents === null || (yaml.isScalar(document.contents) && document.contents.value === null)) {
    throw invalid(name, [{ sentence: 'is empty; a profile begins with "version: 1"' }]);
  }
  return { value: plainValue(name, document, at, yaml), at: finder(document, at, yaml) };
}

/** Where the nesting passes the limit. A walk with a list of its own, because recursion is what it guards against. */
function tooDeep(tokens: readonly Yaml.CST.Token[]): number | undefined {
  const open = tokens.map((token) => ({ token, depth: 1 }));
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next;
    if (depth > DEEPEST) return token.offset;
    if (token.type === 'document' && token.value) open.push({ token: token.value, depth: depth + 1 });
    if (!('items' in token)) continue;
    for (const { key, value } of token.items) {
      for (const child of [key, value]) if (child) open.push({ token: child, depth: depth + 1 });
    }
  }
  return undefined;
}

function plainValue(
  name: string,
  document: Yaml.Document.Parsed,
  at: (offset: number) => Position,
  yaml: typeof Yaml,
): unknown {
  yaml.visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return;
      const sentence = `no anchor &${alias.source} stands before this alias`;
      throw invalid(name, [{ at: at(alias.range?.[0] ?? 0), sentence }]);
    },
  });
  try {
    return document.toJS({ maxAliasCount: MOST_ALIASES });
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw invalid(name, [{ sentence: `its aliases stand for more than ${MOST_ALIASES} copies` }]);
  }
}

/** Where keys stand that their map has already. */
function repeatedKeys(document: Yaml.Document.Parsed, yaml: typeof Yaml): number[] {
  const found: number[] = [];
  yaml.visit(document, {
    Map: (_, map) => {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        const text = keyText(key, yaml);
        if (seen.has(text)) found.push(startOf(key, yaml) ?? 0);
        seen.add(text);
      }
    },
  });
  return found;
}

function keyText(key: unknown, yaml: typeof Yaml): string {
  return String(yaml.isScalar(key) ? key.value : key);
}

/** Finds places by path. Each map is indexed once, so that many errors in a large one are no great work. */
function finder(
  document: Yaml.Document.Parsed,
  at: (offset: number) => Position,
  yaml: typeof Yaml,
): Source['at'] {
  const indexes = new Map<Yaml.YAMLMap, ReadonlyMap<string, Yaml.Pair>>();
  const pairOf = (map: Yaml.YAMLMap, key: string) => {
    const index = indexes.get(map) ?? new Map(map.items.map((pair) => [keyText(pair.key, yaml), pair]));
    indexes.set(map, index);
    return index.get(key);
  };
  return (path) => {
    let here: unknown = document.contents;
    let offset = startOf(here, yaml);
    for (const step of path) {
      if (yaml.isAlias(here)) here = here.resolve(document);
      if (yaml.isMap(here)) {
        const pair = pairOf(here, String(step));
        if (pair === undefined) break;
        here = pair.value;
        offset = startOf(pair.key, yaml) ?? offset;
      } else if (yaml.isSeq(here)) {
        here = here.items[Number(step)];
        offset = startOf(here, yaml) ?? offset;
      } else break;
    }
    return offset === undefined ? undefined : at(offset);
  };
}

function startOf(node: unknown, yaml: typeof Yaml): number | undefined {
  return yaml.isNode(node) ? node.range?.[0] : undefined;
}

/** The parser's own words, for what people do most often in ours. */
function wording({ code, message }: Yaml.YAMLError): string {
  if (code === 'TAB_AS_INDENT') return 'a tab indents this line; YAML wants spaces';
  return message.replaceAll('\n', ' ');
}

type KeysAt = (path: readonly PropertyKey[]) => string[];

/** What zod found, for people. */
function explain(issue: z.core.$ZodIssue, root: unknown, keysAt: KeysAt): Problem[] {
  const { path } = issue;
  const value = valueAt(root, path);
  const say = (sentence: string): Problem[] => [{ path, sentence }];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => {
        const known = keysAt(path);
        const near = nearest(key, known);
        const rest = near === undefined ? `the keys here are ${known.join(', ')}` : `did you mean "${near}"?`;
        return { path: [...path, key], sentence: `unknown key; ${rest}` };
      });
    case 'invalid_union': {
      const fitting = branches(issue).find((issues) => !issues.some(isOfAnotherKind));
      if (fitting === undefined) return say(notAllowed(value, branches(issue).flat()));
      return fitting.flatMap((inner) => explain({ ...inner, path: [...path, ...inner.path] }, root, keysAt));
    }
    case 'invalid_value':
      return say(value === undefined ? `is missing; ${choice([issue])}` : notAllowed(value, [issue]));
    case 'invalid_type':
      if (value === undefined) return say('is missing');
      return say(`${shown(value)} is not ${kindOf(issue.expected)}${quotes(issue.expected, value)}`);
    case 'too_big':
      return say(`${shown(value)} is too large; at most ${issue.maximum}`);
    case 'too_small':
      return say(`${shown(value)} is too small; at least ${issue.minimum}`);
    default:
      return say(`${issue.message}, not ${shown(value)}`);
  }
}

/** What each alternative has against the value, the alternatives of alternatives included. */
function branches({ errors }: z.core.$ZodIssueInvalidUnion): z.core.$ZodIssue[][] {
  return errors.flatMap((issues) => {
    const [only] = issues;
    return only?.code === 'invalid_union' && only.path.length === 0 ? branches(only) : [issues];
  });
}

/** That alternative was not meant: it wants another kind of value, or another word. */
function isOfAnotherKind({ code, path }: z.core.$ZodIssue): boolean {
  return path.length === 0 && (code === 'invalid_type' || code === 'invalid_value');
}

function notAllowed(value: unknown, issues: readonly z.core.$ZodIssue[]): string {
  const near = typeof value === 'string' ? nearest(value, words(issues)) : undefined;
  return `${shown(value)} is not allowed; ${near === undefined ? choice(issues) : `did you mean ${near}?`}`;
}

function choice(issues: readonly z.core.$ZodIssue[]): string {
  const kinds = issues.flatMap((issue) => (issue.code === 'invalid_type' ? [kindOf(issue.expected)] : []));
  return `it is ${[...words(issues), ...kinds].join(', ').replace(/, ([^,]*)$/, ' or $1')}`;
}

function words(issues: readonly z.core.$ZodIssue[]): string[] {
  return issues.flatMap((issue) => (issue.code === 'invalid_value' ? issue.values.map(String) : []));
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a group of keys',
};

function kindOf(expected: string): string {
  return KINDS[expected] ?? expected;
}

/** What YAML took for a number or a truth value was perhaps meant as a text. */
function quotes(expected: string, value: unknown): string {
  return expected === 'string' && typeof value !== 'object' ? `; put it in quotes: "${String(value)}"` : '';
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a group of keys';
  if (value === null) return 'nothing';
  return typeof value === 'string' ? quote(value) : String(value);
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let here = root;
  for (const step of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, step)) return undefined;
    here = (here as Record<PropertyKey, unknown>)[step];
  }
  return here;
}

/** `nics[0].match.mac` */
function printPath(path: readonly PropertyKey[]): string {
  const text = path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${plainKey(String(step))}`))
    .join('');
  return text.replace(/^\./, '') || 'profile';
}

const plainKey = (key: string) => (/^[\w-]{1,40}$/.test(key) ? key : quote(key));

interface Complaint {
  readonly at?: Position | undefined;
  readonly sentence: string;
}

const before = (a?: Position, b?: Position) =>
  (a?.line ?? 0) - (b?.line ?? 0) || (a?.col ?? 0) - (b?.col ?? 0);

function invalid(name: string, complaints: readonly Complaint[]): ToolError {
  const ordered = [...complaints].sort((a, b) => before(a.at, b.at));
  const placed = ordered.map(({ at, sentence }) => ({
    place: at ? `${name}:${at.line}:${at.col}` : name,
    sentence,
  }));
  const details = {
    exitCode: EXIT.usage,
    hint: 'docs/profile.md lists every key; `bypass-setup suggest` writes a profile',
  };
  const [first] = placed;
  if (first !== undefined && placed.length === 1) {
    return new ToolError('PROFILE_INVALID', first.sentence, { ...details, subject: first.place });
  }
  const lines = placed.slice(0, MOST_SHOWN).map(({ place, sentence }) => `\n  ${place}: ${sentence}`);
  const more = placed.length > MOST_SHOWN ? `\n  and ${placed.length - MOST_SHOWN} more` : '';
  return new ToolError('PROFILE_INVALID', `${placed.length} errors${lines.join('')}${more}`, {
    ...details,
    subject: name,
  });
}
