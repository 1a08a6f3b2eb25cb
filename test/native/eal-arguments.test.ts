import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ealArguments, isInterfaceName } from '../../src/native/eal-arguments.ts';

describe('EAL arguments', () => {
  it('pin lcore 0 to the CPU and name the interface', () => {
    const argv = ealArguments({ cpu: 200, iface: 'enp1s0f0' });
    expect(argv.slice(1, 3)).toEqual(['--lcores', '0@200']);
    expect(argv.slice(-2)).toEqual(['--vdev', 'net_af_packet0,iface=enp1s0f0']);
  });

  it('never let a text become another option', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), (iface) => {
        if (!isInterfaceName(iface)) {
          expect(() => ealArguments({ cpu: 0, iface })).toThrow(RangeError);
          return;
        }
        const argv = ealArguments({ cpu: 0, iface });
        expect(argv.at(-1)).toBe(`net_af_packet0,iface=${iface}`);
        expect(argv).toHaveLength(ealArguments({ cpu: 0, iface: 'eth0' }).length);
      }),
    );
    for (const name of [
      '',
      '.',
      '..',
      'a/b',
      'a b',
      'a,qpairs=2',
      'eth0:1',
      'sixteencharacter',
      'ééééééééé',
      'a\0',
    ]) {
      expect(isInterfaceName(name), JSON.stringify(name)).toBe(false);
    }
  });
});
