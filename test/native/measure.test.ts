import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseCpuList } from '../../src/formats/cpu-list.ts';
import { runChild } from '../../src/native/child.ts';
import { validate } from '../../src/native/client.ts';
import { accountFiles } from '../../src/native/core-account.ts';
import type { NamedCounter } from '../../src/native/counter-sources.ts';
import { ealArguments } from '../../src/native/eal-arguments.ts';
import { openGate } from '../../src/native/gate.ts';
import { validateResult } from '../../src/native/messages.ts';
import { openSharedPage } from '../../src/native/shared-page.ts';
import { keepOff } from '../../src/native/supervisor.ts';
import { checkReportSchema } from '../../src/report/report.ts';
import { ROOT } from '../support/cli.ts';
import {
  children,
  commandOf,
  isRoot,
  type Lab,
  leftBehind,
  noAddon,
  openLab,
  traces,
  works,
} from './support.ts';

let lab: Lab & { close: () => void };
beforeAll(() => {
  if (noAddon === undefined) lab = openLab();
});
afterAll(() => lab?.close());

const ALLOWED = parseCpuList(
  /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '',
);
const CPU = ALLOWED.at(-1) ?? 0;
const oneCpu = ALLOWED.length < 2 ? 'needs two CPUs' : undefined;

/** Where each thread of a process may run. */
function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(
      (task) =>
        /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8'))?.[1] ??
        '',
    );
  } catch {
    return []; // It ended meanwhile.
  }
}
const mayRunOn = (list: string): boolean => parseCpuList(list).includes(CPU);

describe('the poll loop alone', () => {
  it('[H2] measures gaps on its CPU without a packet, and counts those over the limit', async (ctx) => {
    if (noAddon !== undefined) return ctx.skip(noAddon);
    const before = traces(lab);
    // No machine polls in less than a nanosecond, nor is any gap an hour long.
    const [some, none] = await Promise.all(
      [1, 3_600e9].map((gapLimitNs) =>
        validate({ target: { mode: 'quiet' }, seconds: 0.3, cpu: CPU, gapLimitNs }, { installation: lab }),
      ),
    );
    expect(validateResult.parse(some)).toEqual(some);
    expect(some).toMatchObject({ mode: 'quiet', verdict: 'cannot-know', packets: { received: 0, sent: 0 } });
    expect(some?.polls).toMatchObject({ empty: some?.polls.total });
    expect(some?.core.cpu).toBe(CPU);
    expect(some?.gaps.overLimit?.count).toBeGreaterThan(0);
    expect(none?.gaps.overLimit).toEqual({ limitNs: 3_600e9, count: 0 });
    expect(await leftBehind(lab, before)).toEqual([]);
  });

  it('[J18] several windows begin when the last run is set up, also when that one fails', async (ctx) => {
    if (noAddon !== undefined) return ctx.skip(noAddon);
    const [place, other] = openGate(2);
    let started = false;
    const run = validate(
      { target: { mode: 'quiet' }, seconds: 0.3, cpu: CPU },
      { installation: lab, gate: place, onProgress: () => (started = true) },
    );
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(started).toBe(false);
    const opened = Date.now();
    other?.leave();
    expect(Date.parse((await run).startedAt)).toBeGreaterThanOrEqual(opened);
  });

  it('a gate counts each run once', () => {
    const [first, second] = openGate(2);
    let gone = 0;
    first?.arrive(() => gone++);
    first?.leave();
    expect(gone).toBe(0);
    second?.arrive(() => gone++);
    expect(gone).toBe(2);
  });
});

describe('[J12] [J14] counters', () => {
  /** One run with these counters; the rest of the client is left out. */
  async function countersOf(counters: NamedCounter[]) {
    const page = openSharedPage();
    try {
      const { message } = await runChild({
        prefix: [],
        workerPath: lab.workerPath,
        page,
        signal: undefined,
        onTick: () => undefined,
        onWaiting: () => undefined,
        config: {
          mode: 'quiet',
          ealArguments: ealArguments({ cpu: CPU }),
          cpu: CPU,
          otherCpus: ALLOWED.filter((cpu) => cpu !== CPU),
          files: accountFiles(CPU),
          counters,
          wait: false,
          durationMs: 200,
          stride: 4,
          address: [],
          pci: '',
          kernelInterface: false,
          parentPid: process.pid,
          addonPath: lab.addonPath,
        },
      });
      if (message.type === 'failure') throw new Error(message.message);
      return message.account.counters;
    } finally {
      page.close();
    }
  }

  it('a register is eight octets at its number', async (ctx) => {
    if (noAddon !== undefined) return ctx.skip(noAddon);
    const msr = join(lab.folder, 'msr');
    writeFileSync(msr, Buffer.alloc(0x40, 1));
    const counters = await countersOf([
      { name: 'smi', from: 'a', msr, register: 0x34 },
      // The file ends there: a register that the processor does not have is EIO too.
      { name: 'aperf', from: 'b', msr, register: 0xe8 },
      { name: 'mperf', from: 'c', msr: `${msr}-missing`, register: 0xe7 },
    ]);
    expect(counters).toEqual({
      smi: { from: 'a', delta: 0 },
      aperf: { from: 'b', absent: 'EIO' },
      mperf: { from: 'c', absent: 'ENOENT' },
    });
  });

  it('an event of the msr PMU counts during the window', async (ctx) => {
    if (noAddon !== undefined) return ctx.skip(noAddon);
    const pmu = '/sys/bus/event_source/devices/msr';
    if (!existsSync(`${pmu}/events/tsc`)) return ctx.skip('the kernel has no msr PMU');
    if (!isRoot) return ctx.skip('needs root');
    const type = Number(readFileSync(`${pmu}/type`, 'utf8'));
    const { tsc } = await countersOf([{ name: 'tsc', from: pmu, type, config: 0 }]);
    if (tsc === undefined || 'absent' in tsc) return ctx.skip(`perf_event_open(2): ${tsc?.absent}`);
    // 0.2 s of any time stamp counter there is.
    expect(tsc.delta).toBeGreaterThan(1e6);
  });
});

describe('[J18] the supervisor', () => {
  it('leaves the CPUs of poll loops with all its threads, and comes back', async (ctx) => {
    if (oneCpu !== undefined) return ctx.skip(oneCpu);
    if (!works('taskset', '--version')) return ctx.skip('taskset is not installed');
    const before = threadsOf(process.pid);
    const supervisor = await keepOff([CPU]);
    const during = threadsOf(process.pid);
    await supervisor.restore();
    expect(supervisor.apart).toBe(true);
    expect(during.filter(mayRunOn)).toEqual([]);
    expect(threadsOf(process.pid).every(mayRunOn)).toBe(before.every(mayRunOn));
  });

  it('says when no other CPU is left', async () => {
    const supervisor = await keepOff(ALLOWED);
    await supervisor.restore();
    expect(supervisor.apart).toBe(false);
  });

  it('[H2] [H3] [J3] only poll loops may run on the measured CPU, and one run tells gaps, interrupts and replies', async (ctx) => {
    if (noAddon !== undefined) return ctx.skip(noAddon);
    if (oneCpu !== undefined) return ctx.skip(oneCpu);
    if (!works('taskset', '--version')) return ctx.skip('taskset is not installed');
    const profile = join(lab.folder, 'limit.json');
    writeFileSync(profile, '{"version": 1, "validate": {"max-gap": "900us"}}');
    const words = ['check', '-f', profile, '--measure', '1500ms', '--cpu', `${CPU}`, '--json'];
    const command = spawn(process.execPath, [`${ROOT}bin/bypass-setup`, ...words], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const pid = command.pid ?? 0;
    let text = '';
    command.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
    const ended = new Promise((resolve) => command.on('close', resolve));
    const intruders = new Set<string>();
    let polling = 0;
    const look = setInterval(() => {
      const workers = children(pid).filter((child) => commandOf(child).includes('worker.js'));
      for (const worker of workers) {
        const threads = threadsOf(worker).filter(mayRunOn);
        if (threads.length > 0) polling++;
        // The poll thread, which is pinned, alone.
        if (threads.length > 1 || threads.some((list) => list !== `${CPU}`)) intruders.add(threads.join(' '));
      }
      if (workers.length > 0) for (const list of threadsOf(pid).filter(mayRunOn)) intruders.add(list);
    }, 20);
    await ended;
    clearInterval(look);
    const report = checkReportSchema.parse(JSON.parse(text));
    expect([...intruders]).toEqual([]);
    expect(polling).toBeGreaterThan(0);
    const { measurement, validation } = report;
    expect(measurement?.supervisor.apart).toBe(true);
    expect(measurement?.gapLimitNs).toBe(900_000);
    expect(validation?.gaps.overLimit?.limitNs).toBe(900_000);
    expect(measurement?.cores.map(({ core }) => core.cpu)).toEqual([CPU]);
    expect(report.findings.filter(({ check }) => check === 'core').map(({ subject }) => subject)).toEqual([
      `CPU ${CPU}`,
    ]);
    const path = report.findings.find(({ check }) => check === 'data-path');
    if (validation?.judge?.kind !== 'kernel') return ctx.skip('namespaces are not permitted here');
    expect(validation.core.cpu).toBe(CPU);
    expect(path?.sentence).toMatch(
      /echo requests answered on a veth pair .*; on CPU \d+ meanwhile longest gap /,
    );
    // How long the gaps are on this machine is not the question, but whether the finding says what they make of it.
    const slow = (validation.gaps.overLimit?.count ?? 0) > 0;
    expect(path?.result === 'fail').toBe(slow || validation.verdict === 'not-ready');
  });
});
