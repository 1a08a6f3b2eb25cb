import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { grubEntries, grubWords } from '../../src/formats/grub-config.ts';

const CONFIG = readFileSync(new URL('../fixtures/boot/debian-12-grub.cfg', import.meta.url), 'utf8');

describe('grub.cfg as grub-mkconfig 2.06 of Debian 12 wrote it', () => {
  const entries = grubEntries(CONFIG, undefined);
  const uuid = '839a1d78-75b9-493a-8a04-7bb684282612';

  it('[E13] every entry with its whole line, also those in the submenu', () => {
    const common = 'nohz_full=9 net.ifnames=0';
    const line = `root=/mnt/vdz ro ${common} console=tty0 console=ttyS0,115200 isolcpus=7 "dyndbg=file a.c  +p"`;
    expect(entries.map((entry) => entry.line)).toEqual([
      line,
      line,
      `${line} init=/lib/systemd/systemd`,
      `root=/mnt/vdz ro single ${common}`,
      line,
      `${line} init=/lib/systemd/systemd`,
      `root=/mnt/vdz ro single ${common}`,
    ]);
    expect(entries.map(({ managed }) => managed)).toEqual([true, true, true, false, true, true, false]);
    expect(entries.filter(({ isDefault }) => isDefault).map(({ id }) => id)).toEqual([
      `gnulinux-simple-${uuid}`,
    ]);
  });

  it.each([
    [`gnulinux-advanced-${uuid}>gnulinux-6.1.0-27-amd64-advanced-${uuid}`, 4],
    ['1>2', 3],
    ['Advanced options for Debian GNU/Linux>Debian GNU/Linux, with Linux 6.1.0-27-amd64', 4],
    ['1', 1],
  ])('the default entry %s', (value, index) => {
    const config = CONFIG.replace('set default="0"', `set default="${value}"`);
    expect(config).not.toBe(CONFIG);
    expect(grubEntries(config, undefined).findIndex(({ isDefault }) => isDefault)).toBe(index);
  });

  it('saved_entry', () => {
    const config = CONFIG.replace('set default="0"', `set default="\${saved_entry}"`);
    const saved = `gnulinux-advanced-${uuid}>gnulinux-6.1.0-28-amd64-recovery-${uuid}`;
    expect(grubEntries(config, saved).findIndex(({ isDefault }) => isDefault)).toBe(3);
  });

  it('entries of other systems are not ours', () => {
    const other = `### BEGIN /etc/grub.d/30_os-prober ###\nmenuentry 'Other' --id o {\n\tlinux /vmlinuz root=/dev/sdb1\n}\n`;
    expect(grubEntries(CONFIG + other, undefined).at(-1)).toMatchObject({ id: 'o', managed: false });
  });

  it.each([
    [`a 'b c' "d e" f\\ g`, ['a', 'b c', 'd e', 'f g']],
    [`x="a  b" 'it'\\''s'`, ['x=a  b', "it's"]],
    [`"" b`, ['', 'b']],
  ])('words of %s', (text, words) => {
    expect(grubWords(text)).toEqual(words);
  });
});
