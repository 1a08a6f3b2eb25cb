import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Action } from '../../src/actions/define.ts';
import { applyProfile } from '../../src/engine/apply.ts';
import { resumeRuns } from '../../src/engine/resume.ts';
import { confirmRun, listRuns, undoRun } from '../../src/engine/undo.ts';
import { NOTICE } from '../../src/formats/own-files.ts';
import { renderRuns } from '../../src/report/run-text.ts';
import { scratch } from '../host/scratch.ts';
import { Crash, KernelSimulator } from '../support/kernel-simulator.ts';
import { engineOn, files, REQUEST, type TestEngine } from './support.ts';

const UNIT = '/etc/systemd/system/bypass-setup-resume.service';
const WANTS = '/etc/systemd/system/multi-user.target.d/90-bypass-setup-resume.conf';
const BOOT = '/proc/sys/kernel/random/boot_id';
const LOADER = '/boot/arguments';

/** A live host with systemd and a boot id. */
function machine({ systemd = true } = {}): KernelSimulator {
  const host = new KernelSimulator();
  host.replaceFile(BOOT, 'boot-1\n');
  host.replaceFile('/etc/systemd/system/other.service', '');
  host.replaceFile(LOADER, 'old');
  if (systemd) host.makeFolder('/run/systemd/system');
  host.restart();
  return host;
}

/** A loader's file that works with the next boot; in force once the running kernel has it. */
function loader(host: KernelSimulator): Action {
  return {
    ...files(host, { [LOADER]: 'new' }, { effect: 'reboot' }),
    inForce: (_, on) => (on.readText('/proc/cmdline') === 'new' ? undefined : 'the kernel runs without it'),
  };
}

const engine = (host: KernelSimulator, boot = 'boot-1'): TestEngine =>
  engineOn(host, [loader(host)], { bootId: boot });

/** The machine comes up again with what its loader gives it. */
function reboot(host: KernelSimulator, cmdline = host.readText(LOADER) ?? ''): TestEngine {
  host.restart();
  for (const name of ['bypass-setup.notice', 'bypass-setup.lock']) host.delete(`/run/${name}`);
  host.replaceFile(BOOT, 'boot-2\n');
  host.replaceFile('/proc/cmdline', cmdline);
  host.restart();
  return engine(host, 'boot-2');
}

const isSpread = (host: KernelSimulator) => [UNIT, WANTS].map((path) => host.stat(path) !== undefined);
const NONE = [false, false];
const SPREAD = [true, true];

describe('resume after a reboot', () => {
  it('a run that needs one leaves a unit, which looks whether it is in force, and goes', async () => {
    const host = machine();
    expect(await applyProfile(engine(host), REQUEST)).toMatchObject({
      outcome: 'applied',
      rebootNeeded: true,
    });
    expect(isSpread(host)).toEqual(SPREAD);
    expect(await resumeRuns(engine(host))).toMatchObject({ outcome: 'nothing', runs: [] });
    expect(isSpread(host), 'before the reboot there is nothing to look at').toEqual(SPREAD);
    const after = reboot(host);
    const run = '20261122-163908';
    expect(await resumeRuns(after)).toMatchObject({ outcome: 'verified', runs: [{ run, wrong: [] }] });
    expect(isSpread(host)).toEqual(NONE);
    expect(host.stat('/etc/systemd/system/multi-user.target.d')).toBeUndefined();
    expect(host.readText(NOTICE)).toBe(`run ${run} is in force after the reboot\n`);
    const [listed] = listRuns(host);
    expect(listed).toMatchObject({ state: 'applied', afterReboot: { wrong: [] } });
    const text = renderRuns(
      { schema: 'bypass-setup/runs@1', tool: '', takenAt: '', root: '/', runs: listRuns(host) },
      { color: false, width: 80 },
      false,
    );
    expect(text).toContain('in force');
    expect(await resumeRuns(after), 'once').toMatchObject({ outcome: 'nothing' });
  });

  it('what is asked for and not in effect is named, in the journal too, and nothing reboots', async () => {
    const host = machine();
    await applyProfile(engine(host), REQUEST);
    const after = reboot(host, 'old');
    const wrong = [`${LOADER}: the kernel runs without it`];
    expect(await resumeRuns(after)).toMatchObject({ outcome: 'not-in-force', runs: [{ wrong }] });
    expect(listRuns(host)[0]?.afterReboot?.wrong).toEqual(wrong);
    expect(host.readText(NOTICE)).toContain('is not in force after the reboot: ');
    expect(isSpread(host)).toEqual(NONE);
    expect(host.operations.join('\n')).not.toMatch(/reboot|shutdown|systemctl/);
    await undoRun(after, undefined);
    expect(host.stat(NOTICE), 'the next command that changes something').toBeUndefined();
  });

  it('[H11] ends a run that a power cut interrupted, wherever it was', async () => {
    const whole = machine();
    await applyProfile(engine(whole), REQUEST);
    const before = machine().tree();
    for (let crashAt = 1; crashAt <= whole.operations.length; crashAt++) {
      const host = machine();
      host.faults = { crashAt };
      const died = applyProfile(engine(host), REQUEST).then(({ error }) => Promise.reject(error));
      await expect(died).rejects.toBeInstanceOf(Crash);
      const begun = host.readText(LOADER) !== 'old' && host.stat(WANTS) === undefined;
      expect(begun, 'the net is there before the first change').toBe(false);
      const after = reboot(host, 'old');
      await resumeRuns(after);
      expect(isSpread(host)).toEqual(NONE);
      if (host.readText(LOADER) === 'old') expect(foreign(host.tree())).toEqual(foreign(before));
      else expect(listRuns(host)[0]).toMatchObject({ state: 'applied' });
      expect(await resumeRuns(after), 'nothing is left').toMatchObject({ outcome: 'nothing' });
    }
  });

  it('[H10] takes back a run that was not confirmed before the reboot', async () => {
    const host = machine();
    await applyProfile(engine(host), { ...REQUEST, confirmWithin: 120 });
    expect(isSpread(host)).toEqual(SPREAD);
    const after = reboot(host);
    expect(await resumeRuns(after)).toMatchObject({
      outcome: 'recovered',
      rebootNeeded: true,
      sentence:
        'run 20261122-163908 was not confirmed in time: it is undone; another reboot completes the undo',
    });
    expect(host.readText(LOADER)).toBe('old');
    expect(isSpread(host)).toEqual(NONE);
  });

  it('goes with the confirmation or the undo of a run that needs no reboot', async () => {
    for (const end of [confirmRun, undoRun]) {
      const host = machine();
      const plain = engineOn(host, [files(host, { '/etc/a': 'new' })]);
      await applyProfile(plain, { ...REQUEST, confirmWithin: 120 });
      expect(isSpread(host)).toEqual(SPREAD);
      await end(plain, undefined);
      expect(isSpread(host)).toEqual(NONE);
    }
    const host = machine();
    await applyProfile(engineOn(host, [files(host, { '/etc/a': 'new' })]), REQUEST);
    expect(host.operations, 'it was there while the run was at work').toContain(`replace ${WANTS}`);
    expect(isSpread(host)).toEqual(NONE);
    await applyProfile(engine(host), REQUEST);
    await undoRun(engine(host), undefined);
    expect(isSpread(host)).toEqual(NONE);
  });

  it('what a later run has changed again is looked at there', async () => {
    const host = machine();
    await applyProfile(engine(host), REQUEST);
    const second = {
      ...files(host, { [LOADER]: 'newer' }, { effect: 'reboot' }),
      inForce: () => undefined,
    };
    await applyProfile(engineOn(host, [second]), REQUEST);
    reboot(host);
    const result = await resumeRuns(engineOn(host, [second], { bootId: 'boot-2' }));
    expect(result.runs.map(({ wrong }) => wrong)).toEqual([[], []]);
  });

  it('without systemd it says what to type', async () => {
    const host = machine({ systemd: false });
    const at = engine(host);
    await applyProfile(at, REQUEST);
    expect(isSpread(host)).toEqual(NONE);
    expect(at.said).toContain(
      'there is no systemd to finish this after a reboot; type then: bypass-setup resume',
    );
    expect(await resumeRuns(reboot(host))).toMatchObject({ outcome: 'verified' });
  });

  it('a full disk is said, and costs the net alone', async () => {
    const host = machine();
    const replace = host.replaceFile.bind(host);
    host.replaceFile = (path, text, mode) => {
      if (path === UNIT) host.write('/no/such', '');
      replace(path, text, mode);
    };
    const at = engine(host);
    expect(await applyProfile(at, REQUEST)).toMatchObject({ outcome: 'applied' });
    expect(at.said.join()).toMatch(
      /nothing resumes this run after a reboot \(cannot write: no such file or directory \(ENOENT\)\)/,
    );
  });

  it('the unit is one that systemd takes, whatever the program is called', async (context) => {
    const host = machine();
    const at = { ...engine(host), self: ['/bin/echo', '/opt/a "b" $c %d/tool'] as const };
    await applyProfile(at, REQUEST);
    const text = host.readText(UNIT) ?? '';
    expect(text).toContain('ExecStart=/bin/echo "/opt/a \\"b\\" $$c %%d/tool" resume\n');
    expect(host.readText(WANTS)).toContain('[Unit]\nWants=bypass-setup-resume.service\n');
    const path = join(scratch(), 'bypass-setup-resume.service');
    writeFileSync(path, text);
    const { error, stderr } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
    context.skip(error !== undefined, 'there is no systemd-analyze');
    expect(stderr.split('\n').filter((line) => line.includes('resume.service'))).toEqual([]);
  });
});

/** Without what the engine keeps of its own. */
function foreign(tree: ReadonlyMap<string, string>): Map<string, string> {
  const own = /^\/(var(\/|$)|run\/bypass-setup\.|proc|boot\/\.)/;
  return new Map([...tree].filter(([path]) => !own.test(path)).sort());
}
