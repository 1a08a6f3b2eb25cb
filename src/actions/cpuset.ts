import { ToolError } from '../host/errors.ts';
import type { Host, ReadHost } from '../host/host.ts';
import { defineAction } from './define.ts';
import { refused, run } from './run.ts';

const ROOT = '/sys/fs/cgroup';
const GROUP = `${ROOT}/bypass.slice`;
const CONTROL = `${ROOT}/cgroup.subtree_control`;

type State = {
  /** null: there is no such group. */
  readonly cpus: string | null;
  readonly partition: string | null;
  /** Whether groups below the root have the controller. */
  readonly enabled: boolean;
};

/**
 * Isolated CPUs as a cgroup partition (Documentation/admin-guide/cgroup-v2.rst, cpuset.cpus.partition): what isolcpus=
 * does to the scheduler's domains, without a reboot.
 */
export const cpusetAction = defineAction({
  name: 'cpuset',

  plan({ facts, profile: { cores } }, note) {
    const { cgroup } = facts.settings;
    const wanted = cores?.isolation === 'cpuset' ? cores.isolated : null;
    if (wanted !== null && cgroup.value?.cpuset !== true) {
      const why = cgroup.absent ? cgroup.reason : 'the controller cpuset is not among its controllers';
      throw refused(
        'CPUSET_MISSING',
        'cores.isolation',
        `a partition needs cgroup v2 with its cpuset controller: ${why} (${cgroup.from})`,
        'write "isolation: boot", or boot with systemd.unified_cgroup_hierarchy=1',
      );
    }
    const { slice = null, partition = null, enabled = false } = cgroup.value ?? {};
    if (wanted !== null) {
      note(
        `the application has to run in bypass.slice (Slice=bypass.slice in its unit): no other may use CPUs ${wanted}`,
      );
    }
    const inForce = partition === 'isolated';
    if (wanted === null ? !inForce : inForce && slice === wanted) return [];
    const before: State = { cpus: slice, partition, enabled };
    const after: State =
      wanted === null
        ? { cpus: slice, partition: 'member', enabled }
        : { cpus: wanted, partition: 'isolated', enabled: true };
    return [
      {
        target: GROUP,
        before,
        after,
        scope: 'runtime',
        effect: 'none',
        summary:
          wanted === null
            ? 'give its CPUs back, as this profile does not isolate by a cgroup'
            : `isolate CPUs ${wanted} in a partition`,
        commands:
          wanted === null
            ? [`echo member > ${GROUP}/cpuset.cpus.partition`]
            : [
                `echo +cpuset > ${CONTROL}`,
                `mkdir -p ${GROUP}`,
                `echo ${wanted} > ${GROUP}/cpuset.cpus`,
                `echo isolated > ${GROUP}/cpuset.cpus.partition`,
              ],
      },
    ];
  },

  async apply(change, host) {
    await establish(host, change.after as State);
  },

  verify(change, host) {
    return different(host, change.after as State);
  },

  async revert(change, host) {
    const before = change.before as State;
    if (before.cpus !== null) {
      await establish(host, before);
      return;
    }
    if (stateOf(host).cpus !== null || host.stat(GROUP) !== undefined) {
      if (/^populated 1$/m.test(host.readText(`${GROUP}/cgroup.events`) ?? '')) {
        throw new ToolError('CGROUP_IN_USE', 'processes run in it, and would lose their CPUs', {
          subject: GROUP,
          hint: 'stop them, then undo again',
        });
      }
      set(host, `${GROUP}/cpuset.cpus.partition`, 'member');
      host.remove(GROUP);
    }
    if (!before.enabled && stateOf(host).enabled) host.writeAttribute(CONTROL, '-cpuset');
  },

  holdsBefore(change, host) {
    const before = change.before as State;
    if (before.cpus === null && host.stat(GROUP) !== undefined) return `${GROUP} is still there`;
    return different(host, before);
  },
});

/** In this order: a group has no cpuset files before the controller is given to it, and no partition without CPUs. */
async function establish(host: Host, { cpus, partition, enabled }: State): Promise<void> {
  if (enabled && !stateOf(host).enabled) host.writeAttribute(CONTROL, '+cpuset');
  if (host.stat(GROUP) === undefined) await run(host, ['mkdir', GROUP]);
  // CPUs of a partition that is in force are exchanged while it is an ordinary group.
  if (stateOf(host).cpus !== cpus) set(host, `${GROUP}/cpuset.cpus.partition`, 'member');
  set(host, `${GROUP}/cpuset.cpus`, cpus ?? '');
  if (host.stat(`${GROUP}/cpuset.cpus.exclusive`) !== undefined)
    set(host, `${GROUP}/cpuset.cpus.exclusive`, partition === 'isolated' ? (cpus ?? '') : '');
  set(host, `${GROUP}/cpuset.cpus.partition`, partition ?? 'member');
}

function set(host: Host, path: string, value: string): void {
  const now = host.readText(path)?.trim();
  if (now !== undefined && now !== value) host.writeAttribute(path, value);
}

function stateOf(host: ReadHost): State {
  const text = (path: string) => host.readText(path)?.trim() ?? null;
  return {
    cpus: text(`${GROUP}/cpuset.cpus`),
    partition: text(`${GROUP}/cpuset.cpus.partition`),
    enabled: (text(CONTROL) ?? '').split(/\s+/).includes('cpuset'),
  };
}

function different(host: ReadHost, wanted: State): string | undefined {
  const now = stateOf(host);
  if (now.partition !== wanted.partition)
    return `${GROUP}/cpuset.cpus.partition is ${now.partition ?? 'missing'}, not ${wanted.partition ?? 'missing'}`;
  return now.cpus === wanted.cpus ? undefined : `${GROUP}/cpuset.cpus is ${now.cpus}, not ${wanted.cpus}`;
}
