import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { floorOf } from '../../src/actions/hugepage-room.ts';
import { mountPoint, poolFolder, poolMemory } from '../../src/formats/hugepage-pool.ts';
import { mountUnit, OWN } from '../../src/formats/own-files.ts';
import { hugepageArguments } from '../../src/plan/hugepage-arguments.ts';
import type { ResolvedHugepages, ResolvedProfile } from '../../src/profile/resolved.ts';
import { scratch } from '../host/scratch.ts';
import { factsOf } from '../support/hosts.ts';
import { ACTIONS, applyAll, type Begun, revertAll } from '../support/little-engine.ts';
import { noPages, type RandomHost } from '../support/random-hosts.ts';
import { type Case, changesOf, hostWith, plan, refusal } from './support.ts';

const M2 = 2 << 20;
const G1 = 1 << 30;
const small = (node: number) => poolFolder({ node, size: M2 });

/** A host with two nodes that is asked for pages and nothing else. */
function host(
  wanted: readonly ResolvedHugepages[],
  pages: Partial<RandomHost['pages']> = {},
  rest: Partial<RandomHost> = {},
): Case {
  const found = hostWith({ nics: [], pages: { ...noPages, ...pages }, ...rest });
  return { host: found.host, profile: { ...found.profile, hugepages: wanted } };
}

const pool = (total: number, used = 0, surplus = 0) => ({ total, used, surplus, wanted: 0 });
const pools = (first: ReturnType<typeof pool>) => [first, pool(0), pool(0), pool(0)];
const totals = ({ host: on }: Case) =>
  [0, 1].map((node) =>
    [M2, G1].map((size) => Number(on.readText(`${poolFolder({ node, size })}/nr_hugepages`))),
  );

async function applied(found: Case): Promise<Begun> {
  const begun: Begun = [];
  await applyAll(plan(found).changes, found.host, begun);
  return begun;
}

const writes = ({ host: on }: Case) => on.operations.filter((line) => line.startsWith('echo'));

describe('hugepages now', () => {
  it('[D1] [D2] go to the node and the size that are asked for', async () => {
    const found = host([
      { node: 1, size: M2, count: 8 },
      { node: 0, size: G1, count: 2 },
    ]);
    await applied(found);
    expect(totals(found)).toEqual([
      [0, 2],
      [8, 0],
    ]);
    expect(plan(found).changes).toEqual([]);
  });

  it('[D1] a kernel without NUMA has one pool', async () => {
    const found = host([{ node: 0, size: M2, count: 8 }]);
    for (const node of [0, 1]) found.host.delete(`/sys/devices/system/node/node${node}`);
    found.host.delete('/sys/devices/system/node');
    const global = poolFolder({ node: null, size: M2 });
    for (const [file, value] of [
      ['nr', 3],
      ['free', 3],
      ['surplus', 0],
    ] as const) {
      found.host.replaceFile(`${global}/${file}_hugepages`, `${value}\n`);
    }
    await applied(found);
    expect(found.host.readText(`${global}/nr_hugepages`)).toBe('8\n');
    expect(plan(found).changes).toEqual([]);
  });

  it('[D6] free pages count, not those that others use or that are promised to them', () => {
    const found = host([{ node: 0, size: M2, count: 10 }], { pools: pools(pool(12, 6)) });
    expect(changesOf(found, 'hugepages')[0]).toMatchObject({
      after: { total: 16 },
      summary: 'reserve 4 of 2M on node 0 (8 MiB), so that 10 are free',
    });
    found.host.replaceFile(`${poolFolder({ node: null, size: M2 })}/resv_hugepages`, '5\n');
    expect(changesOf(found, 'hugepages')[0]).toMatchObject({ after: { total: 21 } });
  });

  it('[D6] those that a profile has reserved and its application uses are not reserved again', async () => {
    const found = host([{ node: 0, size: M2, count: 10 }], { pools: pools(pool(5, 5)) });
    await applied(found);
    found.host.usePages(small(0), 10);
    const { changes, notes } = plan(found);
    expect(changes).toEqual([]);
    expect(notes).toEqual([
      'hugepages: 10 of 2M on node 0 are reserved already, and something uses them: 0 are free',
    ]);
    const more = { ...found, profile: { ...found.profile, hugepages: [{ node: 0, size: M2, count: 12 }] } };
    expect(changesOf(more, 'hugepages')[0]).toMatchObject({ before: { total: 15 }, after: { total: 17 } });
  });

  it('[D7] memory is put together only when there are too few, and caches are dropped last', async () => {
    const wanted = [{ node: 1, size: M2, count: 8 }];
    const at = `${small(1)}/nr_hugepages`;
    const attempt = `echo '8' > ${at}`;
    const compact = "echo '1' > /sys/devices/system/node/node1/compact";
    const whole = host(wanted);
    await applied(whole);
    expect(writes(whole)).toEqual([attempt]);
    const pieces = host(wanted, { pieces: { first: 5, compacted: 3, dropped: 0 } });
    await applied(pieces);
    expect(writes(pieces)).toEqual([attempt, compact, attempt]);
    const cached = host(wanted, { pieces: { first: 5, compacted: 1, dropped: 1 } });
    await applied(cached);
    expect(writes(cached)).toEqual([
      ...[attempt, compact, attempt],
      ...["echo '3' > /proc/sys/vm/drop_caches", compact, attempt],
    ]);
  });

  it('[D5] [D7] after three rounds it says how many there are, and the old number is back', async () => {
    const found = host([{ node: 1, size: G1, count: 8 }], {
      pieces: { first: 2, compacted: 1, dropped: 0 },
      pools: [pool(0), pool(0), pool(0), pool(1, 1)],
    });
    const begun: Begun = [];
    await expect(applyAll(plan(found).changes, found.host, begun)).rejects.toMatchObject({
      code: 'HUGEPAGES_TOO_FEW',
      subject: 'pages of 1G on node 1',
      message: 'of 8 more the kernel could give 4: no memory in one piece is left',
      hint: expect.stringContaining('when: boot'),
    });
    expect(writes(found).filter((line) => line.includes('nr_hugepages'))).toHaveLength(3);
    expect(await revertAll(begun, found.host)).toEqual([]);
    expect(totals(found)[1]).toEqual([0, 1]);
  });

  it('[D5] what is read back decides', async () => {
    const found = host([{ node: 0, size: M2, count: 4 }]);
    const [change] = changesOf(found, 'hugepages');
    const action = ACTIONS.find(({ name }) => name === 'hugepages');
    await applied(found);
    expect(change && action?.verify(change, found.host)).toBeUndefined();
    found.host.write(`${small(0)}/nr_hugepages`, '3');
    expect(change && action?.verify(change, found.host)).toBe('3 pages are free, 4 are asked for');
  });

  it('[D8] a profile that asks for fewer changes nothing', () => {
    expect(plan(host([{ node: 0, size: M2, count: 2 }], { pools: pools(pool(10, 3)) })).changes).toEqual([]);
    expect(plan(host([{ node: 0, size: M2, count: 0 }], { pools: pools(pool(10)) })).changes).toEqual([]);
  });

  it('[D8] undo gives back what is free and names the rest; when that is free too, it goes', async () => {
    const found = host([{ node: 0, size: M2, count: 8 }], { pools: pools(pool(2, 2)) });
    const begun = await applied(found);
    found.host.usePages(small(0), 3);
    const left = [`hugepages:${small(0)}/nr_hugepages: nr_hugepages is 5, and was 2: the others are in use`];
    expect(await revertAll(begun, found.host)).toEqual(left);
    expect(found.host.readText(`${small(0)}/surplus_hugepages`)).toBe('0\n');
    expect(await revertAll(begun, found.host)).toEqual(left);
    found.host.usePages(small(0), -3);
    expect(await revertAll(begun, found.host)).toEqual([]);
    expect(totals(found)[0]).toEqual([2, 0]);
  });

  it('[D8] undo leaves a pool that another program has raised since', async () => {
    const found = host([{ node: 0, size: M2, count: 8 }]);
    const begun = await applied(found);
    found.host.write(`${small(0)}/nr_hugepages`, '20');
    expect(await revertAll(begun, found.host)).toEqual([
      `hugepages:${small(0)}/nr_hugepages: nr_hugepages is 20, and was 0: another program has raised it`,
    ]);
    expect(totals(found)[0]).toEqual([20, 0]);
  });

  it('[D9] nothing is begun that would starve a node, or the host', () => {
    const found = host([{ node: 0, size: M2, count: 2048 }], { memory: 5 });
    expect(refusal(found)).toEqual({
      code: 'HUGEPAGES_TOO_MANY',
      exitCode: 4,
      text:
        'error[HUGEPAGES_TOO_MANY] node 0: 4 GiB more of hugepages would leave 1 GiB of the 5 GiB that are ' +
        'available; 2 GiB of 5 GiB must stay\nhint: ask for fewer, or end what uses the memory',
    });
    expect(found.host.operations).toEqual([]);
    const both = [0, 1].map((node) => ({ node, size: M2, count: 1024 }));
    const busy = host(both, { memory: 8 });
    busy.host.replaceFile('/proc/meminfo', `MemTotal: ${16 << 20} kB\nMemAvailable: ${5 << 20} kB\n`);
    expect(refusal(busy)).toMatchObject({ text: expect.stringContaining('host: 4 GiB more of hugepages') });
    const unknown = host([{ node: 0, size: M2, count: 1 }]);
    unknown.host.delete('/sys/devices/system/node/node0/meminfo');
    expect(refusal(unknown)).toMatchObject({ code: 'MEMORY_UNKNOWN', exitCode: 4 });
  });

  it('[D9] what stays: 2 GiB or a tenth, and half of a small node', () => {
    expect([1.5, 4, 16, 64].map((gib) => floorOf(gib * G1) / G1)).toEqual([0.75, 2, 2, 6.4]);
  });

  it('[D11] pages of an application that has gone are named, and not taken', () => {
    const found = host([{ node: 0, size: M2, count: 8 }]);
    found.host.replaceFile('/proc/mounts', 'hugetlbfs /dev/hugepages hugetlbfs rw,pagesize=2M 0 0\n');
    for (const name of ['rtemap_0', 'rtemap_1', 'other'])
      found.host.replaceFile(`/dev/hugepages/${name}`, '');
    found.host.hold(7, '/dev/hugepages/rtemap_0');
    expect(plan(found).notes).toEqual([
      "hugepages: files that no process has open hold pages: /dev/hugepages/rtemap_1; DPDK's next start there " +
        'removes them, or: flock -nx /dev/hugepages/rtemap_1 rm /dev/hugepages/rtemap_1',
    ]);
  });

  it('[D13] a limit of the service or of its slice that is lower is told', () => {
    const found = host([{ node: 0, size: M2, count: 8 }], {}, { service: true });
    const slice = '/sys/fs/cgroup/system.slice';
    found.host.replaceFile(`${slice}/cgroup.controllers`, 'hugetlb\n');
    found.host.replaceFile(`${slice}/cgroup.subtree_control`, 'hugetlb\n');
    found.host.replaceFile(`${slice}/trader.service/hugetlb.2MB.max`, '8388608\n');
    expect(plan(found).notes).toEqual([
      'trader.service: its cgroup may use 8 MiB of hugepages of 2MB (hugetlb.2MB.max), fewer than the 16 MiB asked for',
    ]);
    found.host.replaceFile(`${slice}/trader.service/hugetlb.2MB.max`, '16777216\n');
    expect(plan(found).notes).toEqual([]);
  });
});

describe('hugepages at boot', () => {
  const atBoot = (node: number, size: number, count: number) => ({
    node,
    size,
    count,
    atBoot: true as const,
  });

  function args(wanted: readonly ResolvedHugepages[], release: string): string[] {
    const found = host(wanted);
    found.host.replaceFile('/proc/sys/kernel/osrelease', `${release}\n`);
    return hugepageArguments(found.profile, factsOf(found.host));
  }

  it('[D3] [D4] by node where the kernel knows it, each count behind its size', () => {
    const wanted = [atBoot(0, G1, 4), atBoot(1, M2, 512), atBoot(1, G1, 2), { node: 0, size: M2, count: 9 }];
    expect(args(wanted, '5.16.0')).toEqual([
      ...['hugepagesz=2M', 'hugepages=1:512'],
      ...['hugepagesz=1G', 'hugepages=0:4,1:2'],
    ]);
    expect(args([], '6.1.0-28-amd64')).toEqual([]);
  });

  it('[D3] an older kernel gets as many for each node as one needs, and the surplus is given back', async () => {
    for (const release of ['5.15.0-105-generic', '4.18.0-553.el8.x86_64']) {
      expect(args([atBoot(1, G1, 4)], release)).toEqual(['hugepagesz=1G', 'hugepages=8']);
    }
    const found = host(
      [atBoot(1, G1, 4)],
      {},
      { persistent: true, systemd: true, managers: ['systemd-networkd'] },
    );
    found.host.replaceFile('/proc/sys/kernel/osrelease', '5.15.0-105-generic\n');
    await applied(found);
    expect(found.host.readText(OWN.hugepagesScript)).toContain(
      `\nat_most ${poolFolder({ node: 0, size: G1 })} 0\n`,
    );
    expect(totals(found)).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  it('[D9] a boot line that would leave too little is refused', () => {
    const wanted = [atBoot(0, G1, 5), { node: 0, size: M2, count: 512 }];
    expect(refusal(host(wanted, { memory: 7 }, { persistent: true }))).toMatchObject({
      code: 'HUGEPAGES_TOO_MANY',
      text: expect.stringContaining('node 0 at the next boot: 6 GiB'),
    });
    expect(() => plan(host(wanted, { memory: 8 }, { persistent: true }))).not.toThrow();
  });

  it('[D12] a unit reserves them before every service, and is taken back byte for byte', async () => {
    const found = host(
      [{ node: 1, size: M2, count: 8 }],
      {},
      { persistent: true, service: true, managers: ['NetworkManager'] },
    );
    const begun = await applied(found);
    expect(found.host.readText(OWN.hugepagesUnit)).toContain(
      'DefaultDependencies=no\nRequiresMountsFor=/etc/bypass-setup\nAfter=systemd-sysctl.service\n' +
        'Before=sysinit.target shutdown.target trader.service\n',
    );
    expect(found.host.readText(OWN.hugepagesWants)).toContain('Wants=bypass-setup-hugepages.service\n');
    expect(found.host.stat(OWN.hugepagesScript)).toMatchObject({ mode: 0o755 });
    for (const path of [OWN.hugepagesScript, OWN.hugepagesUnit, OWN.hugepagesWants]) {
      expect(found.host.readText(path)).toContain(
        '# Written by bypass-setup; "bypass-setup undo" takes it back.',
      );
    }
    expect(await revertAll(begun, found.host)).toEqual([]);
    expect(found.host.stat('/etc/bypass-setup')).toBeUndefined();
  });

  it('[D12] without systemd, or where nothing shall outlast the boot, there are no files', () => {
    const wanted = [{ node: 1, size: M2, count: 8 }];
    const files = (found: Case) => changesOf(found, 'hugepages-persist');
    const bare = host(wanted, {}, { persistent: true });
    bare.host.delete('/etc/systemd/system/trader.service');
    bare.host.delete('/etc/systemd/system');
    expect(files(bare)).toEqual([]);
    expect(plan(bare).notes).toEqual([
      'hugepages: there is no systemd here, so nothing reserves them at the next boot',
    ]);
    expect(files(host(wanted, {}, { persistent: false }))).toEqual([]);
  });
});

describe('the script at boot', () => {
  const wanted = [
    { node: 0, size: M2, count: 8 },
    { node: 1, size: M2, count: 4 },
  ];

  /** Runs it on plain files; what a pool gets is what is written, or what stands in a file that takes no write. */
  async function run(now: readonly number[], readOnly = false) {
    const found = host(wanted, {}, { persistent: true, managers: ['NetworkManager'] });
    await applied(found);
    const root = scratch();
    const put = (path: string, text: string, mode = 0o644) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text, { mode });
    };
    for (const [node, count] of now.entries()) put(`${small(node)}/nr_hugepages`, `${count}\n`);
    put('/proc/sys/vm/compact_memory', '');
    put('/run/x', '');
    let text = found.host.readText(OWN.hugepagesScript) ?? '';
    text = text.replaceAll(/(?<=[ >])\/(sys|run|proc)\//g, `${root}/$1/`);
    if (readOnly) text = text.replaceAll(/echo "\$3" >"\$1\/nr_hugepages"/g, ':');
    const { status, stderr } = spawnSync('sh', ['-s'], { input: text, encoding: 'utf8' });
    const read = (path: string) => readFileSync(join(root, path), 'utf8').trim();
    return {
      status,
      stderr: stderr.replaceAll(root, ''),
      totals: now.map((_, node) => read(`${small(node)}/nr_hugepages`)),
      memory: now.map((_, node) => read(poolMemory({ node, size: M2 }))),
      compacted: read('/proc/sys/vm/compact_memory'),
    };
  }

  it('[D12] raises each pool, and none becomes smaller', async () => {
    expect(await run([0, 100])).toEqual({
      ...{ status: 0, stderr: '', totals: ['8', '100'], memory: ['8', '4'], compacted: '' },
    });
  });

  it('[D12] fails and says so when there are too few', async () => {
    expect(await run([3, 4], true)).toMatchObject({
      status: 1,
      stderr: `${small(0)}: 3 of 8 pages\n`,
      totals: ['3', '4'],
      compacted: '1',
    });
  });
});

describe('[D10] a hugetlbfs', () => {
  const wanted: ResolvedProfile['hugepages'] = [
    { node: 0, size: M2, count: 1, mounted: true },
    { node: 1, size: M2, count: 1, mounted: true },
    { node: 1, size: G1, count: 1 },
  ];
  const where = mountPoint(M2);

  it('for each size that wants one, for the group of the service, now and at boot', async () => {
    const found = host(wanted, {}, { service: true, persistent: true, managers: ['NetworkManager'] });
    expect(changesOf(found, 'hugetlbfs-mount').map(({ target, scope }) => [target, scope])).toEqual([
      ['/dev/hugepages2M', 'runtime'],
    ]);
    const begun = await applied(found);
    expect(found.host.operations).toContain(
      'mount -t hugetlbfs -o pagesize=2M,mode=0770,gid=trader hugetlbfs /dev/hugepages2M',
    );
    expect(found.host.readText('/etc/systemd/system/dev-hugepages2M.mount')).toContain(
      '[Mount]\nWhat=hugetlbfs\nWhere=/dev/hugepages2M\nType=hugetlbfs\nOptions=pagesize=2M,mode=0770,gid=trader\n',
    );
    expect(found.host.readText(OWN.hugepagesWants)).toContain(
      'Wants=bypass-setup-hugepages.service dev-hugepages2M.mount\n',
    );
    expect(plan(found).changes).toEqual([]);
    expect(await revertAll(begun, found.host)).toEqual([]);
    expect(found.host.readText('/proc/mounts')).not.toContain('hugetlbfs');
    expect(found.host.stat(where)).toBeUndefined();
  });

  it('goes with the profile that does not ask for it: the file; what is mounted stays until undo', async () => {
    const found = host(wanted, {}, { persistent: true, managers: ['NetworkManager'] });
    await applied(found);
    const other = {
      ...found,
      profile: {
        ...found.profile,
        hugepages: wanted.map(({ node, size, count }) => ({ node, size, count })),
      },
    };
    await applied(other);
    expect(found.host.stat(mountUnit(where))).toBeUndefined();
    expect(found.host.readText(OWN.hugepagesWants)).not.toContain('.mount');
  });

  it('stays mounted while files are in it or a process holds it', async () => {
    const found = host(wanted);
    const begun = await applied(found);
    found.host.replaceFile(`${where}/rtemap_0`, '');
    const left = (why: string) => [`hugetlbfs-mount:${where}: stays mounted: ${why}`];
    expect(await revertAll(begun, found.host)).toEqual(left('there are 1 files in it'));
    expect(found.host.readText(`${where}/rtemap_0`)).toBe('');
    found.host.delete(`${where}/rtemap_0`);
    found.host.hold(7, `${where}/(deleted)`);
    expect(await revertAll(begun, found.host)).toEqual(left('it is in use'));
    found.host.end(7);
    expect(await revertAll(begun, found.host)).toEqual([]);
  });

  it('of another kind in its place is refused', () => {
    const found = host(wanted);
    found.host.replaceFile('/proc/mounts', `x ${where} hugetlbfs rw,pagesize=1024M 0 0\n`);
    expect(refusal(found)).toMatchObject({ code: 'MOUNT_IN_PLACE', exitCode: 4 });
    found.host.replaceFile('/proc/mounts', `x ${where} hugetlbfs rw,gid=7,mode=770,pagesize=2M 0 0\n`);
    expect(changesOf(found, 'hugetlbfs-mount')).toEqual([]);
  });
});
