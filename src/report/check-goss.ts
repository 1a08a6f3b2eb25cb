import type { Evidence, Finding, FullReport } from './report.ts';
import { plain } from './terminal.ts';

/** An attribute: one value in one file. Elsewhere the evidence is our reading of a text and not the text itself. */
const ATTRIBUTE = /^\/(?:sys|proc\/sys)\/[^*\s]+$/;
/** What an attribute can hold as it is; `more than 0 free` and the like are sentences. */
const LITERAL = /^[\w.,:+-]+$/;

/**
 * A goss file (github.com/goss-org/goss, docs/gossfile.md) with the same gates: evidence that says which text a file
 * has to hold becomes a test of that file. What goss cannot express is named in a comment and left to a command test:
 * this program itself.
 */
export function renderGoss({ check }: FullReport): string {
  const files = new Map<string, { title: string; patterns: string[] }>();
  const elsewhere: string[] = [];
  for (const finding of check.findings) {
    // A warning stops nobody from being ready.
    if (finding.result === 'skip' || finding.result === 'warn') continue;
    const expected = finding.evidence.filter((entry) => entry.expected !== undefined);
    const own = expected.filter((entry) => patternsOf(entry).length > 0);
    for (const entry of own) {
      const title = `${finding.check}: ${finding.why}`;
      const patterns = [...(files.get(entry.path)?.patterns ?? []), ...patternsOf(entry)];
      files.set(entry.path, { title, patterns: [...new Set(patterns)] });
    }
    if (own.length === 0 || own.length < expected.length) elsewhere.push(describe(finding));
  }
  const heading = [
    `# The gates of bypass-setup check ${check.tool} as goss tests, made on ${check.takenAt} from root ${check.root}.`,
    '# A file test looks for a text; it does not see what is in force. The command test sees all, and is slower.',
    ...(elsewhere.length === 0
      ? []
      : ['# By the command test alone:', ...elsewhere.map((line) => `#   ${line}`)]),
  ].map(plain);
  return `${[...heading, ...fileTests(files), ...COMMAND].join('\n')}\n`;
}

const COMMAND = [
  'command:',
  '  "bypass-setup check":',
  '    title: "ready for kernel bypass, by effect"',
  '    exec: "bypass-setup check --deadline 20s"',
  '    exit-status: 0',
  '    timeout: 30000',
];

function describe({ check, subject, sentence }: Finding): string {
  return `${check}, ${subject}: ${sentence}`;
}

function fileTests(files: ReadonlyMap<string, { title: string; patterns: readonly string[] }>): string[] {
  if (files.size === 0) return [];
  const tests = [...files].flatMap(([path, { title, patterns }]) => [
    `  ${quote(path)}:`,
    `    title: ${quote(title)}`,
    '    exists: true',
    '    contents:',
    ...patterns.map((pattern) => `      - ${quote(pattern)}`),
  ]);
  return ['file:', ...tests];
}

/** Patterns between slashes are regular expressions of Go, for which a line has to be found. */
function patternsOf({ path, expected = '' }: Evidence): string[] {
  if (path === '/proc/cmdline') {
    // Words in quotes or with blanks in them are not taken apart.
    if (/["']/.test(expected)) return [];
    return expected.split(' ').map((word) => `/(^| )${literally(word)}( |$)/`);
  }
  return ATTRIBUTE.test(path) && LITERAL.test(expected) ? [`/^${literally(expected)}$/`] : [];
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** A JSON string is a double-quoted scalar of YAML. */
function quote(text: string): string {
  return JSON.stringify(text);
}
