import type { Facts } from '../probes/facts.ts';
import type { Judgement } from './define.ts';
import { evidence } from './evidence.ts';
import { defineCoreCheck } from './isolated.ts';

const WHY = 'what another service sets again, or an update changes overnight, is found out at the open';

/** Services whose work is to change what was set here, and what they do. irqbalance is a matter of the interrupts. */
const TUNERS: Readonly<Record<string, string>> = {
  'power-profiles-daemon.service': 'changes the governor when a user or a desktop asks for it',
  'thermald.service': 'lowers frequencies before the processor would',
  'ksmtuned.service': 'switches the merging of memory on when it is short',
  'numad.service': 'moves processes and their memory between nodes',
};

/** Timers and services that install packages, or talk to the firmware. */
const UPDATERS: Readonly<Record<string, string>> = {
  'unattended-upgrades.service': 'installs updates',
  'apt-daily-upgrade.timer': 'starts the installing of updates, where apt is told to',
  'dnf-automatic.timer': 'starts the installing of updates',
  'fwupd-refresh.timer': 'asks the firmware and its devices for their versions',
};

/** Profiles of tuned that save power or follow the load. */
const SAVING = /powersave|balanced|desktop|laptop|virtual-guest|spindown/;

/** Whether something on this host will take back what makes it ready. */
export const servicesCheck = defineCoreCheck('services', WHY, ({ services }) => {
  const { units, tunedProfile } = services;
  if (units.absent !== undefined) {
    const unknown = units.absent !== 'missing';
    return [
      {
        subject: 'host',
        result: unknown ? 'unknown' : 'skip',
        sentence: unknown ? 'which services run cannot be read' : 'systemd does not run this host',
        evidence: [evidence(units)],
      },
    ];
  }
  const active = units.value.filter(({ running, enabled }) => running ?? enabled);
  const found = active.flatMap((unit) => [
    ...warning(unit, TUNERS[unit.name], `systemctl disable --now ${unit.name}`),
    ...warning(unit, UPDATERS[unit.name], `systemctl disable --now ${unit.name}, and update when you choose`),
  ]);
  const tuned = active.find(({ name }) => name === 'tuned.service');
  if (tuned !== undefined && SAVING.test(tunedProfile.value ?? '')) {
    found.push({
      subject: tuned.name,
      result: 'fail',
      sentence: `runs with the profile ${tunedProfile.value}, which lets frequencies and idle states follow the load`,
      evidence: [running(tuned), evidence(tunedProfile)],
      remedy: 'tuned-adm profile network-latency (or cpu-partitioning), or systemctl disable --now tuned',
    });
  }
  if (found.length > 0) return found;
  return [
    {
      subject: 'host',
      result: 'pass',
      sentence:
        tuned === undefined
          ? 'no service is active that would change what is set'
          : `tuned keeps the profile ${tunedProfile.value ?? '(unknown)'}; no other service changes what is set`,
      evidence: [evidence(units, undefined, (all) => `${all.length} units looked at`)],
    },
  ];
});

type Unit = NonNullable<Facts['services']['units']['value']>[number];

const running = (unit: Unit) => ({ path: unit.evidence, value: unit.running ? 'running' : 'enabled' });

function warning(unit: Unit, does: string | undefined, remedy: string): Judgement[] {
  if (does === undefined) return [];
  return [{ subject: unit.name, result: 'warn', sentence: does, evidence: [running(unit)], remedy }];
}
