import { nearest } from '../formats/nearest.ts';
import { CHECK_FORMATS } from '../report/check-formats.ts';
import { wrap } from '../report/terminal.ts';
import { usageError } from './arguments.ts';

/** The one table of options: parser and help are made from it. */
interface Option {
  /** What stands for the value in the help; without it the option is a switch. */
  readonly value?: string;
  readonly help: string;
  /** One letter that stands for it. */
  readonly short?: string;
  /** May be given more than once; the values are joined by commas. */
  readonly repeats?: true;
  /** The value may be left out; it is then `''`. Only for commands that take no other word. */
  readonly optional?: true;
}

const OPTIONS = {
  profile: { value: 'FILE', short: 'f', help: 'what this host shall be: YAML or JSON; - is standard input' },
  plan: { value: 'FILE', help: 'apply a plan kept by "plan --out", if the host is still the same' },
  user: { value: 'NAME', help: 'also judge whether this account may use the NICs and hugepages' },
  root: { value: 'PATH', help: 'take this directory or recorded host instead of /' },
  out: { value: 'FILE', help: 'also keep the plan for "apply --plan"' },
  commands: { help: 'print what an administrator would type for the same' },
  check: { help: 'change nothing: say what would be done' },
  yes: { help: 'do not ask' },
  'confirm-within': {
    value: 'TIME',
    help: 'undo it by itself unless "confirm" comes within TIME, such as 120s',
  },
  'allow-active': {
    value: 'PCI',
    repeats: true,
    help: 'override the guard for the NIC at this address, typed in full; may be repeated',
  },
  list: { help: 'show the runs' },
  'unless-confirmed': { help: 'wait for the deadline of RUN first; what --confirm-within starts' },
  json: { help: 'print the result as JSON (docs/json.md)' },
  deadline: {
    value: 'TIME',
    help: 'look at the host for no longer than TIME, such as 5s; the rest is unknown',
  },
  format: { value: Object.keys(CHECK_FORMATS).join('|'), help: 'how to give the result (default: text)' },
  report: {
    value: 'FILE',
    help: 'also write a full report; as JSON or a page when FILE ends in .json or .html',
  },
  measure: {
    value: 'TIME',
    help: 'also measure each poll CPU for TIME, such as 10s, and drive packets for as long',
  },
  embedded: { help: 'drive packets on a veth pair in a namespace: no NIC, no privilege' },
  iface: { value: 'NAME', help: 'drive packets on this interface, which keeps its kernel driver' },
  port: { value: 'PCI', help: 'drive packets on this NIC, such as 0000:81:00.0, which is bound to vfio-pci' },
  address: {
    value: 'IP',
    help: 'the IPv4 address to answer for on --iface or --port; it must be nobody else’s',
  },
  duration: { value: 'TIME', help: 'how long to drive packets (default 3s)' },
  cpu: {
    value: 'LIST',
    help:
      'the CPU of the poll loop (default: the last one allowed; for --port an isolated one near the NIC); ' +
      'for check the CPUs to measure (default: those of the profile, else the isolated ones)',
  },
  baseline: {
    value: 'FILE',
    optional: true,
    help: 'also name what has changed since "baseline save" (default: /var/lib/bypass-setup/baseline.json)',
  },
  'allow-not-ready': { help: 'save it although the host is not ready' },
  output: { value: 'FILE', help: 'where to write (default: standard output)' },
  mask: { help: 'replace MAC addresses, serial numbers and host names by stand-ins' },
  verbose: { help: 'show more: the evidence of a finding, the commands of a change' },
  'no-color': { help: 'no colours; NO_COLOR in the environment does the same' },
  help: { help: 'show help' },
  version: { help: 'show the version' },
} as const satisfies Record<string, Option>;

type OptionName = keyof typeof OPTIONS;

interface Command {
  readonly summary: string;
  readonly options: readonly OptionName[];
  /** The word it takes besides options, which may be left out. */
  readonly argument?: string;
  /** The words after that one, as many as there are. */
  readonly others?: string;
  readonly details?: string;
}

const COMMON: readonly OptionName[] = ['json', 'verbose', 'no-color', 'help'];

const COMMANDS = {
  probe: {
    summary: 'show what this host is: NICs, CPUs, memory, settings',
    options: ['root', ...COMMON],
  },
  check: {
    summary: 'judge whether this host is ready; reads only',
    options: [
      ...(['profile', 'user', 'root', 'baseline', 'measure', 'cpu', 'deadline'] as const),
      ...(['format', 'output', 'report', ...COMMON] as const),
    ],
    details: 'Exit code: 0 ready, 2 not ready or cannot know.',
  },
  baseline: {
    summary: 'keep what this host is while it is ready, for "check --baseline"',
    argument: 'save|show',
    others: 'FILE',
    options: ['profile', 'user', 'root', 'allow-not-ready', 'json', 'no-color', 'help'],
    details:
      'FILE: /var/lib/bypass-setup/baseline.json unless another is named. Exit code: 0 saved or shown, ' +
      '2 not saved, because the host is not ready.',
  },
  fleet: {
    summary: 'compare hosts by what "check --json" said on each',
    argument: 'REPORT',
    others: 'REPORT…',
    options: ['output', 'json', 'no-color', 'help'],
    details:
      'REPORT is what "check --json" printed or "check --report FILE.json" wrote. Hosts of one role, which the ' +
      'profile names, are compared key by key. With --output FILE.html the result is a page. Exit code: 0 all are ready and alike, 2 otherwise.',
  },
  validate: {
    summary: 'drive real packets through a DPDK poll loop and measure its gaps',
    options: ['embedded', 'iface', 'port', 'address', 'duration', 'cpu', ...COMMON],
    details: 'Exit code: 0 the data path works, 2 it does not or that cannot be known.',
  },
  suggest: {
    summary: 'write a commented starting profile for this host',
    options: ['root', 'output', 'help'],
    details: 'The profile is YAML; docs/profile.md lists its fields.',
  },
  plan: {
    summary: 'show what would be changed to make this host what a profile asks for',
    options: ['profile', 'out', 'commands', 'root', ...COMMON],
    details: 'Exit code: 0 nothing is to be changed, 2 something is.',
  },
  apply: {
    summary: 'change this host to what a profile asks for, whole or not at all',
    options: ['profile', 'plan', 'check', 'yes', 'confirm-within', 'allow-active', 'root', ...COMMON],
    details:
      'Exit code: 0 done, 3 done and a reboot is needed, 4 refused, 5 failed and undone, 6 failed and not undone.',
  },
  confirm: {
    summary: 'keep a run that was applied with --confirm-within',
    argument: 'RUN',
    options: ['root', ...COMMON],
    details: 'Without RUN: the one that waits.',
  },
  undo: {
    summary: 'take a run back',
    argument: 'RUN',
    options: ['list', 'unless-confirmed', 'root', ...COMMON],
    details:
      'Without RUN: the last one that stands. Exit code: 0 undone, 3 a reboot completes it, 4 refused, 6 not undone.',
  },
  resume: {
    summary: 'finish after a reboot what a run began before it',
    options: ['root', ...COMMON],
    details:
      'Ends runs that were interrupted or not confirmed, and looks whether what needed the reboot is in force. ' +
      'The first boot after such a run starts it; it never reboots. Exit code: 0 in force, 2 not in force, ' +
      '3 another reboot completes an undo, 6 not undone.',
  },
  explain: {
    summary: 'say what a setting is for, what it costs and what proves it',
    argument: 'SETTING',
    options: ['profile', 'root', 'json', 'no-color', 'help'],
    details:
      '"explain cores" gives the reasons for the core plan of this host. Without SETTING: all of them.',
  },
  capture: {
    summary: 'record this host as one text file that --root reads',
    options: ['root', 'output', 'mask', 'help'],
  },
} as const satisfies Record<string, Command>;

export type CommandName = keyof typeof COMMANDS;

export interface Invocation {
  readonly command: CommandName | undefined;
  readonly argument: string | undefined;
  readonly others: readonly string[];
  readonly values: Readonly<Partial<Record<OptionName, string>>>;
}

/** Reads the words after the program's name. A switch that is given has the value `''`. */
export function parseArguments(words: readonly string[]): Invocation {
  const values: Partial<Record<OptionName, string>> = {};
  let command: CommandName | undefined;
  let argument: string | undefined;
  const others: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (word.startsWith('-') && word !== '-') {
      const equals = word.indexOf('=');
      const flag = equals < 0 ? word : word.slice(0, equals);
      const name = optionName(flag);
      const option: Option = OPTIONS[name];
      const earlier = values[name];
      if (earlier !== undefined && !option.repeats) throw usage('OPTION_REPEATED', flag, 'is given twice');
      if (option.value === undefined) {
        if (equals >= 0) throw usage('OPTION_VALUE', flag, 'takes no value');
        values[name] = '';
      } else if (option.optional && equals < 0) {
        const next = words[i + 1];
        const given = command !== undefined && next !== undefined && !next.startsWith('-');
        if (given) i++;
        values[name] = given ? next : '';
      } else {
        const value = equals >= 0 ? word.slice(equals + 1) : words[++i];
        if (value === undefined || value === '' || (equals < 0 && value.startsWith('--'))) {
          throw usage('OPTION_VALUE', flag, `needs a value: ${flag} ${option.value}`);
        }
        values[name] = earlier === undefined ? value : `${earlier},${value}`;
      }
    } else if (command === undefined) {
      command = commandName(word);
    } else {
      const { argument: takes, others: more }: Command = COMMANDS[command];
      if (argument !== undefined && more !== undefined) {
        others.push(word);
        continue;
      }
      if (takes === undefined || argument !== undefined) {
        const what = takes === undefined ? 'no argument' : `one ${takes} only`;
        throw usage('ARGUMENT_UNKNOWN', JSON.stringify(word), `"${command}" takes ${what}`);
      }
      argument = word;
    }
  }
  checkBelongs(command, values);
  return { command, argument, others, values };
}

function checkBelongs(command: CommandName | undefined, values: Invocation['values']): void {
  const allowed: readonly string[] = command === undefined ? ['help', 'version'] : COMMANDS[command].options;
  for (const name of Object.keys(values)) {
    if (allowed.includes(name)) continue;
    const where = command === undefined ? 'needs a command' : `is not an option of "${command}"`;
    throw usage(
      'OPTION_MISPLACED',
      `--${name}`,
      where,
      `see: bypass-setup ${command ?? ''} --help`.replace('  ', ' '),
    );
  }
}

function optionName(flag: string): OptionName {
  if (flag === '-h') return 'help';
  if (flag === '-V') return 'version';
  const short = Object.entries<Option>(OPTIONS).find((entry) => `-${entry[1].short}` === flag);
  if (short !== undefined) return short[0] as OptionName;
  const name = flag.slice(2);
  if (flag.startsWith('--') && Object.hasOwn(OPTIONS, name)) return name as OptionName;
  const near = nearest(name, Object.keys(OPTIONS));
  throw usage('OPTION_UNKNOWN', JSON.stringify(flag), 'no such option', near && `did you mean --${near}?`);
}

function commandName(word: string): CommandName {
  if (Object.hasOwn(COMMANDS, word)) return word as CommandName;
  const near = nearest(word, Object.keys(COMMANDS));
  const all = `the commands are ${Object.keys(COMMANDS).join(', ')}`;
  throw usage(
    'COMMAND_UNKNOWN',
    JSON.stringify(word),
    'no such command',
    near ? `did you mean "${near}"?` : all,
  );
}

const usage = (code: string, subject: string, message: string, hint?: string) =>
  usageError(subject, message, hint, code);

export function helpText(command: CommandName | undefined): string {
  if (command === undefined) {
    const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
    const commands = Object.entries(COMMANDS).map(
      ([name, entry]) => `  ${name.padEnd(width)}  ${entry.summary}`,
    );
    return [
      'Usage: bypass-setup COMMAND [OPTIONS]',
      '',
      'Makes a Linux server ready for kernel bypass, and proves it.',
      '',
      'Commands:',
      ...commands,
      '',
      'bypass-setup COMMAND --help shows the options of a command.',
      'bypass-setup --version shows the version.',
      '',
    ].join('\n');
  }
  const entry: Command = COMMANDS[command];
  const flags = entry.options.map((name) => {
    const option: Option = OPTIONS[name];
    const short = option.short === undefined ? '' : `-${option.short}, `;
    const value = option.optional
      ? ` [${option.value}]`
      : option.value === undefined
        ? ''
        : ` ${option.value}`;
    return [`${short}--${name}${value}`, option.help] as const;
  });
  const width = Math.max(...flags.map(([flag]) => flag.length));
  return [
    `Usage: bypass-setup ${command} [OPTIONS]${entry.argument === undefined ? '' : ` [${entry.argument}]`}${entry.others === undefined ? '' : ` [${entry.others}]`}`,
    '',
    `${entry.summary[0]?.toUpperCase()}${entry.summary.slice(1)}.`,
    '',
    'Options:',
    ...flags.map(
      ([flag, help]) => `  ${flag.padEnd(width)}  ${wrap(help, 76 - width, ' '.repeat(width + 4))}`,
    ),
    ...(entry.details === undefined ? [] : ['', wrap(entry.details, 80)]),
    '',
  ].join('\n');
}
