import { nearest } from '../../formats/nearest.ts';
import { SETTINGS, type Setting } from '../../formats/settings.ts';
import { EXIT, ToolError } from '../../host/errors.ts';
import { openReadHost } from '../../host/node-host.ts';
import { observe } from '../../probes/index.ts';
import { loadProfile } from '../../profile/load.ts';
import { resolveProfile } from '../../profile/resolve.ts';
import type { ResolvedProfile } from '../../profile/resolved.ts';
import { suggest } from '../../profile/suggest.ts';
import { renderCoreMap, renderReasons } from '../../report/cores-text.ts';
import { describe, renderSetting, renderSettings } from '../../report/explain-text.ts';
import type { ExplainReport } from '../../report/report.ts';
import type { CommandRunner, Context } from '../context.ts';
import { readInput } from '../read-profile.ts';
import { VERSION } from '../version.ts';

export const runExplain: CommandRunner = async (context) => {
  const { argument, values, out, style } = context;
  if (argument === 'cores') {
    const { cores, corePlan } = await coresOf(context);
    if (cores === undefined || corePlan === undefined) {
      throw new ToolError('CORES_UNPLANNED', 'the profile does not ask for any', {
        subject: 'cores',
        exitCode: EXIT.usage,
        hint: 'write "cores: auto" in it',
      });
    }
    const { isolated, housekeeping } = cores;
    if (values.json !== undefined) {
      print(context, { settings: [], cores: { isolated, housekeeping, ...corePlan } });
    } else {
      const lines = [
        ...renderCoreMap(cores, corePlan.map, style),
        '',
        ...renderReasons(corePlan.reasons, style),
      ];
      out(`${lines.join('\n')}\n`);
    }
    return EXIT.ok;
  }
  const settings = argument === undefined ? SETTINGS : [find(argument)];
  if (values.json !== undefined) print(context, { settings: settings.map(document) });
  else
    out(
      settings.length > 1
        ? renderSettings(settings, style)
        : settings.map((one) => renderSetting(one, style)).join(''),
    );
  return EXIT.ok;
};

function print({ out }: Context, report: Pick<ExplainReport, 'settings' | 'cores'>): void {
  out(`${JSON.stringify({ schema: 'bypass-setup/explain@1', tool: VERSION, ...report }, null, 2)}\n`);
}

function document(setting: Setting): ExplainReport['settings'][number] {
  const rows = Object.fromEntries(describe(setting)) as Omit<
    ExplainReport['settings'][number],
    'key' | 'summary'
  >;
  return { key: setting.key, summary: setting.summary, ...rows };
}

function find(key: string): Setting {
  const found = SETTINGS.find((setting) => setting.key === key);
  if (found !== undefined) return found;
  const near = nearest(
    key,
    SETTINGS.map((setting) => setting.key),
  );
  throw new ToolError('SETTING_UNKNOWN', 'no such setting', {
    subject: JSON.stringify(key),
    exitCode: EXIT.usage,
    hint: near === undefined ? 'bypass-setup explain lists them' : `did you mean "${near}"?`,
  });
}

/** By the profile that is given, else as `suggest` would have it. */
async function coresOf({ values }: Context): Promise<ResolvedProfile> {
  const profile =
    values.profile === undefined ? undefined : await loadProfile(values.profile, readInput(values.profile));
  const { facts } = observe(openReadHost(values.root ?? '/'), () => 0);
  return resolveProfile(profile ?? { ...suggest(facts).profile, cores: 'auto' }, facts);
}
