import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { printArchive } from '../../src/formats/text-archive.ts';
import { scratch } from '../host/scratch.ts';
import { cli } from '../support/cli.ts';
import { changed, fixtureEntries, fixturePath } from '../support/hosts.ts';

const HOST = fixturePath('two-socket-smt');
const PROFILE = 'profiles/one-nic-dpdk.yaml';

/** What the account is to have, on the host that the profile fits. */
function prepared(): string {
  const path = `${scratch()}/host.tree`;
  const changes = {
    '/etc/passwd': 'trader:x:990:990::/:/usr/sbin/nologin\n',
    '/etc/group': 'trader:x:990:\ndpdk:x:120:trader\n',
    '/usr/lib/systemd/system/feed.service':
      '[Service]\nUser=trader\nPrivateDevices=yes\nLimitMEMLOCK=infinity\n',
    '/dev/vfio/85': { file: '660 0:120' },
    '/dev/vfio/vfio': { file: '666' },
    '/mnt/huge 2M': { dir: '1770 0:120' },
    '/sys/fs/cgroup/cgroup.controllers': 'cpuset\n',
  };
  writeFileSync(path, printArchive(changed(fixtureEntries('two-socket-smt'), changes)));
  return path;
}

function account(args: readonly string[]): string[] {
  const { stdout, stderr, exitCode } = cli(['check', '--json', ...args]);
  expect(stderr).toBe('');
  expect(exitCode).toBe(2);
  const { findings } = JSON.parse(stdout) as {
    findings: { check: string; result: string; sentence: string }[];
  };
  return findings
    .filter(({ check }) => check === 'account')
    .map(({ result, sentence }) => `${result} ${sentence}`);
}

describe('[J17] check as the service account', () => {
  it('is asked for by --user, and judges a login then', () => {
    expect(account(['--root', prepared(), '--user', 'trader'])).toEqual([
      'pass trader may open /dev/vfio/85',
      'pass trader may map hugepages through /mnt/huge 2M',
      'fail it may lock 8M, as nothing raises it; the hugepages are 22G',
      'pass no control group keeps it from the isolated CPUs',
      'skip it may not use SCHED_FIFO, which a poll loop on an isolated CPU does without',
    ]);
  });

  it('is asked for by the profile, whose unit counts', () => {
    expect(account(['--root', prepared(), '-f', PROFILE])).toEqual([
      'fail PrivateDevices=yes hides /dev/vfio/85 from the unit',
      'pass trader may map hugepages through /mnt/huge 2M',
      'pass it may lock any amount of memory',
      'pass no control group keeps it from the isolated CPUs',
      'skip it may not use SCHED_FIFO, which a poll loop on an isolated CPU does without',
    ]);
  });

  it('--user takes the place of the profile’s account, under the same unit', () => {
    expect(account(['--root', prepared(), '-f', PROFILE, '--user', 'other'])).toEqual([
      'fail there is no account other',
    ]);
  });

  it('a host that was recorded without its accounts gives no answer', () => {
    expect(account(['--root', HOST, '--user', 'trader'])).toEqual(['unknown no such file, or not recorded']);
  });

  it('nobody asks: nothing is judged', () => {
    expect(account(['--root', prepared()])).toEqual([]);
  });

  it('a profile without a service account is no question about one', () => {
    expect(account(['--root', prepared(), '-f', 'profiles/sr-iov.yaml'])).toEqual([]);
  });

  it('the full report keeps what was read', () => {
    const file = `${scratch()}/report.json`;
    expect(account(['--root', prepared(), '--user', 'trader', '--report', file])).toHaveLength(5);
    const { account: read } = JSON.parse(readFileSync(file, 'utf8')) as { account: { groups: unknown } };
    expect(read.groups).toEqual({
      value: [
        { name: 'trader', gid: 990 },
        { name: 'dpdk', gid: 120 },
      ],
      from: '/etc/group',
    });
    rmSync(file);
  });

  it.each([
    ['a profile that is not there', ['-f', '/nowhere.yaml'], 64, 'PROFILE_UNREADABLE'],
    ['no name', ['--user'], 64, 'OPTION_VALUE'],
  ])('refuses %s', (_, args, exitCode, code) => {
    const result = cli(['check', '--root', HOST, ...args]);
    expect(result).toMatchObject({ exitCode, stdout: '' });
    expect(result.stderr).toContain(`error[${code}]`);
  });
});
