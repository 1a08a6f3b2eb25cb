import { OWN } from '../formats/own-files.ts';
import { ATTRIBUTES, type Attribute } from '../formats/settings.ts';
import type { ResolvedSetting } from '../profile/resolved.ts';
import type { PlanContext } from './define.ts';
import { defineFileAction, HEADER, hasSystemd, type WantedFile } from './file.ts';

/** The same attributes at every boot, in the places that the system itself has for them. */
export const settingFilesAction = defineFileAction({
  name: 'setting-files',

  wanted(context, note) {
    const { profile } = context;
    if (!profile.persistent) return [];
    const sysctls = linesOf(profile.settings ?? [], 'sysctl', sysctl);
    const attributes = linesOf(profile.settings ?? [], 'tmpfiles', tmpfile);
    if (attributes.length > 0 && !hasSystemd(context)) {
      note('without systemd nothing reads tmpfiles.d: attributes in /sys are not set again at boot');
    }
    return [
      ...file(OWN.sysctl, sysctls, 'sets the sysctls at boot'),
      ...(hasSystemd(context) ? file(OWN.tmpfiles, attributes, 'sets the attributes at boot') : []),
    ];
  },

  owned: () => [OWN.sysctl, OWN.tmpfiles],
});

function file(path: string, lines: readonly string[], what: string): WantedFile[] {
  if (lines.length === 0) return [];
  return [{ path, text: HEADER + lines.join(''), summary: `${path}: ${what}` }];
}

function linesOf(
  settings: readonly ResolvedSetting[],
  kind: Attribute['persistent'],
  print: (path: string, value: string) => string,
): string[] {
  return settings.flatMap(({ key, values }) => {
    const setting = ATTRIBUTES.find((entry) => entry.key === key);
    if (setting?.persistent !== kind) return [];
    const [value, ...others] = new Set(Object.values(values));
    // One line for all devices of a kind, also those that come later.
    const lines =
      setting.path.includes('*') && value !== undefined && others.length === 0
        ? [print(setting.path, value)]
        : Object.entries(values).map(([path, each]) => print(path, each));
    return [`# ${key}: ${setting.summary}\n`, ...lines];
  });
}

/** sysctl.d(5) */
function sysctl(path: string, value: string): string {
  return `${path.slice('/proc/sys/'.length).replaceAll('/', '.')} = ${value}\n`;
}

/** tmpfiles.d(5): `w` writes to what is there, and passes over what is not. */
function tmpfile(path: string, value: string): string {
  return `w ${path} - - - - ${value}\n`;
}

/** Whether there is something in it that has to wait for a driver. */
export function writesTmpfiles({ profile }: PlanContext): boolean {
  return linesOf(profile.settings ?? [], 'tmpfiles', tmpfile).length > 0;
}
