/** What a test file of the lab starts with. */
import { relative } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { install } from './artefact.ts';
import { Machine, type MachineOptions } from './machine.ts';

/** Why there is no lab on this machine, as `npm run test:lab` found; empty when there is one. */
const MISSING = process.env.BYPASS_SETUP_LAB_MISSING;

// A runner that is killed leaves its workers behind, and a worker its machine; QEMU ends with the worker.
process.once('disconnect', () => process.exit(1));

/**
 * Boots a machine with the tool installed before the tests of this file, keeps artefacts of each test that fails in
 * reports/lab/, and turns it off after the last.
 */
export function useMachine(options: MachineOptions): () => Machine {
  let machine: Machine | undefined;
  beforeAll(async () => {
    if (MISSING !== undefined && MISSING !== '') return;
    machine = await Machine.boot(options);
    await install(machine);
  });
  beforeEach((context) => context.skip(MISSING !== undefined && MISSING !== '', MISSING));
  afterEach(async ({ task }) => {
    if (task.result?.state !== 'fail' || machine === undefined) return;
    const name = task.name.replaceAll(/[^\w]+/g, '-').slice(0, 60);
    const folder = `reports/lab/${name}`;
    await machine.keepArtefacts(folder);
    process.stderr.write(`lab: artefacts of the failure are in ${relative('.', folder)}/\n`);
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
