import { OWN } from '../formats/own-files.ts';
import { defineFileAction, HEADER, hasSystemd } from './file.ts';
import { isolationScript } from './isolation-script.ts';
import { writesTmpfiles } from './setting-files.ts';

/**
 * What has to wait until drivers are loaded: interrupts have no file that says where they belong, a partition none that
 * isolates it, and the frequency driver may come after systemd-tmpfiles has run.
 */
export const isolationUnitAction = defineFileAction({
  name: 'isolation-unit',

  wanted(context) {
    const { persistent, cores, moveInterrupts, service } = context.profile;
    if (!persistent || !hasSystemd(context)) return [];
    const partition = cores?.isolation === 'cpuset';
    const interrupts = cores !== undefined && moveInterrupts === true;
    const attributes = writesTmpfiles(context);
    if (!partition && !interrupts && !attributes) return [];
    return [
      {
        path: OWN.isolationScript,
        text: isolationScript({
          attributes,
          ...(interrupts ? { interrupts: cores } : {}),
          ...(partition ? { partition: cores.isolated } : {}),
        }),
        mode: 0o755,
        summary: `${OWN.isolationScript}: does at boot what has to wait for drivers`,
      },
      { path: OWN.bootUnit, text: unit(partition, service?.unit), summary: `${OWN.bootUnit}: runs it` },
      {
        path: OWN.bootWants,
        text: `${HEADER}[Unit]\nWants=bypass-setup@isolation.service\n`,
        summary: `${OWN.bootWants}: starts that unit at every boot`,
      },
      ...(partition
        ? [
            {
              path: OWN.slice,
              text: `${HEADER}[Slice]\nAllowedCPUs=${cores.isolated}\n`,
              summary: `${OWN.slice}: the cgroup of the isolated CPUs`,
            },
          ]
        : []),
    ];
  },

  owned: () => [OWN.isolationScript, OWN.bootUnit, OWN.bootWants, OWN.slice],

  refresh: (_context, path) => (path === OWN.isolationScript ? [] : [['systemctl', 'daemon-reload']]),
});

/** network.target: interfaces are configured, so that their drivers have asked for their interrupts. */
function unit(partition: boolean, application: string | undefined): string {
  return `${HEADER}[Unit]
Description=Settings of bypass-setup that wait for drivers (%i)
After=network.target sys-kernel-debug.mount systemd-tmpfiles-setup.service
${partition ? 'Wants=bypass.slice\nAfter=bypass.slice\n' : ''}${application === undefined ? '' : `Before=${application}\n`}
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/etc/bypass-setup/%i
`;
}
