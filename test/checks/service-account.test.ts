import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Duty, judgeServiceAccount } from '../../src/checks/service-account.ts';
import { readServiceAccount } from '../../src/probes/service-account.ts';
import type { Finding } from '../../src/report/report.ts';
import { type Change, factsOf, withFiles } from '../support/hosts.ts';

const CASES = new URL('account/', import.meta.url);

/** The recorded host with an account that can do its work there. */
const READY: Readonly<Record<string, Change>> = {
  '/etc/passwd': 'root:x:0:0::/root:/bin/sh\ntrader:x:990:990::/:/usr/sbin/nologin\n',
  '/etc/group': 'root:x:0:\nsudo:x:27:\ntrader:x:990:\ndpdk:x:120:other,trader\n',
  '/etc/systemd/system/feed.service': '[Unit]\nUser=root\n[Service]\nUser=trader\nLimitMEMLOCK=8M\n',
  '/usr/lib/systemd/system/service.d/10-all.conf': '[Service]\nLimitMEMLOCK=64K\n',
  '/etc/systemd/system/feed.service.d/90-bypass-setup.conf': '[Service]\nLimitMEMLOCK=infinity\n',
  '/dev/vfio/85': { file: '660 0:120' },
  '/dev/vfio/vfio': { file: '666' },
  '/mnt/huge 2M': { dir: '1770 0:120' },
  '/sys/fs/cgroup/cgroup.controllers': 'cpuset cpu io memory hugetlb pids\n',
};

interface Case {
  readonly note?: string;
  /** Else the account trader under feed.service; null takes the unit away. */
  readonly duty?: Partial<Omit<Duty, 'unit'>> & { readonly unit?: null };
  readonly changes: Readonly<Record<string, Change>>;
  /** Every finding that is neither passed nor skipped. */
  readonly expect: readonly Pick<Finding, 'subject' | 'result' | 'sentence'>[];
}

describe('[J17] [B21] [B22] [B23] each case changes the host or the unit, and names every finding', () => {
  it.each(readdirSync(CASES))('%s', (file) => {
    const entry = JSON.parse(readFileSync(new URL(file, CASES), 'utf8')) as Case;
    const bad = judge(entry).filter(({ result }) => result !== 'pass' && result !== 'skip');
    expect(bad.map(({ subject, result, sentence }) => ({ subject, result, sentence }))).toEqual(entry.expect);
    for (const finding of bad) {
      expect(finding.evidence, finding.sentence).not.toEqual([]);
      expect(finding.why).not.toBe('');
    }
  });
});

it('[J17] each finding of an account that is ready rests on what was read', () => {
  expect(judge({ changes: {}, expect: [] })).toMatchSnapshot();
});

it.each(Object.keys(READY))(
  '[J20] %s that cannot be read takes its findings along, and nothing is thrown',
  (path) => {
    const good = (findings: Finding[]) => findings.filter(({ result }) => result === 'pass').length;
    const before = judge({ changes: {}, expect: [] });
    for (const change of [{ denied: 'EACCES' }, { denied: 'EIO' }, new Uint8Array([0, 255, 10]), null]) {
      expect(good(judge({ changes: { [path]: change }, expect: [] }))).toBeLessThanOrEqual(good(before));
    }
  },
);

function judge({ duty = {}, changes }: Case): Finding[] {
  const host = withFiles('two-socket-smt', { ...READY, ...changes });
  const facts = factsOf(host);
  const { unit = 'feed.service', ...rest } = duty;
  const asked: Duty = { user: 'trader', ...rest, ...(unit === null ? {} : { unit }) };
  return judgeServiceAccount(facts, readServiceAccount(host, facts, asked.user, asked.unit), asked);
}
