import { isPciAddress } from '../formats/pci-address.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe, type Look } from './define.ts';
import type { Fact, Facts } from './facts.ts';
import {
  absent,
  attribute,
  exists,
  flag,
  guarded,
  known,
  linkName,
  names,
  numbered,
  textOrNothing,
} from './read.ts';

type State = NonNullable<Facts['userspaceIo']['modules']['value']>[string];
type Node = NonNullable<Facts['userspaceIo']['vfioNodes']['value']>[number];
type Thread = NonNullable<Facts['userspaceIo']['threads']['value']>[number];
type Holder = NonNullable<Facts['userspaceIo']['holders']['value']>[number];

/** The files by which a process holds a device: the group, the device itself, or the uio device. */
const HELD = /^\/dev\/(vfio\/((noiommu-)?\d+|devices\/vfio\d+)|uio\d+|ptp\d+)$/;

/** Module names, and the PCI driver each registers, which shows it even when it is built in without parameters. */
const MODULES: readonly (readonly [string, string | undefined])[] = [
  ['vfio', undefined],
  ['vfio_pci', 'vfio-pci'],
  ['vfio_iommu_type1', undefined],
  ['uio', undefined],
  ['uio_pci_generic', 'uio_pci_generic'],
  ['igb_uio', 'igb_uio'],
];

export const userspaceIoProbe = defineProbe('userspaceIo', (host, look) => {
  const nodes = vfioNodes(host);
  const held = holders(host, nodes, look);
  return {
    modules: modules(host),
    vfioNodes: nodes,
    unsafeNoIommu: attribute(host, '/sys/module/vfio/parameters/enable_unsafe_noiommu_mode', flag),
    allowUnsafeInterrupts: attribute(
      host,
      '/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts',
      flag,
    ),
    disableIdleD3: attribute(host, '/sys/module/vfio_pci/parameters/disable_idle_d3', flag),
    uioNodes: uioNodes(host),
    enableSriov: attribute(host, '/sys/module/vfio_pci/parameters/enable_sriov', flag),
    holders: held,
    threads: threads(host, held),
  };
});

function modules(host: ReadHost): Fact<Record<string, State>> {
  const release = textOrNothing(host, '/proc/sys/kernel/osrelease');
  const folder = `/lib/modules/${release}`;
  let builtin: string | undefined;
  let available: string | undefined;
  const state = ([name, driver]: readonly [string, string | undefined]): State => {
    // Only a module that can be unloaded has initstate (kernel/module/sysfs.c).
    if (exists(host, `/sys/module/${name}/initstate`)) return 'loaded';
    if (exists(host, `/sys/module/${name}`)) return 'built in';
    if (driver !== undefined && exists(host, `/sys/bus/pci/drivers/${driver}`)) return 'built in';
    const file = new RegExp(`/${name.replaceAll('_', '[-_]')}\\.ko`);
    builtin ??= textOrNothing(host, `${folder}/modules.builtin`) ?? '';
    if (file.test(builtin)) return 'built in';
    available ??= textOrNothing(host, `${folder}/modules.dep`) ?? '';
    return file.test(available) ? 'available' : 'absent';
  };
  return known(Object.fromEntries(MODULES.map((module) => [module[0], state(module)])), '/sys/module');
}

function vfioNodes(host: ReadHost): Fact<Node[]> {
  const folder = '/dev/vfio';
  return guarded(folder, () => {
    const found = host.list(folder);
    if (found === undefined) return absent('missing', 'vfio is not loaded', folder);
    return known(
      // `vfio` is the container all groups share; `devices` holds the newer per-device nodes.
      found
        .filter((name) => /^(noiommu-)?\d+$/.test(name))
        .flatMap((name) => {
          const status = host.stat(`${folder}/${name}`);
          if (status === undefined) return [];
          return [{ path: `${folder}/${name}`, uid: status.uid, gid: status.gid, mode: status.mode }];
        }),
      folder,
    );
  });
}

function uioNodes(host: ReadHost): Fact<{ path: string; pci: string }[]> {
  const folder = '/sys/class/uio';
  const nodes = names(host, folder).flatMap((name) => {
    const pci = linkName(host, `${folder}/${name}/device`);
    return pci === undefined ? [] : [{ path: `/dev/${name}`, pci }];
  });
  return known(nodes, folder);
}

/** Looked for only where there is something to hold: the walk over all processes costs milliseconds. */
function holders(host: ReadHost, nodes: Fact<Node[]>, { quick }: Look): Fact<Holder[]> {
  const from = '/proc/*/fd';
  const uio = names(host, '/sys/class/uio');
  if ((nodes.value ?? []).length === 0 && uio.length === 0) {
    if (!hasNicClock(host)) return known([], from);
    if (quick) return absent('unsupported', 'nobody looked', from);
  }
  return readHolders(host);
}

/** Every process that holds a device in user space or a clock, or a file of another kind. */
export function readHolders(host: ReadHost, kind: RegExp = HELD): Fact<Holder[]> {
  const from = '/proc/*/fd';
  let denied = 0;
  const found: Holder[] = [];
  for (const pid of names(host, '/proc').filter((name) => /^\d+$/.test(name))) {
    const fds = guarded(from, () => known(host.list(`/proc/${pid}/fd`) ?? [], from));
    if (fds.absent !== undefined) {
      denied++;
      continue;
    }
    for (const fd of fds.value) {
      const path = linkOf(host, `/proc/${pid}/fd/${fd}`);
      if (path === undefined || !kind.test(path)) continue;
      found.push({ pid: Number(pid), program: textOrNothing(host, `/proc/${pid}/comm`) ?? 'unknown', path });
    }
  }
  if (found.length === 0 && denied > 0)
    return absent('denied', `${denied} processes hide their files: needs root`, from);
  return known(found, from);
}

/** Ticks a second in what the kernel tells user space, on every architecture that DPDK has (include/asm-generic/param.h). */
const USER_HZ = 100;

/** A poll loop is a thread that runs all the time. */
function threads(host: ReadHost, held: Fact<Holder[]>): Fact<Thread[]> {
  if (held.absent !== undefined) return held;
  const from = '/proc/*/task/*/stat';
  const programs = new Map(
    held.value.filter(({ path }) => !path.startsWith('/dev/ptp')).map(({ pid, program }) => [pid, program]),
  );
  if (programs.size === 0) return known([], from);
  const uptime = Number((textOrNothing(host, '/proc/uptime') ?? '').split(' ')[0] || Number.NaN);
  if (Number.isNaN(uptime)) return absent('missing', 'the time since boot is not told', '/proc/uptime');
  const found = [...programs].flatMap(([pid, program]) =>
    numbered(names(host, `/proc/${pid}/task`), '').flatMap((thread): Thread[] => {
      const stat = parseStat(textOrNothing(host, `/proc/${pid}/task/${thread}/stat`) ?? '', uptime);
      return stat === undefined ? [] : [{ pid, program, thread, ...stat }];
    }),
  );
  return known(found, from);
}

/** proc_pid_stat(5), from 1: comm 2, utime 14, stime 15, starttime 22, processor 39. The name may hold blanks and brackets. */
function parseStat(text: string, uptime: number): Pick<Thread, 'name' | 'cpu' | 'busy'> | undefined {
  const [, name, rest = ''] = /^\d+ \((.*)\) (.*)$/s.exec(text) ?? [];
  const fields = rest.split(' ');
  const [user, system, start, cpu] = [14, 15, 22, 39].map((at) => Number(fields[at - 3] ?? Number.NaN));
  if (name === undefined || user === undefined || system === undefined) return undefined;
  if (start === undefined || cpu === undefined || !Number.isInteger(user + system + start + cpu))
    return undefined;
  // In its first second nobody can tell what it will be.
  const lived = Math.max(uptime - start / USER_HZ, 1);
  return { name, cpu, busy: Math.min(100, Math.round((100 * (user + system)) / USER_HZ / lived)) };
}

/** The clock of a NIC lies below its PCI function; those of hypervisors are virtual. */
function hasNicClock(host: ReadHost): boolean {
  return names(host, '/sys/class/ptp').some((name) => {
    const real = guarded('/sys/class/ptp', () => known(host.realPath(`/sys/class/ptp/${name}`), ''));
    return (real.value ?? '').split('/').some(isPciAddress);
  });
}

function linkOf(host: ReadHost, path: string): string | undefined {
  try {
    return host.readLink(path);
  } catch {
    return undefined;
  }
}
