import type { ReadHost } from '../host/host.ts';
import type { UserspaceDriver } from '../profile/resolved.ts';
import { defineAction, type PlanContext, type Step } from './define.ts';
import { wantedDrivers } from './nics.ts';
import { refused, run } from './run.ts';

type Before = {
  /** What was loaded of the family, so that undo unloads nothing else. */
  readonly loaded: readonly string[];
};

/**
 * What each driver needs. vfio_iommu_type1 is no dependency of vfio-pci, and without it no container can be made
 * (drivers/vfio/container.c). vfio_virqfd is never loaded by name: it is a part of vfio since Linux 6.2.
 */
const MODULES: Readonly<Record<UserspaceDriver, readonly string[]>> = {
  'vfio-pci': ['vfio_pci', 'vfio_iommu_type1'],
  uio_pci_generic: ['uio_pci_generic'],
  igb_uio: ['igb_uio'],
};

/** All that modprobe brings with them, in an order in which each can be unloaded. */
const UNLOAD: Readonly<Record<UserspaceDriver, readonly string[]>> = {
  'vfio-pci': ['vfio_pci', 'vfio_pci_core', 'vfio_virqfd', 'vfio_iommu_type1', 'vfio'],
  uio_pci_generic: ['uio_pci_generic', 'uio'],
  igb_uio: ['igb_uio', 'uio'],
};

export const moduleAction = defineAction({
  name: 'module',

  plan(context) {
    return [...wantedDrivers(context)].flatMap((driver) => moduleStep(context, driver));
  },

  async apply(change, host) {
    for (const name of MODULES[change.target as UserspaceDriver]) {
      if (!isLoaded(host, name)) await run(host, ['modprobe', name]);
    }
  },

  verify(change, host) {
    const missing = MODULES[change.target as UserspaceDriver].filter((name) => !isLoaded(host, name));
    return missing.length === 0 ? undefined : `${missing.join(', ')} is not loaded`;
  },

  async revert(change, host) {
    // rmmod takes a driver from the devices that are bound to it without asking, unless a process holds them.
    if (boundTo(host, change.target).length > 0) return;
    for (const name of surplus(change.target, change.before as Before, host)) {
      // One that is in use stays, and `holdsBefore` tells: unloading by force would crash its user.
      await host.run(['rmmod', name], { timeout: 30_000 });
    }
  },

  holdsBefore(change, host) {
    const left = surplus(change.target, change.before as Before, host);
    if (left.length === 0) return undefined;
    const bound = boundTo(host, change.target);
    return `${left.join(', ')} stays loaded: ${bound.length === 0 ? 'it is in use' : `${bound.join(', ')} is bound to it`}`;
  },
});

/** PCI addresses of the devices on a driver. */
function boundTo(host: ReadHost, driver: string): string[] {
  return (host.list(`/sys/bus/pci/drivers/${driver}`) ?? []).filter((entry) => /^[0-9a-f]+:/.test(entry));
}

function moduleStep({ facts }: PlanContext, driver: UserspaceDriver): Step[] {
  const states = facts.userspaceIo.modules.value ?? {};
  const needed = MODULES[driver];
  const inKernel = (name: string) => states[name] === 'loaded' || states[name] === 'built in';
  const missing = needed.filter((name) => !inKernel(name));
  if (missing.length === 0) return [];
  const absent = missing.filter((name) => states[name] === 'absent');
  if (absent.length > 0) {
    throw refused(
      'MODULE_MISSING',
      absent.join(', '),
      `the running kernel ${facts.kernel.release.value ?? ''} has no such module`,
      'install the package with its modules (linux-modules-extra on Ubuntu, kernel-modules-extra on Fedora)',
    );
  }
  if (facts.kernel.modules.value === false) {
    throw refused(
      'MODULES_DISABLED',
      missing.join(', '),
      'no module can be loaded any more: modules_disabled is set',
    );
  }
  return [
    {
      target: driver,
      before: { loaded: UNLOAD[driver].filter((name) => inKernel(name) || wasLoadedWith(name, states)) },
      after: { loaded: [...needed] },
      scope: 'runtime',
      effect: 'none',
      summary: `load ${missing.join(' and ')}`,
      commands: missing.map((name) => `modprobe ${name}`),
    },
  ];
}

/** The probe does not look for these: they come with vfio_pci, and another driver may hold them. */
function wasLoadedWith(name: string, states: Readonly<Record<string, string>>): boolean {
  return ['vfio_pci_core', 'vfio_virqfd'].includes(name) && states.vfio_pci === 'loaded';
}

/** Loaded, or built into the kernel. */
function isLoaded(host: ReadHost, name: string): boolean {
  return (
    host.stat(`/sys/module/${name}`) !== undefined ||
    host.stat(`/sys/bus/pci/drivers/${name === 'vfio_pci' ? 'vfio-pci' : name}`) !== undefined ||
    builtIn(host, name)
  );
}

function builtIn(host: ReadHost, name: string): boolean {
  const release = host.readText('/proc/sys/kernel/osrelease')?.trim();
  const list = host.readText(`/lib/modules/${release}/modules.builtin`) ?? '';
  return new RegExp(`/${name.replaceAll('_', '[-_]')}\\.ko`).test(list);
}

/** Only a module that can be unloaded has initstate (kernel/module/sysfs.c). */
function surplus(driver: string, before: Before, host: ReadHost): string[] {
  return UNLOAD[driver as UserspaceDriver].filter(
    (name) => !before.loaded.includes(name) && host.stat(`/sys/module/${name}/initstate`) !== undefined,
  );
}
