// Without zod, which would cost the child its fast start.
import type { Snapshot } from './core-account.ts';
import type { NamedCounter } from './counter-sources.ts';
import type { WorkerResult } from './messages.ts';

/** What the child is told: one JSON argument. */
export interface WorkerConfig {
  mode: 'embedded' | 'ring' | 'interface' | 'port' | 'quiet';
  ealArguments: string[];
  cpu: number;
  /** CPUs for everything but the poll loop; may be empty. */
  otherCpus: number[];
  /** What to read around the window, accountFiles(). */
  files: string[];
  counters: NamedCounter[];
  /** Whether to wait for the parent's word before the window begins. */
  wait: boolean;
  durationMs: number;
  stride: number;
  /** Four octets, or none. */
  address: number[];
  /** Port mode only; else empty. */
  pci: string;
  /** Whether the device has a kernel interface that must stay as it is. */
  kernelInterface: boolean;
  parentPid: number;
  addonPath: string;
}

/** Descriptors that the child inherits beside the standard ones. */
export const PAGE_FD = 3;
export const RESULT_FD = 4;

/** The addon's answer to run(), as in addon.cc. */
export interface NativeResult {
  error: { code: string; message: string } | null;
  dpdkVersion: string;
  driver: string;
  mac: string;
  startedAtMs: number;
  setupNs: number;
  durationNs: number;
  before: Snapshot;
  after: Snapshot;
  imissed: number;
  ierrors: number;
  rxNombuf: number;
  oerrors: number;
  socketDrops: number | null;
  judge: WorkerResult['judge'];
  selfTest: WorkerResult['selfTest'];
  port: WorkerResult['port'];
}
