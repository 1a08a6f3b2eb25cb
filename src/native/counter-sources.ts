import { closeSync, openSync, readFileSync } from 'node:fs';
import { perfEventConfig } from '../formats/perf-event.ts';
import { errnoName } from '../host/errors.ts';

/** How the child reads one counter; see counters.h. */
export type NamedCounter = { name: string; from: string } & (
  | { msr: string; register: number }
  | { type: number; config: number }
);

/** Registers of the processor: arch/x86/include/asm/msr-index.h, MSR_IA32_APERF, MSR_IA32_MPERF, MSR_SMI_COUNT. */
const REGISTERS = { aperf: 0xe8, mperf: 0xe7, smi: 0x34 } as const;
/** arch/x86/events/msr.c: the same registers, each where this processor has it. Needs no module. */
const PMU = '/sys/bus/event_source/devices/msr';

interface FoundCounters {
  readonly readable: NamedCounter[];
  /** Those that cannot even be tried, with the reason. */
  readonly absent: Record<string, { from: string; absent: string }>;
}

/** APERF, MPERF and the number of SMIs of one CPU, from the kernel's msr device, else from perf. Loads no module. */
export function findCounters(cpu: number): FoundCounters {
  const msr = `/dev/cpu/${cpu}/msr`;
  const refused = refusal(msr);
  const found: FoundCounters = { readable: [], absent: {} };
  for (const [name, register] of Object.entries(REGISTERS)) {
    const event = `${PMU}/events/${name}`;
    const config = perfEventConfig(attribute(event));
    if (refused === undefined) {
      found.readable.push({ name, from: `${msr} 0x${register.toString(16)}`, msr, register });
    } else if (config !== undefined) {
      found.readable.push({ name, from: event, type: Number(attribute(`${PMU}/type`)), config });
    } else {
      found.absent[name] = { from: msr, absent: `${refused}, and perf has no such event (${event})` };
    }
  }
  return found;
}

function refusal(path: string): string | undefined {
  try {
    closeSync(openSync(path, 'r'));
    return undefined;
  } catch (error) {
    const name = errnoName(error);
    return name === 'ENOENT' ? 'there is no such device (the msr module is not loaded)' : name;
  }
}

function attribute(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
