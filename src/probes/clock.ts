import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { Fact } from './facts.ts';
import { absent, attribute, known, names, textOrNothing, word } from './read.ts';

const SOURCE = '/sys/devices/system/clocksource/clocksource0';
const PTP = '/sys/class/ptp';

export const clockProbe = defineProbe('clock', (host) => {
  const devices = names(host, PTP);
  return {
    source: attribute(host, `${SOURCE}/current_clocksource`, word),
    available: attribute(host, `${SOURCE}/available_clocksource`, (text) => word(text).split(/\s+/)),
    ptp:
      devices.length > 0
        ? known(
            devices.map((device) => ({
              device,
              name: textOrNothing(host, `${PTP}/${device}/clock_name`) ?? '',
            })),
            PTP,
          )
        : absent('missing', 'no PTP hardware clock', PTP),
    complaints: complaints(host),
  };
});

/** What the kernel says of a clock it gives up: arch/x86/kernel/tsc.c and tsc_sync.c, kernel/time/clocksource.c. */
const COMPLAINTS =
  /(?:tsc: Marking TSC unstable|clocksource: timekeeping watchdog|Measured \d+ cycles TSC warp|TSC ADJUST differs).*/g;

function complaints(host: ReadHost): Fact<string[]> {
  const from = 'syslog(2)';
  const log = host.ask('kernelLog');
  if ('unanswered' in log) return absent('unsupported', log.unanswered, from);
  return known([...new Set(log.answer.match(COMPLAINTS) ?? [])], from);
}
