import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dropInNames, isTrue, mergeUnits } from '../../src/formats/systemd-unit.ts';
import { garbage, holds } from './properties.ts';

describe('units of systemd', () => {
  it('are put together in order; an empty value takes back what was before it', () => {
    const main =
      '[Unit]\nUser=nobody\n[Service]\n  User = trader \nDeviceAllow=/dev/a rw\nDeviceAllow=/dev/b r\nNice=1\n';
    const dropIn = '[Service]\nNice=\nDeviceAllow=char-vfio rw\n';
    expect(mergeUnits([main, dropIn], 'Service')).toEqual({
      User: ['trader'],
      DeviceAllow: ['/dev/a rw', '/dev/b r', 'char-vfio rw'],
      Nice: [],
    });
    expect(
      mergeUnits([main, '[Service]\nDeviceAllow=\nDeviceAllow=/dev/c\n'], 'Service').DeviceAllow,
    ).toEqual(['/dev/c']);
  });

  it('join lines at a backslash, over comments in between', () => {
    const text = '[Service]\n# User=root\n;User=root\nExecStart=/bin/a \\\n# not this\n  b \\\n  c\nUser=x\n';
    expect(mergeUnits([text], 'Service')).toEqual({ ExecStart: ['/bin/a    b    c'], User: ['x'] });
  });

  it.each([
    ['feed.service', ['feed.service', 'service']],
    ['feed-eu-1.service', ['feed-eu-1.service', 'feed-eu-.service', 'feed-.service', 'service']],
    ['feed@eu-1.service', ['feed@eu-1.service', 'feed@.service', 'service']],
    ['a-b@1.2.service', ['a-b@1.2.service', 'a-b@.service', 'a-.service', 'service']],
  ])('%s takes drop-ins of these names', (unit, names) => {
    expect(dropInNames(unit)).toEqual(names);
  });

  it('know six words for yes', () => {
    expect(['1', 'yes', 'Y', 'true', 't', 'ON'].every(isTrue)).toBe(true);
    expect(['0', 'no', 'off', '', 'closed', undefined].some(isTrue)).toBe(false);
  });

  it('are read whatever stands in them', () => {
    holds(fc.property(garbage('[Service]\nUser=x\\#; '), (text) => void mergeUnits([text, text], 'Service')));
  });
});
