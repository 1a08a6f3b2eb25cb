import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { interruptDelta, parseInterrupts } from '../../src/formats/interrupts.ts';
import { garbage, holds, quickly } from './properties.ts';

const TWO_CPUS = `            CPU0       CPU2       
   0:         43          0  IR-IO-APIC    2-edge      timer
   9:          0          4  IR-IO-APIC    9-fasteoi   acpi, i2c_designware
 128:          1 4294967295  IR-PCI-MSI 524288-edge      eth0-TxRx-0
 129:          0          0 IR-PCI-MSIX-0000:3b:00.0    1-edge      mlx5_comp0@pci:0000:3b:00.0
  11:        100        200     GICv3  27 Level     arch_timer
  77:          5          6
 NMI:         12         13   Non-maskable interrupts
 LOC:      26211      25874   Local timer interrupts
 ERR:          7
 MIS:          0
 PIN:          0          0   Posted-interrupt notification event
`;

describe('the interrupt table', () => {
  test('of an x86 server keeps counts by CPU, short rows, and descriptions with spaces', () => {
    expect(parseInterrupts(TWO_CPUS)).toEqual({
      cpus: [0, 2],
      rows: [
        { name: '0', counts: [43, 0], description: 'IR-IO-APIC 2-edge timer' },
        { name: '9', counts: [0, 4], description: 'IR-IO-APIC 9-fasteoi acpi, i2c_designware' },
        { name: '128', counts: [1, 4294967295], description: 'IR-PCI-MSI 524288-edge eth0-TxRx-0' },
        {
          name: '129',
          counts: [0, 0],
          description: 'IR-PCI-MSIX-0000:3b:00.0 1-edge mlx5_comp0@pci:0000:3b:00.0',
        },
        { name: '11', counts: [100, 200], description: 'GICv3 27 Level arch_timer' },
        { name: '77', counts: [5, 6], description: '' },
        { name: 'NMI', counts: [12, 13], description: 'Non-maskable interrupts' },
        { name: 'LOC', counts: [26211, 25874], description: 'Local timer interrupts' },
        { name: 'ERR', counts: [7], description: '' },
        { name: 'MIS', counts: [0], description: '' },
        { name: 'PIN', counts: [0, 0], description: 'Posted-interrupt notification event' },
      ],
    });
  });

  test('of soft interrupts has no descriptions', () => {
    expect(
      parseInterrupts('                    CPU0       CPU1\n      NET_RX:          3          4\n'),
    ).toEqual({
      cpus: [0, 1],
      rows: [{ name: 'NET_RX', counts: [3, 4], description: '' }],
    });
  });

  test('does not take a number behind the last CPU for a count', () => {
    expect(parseInterrupts('  CPU0\n 5:  1  17 18-edge  dev\n').rows).toEqual([
      { name: '5', counts: [1], description: '17 18-edge dev' },
    ]);
  });

  test('of any size gives back the counts that were printed', () => {
    const table = fc
      .integer({ min: 1, max: 300 })
      .chain((cpus) =>
        fc
          .array(fc.array(fc.nat(), { minLength: cpus, maxLength: cpus }), { maxLength: 6 })
          .map((rows) => ({ cpus, rows })),
      );
    holds(
      fc.property(table, ({ cpus, rows }) => {
        const numbers = Array.from({ length: cpus }, (_, cpu) => cpu);
        // kernel/irq/proc.c and arch/x86/kernel/irq.c: "CPU%-8d", "%*d: ", "%10u ".
        const lines = rows.map(
          (counts, irq) =>
            `${String(irq).padStart(4)}: ${counts.map((c) => String(c).padStart(10)).join(' ')}  IR-PCI-MSI ${irq}-edge      nic q-${irq}`,
        );
        const text = `     ${numbers.map((cpu) => `CPU${cpu}`.padEnd(11)).join('')}\n${lines.join('\n')}\n`;
        expect(parseInterrupts(text)).toEqual({
          cpus: numbers,
          rows: rows.map((counts, irq) => ({
            name: `${irq}`,
            counts,
            description: `IR-PCI-MSI ${irq}-edge nic q-${irq}`,
          })),
        });
      }),
      { numRuns: 50 },
    );
  });

  test('of any text is read without an error', () => {
    holds(fc.property(garbage('CPU0123:  \n\ta'), (text) => void parseInterrupts(text)));
    expect(parseInterrupts('')).toEqual({ cpus: [], rows: [] });
  });

  test('with a long line that no kernel prints is read at once', () => {
    // A carriage return or a line separator ends `.`, and a pattern that then tries every shorter match takes long.
    const { rows } = quickly(() => parseInterrupts(`CPU0\n 1:${' 1'.repeat(80_000)}\u2028x\r\n`));
    expect(rows.map((row) => [row.name, row.counts, row.description.length])).toEqual([['1', [1], 159_999]]);
  });
});

describe('what a CPU counted between two readings', () => {
  test('leaves out rows that did not change, and counts new rows from zero', () => {
    const later = `            CPU0       CPU2
   0:         43          0  timer
 200:          1          9  new device
 LOC:      26311      25884   Local timer interrupts
 ERR:          8
`;
    const before = parseInterrupts(TWO_CPUS);
    const after = parseInterrupts(later);
    expect(interruptDelta(before, after, 2)).toEqual({ '200': 9, LOC: 10 });
    expect(interruptDelta(before, after, 0)).toEqual({ '200': 1, LOC: 100, ERR: 1 });
    expect(interruptDelta(before, after, 5)).toEqual({});
  });

  test('follows a CPU whose column moved because another went offline', () => {
    const before = parseInterrupts('  CPU0 CPU1 CPU2\n LOC: 1 2 3 x\n');
    const after = parseInterrupts('  CPU0 CPU2\n LOC: 5 13 x\n');
    expect(interruptDelta(before, after, 2)).toEqual({ LOC: 10 });
  });
});
