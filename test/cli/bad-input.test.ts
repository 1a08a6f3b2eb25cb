import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, it } from 'vitest';
import { cli } from '../support/cli.ts';

const scratch = mkdtempSync(`${tmpdir()}/bypass-setup-bad-input-`);
afterAll(() => rmSync(scratch, { recursive: true }));
mkdirSync(`${scratch}/empty`);
writeFileSync(`${scratch}/text.tree`, 'no archive\n');
writeFileSync(`${scratch}/cut.tree`, 'bypass-setup archive 1\nfile proc/x 644\n\tcut off');
writeFileSync(`${scratch}/climb.tree`, 'bypass-setup archive 1\nlink ../../etc/passwd x\n');

/** Arguments, exit code, and the whole of stderr. Nothing goes to stdout, and nobody sees a stack trace. */
const CASES: readonly [string[], number, string][] = [
  [
    [],
    64,
    'error[COMMAND_MISSING]: no command is given\nhint: try: bypass-setup probe, bypass-setup check, bypass-setup --help\n',
  ],
  [['prob'], 64, 'error[COMMAND_UNKNOWN] "prob": no such command\nhint: did you mean "probe"?\n'],
  [
    ['frobnicate'],
    64,
    'error[COMMAND_UNKNOWN] "frobnicate": no such command\nhint: the commands are probe, check, baseline, fleet, validate, suggest, plan, apply, confirm, undo, resume, explain, capture\n',
  ],
  [['probe', '--jsn'], 64, 'error[OPTION_UNKNOWN] "--jsn": no such option\nhint: did you mean --json?\n'],
  [['probe', '-x'], 64, 'error[OPTION_UNKNOWN] "-x": no such option\nhint: see: bypass-setup --help\n'],
  [
    ['probe', 'eth0'],
    64,
    'error[ARGUMENT_UNKNOWN] "eth0": "probe" takes no argument\nhint: see: bypass-setup --help\n',
  ],
  [
    ['undo', 'a', 'b'],
    64,
    'error[ARGUMENT_UNKNOWN] "b": "undo" takes one RUN only\nhint: see: bypass-setup --help\n',
  ],
  [
    ['plan'],
    64,
    'error[PROFILE_MISSING]: no profile is given\nhint: give one with -f FILE; bypass-setup suggest writes a first one\n',
  ],
  [
    ['plan', '-f', 'a', '--profile', 'b'],
    64,
    'error[OPTION_REPEATED] --profile: is given twice\nhint: see: bypass-setup --help\n',
  ],
  [
    [
      'apply',
      '--yes',
      '-f',
      'profiles/one-nic-dpdk.yaml',
      '--allow-active',
      '0000:3b:00.0',
      '--allow-active',
      '3c:00.0',
    ],
    64,
    'error[USAGE] --allow-active 3c:00.0: is not a full PCI address such as 0000:3b:00.0\nhint: see: bypass-setup --help\n',
  ],
  [
    ['apply', '--yes', '-f', 'profiles/one-nic-dpdk.yaml', '--confirm-within', '120'],
    64,
    'error[USAGE] --confirm-within: not a duration: "120" (expected a number with ms, s, m or h such as 10s)\nhint: see: bypass-setup --help\n',
  ],
  [
    ['apply', '--yes', '-f', 'profiles/one-nic-dpdk.yaml', '--root', 'test/fixtures/hosts/bond-vlan.tree'],
    64,
    'error[USAGE] --root test/fixtures/hosts/bond-vlan.tree: is a recorded host, which can be read only\nhint: plan, apply --check and undo --list take it; the others take / or a directory\n',
  ],
  [
    ['apply', '--yes', '-f', 'profiles/one-nic-dpdk.yaml', '--confirm-within', '900ms'],
    64,
    'error[USAGE] --confirm-within: 900ms is too short to confirm in; 120s is a usual time\nhint: see: bypass-setup --help\n',
  ],
  [
    ['apply', '--yes', '-f', 'profiles/one-nic-dpdk.yaml', '--plan', '/no/such/plan.json'],
    64,
    'error[USAGE] --plan: has its profile in it: leave out -f\nhint: see: bypass-setup --help\n',
  ],
  [
    ['plan', '-f', 'profiles/one-nic-dpdk.yaml', '--commands', '--json'],
    64,
    'error[USAGE] --commands: is a shell script; --json has the commands in each change: give one of them\nhint: see: bypass-setup --help\n',
  ],
  [
    ['probe', '--iface', 'x'],
    64,
    'error[OPTION_MISPLACED] --iface: is not an option of "probe"\nhint: see: bypass-setup probe --help\n',
  ],
  [['--root', '/'], 64, 'error[OPTION_MISPLACED] --root: needs a command\nhint: see: bypass-setup --help\n'],
  [
    ['probe', '--root'],
    64,
    'error[OPTION_VALUE] --root: needs a value: --root PATH\nhint: see: bypass-setup --help\n',
  ],
  [
    ['probe', '--root', '--json'],
    64,
    'error[OPTION_VALUE] --root: needs a value: --root PATH\nhint: see: bypass-setup --help\n',
  ],
  [
    ['probe', '--json=yes'],
    64,
    'error[OPTION_VALUE] --json: takes no value\nhint: see: bypass-setup --help\n',
  ],
  [
    ['probe', '--json', '--json'],
    64,
    'error[OPTION_REPEATED] --json: is given twice\nhint: see: bypass-setup --help\n',
  ],
  [
    ['probe', '--root', '/no/such/place'],
    64,
    'error[ROOT_MISSING] /no/such/place: no such directory\nhint: give --root a directory that holds proc/ and sys/ of a host, or a file made by "capture"\n',
  ],
  [
    ['check', '--root', `${scratch}/empty`],
    64,
    `error[ROOT_NOT_A_HOST] ${scratch}/empty: holds neither proc/ nor sys/\nhint: give --root the top folder of a recorded host; for a tar archive unpack it first\n`,
  ],
  [
    ['check', '--root', `${scratch}/text.tree`],
    64,
    `error[ROOT_NOT_A_HOST] ${scratch}/text.tree: not a host archive: "no archive" (the first line is not "bypass-setup archive 1")\nhint: give --root a directory that holds proc/ and sys/ of a host, or a file made by "capture"\n`,
  ],
  [
    ['check', '--root', `${scratch}/climb.tree`],
    64,
    `error[ROOT_NOT_A_HOST] ${scratch}/climb.tree: not a host archive: "link ../../etc/passwd x" (line 2: a path must stay inside the archive)\nhint: give --root a directory that holds proc/ and sys/ of a host, or a file made by "capture"\n`,
  ],
  [
    ['check', '--measure', '10'],
    64,
    'error[USAGE] --measure: not a duration: "10" (expected a number with ms, s, m or h such as 10s)\nhint: see: bypass-setup --help\n',
  ],
  [
    ['check', '--measure', '1s', '--root', scratch],
    64,
    `error[USAGE] --root ${scratch}: cannot be measured: it is not the running machine\nhint: leave out --measure or --root\n`,
  ],
  [
    ['check', '--report', '/no/such/folder/report.txt'],
    64,
    'error[FILE_NOT_WRITTEN] /no/such/folder/report.txt: cannot be written: no such file or directory (ENOENT)\nhint: name a file in a folder that exists, that you may write to, and that has room\n',
  ],
  [
    ['capture', '--output', scratch],
    64,
    `error[FILE_NOT_WRITTEN] ${scratch}: cannot be written: it is a directory (EISDIR)\nhint: name a file in a folder that exists, that you may write to, and that has room\n`,
  ],
  [
    ['validate'],
    64,
    'error[USAGE] validate: needs --embedded, --iface NAME or --port PCI\nhint: see: bypass-setup --help\n',
  ],
  [
    ['validate', '--embedded', '--iface', 'lo'],
    64,
    'error[USAGE] --embedded: cannot be used together with --iface\nhint: see: bypass-setup --help\n',
  ],
  [
    ['validate', '--embedded', '--address', '192.0.2.1'],
    64,
    'error[USAGE] --address: needs --iface or --port\nhint: see: bypass-setup --help\n',
  ],
  [
    ['validate', '--port', '0000:81:00.0', '--iface', 'lo'],
    64,
    'error[USAGE] --iface: cannot be used together with --port\nhint: see: bypass-setup --help\n',
  ],
  [
    ['validate', '--port', '0000:81:00.0', '--embedded'],
    64,
    'error[USAGE] --embedded: cannot be used together with --port\nhint: see: bypass-setup --help\n',
  ],
  [
    ['validate', '--port', 'eth0', '--cpu', 'two'],
    64,
    'error[USAGE] --cpu: "two" is not a CPU number\nhint: see: bypass-setup --help\n',
  ],
  [
    ['validate', '--embedded', '--cpu', 'two'],
    64,
    'error[USAGE] --cpu: "two" is not a CPU number\nhint: see: bypass-setup --help\n',
  ],
  [
    ['validate', '--iface', 'nosuchif0'],
    64,
    'error[NO_SUCH_INTERFACE] nosuchif0: there is no such network interface\nhint: `bypass-setup probe` lists the interfaces of this host\n',
  ],
];

describe('bad input ends in one clear error', () => {
  it.each(CASES)('bypass-setup %j', (args, exitCode, stderr) => {
    expect(cli(args)).toEqual({ exitCode, stdout: '', stderr });
  });

  it.each([
    [
      'eth0',
      /^error\[USAGE\] --port: not a PCI address: "eth0" .*\nhint: (the NICs are |this host shows no)/,
    ],
    [
      'ffff:ff:1f.7',
      /^error\[NO_SUCH_NIC\] ffff:ff:1f\.7: no network function of this host has this PCI address\nhint: /,
    ],
  ])('bypass-setup validate --port %s', (port, expected) => {
    const { exitCode, stdout, stderr } = cli(['validate', '--port', port]);
    expect([exitCode, stdout]).toEqual([64, '']);
    expect(stderr).toMatch(expected);
  });

  it('an archive that is cut off says so', () => {
    const { exitCode, stderr } = cli(['probe', '--root', `${scratch}/cut.tree`]);
    expect(exitCode).toBe(64);
    expect(stderr).toMatch(/^error\[ROOT_NOT_A_HOST\] .*cut\.tree: not a host archive: .*cut off/);
  });
});

describe('help and version', () => {
  it('prints the commands on stdout', () => {
    const { exitCode, stdout, stderr } = cli(['--help']);
    expect([exitCode, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^Usage: bypass-setup COMMAND \[OPTIONS\]\n/);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it.each(['probe', 'check', 'validate', 'suggest', 'explain', 'capture'])(
    'prints the options of %s within 80 columns',
    (command) => {
      const { exitCode, stdout } = cli([command, '--help']);
      expect(exitCode).toBe(0);
      for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    },
  );

  it('prints version and Node', () => {
    expect(cli(['--version']).stdout).toMatch(/^bypass-setup \d+\.\d+\.\d+ \(Node \d+\.\d+\.\d+\)\n$/);
  });
});
