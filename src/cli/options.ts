import { nearest } from '../formats/nearest.ts';
import { EXIT, ToolError } from '../host/errors.ts';
import { wrap } from '../report/terminal.ts';

/** The one table of options: parser and help are made from it. */
interface Option {
  /** What stands for the value in the help; without it the option is a switch. */
  readonly value?: string;
  readonly help: string;
}

const OPTIONS = {
  root: { value: 'PATH', help: 'read this directory or recorded host instead of /' },
  json: { help: 'print the result as JSON (docs/json.md)' },
  report: { value: 'FILE', help: 'also write a full report; as JSON when FILE ends in .json' },
  measure: { value: 'TIME', help: 'also drive packets for TIME, such as 10s' },
  embedded: { help: 'drive packets on a veth pair in a namespace: no NIC, no privilege' },
  iface: { value: 'NAME', help: 'drive packets on this interface, which keeps its kernel driver' },
  address: { value: 'IP', help: 'the IPv4 address to answer for on --iface; it must be nobody else’s' },
  duration: { value: 'TIME', help: 'how long to drive packets (default 3s)' },
  cpu: { value: 'N', help: 'the CPU of the poll loop (default: the last one allowed)' },
  output: { value: 'FILE', help: 'where to write (default: standard output)' },
  mask: { help: 'replace MAC addresses, serial numbers and host names by stand-ins' },
  verbose: { help: 'show the evidence of each finding' },
  'no-color': { help: 'no colours; NO_COLOR in the environment does the same' },
  help: { help: 'show help' },
  version: { help: 'show the version' },
} as const satisfies Record<string, Option>;

type OptionName = keyof typeof OPTIONS;

interface Command {
  readonly summary: string;
  readonly options: readonly OptionName[];
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
    options: ['root', 'measure', 'report', ...COMMON],
    details: 'Exit code: 0 ready, 2 not ready or cannot know.',
  },
  validate: {
    summary: 'drive real packets through a DPDK poll loop and measure its gaps',
    options: ['embedded', 'iface', 'address', 'duration', 'cpu', ...COMMON],
    details: 'Exit code: 0 the data path works, 2 it does not or that cannot be known.',
  },
  suggest: {
    summary: 'write a commented starting profile for this host',
    options: ['root', 'output', 'help'],
    details: 'The profile is YAML; docs/profile.md lists its fields.',
  },
  capture: {
    summary: 'record this host as one text file that --root reads',
    options: ['root', 'output', 'mask', 'help'],
  },
} as const satisfies Record<string, Command>;

export type CommandName = keyof typeof COMMANDS;

export interface Invocation {
  readonly command: CommandName | undefined;
  readonly values: Readonly<Partial<Record<OptionName, string>>>;
}

/** Reads the words after the program's name. A switch that is given has the value `''`. */
export function parseArguments(words: readonly string[]): Invocation {
  const values: Partial<Record<OptionName, string>> = {};
  let command: CommandName | undefined;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (word.startsWith('-') && word !== '-') {
      const equals = word.indexOf('=');
      const flag = equals < 0 ? word : word.slice(0, equals);
      const name = optionName(flag);
      const option: Option = OPTIONS[name];
      if (values[name] !== undefined) throw usage('OPTION_REPEATED', flag, 'is given twice');
      if (option.value === undefined) {
        if (equals >= 0) throw usage('OPTION_VALUE', flag, 'takes no value');
        values[name] = '';
      } else {
        const value = equals >= 0 ? word.slice(equals + 1) : words[++i];
        if (value === undefined || value === '' || (equals < 0 && value.startsWith('--'))) {
          throw usage('OPTION_VALUE', flag, `needs a value: ${flag} ${option.value}`);
        }
        values[name] = value;
      }
    } else if (command === undefined) {
      command = commandName(word);
    } else {
      throw usage('ARGUMENT_UNKNOWN', JSON.stringify(word), `"${command}" takes no argument`);
    }
  }
  checkBelongs(command, values);
  return { command, values };
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

function usage(code: string, subject: string, message: string, hint?: string): ToolError {
  return new ToolError(code, message, {
    subject,
    exitCode: EXIT.usage,
    hint: hint ?? 'see: bypass-setup --help',
  });
}

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
    return [`--${name}${option.value === undefined ? '' : ` ${option.value}`}`, option.help] as const;
  });
  const width = Math.max(...flags.map(([flag]) => flag.length));
  return [
    `Usage: bypass-setup ${command} [OPTIONS]`,
    '',
    `${entry.summary[0]?.toUpperCase()}${entry.summary.slice(1)}.`,
    '',
    'Options:',
    ...flags.map(
      ([flag, help]) => `  ${flag.padEnd(width)}  ${wrap(help, 76 - width, ' '.repeat(width + 4))}`,
    ),
    ...(entry.details === undefined ? [] : ['', entry.details]),
    '',
  ].join('\n');
}
