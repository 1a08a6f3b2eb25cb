import type { FleetInput, FleetReport } from '../report/report.ts';
import { matches, meaningOf } from './record.ts';

type Role = FleetReport['roles'][number];
type Difference = Role['differences'][number];

/** Of many hosts the numbers, of each value one copy: a thousand reports take little more than the longest of them. */
interface Gathered {
  readonly hosts: Omit<Role['hosts'][number], 'differs'>[];
  /** By key and value the hosts, by number. */
  readonly keys: Map<string, Map<string | null, number[]>>;
}

/** Reports are added one by one and not kept. */
export class Fleet {
  private readonly roles = new Map<string | null, Gathered>();
  private readonly names = new Set<string>();

  /** Undefined, or why this report cannot be compared. */
  add(file: string, report: FleetInput): string | undefined {
    const { record, verdict, takenAt, tool } = report;
    if (record === undefined)
      return `has no record: it was written by bypass-setup ${tool}, which did not keep one`;
    const name = report.host ?? file;
    const host = this.names.has(name) ? `${name} (${file})` : name;
    this.names.add(host);
    const role = report.role ?? null;
    const gathered: Gathered = this.roles.get(role) ?? { hosts: [], keys: new Map() };
    this.roles.set(role, gathered);
    const problems = report.findings
      .filter(({ result }) => result === 'fail' || result === 'unknown')
      .map(({ check, sentence }) => `${check}: ${sentence}`);
    const index = gathered.hosts.push({ host, file, verdict, takenAt, tool, problems }) - 1;
    for (const [key, value] of Object.entries(record)) {
      const values = gathered.keys.get(key) ?? new Map<string | null, number[]>();
      gathered.keys.set(key, values);
      const same = values.get(value);
      if (same === undefined) values.set(value, [index]);
      else same.push(index);
    }
    return undefined;
  }

  compare(): Role[] {
    return [...this.roles]
      .sort(([a], [b]) => ((a ?? '') < (b ?? '') ? -1 : 1))
      .map(([role, gathered]) => compareRole(role, gathered));
  }
}

/** Whether nothing about these hosts needs anybody's attention. */
export function isAlike(roles: readonly Role[]): boolean {
  return roles.every(
    ({ hosts, differences }) =>
      hosts.every(({ verdict }) => verdict === 'ready') &&
      differences.every(({ severity }) => severity === 'info'),
  );
}

function compareRole(role: string | null, { hosts, keys }: Gathered): Role {
  const differs = hosts.map(() => 0);
  const families = [...keys].filter(([key]) => key.includes('*'));
  const differences = [...keys]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, values]): Difference[] => {
      const { severity, why, own } = meaningOf(key);
      // What stands for several is told with each of them.
      if (own || [...keys.keys()].some((other) => matches(key, other))) return [];
      const unread = new Set(
        families.filter(([family]) => matches(family, key)).flatMap(([, found]) => found.get(null) ?? []),
      );
      for (const index of values.get(null) ?? []) unread.add(index);
      const groups = groupsOf(values, unread, hosts.length);
      const several = groups.length > 1;
      if (!several && (unread.size === 0 || groups.length === 0)) return [];
      const majority = (groups[0]?.[1].length ?? 0) * 2 > hosts.length - unread.size;
      for (const [, members] of majority ? groups.slice(1) : groups) {
        for (const index of members) differs[index] = (differs[index] ?? 0) + 1;
      }
      const name = (index: number) => hosts[index]?.host ?? '';
      return [
        {
          key,
          severity,
          why,
          values: groups.map(([value, members], at) => ({
            value,
            count: members.length,
            ...(majority && at === 0 ? {} : { hosts: members.map(name) }),
          })),
          unread: [...unread].sort((a, b) => a - b).map(name),
        },
      ];
    });
  return {
    role,
    hosts: hosts.map((host, index) => ({ ...host, differs: differs[index] ?? 0 })),
    differences,
  };
}

/** Values with the hosts that have them, the most frequent first; null is for those that have no such thing. */
function groupsOf(
  values: ReadonlyMap<string | null, readonly number[]>,
  unread: ReadonlySet<number>,
  count: number,
): (readonly [string | null, readonly number[]])[] {
  const having = new Set([...values.values()].flat());
  const without = Array.from({ length: count }, (_, index) => index).filter(
    (index) => !having.has(index) && !unread.has(index),
  );
  const groups = [...values]
    .filter(([value]) => value !== null)
    .map(([value, members]) => [value, members] as const);
  const all = without.length > 0 ? [...groups, [null, without] as const] : groups;
  return all.sort(([, a], [, b]) => b.length - a.length);
}
