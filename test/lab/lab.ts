/** What a test file of the lab starts with. */
import { relative } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import type { Facts } from '../../src/probes/facts.ts';
import { install } from './artefact.ts';
import { Machine, type MachineOptions } from './machine.ts';
import { say } from './programs.ts';

/** Why there is no lab on this machine, as `npm run test:lab` found; empty when there is one. */
const MISSING = process.env.BYPASS_SETUP_LAB_MISSING;

// A runner that is killed leaves its workers behind, and a worker its machine; QEMU ends with the worker.
process.once('disconnect', () => process.exit(1));

/**
 * Boots a machine with the tool installed before the tests of this file, keeps artefacts of each test that fails in
 * reports/lab/, and turns it off after the last. A test that finds the machine lost gets a new one; `prepare` is what the
 * tests of the file have in common.
 */
export function useMachine(
  options: MachineOptions,
  prepare: (machine: Machine) => Promise<unknown> = async () => {},
): () => Machine {
  let machine: Machine | undefined;
  const turnOn = async () => {
    machine = await Machine.boot(options);
    await install(machine);
    await prepare(machine);
  };
  beforeAll(async () => {
    if (MISSING !== undefined && MISSING !== '') return;
    await turnOn();
  });
  beforeEach(async (context) => {
    context.skip(MISSING !== undefined && MISSING !== '', MISSING);
    if (machine !== undefined && (await machine.lives())) return;
    say(`a new machine for "${context.task.name}"`);
    await machine?.stop();
    await turnOn();
  });
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail' || machine === undefined) return;
    const name = task.name.replaceAll(/[^\w]+/g, '-').slice(0, 60);
    const folder = `reports/lab/${name}`;
    await machine.keepArtefacts(folder);
    say(`artefacts of the failure are in ${relative('.', folder)}/`);
  });
  afterAll(() => machine?.stop());
  return () => {
    if (machine === undefined) throw new Error('the machine is not on');
    return machine;
  };
}

/** Runs the tool in the guest; gives its exit code and output. */
export async function tool(machine: Machine, words: string, timeout = 120_000) {
  return machine.run(`bypass-setup ${words}`, { timeout });
}

/** What `probe` says of the guest; it must say it without a complaint. */
export async function probe(machine: Machine): Promise<Facts> {
  const { code, stdout, stderr } = await tool(machine, 'probe --json');
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout).facts;
}
