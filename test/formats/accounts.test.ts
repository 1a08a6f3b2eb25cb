import { describe, expect, it } from 'vitest';
import { parseGroups, parsePasswd } from '../../src/formats/accounts.ts';
import { loginLimit } from '../../src/formats/limits-conf.ts';

describe('accounts', () => {
  it('are lines of seven fields, others are none', () => {
    const text =
      'root:x:0:0:root:/root:/bin/bash\n+::::::\n# x:y\n\ntrader:x:990:991::/:/bin/sh\nbad:x:-1:0\n';
    expect(parsePasswd(text)).toEqual([
      { name: 'root', uid: 0, gid: 0 },
      { name: 'trader', uid: 990, gid: 991 },
    ]);
  });

  it('groups have members', () => {
    expect(parseGroups('dpdk:x:120:a,b\nempty:x:121:\n+:::\n')).toEqual([
      { name: 'dpdk', gid: 120, members: ['a', 'b'] },
      { name: 'empty', gid: 121, members: [] },
    ]);
  });
});

describe('limits.conf', () => {
  const account = { name: 'trader', uid: 990, groups: [{ name: 'dpdk', gid: 120 }] };
  const root = { name: 'root', uid: 0, groups: [{ name: 'root', gid: 0 }] };

  it.each([
    ['trader - memlock 64', { soft: 64, hard: 64 }],
    ['trader soft memlock unlimited', { soft: Number.POSITIVE_INFINITY }],
    ['trader hard memlock -1', { hard: Number.POSITIVE_INFINITY }],
    ['@dpdk - memlock 5 # all', { soft: 5, hard: 5 }],
    ['* - memlock 5\n* - memlock 6', { soft: 6, hard: 6 }],
    ['@dpdk - memlock 5\n* - memlock 6', { soft: 5, hard: 5 }],
    ['trader soft memlock 4\n@dpdk - memlock 5', { soft: 4, hard: 5 }],
    ['900:1000 - memlock 1', { soft: 1, hard: 1 }],
    ['900: soft memlock 1', { soft: 1 }],
    [':990 soft memlock 1', { soft: 1 }],
    ['@120:120 soft memlock 1', { soft: 1 }],
    ['@121: soft memlock 1\n1000: soft memlock 1\n:991 soft memlock 1', {}],
    ['other - memlock 1\n@other - memlock 1\ntrader - nofile 1\ntrader\n\n#x', {}],
    ['trader - memlock lots', {}],
  ])('%j', (text, limit) => {
    expect(loginLimit(text.split('\n'), 'memlock', account)).toEqual(limit);
  });

  it('root is told by name alone', () => {
    expect(loginLimit(['* - memlock 1', '@root - memlock 2', '0: - memlock 3'], 'memlock', root)).toEqual({});
    expect(loginLimit(['root soft memlock 1'], 'memlock', root)).toEqual({ soft: 1 });
  });
});
