import { defineProbe } from './define.ts';
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
  };
});
