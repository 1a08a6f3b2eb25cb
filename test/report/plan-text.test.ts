import { describe, expect, it } from 'vitest';
import type { Change } from '../../src/plan/change.ts';
import type { Refusal } from '../../src/plan/document.ts';
import { renderCommands, renderPlan } from '../../src/report/plan-text.ts';

const STYLE = { color: false, width: 80 };

const CHANGES: readonly Change[] = [
  {
    id: 'module:vfio-pci',
    action: 'module',
    target: 'vfio-pci',
    before: null,
    after: 'loaded',
    scope: 'runtime',
    effect: 'none',
    summary: 'load the module',
    commands: ['modprobe vfio-pci'],
  },
  {
    id: 'driver:0000:3b:00.0',
    action: 'driver',
    target: '0000:3b:00.0',
    before: { driver: 'e1000e', override: null, interfaces: [{ name: 'eth0' }] },
    after: { driver: 'vfio-pci' },
    scope: 'runtime',
    effect: 'link-down',
    summary: 'bind to vfio-pci (from e1000e)',
    commands: [
      'echo vfio-pci > /sys/bus/pci/devices/0000:3b:00.0/driver_override',
      'echo 0000:3b:00.0 > /sys/bus/pci/drivers_probe',
    ],
  },
  {
    id: 'persist:/etc/modprobe.d/bypass-setup.conf',
    action: 'persist',
    target: '/etc/modprobe.d/bypass-setup.conf',
    before: { text: null, folders: [] },
    after: { text: '# Written by bypass-setup\nsoftdep e1000e pre: vfio-pci\n', mode: 0o644, refresh: [] },
    scope: 'persistent',
    effect: 'none',
    summary:
      'write /etc/modprobe.d/bypass-setup.conf: vfio-pci is loaded before the kernel drivers of these NICs',
    commands: ["install -m 644 /dev/stdin /etc/modprobe.d/bypass-setup.conf <<'END'", '…', 'END'],
  },
  {
    id: 'hugepages:node1',
    action: 'hugepages',
    target: 'node1 1048576kB',
    before: 4,
    after: 16,
    scope: 'runtime',
    effect: 'none',
    summary: 'hugepages of 1 GiB',
    commands: [],
  },
  {
    id: 'boot:isolcpus',
    action: 'boot',
    target: '/etc/default/grub.d/bypass-setup.cfg',
    before: 'isolcpus=2-3',
    after: null,
    scope: 'persistent',
    effect: 'reboot',
    summary: 'no CPU isolated at boot',
    commands: ['rm -f /etc/default/grub.d/bypass-setup.cfg', 'update-grub'],
  },
];

const NOTES = [
  '0000:af:00.0 (mlx5_core): correctly not bound; its poll-mode driver works beside the kernel, through RDMA',
];

const REFUSALS: readonly Refusal[] = [
  {
    target: '0000:3b:00.0',
    code: 'NIC_CARRIES_SSH',
    sentence:
      'eth0 ← bond0 ← bond0.10: carries the ssh connection from 198.51.100.7; binding it to vfio-pci would cut this host off',
    reasons: [],
  },
];

describe('a plan as text', () => {
  it('shows what, from what, to what, how long and with what effect', async () => {
    const text = renderPlan({ changes: CHANGES, notes: NOTES, refusals: REFUSALS }, STYLE);
    await expect(text).toMatchFileSnapshot('golden/plan.txt');
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('begins with the map of its cores', () => {
    const core = (cpus: string, use: 'boot' | 'isolated', cache: number) => ({ cpus, use, cache });
    const cores = {
      isolated: '1,3',
      housekeeping: '0,2',
      map: [{ node: 0, nics: ['feed'], cores: [core('0,2', 'boot', 0), core('1,3', 'isolated', 1)] }],
      reasons: [],
    };
    expect(renderPlan({ changes: [], notes: [], refusals: [], cores }, STYLE)).toBe(
      'Cores: 1,3 isolated, 0,2 housekeeping\n' +
        '  node 0 (feed)  [0,2]b | [1,3]*\n' +
        '  * isolated; b boot CPU, housekeeping\n\n' +
        'Nothing to do: this host is what the profile asks for.\n',
    );
  });

  it('with what an administrator would type, where that is asked for', () => {
    const [change] = CHANGES;
    const shown = { changes: change === undefined ? [] : [change], notes: [], refusals: [] };
    expect(renderPlan(shown, STYLE, true)).toBe(
      '+ vfio-pci: load the module\n    nothing → loaded\n    runtime\n    $ modprobe vfio-pci\n\n1 change: 1 runtime\n',
    );
  });

  it('that is empty is a sentence, below what there is to know', () => {
    expect(renderPlan({ changes: [], notes: ['a note'], refusals: [] }, STYLE)).toBe(
      'note  a note\n\nNothing to do: this host is what the profile asks for.\n',
    );
  });

  it('cannot move the cursor of the terminal', () => {
    const [change] = CHANGES;
    const evil = {
      ...change,
      target: 'a\x1b[2J',
      summary: 'b\x07',
      before: 'c\r\x1b[A',
      after: 'd',
    } as Change;
    const text = renderPlan({ changes: [evil], notes: [], refusals: [] }, STYLE);
    const moving = [...text].filter((letter) => letter !== '\n' && letter < ' ');
    expect(moving).toEqual([]);
  });

  it('and as the commands that an administrator would type', async () => {
    const text = renderCommands({ changes: CHANGES, notes: [], refusals: [] }, 'profiles/feed.yaml');
    await expect(text).toMatchFileSnapshot('golden/plan.sh');
  });

  it('which end at once when the guard refuses', () => {
    const text = renderCommands({ changes: CHANGES, notes: [], refusals: REFUSALS }, 'profiles/feed.yaml');
    expect(text.split('\n').slice(3, 7)).toEqual([
      '',
      '# REFUSED 0000:3b:00.0: eth0 ← bond0 ← bond0.10: carries the ssh connection from 198.51.100.7; binding it to vfio-pci would cut this host off',
      'exit 4',
      '',
    ]);
  });
});
