import { isUserspace } from '../formats/nic-drivers.ts';
import type { Host } from '../host/host.ts';
import { currentDriver } from './binding.ts';
import type { Action, PlanContext } from './define.ts';
import { type InterfaceState, interfaceStates, isUp, missing, restoreInterfaces } from './interface.ts';
import { leavingNicsOf, waitsForIommu } from './nics.ts';
import { refused, run } from './run.ts';
import type { Sleep } from './sleep.ts';

type Before = {
  readonly address: string;
  readonly interfaces: readonly InterfaceState[];
  /** NetworkManager runs, and has to be told. */
  readonly networkManager: boolean;
};

/** Takes the interfaces of a NIC out of use before its driver is unbound: manager, bond or bridge, link. */
export function releaseAction(sleep: Sleep): Action {
  return {
    name: 'release',

    plan: (context) =>
      leavingNicsOf(context)
        .filter((nic) => !waitsForIommu(nic, context))
        .flatMap((nic) => releaseStep(context, nic.found)),

    async apply(change, host) {
      const { interfaces, networkManager } = change.before as Before;
      for (const { name, master } of interfaces) {
        if (host.stat(`/sys/class/net/${name}`) === undefined) continue;
        // It may already be unmanaged, or unknown to NetworkManager; what counts is that the link goes down and stays.
        if (networkManager) await manage(host, name, 'no');
        if (master !== null && host.stat(`/sys/class/net/${name}/master`) !== undefined) {
          await run(host, ['ip', 'link', 'set', 'dev', name, 'nomaster']);
        }
        if (isUp(host, name)) await run(host, ['ip', 'link', 'set', 'dev', name, 'down']);
      }
    },

    verify(change, host) {
      const { interfaces } = change.before as Before;
      const up = interfaces.filter(({ name }) => isUp(host, name)).map(({ name }) => name);
      return up.length === 0 ? undefined : `${up.join(', ')} is still up`;
    },

    async revert(change, host) {
      const { address, interfaces, networkManager } = change.before as Before;
      // A NIC that could not be given back has no interface to wait for.
      if (isUserspace(currentDriver(host, address))) return;
      await restoreInterfaces(host, address, interfaces, sleep);
      if (networkManager) for (const { name } of interfaces) await manage(host, name, 'yes');
    },

    holdsBefore(change, host) {
      const { address, interfaces } = change.before as Before;
      const wrong = missing(host, address, interfaces);
      return wrong.length === 0 ? undefined : wrong.join('; ');
    },
  };
}

async function manage(host: Host, name: string, managed: 'yes' | 'no'): Promise<void> {
  await host.run(['nmcli', 'device', 'set', name, 'managed', managed], { timeout: 30_000 });
}

function releaseStep(context: PlanContext, found: Parameters<typeof interfaceStates>[1]) {
  const interfaces = interfaceStates(context, found);
  if (interfaces.length === 0) return [];
  for (const { name, master } of interfaces) refuseUppers(context, found.address, name, master);
  const service = context.facts.services.units.value?.find((unit) => unit.name === 'NetworkManager.service');
  const before: Before = { address: found.address, interfaces, networkManager: service?.running === true };
  const names = interfaces.map(({ name }) => name);
  return [
    {
      target: names.join(','),
      before,
      after: 'down',
      scope: 'runtime' as const,
      effect: 'link-down' as const,
      summary: `take ${names.join(', ')} of ${found.address} out of use: link down`,
      commands: interfaces.flatMap(({ name, master }) => [
        ...(before.networkManager ? [`nmcli device set ${name} managed no`] : []),
        ...(master === null ? [] : [`ip link set dev ${name} nomaster`]),
        `ip link set dev ${name} down`,
      ]),
    },
  ];
}

/** A VLAN or macvlan ends with the interface below it, and nothing here could make it anew. */
function refuseUppers({ facts }: PlanContext, address: string, name: string, master: string | null): void {
  const interfaces = facts.network.interfaces.value ?? [];
  const uppers = interfaces.filter((entry) => entry.lowers.includes(name) && entry.name !== master);
  if (uppers.length === 0) return;
  const list = uppers.map((entry) => entry.name).join(', ');
  throw refused(
    'NIC_HAS_UPPER',
    `${address} (${name})`,
    `${list} is on top of it, and would be lost`,
    `ip link delete ${uppers[0]?.name}`,
  );
}
