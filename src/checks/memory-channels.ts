import type { Facts } from '../probes/facts.ts';
import { defineCheck } from './define.ts';
import { evidence } from './evidence.ts';

const WHY =
  'a memory channel without a module takes its share of the bandwidth away from every core of the socket';

type Slot = NonNullable<Facts['machine']['memoryDevices']['value']>[number];

export const memoryChannelsCheck = defineCheck('memory', WHY, ({ machine }) => {
  const slots = machine.memoryDevices;
  if (slots.absent !== undefined) {
    return [
      {
        subject: 'host',
        result: slots.absent === 'missing' ? 'skip' : 'unknown',
        sentence:
          slots.absent === 'missing'
            ? 'the firmware describes no memory slots'
            : 'memory slots cannot be read',
        evidence: [evidence(slots)],
        ...(slots.absent === 'denied' ? { remedy: 'run as root' } : {}),
      },
    ];
  }
  const filled = slots.value.filter((slot) => slot.megabytes > 0).length;
  const seen = [{ path: slots.from, value: `${filled} of ${slots.value.length} slots filled` }];
  const channels = new Map<string, boolean>();
  for (const slot of slots.value) {
    const name = channelOf(slot);
    if (name === undefined) {
      const sentence = 'the names of the memory slots do not tell their channels';
      return [{ subject: 'host', result: 'skip', sentence, evidence: seen }];
    }
    channels.set(name, channels.get(name) === true || slot.megabytes > 0);
  }
  const empty = [...channels].filter(([, inUse]) => !inUse).map(([name]) => name);
  if (empty.length > 0) {
    return [
      {
        subject: 'host',
        result: 'warn',
        sentence: `${empty.length} of ${channels.size} memory channels are empty: ${empty.join(', ')}`,
        evidence: seen,
        remedy: 'put a module into each channel',
      },
    ];
  }
  return [
    {
      subject: 'host',
      result: 'pass',
      sentence: `all ${channels.size} memory channels hold a module`,
      evidence: seen,
    },
  ];
});

/**
 * `P0 CHANNEL A` (AMD: bank "P0 CHANNEL A"), `CPU1_DIMM_A1`, `P1-DIMMA1`, `P0_Node0_Channel3_Dimm0`. Makers name slots as
 * they like (SMBIOS has no field for the channel), so that names of another kind tell nothing.
 */
function channelOf({ locator, bank }: Slot): string | undefined {
  const text = `${bank} ${locator}`;
  const socket = /\b(?:P|CPU|PROC ?)(\d)/i.exec(text)?.[1] ?? '0';
  const channel =
    /channel[ _]?([a-z0-9]+?)(?:_|\b)/i.exec(text)?.[1] ?? /DIMM[ _]?([A-P])\d/i.exec(locator)?.[1];
  return channel === undefined ? undefined : `socket ${socket} channel ${channel.toUpperCase()}`;
}
