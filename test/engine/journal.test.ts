import { describe, expect, it } from 'vitest';
import { applyProfile } from '../../src/engine/apply.ts';
import { Journal, journalPath, readRuns } from '../../src/engine/journal.ts';
import { JournalHost } from '../../src/engine/journal-host.ts';
import { MemoryHost } from './memory-host.ts';
import { BOOT_ID, engineOn, files, REQUEST } from './support.ts';

const PATH = journalPath('20261122-163908');

describe('[H13] reading a journal', () => {
  it('takes a last line that a crash cut off as not written, and repairs it before the next', async () => {
    const host = await applied();
    const whole = host.files.get(PATH) ?? '';
    host.files.set(PATH, whole.slice(0, -5));
    const journal = Journal.read(host, '20261122-163908', { host, now: () => new Date(0) });
    expect(journal?.outcome).toBeUndefined();
    journal?.announce({ line: 'end', outcome: 'applied' });
    expect(host.files.get(PATH)?.split('\n').at(-2)).toBe(
      '{"line":"end","at":"1970-01-01T00:00:00.000Z","outcome":"applied"}',
    );
    expect(readRuns(host)[0]?.outcome).toBe('applied');
  });

  it('takes a run whose first line was cut off as none', async () => {
    const host = await applied();
    host.files.set(PATH, (host.files.get(PATH) ?? '').slice(0, 40));
    expect(readRuns(host)).toEqual([]);
  });

  it.each([
    ['nonsense', (lines: string[]) => lines.splice(2, 1, 'nonsense'), ':3', 'is not JSON'],
    [
      'a line of a later version',
      (lines: string[]) => lines.splice(1, 0, '{"line":"later"}'),
      ':2',
      'line: Invalid discriminator value',
    ],
    ['a first line that is gone', (lines: string[]) => lines.shift(), ':1', 'is not the first line of a run'],
  ])('names the line of %s and goes no further', async (_what, damage, line, message) => {
    const host = await applied();
    const lines = (host.files.get(PATH) ?? '').split('\n');
    damage(lines);
    host.files.set(PATH, lines.join('\n'));
    const again = applyProfile(engineOn(host, []), REQUEST);
    await expect(again).rejects.toMatchObject({ code: 'JOURNAL_GARBLED', subject: `${PATH}${line}` });
    await expect(again).rejects.toThrow(message);
  });
});

describe('[H13] the host of an action', () => {
  it('announces what an administrator would type, then does it', async () => {
    const host = new MemoryHost(new Map([['/sys/driver override', 'x']]));
    const log: string[] = [];
    const journaled = new JournalHost(host, (command) => log.push(`${command} [${host.changes}]`));
    journaled.writeAttribute('/sys/driver override', 'vfio-pci\n');
    journaled.writeAttribute('/sys/driver override', '');
    journaled.replaceFile('/etc/modprobe.d/x.conf', "it's\n", 0o600);
    journaled.remove('/etc/modprobe.d/x.conf');
    await expect(journaled.run(['modprobe', '--', 'a b'], { timeout: 1 })).rejects.toThrow();
    expect(log).toEqual([
      "echo vfio-pci > '/sys/driver override' [0]",
      "echo > '/sys/driver override' [1]",
      'install -m 600 /dev/stdin /etc/modprobe.d/x.conf  # 5 octets [2]',
      'rm -f /etc/modprobe.d/x.conf [3]',
      "modprobe -- 'a b' [4]",
    ]);
  });

  it('does not do what could not be announced', () => {
    const host = new MemoryHost(new Map([['/sys/a', 'x']]));
    const journaled = new JournalHost(host, () => {
      throw new Error('the disk is full');
    });
    expect(() => journaled.writeAttribute('/sys/a', 'y')).toThrow('the disk is full');
    expect(() => journaled.remove('/sys/a')).toThrow('the disk is full');
    expect(host.files.get('/sys/a')).toBe('x');
  });
});

async function applied(): Promise<MemoryHost> {
  const host = new MemoryHost(new Map([[BOOT_ID, 'boot-1\n']]));
  await applyProfile(engineOn(host, [files(host, { '/a': 'one' })]), REQUEST);
  return host;
}
