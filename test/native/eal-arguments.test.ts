import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ealArguments, isInterfaceName } from '../../src/native/eal-arguments.ts';

describe('EAL arguments', () => {
  it('pin lcore 0 to the CPU and name the interface', () => {
    const argv = ealArguments({ cpu: 200, device: { iface: 'enp1s0f0' } });
    expect(argv.slice(1, 3)).toEqual(['--lcores', '0@200']);
    expect(argv.slice(-2)).toEqual(['--vdev', 'net_af_packet0,iface=enp1s0f0']);
  });

  it('never let a text become another option', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), (iface) => {
        if (!isInterfaceName(iface)) {
          expect(() => ealArguments({ cpu: 0, device: { iface } })).toThrow(RangeError);
          return;
        }
        const argv = ealArguments({ cpu: 0, device: { iface } });
        expect(argv.at(-1)).toBe(`net_af_packet0,iface=${iface}`);
        expect(argv).toHaveLength(ealArguments({ cpu: 0, device: { iface: 'eth0' } }).length);
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

  it("[J10] take the memory of a port from the NIC's node, and touch no hugetlbfs mount", () => {
    const argv = ealArguments({ cpu: 3, device: { pci: '0000:81:00.0', memoryNode: 1 } });
    expect(argv).toEqual([
      'bypass-setup',
      '--lcores',
      '0@3',
      '--no-telemetry',
      '--file-prefix=bypass-setup',
      '--log-level=lib.eal:warning',
      '--allow',
      '0000:81:00.0',
      '--in-memory',
      '--huge-dir',
      '/proc/no-hugetlbfs',
      '--socket-mem',
      '0,64',
    ]);
    const memory = (memoryNode: number) =>
      ealArguments({ cpu: 0, device: { pci: '10000:e1:00.0', memoryNode } }).at(-1);
    expect([memory(0), memory(3)]).toEqual(['64', '0,0,0,64']);
  });

  it('refuse what is no PCI address and no node', () => {
    const build = (pci: string, memoryNode: number) => () =>
      ealArguments({ cpu: 0, device: { pci, memoryNode } });
    for (const pci of ['', '81:00.0', '0000:81:00.0,x=1', '--no-huge', '0000:81:00.8'])
      expect(build(pci, 0), pci).toThrow(RangeError);
    for (const node of [-1, 0.5, Number.NaN]) expect(build('0000:81:00.0', node)).toThrow(RangeError);
  });
});
