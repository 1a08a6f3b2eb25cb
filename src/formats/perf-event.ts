/**
 * The `config` of an event that has no other field, as in /sys/bus/event_source/devices/msr/events/aperf: `event=0x01`.
 * undefined for anything else, which would need the PMU's format files.
 */
export function perfEventConfig(text: string): number | undefined {
  const match = /^event=(0x[0-9a-f]{1,8})$/i.exec(text.trim());
  return match?.[1] === undefined ? undefined : Number(match[1]);
}
