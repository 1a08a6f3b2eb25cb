import type { VirtualFunction } from '../formats/netlink.ts';
import type { Host, ReadHost } from '../host/host.ts';
import type { VfSettings } from '../profile/resolved.ts';
import { defineAction, type PlanContext, type Step } from './define.ts';
import { interfacesOf } from './interface.ts';
import { refused, run } from './run.ts';
import { type WantedVf, wantedVfsOf } from './vf.ts';

type Settings = Partial<Pick<VfSettings, 'mac' | 'vlan' | 'trust' | 'spoofCheck'>>;

/** Only what the profile sets; null where the virtual function was not there, and goes again with all it has. */
type Before = Settings | null;

const KEYS = ['mac', 'vlan', 'trust', 'spoofCheck'] as const;

/** What the physical function decides for a virtual one. Its driver must be the kernel's, which alone can be asked. */
export const vfSettingsAction = defineAction({
  name: 'vf-settings',

  plan: (context) => wantedVfsOf(context).flatMap((vf) => settingsStep(vf, context)),

  async apply(change, host) {
    await set(host, change.target, change.after as Settings);
  },

  verify(change, host) {
    return difference(host, change.target, change.after as Settings);
  },

  async revert(change, host) {
    const before = change.before as Before;
    if (before !== null && current(host, change.target) !== undefined) await set(host, change.target, before);
  },

  holdsBefore(change, host) {
    const before = change.before as Before;
    return before === null ? undefined : difference(host, change.target, before);
  },
});

function settingsStep({ physical, settings, target, found }: WantedVf, { facts }: PlanContext): Step[] {
  const wanted = pick(settings, settings);
  if (Object.keys(wanted).length === 0) return [];
  if (physical.wanted !== null) {
    throw refused(
      'VF_SETTINGS_NEED_KERNEL',
      physical.found.address,
      `is to be on ${physical.wanted}, where nobody can set the addresses and VLANs of its virtual functions`,
      'leave them out of the profile (the application sets them), or leave the physical function to the kernel',
    );
  }
  const [name] = physical.found.interfaces;
  const told = facts.network.interfaces.value?.find((entry) => entry.name === name)?.virtualFunctions;
  const now = found === undefined ? undefined : told?.value?.find(({ index }) => index === settings.index);
  if (found !== undefined && now === undefined) {
    throw refused(
      'VF_SETTINGS_UNKNOWN',
      target,
      `its present settings cannot be read (${told?.absent === undefined ? 'it is not told' : told.reason}), so they could not be brought back`,
    );
  }
  const before: Before = now === undefined ? null : pick(now, wanted);
  if (before !== null && KEYS.every((key) => before[key] === wanted[key])) return [];
  const list = words(wanted)
    .map(([key, value]) => `${key} ${value}`)
    .join(', ');
  return [
    {
      target,
      before,
      after: wanted,
      scope: 'runtime',
      effect: 'none',
      summary: `set ${list}`,
      commands: words(wanted).map((pair) => `ip link set dev ${name} vf ${settings.index} ${pair.join(' ')}`),
    },
  ];
}

/** The keys of `wanted`, with the values of `from`. */
function pick(from: { readonly [K in keyof Settings]: Settings[K] | undefined }, wanted: Settings): Settings {
  return Object.fromEntries(KEYS.flatMap((key) => (wanted[key] === undefined ? [] : [[key, from[key]]])));
}

/** As ip-link(8) has them. */
function words(settings: Settings): [string, string][] {
  const onOff = (value: boolean) => (value ? 'on' : 'off');
  return [
    ...(settings.mac === undefined ? [] : [['mac', settings.mac] as [string, string]]),
    ...(settings.vlan === undefined ? [] : [['vlan', `${settings.vlan}`] as [string, string]]),
    ...(settings.trust === undefined ? [] : [['trust', onOff(settings.trust)] as [string, string]]),
    ...(settings.spoofCheck === undefined
      ? []
      : [['spoofchk', onOff(settings.spoofCheck)] as [string, string]]),
  ];
}

async function set(host: Host, target: string, settings: Settings): Promise<void> {
  if (difference(host, target, settings) === undefined) return;
  const { address, index } = parts(target);
  const [name = ''] = interfacesOf(host, address);
  for (const pair of words(settings))
    await run(host, ['ip', 'link', 'set', 'dev', name, 'vf', index, ...pair]);
}

function difference(host: ReadHost, target: string, settings: Settings): string | undefined {
  const now = current(host, target);
  if (now === undefined) return `the settings of ${target} cannot be read`;
  const wrong = KEYS.filter((key) => settings[key] !== undefined && settings[key] !== now[key]);
  return wrong.length === 0
    ? undefined
    : wrong.map((key) => `${key} of ${target} is ${now[key] ?? 'not told'}`).join('; ');
}

function current(host: ReadHost, target: string): VirtualFunction | undefined {
  const { address, index } = parts(target);
  const names = interfacesOf(host, address);
  const links = host.ask('links');
  if (!('answer' in links)) return undefined;
  const link = links.answer.find(({ name }) => names.includes(name));
  return link?.virtualFunctions?.find((vf) => `${vf.index}` === index);
}

function parts(target: string): { address: string; index: string } {
  const [address = '', index = ''] = target.split('/virtfn');
  return { address, index };
}
