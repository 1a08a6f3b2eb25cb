import { type CpuSet, formatCpuList, intersect, parseCpuList } from '../formats/cpu-list.ts';
import { FormatError } from '../formats/format-error.ts';
import { parseSize } from '../formats/size.ts';
import type { Profile, ProfileHugepage, ProfileNic, ProfileVf } from './schema.ts';

/** Something wrong at one place of a profile. */
export interface Problem {
  readonly path: readonly PropertyKey[];
  readonly sentence: string;
}

/** What each field allows, but not together with another, on no host whatever. */
export function contradictions(profile: Profile): Problem[] {
  const nics = profile.nics.flatMap((nic, index) => ofNic(nic, ['nics', index]));
  const pools = Array.isArray(profile.hugepages) ? profile.hugepages : [];
  return [
    ...withoutIsolated(profile),
    ...repeated(profile.nics.map(({ name }) => name)).map(([index, first]) => ({
      path: ['nics', index, 'name'],
      sentence: `is the name of nics[${first}] already`,
    })),
    ...nics,
    ...sameMac(profile.nics),
    ...pools.flatMap((pool, index) => ofPool(pool, profile, ['hugepages', index])),
    ...ofCores(profile.cores),
    ...ofValidation(profile),
  ];
}

const USERSPACE_IO = ['uio_pci_generic', 'igb_uio'];

function ofNic(nic: ProfileNic, path: readonly PropertyKey[]): Problem[] {
  const found: Problem[] = [];
  const wrong = (key: string, sentence: string) => found.push({ path: [...path, key], sentence });
  const bound = nic.driver !== 'auto' && nic.driver !== 'kernel';
  if (Object.keys(nic.match).length === 0) {
    wrong('match', 'needs at least one of address, mac, serial, interface');
  }
  if (nic.role === 'control' && nic.stack !== 'kernel' && nic.stack !== 'busy-poll') {
    wrong(
      'stack',
      `${nic.stack} would take it away from the host that is reached through it; control allows kernel, busy-poll`,
    );
  }
  if (bound && nic.stack !== 'dpdk') {
    wrong('driver', `${nic.driver} is for the stack dpdk; ${nic.stack} works on the kernel driver`);
  }
  if (USERSPACE_IO.includes(nic.driver) && !nic['allow-no-iommu']) {
    wrong(
      'driver',
      `${nic.driver} works without the IOMMU's protection; to accept that, add "allow-no-iommu: true"`,
    );
  }
  const vfs = Array.isArray(nic.vfs) ? nic.vfs : [];
  for (const [index, vf] of vfs.entries()) found.push(...ofVf(vf, nic, bound, [...path, 'vfs', index]));
  return found;
}

function ofVf(vf: ProfileVf, nic: ProfileNic, bound: boolean, path: readonly PropertyKey[]): Problem[] {
  const found: Problem[] = [];
  const set = (['mac', 'vlan', 'trust', 'spoof-check'] as const).find((key) => vf[key] !== undefined);
  if (bound && set !== undefined) {
    const sentence = `only the kernel driver of the physical function can set it, and that is on ${nic.driver}`;
    found.push({ path: [...path, set], sentence });
  }
  if (vf.mac !== undefined && !isStationAddress(vf.mac)) {
    found.push({
      path: [...path, 'mac'],
      sentence: 'is a group address or all zeros; the kernel refuses it',
    });
  }
  if (vf.driver === 'igb_uio' && !nic['allow-no-iommu']) {
    const sentence = `igb_uio works without the IOMMU's protection; to accept that, add "allow-no-iommu: true" to the NIC`;
    found.push({ path: [...path, 'driver'], sentence });
  }
  return found;
}

/** include/linux/etherdevice.h, is_valid_ether_addr; all zeros means "assign none". */
function isStationAddress(mac: string): boolean {
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0 && !/^[0:]+$/.test(mac);
}

function sameMac(nics: readonly ProfileNic[]): Problem[] {
  const all = nics.flatMap(({ vfs }, nic) =>
    (Array.isArray(vfs) ? vfs : []).flatMap(({ mac }, index) =>
      mac === undefined ? [] : [{ mac: mac.toLowerCase(), path: ['nics', nic, 'vfs', index, 'mac'] }],
    ),
  );
  return repeated(all.map(({ mac }) => mac)).map(([index]) => ({
    path: all[index]?.path ?? [],
    sentence: 'is given to another virtual function already',
  }));
}

function ofPool(pool: ProfileHugepage, { persistent }: Profile, path: readonly PropertyKey[]): Problem[] {
  if ((pool.count === undefined) === (pool.total === undefined)) {
    return [{ path, sentence: 'needs either count or total' }];
  }
  const size = parseSize(pool.size);
  if (pool.total !== undefined && parseSize(pool.total) % size !== 0) {
    return [{ path: [...path, 'total'], sentence: `is not a whole number of pages of ${pool.size}` }];
  }
  if (pool.when === 'boot' && !persistent) {
    const sentence = 'boot arguments outlast a reboot, which "persistent: false" rules out';
    return [{ path: [...path, 'when'], sentence }];
  }
  return [];
}

function ofCores(cores: Profile['cores']): Problem[] {
  if (cores === undefined || cores === 'auto') return [];
  const found: Problem[] = [];
  const list = (key: 'isolated' | 'housekeeping'): CpuSet => {
    try {
      return cores[key] === 'auto' ? [] : parseCpuList(String(cores[key]));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      found.push({ path: ['cores', key], sentence: error.message });
      return [];
    }
  };
  const both = intersect(list('isolated'), list('housekeeping'));
  if (both.length > 0) {
    found.push({
      path: ['cores', 'housekeeping'],
      sentence: `CPUs ${formatCpuList(both)} are isolated as well`,
    });
  }
  return found;
}

function withoutIsolated({ cores, interrupts }: Profile): Problem[] {
  if (cores !== undefined || interrupts !== 'auto') return [];
  return [
    { path: ['interrupts'], sentence: 'needs "cores": without isolated CPUs there is nothing to keep free' },
  ];
}

function ofValidation({ validate, nics }: Profile): Problem[] {
  if (validate?.nic === undefined || nics.some(({ name }) => name === validate.nic)) return [];
  return [
    {
      path: ['validate', 'nic'],
      sentence: `no NIC of this profile is named ${JSON.stringify(validate.nic)}`,
    },
  ];
}

/** Index of each value that stood before, and where. */
function repeated(values: readonly string[]): [index: number, first: number][] {
  return values.flatMap((value, index): [number, number][] => {
    const first = values.indexOf(value);
    return first < index ? [[index, first]] : [];
  });
}
