import { intersect, parseCpuList } from '../formats/cpu-list.ts';
import { OWN } from '../formats/own-files.ts';
import { defineFileAction, HEADER, hasSystemd } from './file.ts';

/** systemd-system.conf(5). A partition keeps all others off by itself; isolcpus= does so only from the next boot on. */
export const systemdAffinityAction = defineFileAction({
  name: 'systemd-affinity',

  wanted(context) {
    const { cores, persistent } = context.profile;
    if (cores === undefined || cores.isolation === 'cpuset' || !persistent || !hasSystemd(context)) return [];
    const init = parseCpuList(context.facts.isolation.initAffinity.value ?? cores.isolated);
    const inForce = intersect(init, parseCpuList(cores.isolated)).length === 0;
    return [
      {
        path: OWN.managerAffinity,
        text: `${HEADER}[Manager]\nCPUAffinity=${cores.housekeeping}\n`,
        summary: `${OWN.managerAffinity}: services start on CPUs ${cores.housekeeping}`,
        effect: inForce ? 'none' : 'reboot',
      },
    ];
  },

  owned: () => [OWN.managerAffinity],
});
