import { describe, expect, it } from 'vitest';
import { Fleet, isAlike } from '../../src/checks/fleet.ts';
import { renderFleetPage } from '../../src/report/fleet-html.ts';
import { renderFleet } from '../../src/report/fleet-text.ts';
import type { FleetInput, FleetReport } from '../../src/report/report.ts';

type Table = NonNullable<FleetInput['record']>;

describe('[J6] hosts of one role, key by key', () => {
  it('names who is not like the majority, and what differs by nature not at all', () => {
    const [role] = compare({
      a: { 'kernel/release': '6.1', 'nic/0000:3b:00.0/mac': '02:00:00:00:00:0a', 'boot/root': 'UUID=a' },
      b: { 'kernel/release': '6.1', 'nic/0000:3b:00.0/mac': '02:00:00:00:00:0b', 'boot/root': 'UUID=b' },
      c: { 'kernel/release': '6.5', 'nic/0000:3b:00.0/mac': '02:00:00:00:00:0c', 'boot/root': 'UUID=c' },
    });
    expect(
      role?.differences.map(({ key, severity, values, unread }) => ({ key, severity, values, unread })),
    ).toEqual([
      {
        key: 'kernel/release',
        severity: 'fail',
        values: [
          { value: '6.1', count: 2 },
          { value: '6.5', count: 1, hosts: ['c'] },
        ],
        unread: [],
      },
    ]);
    expect(role?.hosts.map(({ host, differs }) => [host, differs])).toEqual([
      ['a', 0],
      ['b', 0],
      ['c', 1],
    ]);
  });

  it('a tie has no majority: everybody is named', () => {
    const [role] = compare({ a: { 'cpu/smt': 'on' }, b: { 'cpu/smt': 'off' } });
    expect(role?.differences[0]?.values.map(({ hosts }) => hosts)).toEqual([['a'], ['b']]);
  });

  it('what a host does not have is a value, and what it could not read is none', () => {
    const [role] = compare({
      a: { 'boot/quiet': 'set', 'mitigation/meltdown': 'x' },
      b: { 'boot/quiet': 'set', 'mitigation/*': null },
      c: { 'mitigation/meltdown': 'x' },
    });
    expect(role?.differences.map(({ key, values, unread }) => [key, values, unread])).toEqual([
      [
        'boot/quiet',
        [
          { value: 'set', count: 2 },
          { value: null, count: 1, hosts: ['c'] },
        ],
        [],
      ],
      ['mitigation/meltdown', [{ value: 'x', count: 2 }], ['b']],
    ]);
  });

  it('what nobody can read is no difference, and what differs in name alone leaves hosts alike', () => {
    const roles = compare({
      a: { 'kernel/distribution': 'Debian 12.8', 'nic/0000:3b:00.0/firmware': null },
      b: { 'kernel/distribution': 'Debian 12.9', 'nic/0000:3b:00.0/firmware': null },
    });
    expect(roles[0]?.differences.map(({ key }) => key)).toEqual(['kernel/distribution']);
    expect(isAlike(roles)).toBe(true);
  });

  it('each role by itself', () => {
    const fleet = new Fleet();
    fleet.add('1', input('a', { 'cpu/smt': 'on' }, { role: 'feed' }));
    fleet.add('2', input('b', { 'cpu/smt': 'off' }, { role: 'order' }));
    expect(fleet.compare().map(({ role, differences }) => [role, differences])).toEqual([
      ['feed', []],
      ['order', []],
    ]);
  });

  it('two reports with the same name are told apart by their files; one without a record is refused', () => {
    const fleet = new Fleet();
    fleet.add('1.json', input('a', {}));
    fleet.add('2.json', input('a', {}));
    expect(fleet.compare()[0]?.hosts.map(({ host }) => host)).toEqual(['a', 'a (2.json)']);
    const { record, ...older } = input('b', {});
    expect(record).toEqual({});
    expect(fleet.add('3.json', older)).toBe(
      'has no record: it was written by bypass-setup 0.1.0, which did not keep one',
    );
  });

  it('a host that is not ready, or of which nobody knows, is not alike', () => {
    for (const verdict of ['not-ready', 'cannot-know'] as const) {
      const fleet = new Fleet();
      fleet.add('1', input('a', {}, { verdict }));
      expect(isAlike(fleet.compare())).toBe(false);
    }
  });
});

describe('[J6] what a host says of itself cannot become part of the page', () => {
  const fleet = new Fleet();
  fleet.add('<b>.json', input('<script>', { 'boot/quiet': '"><img>\u001b[31m' }, { role: 'r&d' }));
  fleet.add('b.json', input('b', {}, { role: 'r&d' }));
  const report: FleetReport = {
    schema: 'bypass-setup/fleet@1',
    tool: '0.1.0',
    takenAt: '2026-11-22T16:39:08.000Z',
    alike: false,
    roles: fleet.compare(),
    refused: [{ file: '<i>', reason: 'is no file' }],
  };

  it('as HTML', () => {
    const page = renderFleetPage(report);
    expect(page).not.toMatch(/<script|<img|<i>|<b>|https?:/);
    expect(page).toContain('&lt;script&gt;');
    expect(page).toContain('r&amp;d');
  });

  it('as text', () => {
    const text = renderFleet(report, { color: false, width: 80 });
    expect(text).not.toContain('\u001b');
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});

function compare(hosts: Readonly<Record<string, Table>>): FleetReport['roles'] {
  const fleet = new Fleet();
  for (const [host, record] of Object.entries(hosts))
    expect(fleet.add(`${host}.json`, input(host, record))).toBe(undefined);
  return fleet.compare();
}

function input(host: string, record: Table, more: Partial<FleetInput> = {}): FleetInput {
  return {
    tool: '0.1.0',
    takenAt: '2026-11-22T16:39:08.000Z',
    host,
    verdict: 'ready',
    findings: [],
    record,
    ...more,
  };
}
