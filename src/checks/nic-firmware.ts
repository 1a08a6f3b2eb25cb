import type { Fact, Facts, PciFunction } from '../probes/facts.ts';
import type { ResolvedNic } from '../profile/resolved.ts';
import type { Judgement } from './define.ts';
import { evidence } from './evidence.ts';

/** `4.40 0x8001c7d4 1.3534.0` of ice, `16.35.3502 (MT_0000000080)` of mlx5: the maker's own version comes first. */
const VERSION = /\d+(?:\.\d+)+/;

/** [A7] Whether a NIC has the firmware that the profile asks for; nothing where it asks for none. */
export function judgeFirmware(nic: ResolvedNic, found: PciFunction, facts: Facts): Judgement[] {
  const least = nic.firmware;
  if (least === undefined) return [];
  const fact = firmwareOf(found, facts);
  const seen = [evidence(fact, `at least ${least}`)];
  const version = VERSION.exec(fact.value ?? '')?.[0];
  if (version === undefined) {
    const sentence = `its firmware, which shall be ${least} or later, is not known`;
    const remedy = `give it back to its kernel driver once, and apply: ${found.address}`;
    return [{ subject: nic.name, result: 'unknown', sentence, evidence: seen, remedy }];
  }
  const old = isOlder(version, least);
  return [
    {
      subject: nic.name,
      result: old ? 'fail' : 'pass',
      sentence: `its firmware is ${version}, and shall be ${least} or later`,
      evidence: seen,
      ...(old ? { remedy: "update it with its maker's tool, and power the host off and on" } : {}),
    },
  ];
}

/** Of its driver; once it has left the kernel that which was remembered. */
function firmwareOf(found: PciFunction, { network }: Facts): Fact<string> {
  const own = network.interfaces.value?.find(({ name }) => found.interfaces.includes(name));
  if (own !== undefined) return own.firmware;
  const { remembered } = found;
  if (remembered.absent !== undefined) return remembered;
  const { firmware } = remembered.value;
  return firmware === undefined
    ? { absent: 'missing', reason: 'not remembered', from: remembered.from }
    : { value: firmware, from: remembered.from };
}

function isOlder(version: string, least: string): boolean {
  const [have, want] = [version, least].map((text) => text.split('.').map(Number));
  for (const [index, number] of (want ?? []).entries()) {
    const other = have?.[index] ?? 0;
    if (other !== number) return other < number;
  }
  return false;
}
