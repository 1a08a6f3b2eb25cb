/**
 * The child process. It holds the addon, because EAL starts once per process and rte_panic, rte_exit or a driver's crash
 * end the process. Its JavaScript does nothing while the loop runs: run() blocks.
 */
import { writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { coreAccount } from './core-account.ts';
import type { WorkerMessage } from './messages.ts';
import { type NativeResult, PAGE_FD, RESULT_FD, type WorkerConfig } from './protocol.ts';

interface Addon {
  run(config: WorkerConfig, pageFd: number): NativeResult;
}

function work(config: WorkerConfig): WorkerMessage {
  let addon: Addon;
  try {
    addon = createRequire(import.meta.url)(config.addonPath) as Addon;
  } catch (error) {
    return {
      type: 'failure',
      code: 'ADDON_LOAD',
      message: error instanceof Error ? error.message : String(error),
    };
  }
  const { error, before, after, ...result } = addon.run(config, PAGE_FD);
  if (error !== null) return { type: 'failure', ...error };
  return { type: 'result', ...result, account: coreAccount(before, after, config.cpu, config.counters) };
}

const message = work(JSON.parse(process.argv[2] ?? '') as WorkerConfig);
writeSync(RESULT_FD, `${JSON.stringify(message)}\n`);
