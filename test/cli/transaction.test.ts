import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type * as z from 'zod';
import { planDocumentSchema } from '../../src/plan/document.ts';
import {
  applyReportSchema,
  resumeReportSchema,
  runsReportSchema,
  undoReportSchema,
} from '../../src/report/report.ts';
import { scratch, snapshot } from '../host/scratch.ts';
import { cli, ROOT } from '../support/cli.ts';
import { fixtureEntries } from '../support/hosts.ts';
import { unpacked } from './unpacked.ts';

/** A NIC that is on vfio-pci already, so that only files are missing: an image can be set up without a kernel. */
const PROFILE = join(scratch(), 'feed.yaml');
writeFileSync(
  PROFILE,
  'version: 1\nnics:\n  - name: feed\n    match: { address: 0000:af:00.1 }\n    role: data\n    stack: dpdk\n',
);
const FILES = [
  'etc/bypass-setup/override',
  'etc/modprobe.d/bypass-setup.conf',
  'etc/systemd/system/bypass-setup.service',
  'etc/systemd/system/sysinit.target.d/90-bypass-setup.conf',
];

describe('plan, apply and undo on a directory', () => {
  it('[H16] [H10] [B18] one after another, unattended', () => {
    const root = image();
    const before = tree(root);
    const on = (...args: string[]) => cli([...args, '--root', root]);

    const plan = on('plan', '-f', PROFILE);
    expect([plan.exitCode, plan.stderr]).toEqual([2, '']);
    expect(plan.stdout).toContain('\n4 changes: 4 persistent\n');
    expect(tree(root)).toEqual(before);

    const apply = on('apply', '-f', PROFILE, '--yes');
    expect(apply.exitCode).toBe(0);
    expect(apply.stdout.indexOf('4 changes: 4 persistent')).toBe(
      apply.stdout.lastIndexOf('4 changes: 4 persistent'),
    );
    expect(apply.stderr).toContain('done: write /etc/bypass-setup/override: binds 0000:af:00.1 at boot\n');
    expect(apply.stdout).toMatch(
      /\nAPPLIED {2}4 changes as run \d{8}-\d{6}\nTo take it back: bypass-setup undo /,
    );
    expect(apply.stderr.split('\n').filter((line) => line.startsWith('done: '))).toHaveLength(4);
    const applied = tree(root);
    expect(Object.keys(applied).filter((path) => !(path in before))).toEqual(expect.arrayContaining(FILES));

    for (const args of [['plan'], ['apply', '--yes'], ['apply', '--check']]) {
      const again = on(...args, '-f', PROFILE);
      expect([again.exitCode, again.stderr]).toEqual([0, '']);
      expect(again.stdout).toMatch(/^Nothing to do: this host is what the profile asks for\.\n$/m);
    }
    expect(tree(root)).toEqual(applied);

    expect(on('undo', '--list').stdout).toMatch(/^run .*\n\d{8}-\d{6} {2}applied {2}/);
    expect(on('undo')).toMatchObject({ exitCode: 0 });
    expect(tree(root)).toEqual(before);
    expect(on('undo')).toMatchObject({ exitCode: 0, stdout: 'There is no run to undo.\n' });
    expect(on('confirm')).toMatchObject({ exitCode: 4 });
  });

  it('[E18] say that a reboot is needed, until there was one', () => {
    const root = scratch();
    const put = (path: string, text: string) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    };
    put('boot/firmware/cmdline.txt', 'quiet\n');
    put('proc/cmdline', 'quiet\n');
    put('proc/sys/kernel/random/boot_id', 'boot-1\n');
    put('line.yaml', 'version: 1\nboot: { arguments: [skew_tick=1] }\n');
    const apply = () => cli(['apply', '-f', join(root, 'line.yaml'), '--yes', '--root', root]);
    const first = apply();
    expect([first.exitCode, first.stderr]).toEqual([
      3,
      'done: /boot/firmware/cmdline.txt: boot with skew_tick=1\n',
    ]);
    expect(first.stdout).toContain('persistent, works after a reboot');
    expect(first.stdout).toMatch(/\nAPPLIED {2}1 change as run \S+\nA reboot is needed\.\n/);
    const again = apply();
    expect(again.exitCode).toBe(3);
    expect(again.stdout).toContain(
      'note  in the boot line, and in force from the next boot on: skew_tick=1\n',
    );
    expect(again.stdout).toMatch(/\nA reboot is needed\.\n$/);
    put('proc/cmdline', 'quiet skew_tick=1\n');
    put('proc/sys/kernel/random/boot_id', 'boot-2\n');
    expect(apply()).toMatchObject({ exitCode: 0, stderr: '' });
    expect(apply().stdout).toBe('Nothing to do: this host is what the profile asks for.\n');
  });

  it('print documents of the published schema', () => {
    const root = image();
    const json = <T>(schema: z.ZodType<T>, ...args: string[]): T => {
      const result = schema.safeParse(JSON.parse(cli([...args, '--json', '--root', root]).stdout));
      expect(result.error?.issues ?? []).toEqual([]);
      return result.data as T;
    };
    const plan = json(planDocumentSchema, 'plan', '-f', PROFILE);
    expect(plan.nics).toMatchObject([{ name: 'feed', address: '0000:af:00.1' }]);
    expect(json(applyReportSchema, 'apply', '-f', PROFILE, '--check').outcome).toBe('pending');
    const applied = json(applyReportSchema, 'apply', '-f', PROFILE, '--yes');
    expect(applied).toMatchObject({ outcome: 'applied', changes: plan.changes });
    expect(json(runsReportSchema, 'undo', '--list').runs).toMatchObject([
      { run: applied.run, state: 'applied' },
    ]);
    expect(json(resumeReportSchema, 'resume')).toMatchObject({ outcome: 'nothing', runs: [] });
    expect(json(undoReportSchema, 'confirm')).toMatchObject({ outcome: 'nothing', run: applied.run });
    expect(json(undoReportSchema, 'undo')).toMatchObject({ outcome: 'undone', run: applied.run });
  });

  it('[B17] a failure is told by the exit code, and nothing of it stays', () => {
    const root = image();
    // A file where the last change needs a folder.
    writeFileSync(join(root, 'etc/systemd/system/sysinit.target.d'), '');
    const before = tree(root);
    const { exitCode, stdout, stderr } = cli(['apply', '-f', PROFILE, '--yes', '--root', root]);
    expect(exitCode).toBe(5);
    expect(stdout).toMatch(/\nUNDONE {2}run \d{8}-\d{6} failed and all of it was taken back\n$/);
    expect(stderr.match(/^done: /gm)).toHaveLength(3);
    expect(stderr.match(/^taken back: /gm)).toHaveLength(4);
    expect(stderr).toMatch(
      /\nerror\[HOST_WRITE\] \/etc\/systemd\/system\/sysinit.target.d\/90-.*: cannot write: a part of the path is no directory \(ENOTDIR\)\n$/,
    );
    expect(tree(root)).toEqual(before);
  });
});

describe('a directory is no running machine', () => {
  it('what only a kernel has is refused before anything is written', () => {
    const root = image();
    const before = snapshot(root);
    const { exitCode, stderr } = cli(['apply', '-f', 'profiles/one-nic-dpdk.yaml', '--yes', '--root', root]);
    expect([exitCode, stderr]).toEqual([
      4,
      `error[ROOT_NOT_RUNNING] ${root}: is not the running machine, which this needs: let group trader open the vfio group of 0000:af:00.1\nhint: apply it on the machine itself\n`,
    ]);
    expect(tree(root)).toEqual(Object.fromEntries(Object.entries(before).filter(([path]) => path !== 'run')));
    expect(cli(['apply', '-f', 'profiles/one-nic-dpdk.yaml', '--check', '--root', root]).exitCode).toBe(2);
  });
});

describe('[H8] apply --check', () => {
  it('opens nothing for writing, makes nothing and removes nothing', (ctx) => {
    if (spawnSync('strace', ['-V']).error) ctx.skip('strace is not installed');
    const root = image();
    const before = snapshot(root);
    const calls =
      'open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,linkat,symlink,symlinkat,truncate,ftruncate,chmod,fchmod,fchmodat,chown,fchown,lchown,fchownat,mknod,mknodat,mount,init_module,finit_module,execve';
    const log = join(scratch(), 'trace');
    const { status } = spawnSync(
      'strace',
      [
        '-f',
        '-o',
        log,
        '-e',
        `trace=${calls}`,
        process.execPath,
        'bin/bypass-setup',
        'apply',
        '-f',
        PROFILE,
        '--check',
        '--root',
        root,
      ],
      { cwd: ROOT, stdio: 'ignore' },
    );
    expect(status).toBe(2);
    const lines = readFileSync(log, 'utf8').split('\n');
    expect(lines.length).toBeGreaterThan(100);
    const changing = lines.filter((line) => {
      if (/\bopen(at)?\(/.test(line))
        return /O_WRONLY|O_RDWR|O_CREAT/.test(line) && !/"\/dev\/(null|tty|pts)/.test(line);
      return /^\d+ +\w+\(/.test(line);
    });
    expect(changing.filter((line) => !line.includes(`execve("${process.execPath}"`))).toEqual([]);
    expect(snapshot(root)).toEqual(before);
  });
});

describe('apply --plan', () => {
  it('applies what was kept, and refuses with what differs when the host is another', () => {
    const root = image();
    const file = join(scratch(), 'plan.json');
    const keep = cli(['plan', '-f', PROFILE, '--out', file, '--root', root]);
    expect([keep.exitCode, keep.stderr]).toEqual([2, `kept for: bypass-setup apply --plan ${file}\n`]);
    const apply = (...args: string[]) => cli(['apply', '--plan', file, '--root', root, ...args]);

    mkdirSync(join(root, 'etc/modprobe.d'), { recursive: true });
    writeFileSync(join(root, 'etc/modprobe.d/bypass-setup.conf'), '# by hand\n');
    const before = tree(root);
    for (const args of [['--yes'], ['--check']]) {
      const stale = apply(...args);
      expect(stale.exitCode).toBe(4);
      expect(stale.stderr).toMatch(
        /^error\[PLAN_STALE\] .*plan.json: persist:\/etc\/modprobe.d\/bypass-setup.conf: /,
      );
    }
    expect(tree(root)).toEqual(before);

    spawnSync('rm', ['-r', join(root, 'etc/modprobe.d')]);
    writeFileSync(join(root, 'etc/machine-id'), 'another\n');
    expect(apply('--yes').stderr).toContain('the plan is for the machine (unknown), this is another');
    spawnSync('rm', [join(root, 'etc/machine-id')]);
    expect(apply('--yes').exitCode).toBe(0);
    expect(apply('--yes', '-f', PROFILE)).toMatchObject({ exitCode: 64 });
  });

  it('takes no profile that was edited in it, and nothing that is no plan', () => {
    const root = image();
    const file = join(scratch(), 'plan.json');
    cli(['plan', '-f', PROFILE, '--out', file, '--root', root]);
    const plan = JSON.parse(readFileSync(file, 'utf8')) as { profile: { text: string } };
    plan.profile.text += '# edited\n';
    writeFileSync(file, JSON.stringify(plan));
    const edited = cli(['apply', '--plan', file, '--yes', '--root', root]);
    expect([edited.exitCode, edited.stderr]).toEqual([
      4,
      expect.stringContaining('the profile in the plan was edited'),
    ]);
    expect(cli(['apply', '--plan', PROFILE, '--yes', '--root', root]).stderr).toContain(
      'error[PLAN_INVALID]',
    );
  });
});

describe('consent', () => {
  it.each([[['-f', PROFILE]], [['-f', '-']]])('[H16] is not assumed without a terminal: %j', (args) => {
    const root = image();
    const before = snapshot(root);
    const { exitCode, stdout, stderr } = cli(['apply', ...args, '--root', root]);
    expect([exitCode, stdout]).toEqual([64, '']);
    expect(stderr).toContain('error[NOBODY_TO_ASK]');
    expect(snapshot(root)).toEqual(before);
  });

  it.each([
    ['y', 0],
    ['n', 2],
    ['', 2],
  ])('is asked for on a terminal: %j', (answer, exitCode) => {
    const root = image();
    const before = tree(root);
    const result = onTerminal(`bin/bypass-setup apply -f ${PROFILE} --root ${root}`, `${answer}\n`);
    expect(result.text).toContain('Make 4 changes? [y/N] ');
    expect(result.exitCode).toBe(exitCode);
    if (answer !== 'y') expect(tree(root)).toEqual(before);
    else expect(result.text).toContain('APPLIED');
  });

  it('is withdrawn by ^C', () => {
    const root = image();
    const before = tree(root);
    const { text, exitCode } = onTerminal(`bin/bypass-setup apply -f ${PROFILE} --root ${root}`, '\x03');
    expect(text).toContain('[y/N]');
    expect(exitCode).not.toBe(0);
    expect(tree(root)).toEqual(before);
  });

  it('takes a profile from standard input', () => {
    const root = image();
    const { status } = spawnSync(
      process.execPath,
      [`${ROOT}bin/bypass-setup`, 'apply', '-f', '-', '--yes', '--root', root],
      { input: readFileSync(PROFILE) },
    );
    expect(status).toBe(0);
  });
});

function image(): string {
  return unpacked(fixtureEntries('two-socket-smt'));
}

/** The directory but for what the engine keeps of its own. */
function tree(root: string): Record<string, string> {
  const own = /^(run(\/bypass-setup\.lock)?|var\/lib\/bypass-setup\/runs.*)$/;
  return Object.fromEntries(Object.entries(snapshot(root)).filter(([path]) => !own.test(path)));
}

/** Types the answer when the question stands. */
function onTerminal(command: string, answer: string): { text: string; exitCode: number | null } {
  const program = [
    'import os, pty, sys',
    'pid, fd = pty.fork()',
    'if pid == 0: os.execvp("node", ["node"] + sys.argv[1].split())',
    'text = b""',
    'while b"[y/N] " not in text: text += os.read(fd, 4096)',
    'os.write(fd, sys.argv[2].encode())',
    'try:',
    '  while True:',
    '    part = os.read(fd, 4096)',
    '    if not part: break',
    '    text += part',
    'except OSError: pass',
    'sys.stdout.buffer.write(text)',
    'status = os.waitpid(pid, 0)[1]',
    'sys.exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 200)',
  ].join('\n');
  const result = spawnSync('python3', ['-c', program, command, answer], { cwd: ROOT, encoding: 'utf8' });
  return { text: result.stdout, exitCode: result.status };
}
