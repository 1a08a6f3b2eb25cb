import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseAssignments, parseColonLines, selectedWord } from '../../src/formats/key-value.ts';
import { anyText, holds, quickly } from './properties.ts';

describe('key: value lines', () => {
  test('of /proc/meminfo and /proc/cpuinfo are read, the first of equal keys winning', () => {
    const text =
      'MemTotal:       16384000 kB\nHugePages_Total:      16\n\nprocessor\t: 0\nmodel name\t: AMD EPYC: 9354\n' +
      'flags\t\t: fpu\npower management:\nprocessor\t: 1\nno colon\n: no key\n';
    expect([...parseColonLines(text)]).toEqual([
      ['MemTotal', '16384000 kB'],
      ['HugePages_Total', '16'],
      ['processor', '0'],
      ['model name', 'AMD EPYC: 9354'],
      ['flags', 'fpu'],
      ['power management', ''],
    ]);
  });
});

describe('KEY=value lines', () => {
  test('of os-release, uevent and /etc/default are read, the last of equal keys winning', () => {
    const text = [
      '# A comment=1',
      'ID=ubuntu',
      'PRETTY_NAME="Ubuntu 24.04 LTS"',
      'SINGLE=\'a "b" $c\'',
      'ESCAPED="a \\"b\\" \\$c \\\\ \\n"',
      'export SHELL_STYLE=1',
      'PCI_ID=8086:1572',
      'EMPTY=',
      'QUOTE="',
      'MIXED="a\'',
      '9BAD=1',
      'not an assignment',
      'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX quiet"',
      'ID=debian',
      'WINDOWS="yes"\r',
      '',
    ].join('\n');
    expect([...parseAssignments(text)]).toEqual([
      ['ID', 'debian'],
      ['PRETTY_NAME', 'Ubuntu 24.04 LTS'],
      ['SINGLE', 'a "b" $c'],
      ['ESCAPED', 'a "b" $c \\ \\n'],
      ['SHELL_STYLE', '1'],
      ['PCI_ID', '8086:1572'],
      ['EMPTY', ''],
      ['QUOTE', '"'],
      ['MIXED', '"a\''],
      ['GRUB_CMDLINE_LINUX', '$GRUB_CMDLINE_LINUX quiet'],
      ['WINDOWS', 'yes'],
    ]);
  });
});

describe('selectors', () => {
  test.each([
    ['always [madvise] never\n', 'madvise'],
    ['[mq-deadline] none', 'mq-deadline'],
    ['[none] integrity confidentiality\n', 'none'],
    ['always madvise never', undefined],
    ['[] [a b]', undefined],
    ['[[x]', 'x'],
    ['', undefined],
  ])('of %j the chosen word is %j', (text, word) => {
    expect(selectedWord(text)).toBe(word);
  });
});

test('any text is read without an error, and a long bad one at once', () => {
  holds(
    fc.property(anyText, (text) => {
      parseColonLines(text);
      parseAssignments(text);
      selectedWord(text);
    }),
  );
  // A pattern that looks to the end again from every bracket takes ten seconds for this.
  expect(quickly(() => selectedWord('['.repeat(100_000)))).toBe(undefined);
});
