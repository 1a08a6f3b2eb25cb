import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  foreignArguments,
  mergeArguments,
  ownArguments,
  restoreArguments,
} from '../../src/formats/boot-line.ts';

describe('a boot line with arguments of ours', () => {
  it.each([
    ['quiet ro', ['isolcpus=2-3'], 'quiet ro isolcpus=2-3'],
    ['', ['isolcpus=2-3'], 'isolcpus=2-3'],
    // [E10] Old values go, wherever they stand and however often.
    ['isolcpus=1 quiet isolcpus=7', ['isolcpus=2-3'], 'quiet isolcpus=2-3'],
    ['nohz-full=1 quiet', ['nohz_full=2'], 'quiet nohz_full=2'],
    ['"isolcpus=1" quiet', ['isolcpus=2'], 'quiet isolcpus=2'],
    // What does the same stays as it is written.
    [
      'isolcpus=domain,managed_irq,3,2 quiet',
      ['isolcpus=managed_irq,domain,2-3'],
      'isolcpus=domain,managed_irq,3,2 quiet',
    ],
    ['intel_iommu=on,sm_on x', ['intel_iommu=on'], 'intel_iommu=on,sm_on x'],
    ['intel_iommu=on,sm_on x', ['intel_iommu=on', 'skew_tick=1'], 'x intel_iommu=on,sm_on skew_tick=1'],
    ['intel_iommu=off', ['intel_iommu=on'], 'intel_iommu=on'],
    ['isolcpus=2-3', ['isolcpus=managed_irq,domain,2-3'], 'isolcpus=managed_irq,domain,2-3'],
    // Legal more than once.
    ['console=tty0 quiet', ['console=ttyS0,115200'], 'console=tty0 quiet console=ttyS0,115200'],
    ['console=tty0 console=ttyS0', ['console=ttyS0'], 'console=tty0 console=ttyS0'],
    // Pages of another size are foreign, and stay with their size.
    [
      'hugepagesz=1G hugepages=2 quiet hugepagesz=2M hugepages=5',
      ['hugepagesz=2M', 'hugepages=64'],
      'hugepagesz=1G hugepages=2 quiet hugepagesz=2M hugepages=64',
    ],
    ['hugepages=5 quiet', ['hugepagesz=2M', 'hugepages=64'], 'quiet hugepagesz=2M hugepages=64'],
    [
      'default_hugepagesz=1G hugepages=5 quiet',
      ['hugepagesz=2M', 'hugepages=64'],
      'default_hugepagesz=1G hugepages=5 quiet hugepagesz=2M hugepages=64',
    ],
    ['hugepages=64 hugepagesz=2048K', ['hugepagesz=2M', 'hugepages=64'], 'hugepagesz=2048K hugepages=64'],
    // What belongs to init is not ours, and stands behind.
    ['quiet -- isolcpus=1', ['isolcpus=2'], 'quiet isolcpus=2 -- isolcpus=1'],
    ['x="a b', ['isolcpus=2'], 'isolcpus=2 x="a b'],
    ['dyndbg="file a.c +p  ;x"  isolcpus=1', ['isolcpus=2'], 'dyndbg="file a.c +p  ;x" isolcpus=2'],
  ])('[E10] %j with %j is %j', (line, wanted, expected) => {
    expect(mergeArguments(line, wanted)).toBe(expected);
    expect(mergeArguments(expected, wanted)).toBe(expected);
  });

  it('[E11] what is wanted no longer goes', () => {
    expect(mergeArguments('isolcpus=7 isolcpus=2', [], ['isolcpus=2'])).toBe('isolcpus=7');
    expect(mergeArguments('a isolcpus=2 b nohz_full=2', ['nohz_full=3'], ['isolcpus=2'])).toBe(
      'a b nohz_full=3',
    );
  });

  it('of what others changed since, an undo keeps all', () => {
    const ours = ['isolcpus=2'];
    expect(restoreArguments('quiet isolcpus=2', 'isolcpus=1  quiet', ours)).toBe('isolcpus=1  quiet');
    expect(restoreArguments('quiet new=1 isolcpus=2', 'isolcpus=1 quiet', ours)).toBe(
      'quiet new=1 isolcpus=1',
    );
  });

  it('[E10] no line loses an argument of others, has a key of ours twice, or fails to come back', () => {
    const word = fc.constantFrom(
      ...[
        'quiet',
        'ro',
        'root=UUID=1',
        'isolcpus=1',
        'isolcpus=2',
        'nohz_full=1',
        'nohz-full=3',
        'hugepages=4',
      ],
      ...[
        'hugepagesz=1G',
        'hugepagesz=2M',
        'x="a  b"',
        '"y z=1"',
        'console=tty0',
        'console=ttyS0',
        '$vt',
        'a"b',
        '--',
      ],
    );
    const gap = fc.constantFrom(' ', '  ', '\t');
    const line = fc
      .array(fc.tuple(gap, word), { maxLength: 8 })
      .map((parts) => parts.map(([space, text], index) => (index === 0 ? text : space + text)).join(''));
    const wanted = fc
      .subarray(['isolcpus=2', 'nohz_full=2-3', 'hugepagesz=2M', 'hugepages=64', 'console=ttyS0', 'pci=x'])
      .filter((list) => list.includes('hugepagesz=2M') === list.includes('hugepages=64'));
    void fc.assert(
      fc.property(line, wanted, (text, want) => {
        const merged = mergeArguments(text, want);
        expect(foreignArguments(merged, want)).toBe(foreignArguments(text, want));
        expect(mergeArguments(merged, want)).toBe(merged);
        const own = ownArguments(merged, want);
        expect(own.length).toBe(want.length);
        expect(restoreArguments(merged, text, want)).toBe(text);
      }),
      { numRuns: 3000 },
    );
  });
});
