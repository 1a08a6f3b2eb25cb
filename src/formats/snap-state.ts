/** snapd, overlord/configstate/config: what `snap set system` keeps, in /var/lib/snapd/state.json. */
export function appendedArguments(state: string): string {
  let value: unknown;
  try {
    value = JSON.parse(state);
  } catch {
    return '';
  }
  for (const key of ['data', 'config', 'core', 'system', 'kernel', 'dangerous-cmdline-append']) {
    if (typeof value !== 'object' || value === null) return '';
    value = (value as Record<string, unknown>)[key];
  }
  return typeof value === 'string' ? value : '';
}
