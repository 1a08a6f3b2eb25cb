import { parsePciAddress } from '../formats/pci-address.ts';
import type { Facts, PciFunction } from '../probes/facts.ts';
import { interfacesOf, macsOf, nameOf } from './identity.ts';
import type { Match } from './schema.ts';

/** The one function that is meant, or why there is none. */
export type Matched =
  | { readonly nic: PciFunction }
  | {
      readonly sentence: string;
      readonly code?: 'NIC_IDENTITY_DISAGREES' | 'NIC_IDENTITY_UNKNOWN';
      /** Whether only something that could not be read keeps it from being found. */
      readonly unknown?: boolean;
    };

interface Criterion {
  readonly field: keyof Match;
  readonly wanted: string;
  /** What the function has; none where that is not known. */
  readonly seen: (nic: PciFunction) => readonly string[];
}

/** Every field that is given must point at the same function, and at no other. */
export function findNic(match: Match, functions: readonly PciFunction[], facts: Facts): Matched {
  const criteria = criteriaOf(match, facts);
  const found = functions.filter((nic) => criteria.every((criterion) => fits(nic, criterion)));
  const [only] = found;
  if (only !== undefined && found.length === 1) return { nic: only };
  if (found.length > 1) {
    const names = found.map(nameOf).join(', ');
    return {
      sentence: `${criteria.map(print).join(' and ')} matches ${names}; add a field that tells them apart`,
    };
  }
  const met = criteria.filter((criterion) => functions.some((nic) => fits(nic, criterion)));
  if (met.length === 0) return nobody(criteria, functions, facts);
  return contradiction(criteria, met, functions, facts);
}

const fits = (nic: PciFunction, { seen, wanted }: Criterion) => seen(nic).includes(wanted);
const print = ({ field, wanted }: Criterion) => `${field} ${wanted}`;

function criteriaOf({ address, mac, serial, interface: name }: Match, facts: Facts): Criterion[] {
  const criteria: Criterion[] = [];
  const add = (field: keyof Match, wanted: string, seen: Criterion['seen']) =>
    criteria.push({ field, wanted, seen });
  if (address !== undefined) add('address', parsePciAddress(address), (nic) => [nic.address]);
  if (mac !== undefined) add('mac', mac.toLowerCase(), (nic) => macsOf(nic, facts));
  if (serial !== undefined) add('serial', serial.toLowerCase(), (nic) => [nic.serial.value ?? []].flat());
  if (name !== undefined) add('interface', name, interfacesOf);
  return criteria;
}

/** A card was moved or replaced, or an interface renamed: what is meant, nobody but the operator knows. */
function contradiction(
  criteria: readonly Criterion[],
  met: readonly Criterion[],
  functions: readonly PciFunction[],
  facts: Facts,
): Matched {
  const rest = criteria.filter((criterion) => !met.includes(criterion));
  const unseen = functions.find(
    (nic) =>
      met.every((criterion) => fits(nic, criterion)) && rest.every(({ seen }) => seen(nic).length === 0),
  );
  if (unseen !== undefined) {
    const sentence = `${met.map(print).join(' and ')} is ${nameOf(unseen)}, but whether that has ${rest.map(print).join(' and ')} cannot be known`;
    return { code: 'NIC_IDENTITY_UNKNOWN', sentence, unknown: true };
  }
  const clauses = criteria.map((criterion) => {
    const owners = functions.filter((nic) => fits(nic, criterion)).map((nic) => describe(nic, facts));
    return owners.length === 0
      ? `no NIC has ${print(criterion)}`
      : `${print(criterion)} is ${owners.join(', ')}`;
  });
  return { code: 'NIC_IDENTITY_DISAGREES', sentence: `slot and identity disagree: ${clauses.join('; ')}` };
}

/** `0000:3b:00.0 (eth2) with mac 02:00:5e:00:3b:00` */
function describe(nic: PciFunction, facts: Facts): string {
  const mac = macsOf(nic, facts)[0];
  return mac === undefined ? nameOf(nic) : `${nameOf(nic)} with mac ${mac}`;
}

function nobody(criteria: readonly Criterion[], functions: readonly PciFunction[], facts: Facts): Matched {
  const name = criteria.find(({ field }) => field === 'interface')?.wanted;
  const virtual = facts.network.interfaces.value?.find((entry) => entry.name === name && entry.pci === null);
  if (virtual !== undefined) {
    const below = virtual.lowers.length === 0 ? '' : ` over ${virtual.lowers.join(', ')}`;
    return {
      sentence: `interface ${virtual.name} is no NIC but a ${virtual.kind ?? 'virtual interface'}${below}`,
    };
  }
  const hidden =
    criteria.some(({ field }) => field === 'serial') &&
    functions.some(({ serial }) => serial.absent === 'denied');
  const why = hidden ? ', as far as can be read without root' : '';
  const sentence = `no NIC of this host has ${criteria.map(print).join(' or ')}${why}`;
  return hidden ? { sentence, unknown: true } : { sentence };
}
