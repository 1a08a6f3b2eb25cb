import { formatCpuList } from '../formats/cpu-list.ts';
import { parseCpuMask } from '../formats/cpu-mask.ts';
import { parseAssignments } from '../formats/key-value.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact, Facts } from './facts.ts';
import { absent, attribute, cpuListText, exists, guarded, known, textOrNothing, word } from './read.ts';

type Unit = NonNullable<Facts['services']['units']['value']>[number];

/** Services that move interrupts, change frequencies, own interfaces, steer clocks or wake firmware. */
const UNITS = [
  'irqbalance.service',
  'tuned.service',
  'power-profiles-daemon.service',
  'thermald.service',
  'ksmtuned.service',
  'NetworkManager.service',
  'systemd-networkd.service',
  'networking.service',
  'ovs-vswitchd.service',
  'openvswitch-switch.service',
  'ptp4l.service',
  'phc2sys.service',
  'sfptpd.service',
  'chrony.service',
  'chronyd.service',
  'fwupd-refresh.timer',
  'unattended-upgrades.service',
  'apt-daily-upgrade.timer',
  'dnf-automatic.timer',
  'numad.service',
];

/** cgroup v2, v1, and hybrid. */
const SLICES = [
  '/sys/fs/cgroup/system.slice',
  '/sys/fs/cgroup/systemd/system.slice',
  '/sys/fs/cgroup/unified/system.slice',
];
const UNIT_FOLDERS = ['/etc/systemd/system', '/usr/lib/systemd/system', '/lib/systemd/system'];
const WANTS = [
  'multi-user.target.wants',
  'graphical.target.wants',
  'basic.target.wants',
  'timers.target.wants',
  'sysinit.target.wants',
];

export const servicesProbe = defineProbe('services', (host) => ({
  units: units(host),
  tunedProfile: attribute(host, '/etc/tuned/active_profile', word),
  irqbalanceBanned: irqbalanceBanned(host),
}));

function units(host: ReadHost): Fact<Unit[]> {
  const slice = SLICES.find((folder) => exists(host, folder));
  const folders = UNIT_FOLDERS.filter((folder) => exists(host, folder));
  const wants = WANTS.map((target) => `/etc/systemd/system/${target}`).filter((folder) =>
    exists(host, folder),
  );
  const installed = UNITS.flatMap((name) => {
    const file = folders.map((folder) => `${folder}/${name}`).find((path) => exists(host, path));
    const running = runs(host, slice, name);
    if (file === undefined && running !== true) return [];
    return [
      {
        name,
        running,
        enabled: wants.some((folder) => exists(host, `${folder}/${name}`)),
        installed: file !== undefined,
        evidence: running === true ? `${slice}/${name}/cgroup.procs` : (file ?? ''),
      },
    ];
  });
  const [folder] = folders;
  if (folder === undefined && slice === undefined) {
    return absent('missing', 'not a systemd host, or not recorded', UNIT_FOLDERS[1] ?? '');
  }
  return known(installed, slice ?? folder ?? '');
}

/** A service runs when its cgroup or one below holds a process; of a timer no file tells. */
function runs(host: ReadHost, slice: string | undefined, name: string): boolean | null {
  if (slice === undefined) return null;
  if (name.endsWith('.timer')) return null;
  if (!exists(host, `${slice}/${name}`)) return false;
  const processes = textOrNothing(host, `${slice}/${name}/cgroup.procs`);
  if (processes) return true;
  // cgroup v2 counts the ones below too.
  return /^populated 1$/m.test(textOrNothing(host, `${slice}/${name}/cgroup.events`) ?? '');
}

/** /etc/default on Debian, /etc/sysconfig on Red Hat; empty means irqbalance bans isolated CPUs by itself. */
function irqbalanceBanned(host: ReadHost): Fact<string> {
  for (const path of ['/etc/default/irqbalance', '/etc/sysconfig/irqbalance']) {
    const text = textOrNothing(host, path);
    if (text === undefined) continue;
    const values = parseAssignments(text);
    const list = values.get('IRQBALANCE_BANNED_CPULIST');
    const mask = values.get('IRQBALANCE_BANNED_CPUS');
    if (list) return guarded(path, () => known(cpuListText(list), path));
    if (mask) return guarded(path, () => known(formatCpuList(parseCpuMask(mask)), path));
    return absent('missing', 'no CPU is banned in it', path);
  }
  return absent('missing', 'irqbalance has no configuration', '/etc/default/irqbalance');
}
