import { type PasswdEntry, parseGroups, parsePasswd } from '../formats/accounts.ts';
import { loginLimit } from '../formats/limits-conf.ts';
import { dropInNames, mergeUnits, type UnitSettings } from '../formats/systemd-unit.ts';
import type { ReadHost } from '../host/host.ts';
import type { Fact, Facts, ServiceAccount } from './facts.ts';
import { absent, attribute, cpuListText, flag, guarded, known, names, textOrNothing, word } from './read.ts';

const PASSWD = '/etc/passwd';
const GROUP = '/etc/group';
const LIMITS = '/etc/security/limits.conf';
const CGROUP = '/sys/fs/cgroup';

/** systemd.unit(5), "Unit File Load Path", the first before the others. */
const UNIT_FOLDERS = [
  '/etc/systemd/system.control',
  '/run/systemd/system.control',
  '/run/systemd/transient',
  '/run/systemd/generator.early',
  '/etc/systemd/system',
  '/etc/systemd/system.attached',
  '/run/systemd/system',
  '/run/systemd/system.attached',
  '/run/systemd/generator',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
  '/run/systemd/generator.late',
];
/** systemd-system.conf(5). */
const MANAGER_FOLDERS = ['/etc/systemd', '/run/systemd', '/usr/local/lib/systemd', '/usr/lib/systemd'];

type Account = NonNullable<ServiceAccount['account']['value']>;
type Group = NonNullable<ServiceAccount['groups']['value']>[number];
type Unit = NonNullable<ServiceAccount['unit']['value']>;
type Path = NonNullable<ServiceAccount['paths']['value']>[number];
type Cgroup = NonNullable<ServiceAccount['cgroup']['value']>;

/** Everything that decides what an account, under a unit or at a login, may do with a NIC and its memory. */
export function readServiceAccount(
  host: ReadHost,
  { hugepages, userspaceIo }: Facts,
  user: string,
  unitName?: string,
): ServiceAccount {
  const unit: Fact<Unit> =
    unitName === undefined
      ? absent('missing', 'no unit is named', UNIT_FOLDERS[4] ?? '')
      : guarded(UNIT_FOLDERS[4] ?? '', () => readUnit(host, unitName));
  const account = guarded(PASSWD, () => readAccount(host, user));
  const groups = guarded(GROUP, () => readGroups(host, account, unit.value?.settings ?? {}));
  const wanted = [
    ...names(host, '/dev/vfio').map((name) => `/dev/vfio/${name}`),
    ...(userspaceIo.uioNodes.value ?? []).map(({ path }) => path),
    ...(hugepages.mounts.value ?? []).map(({ path }) => path),
  ].filter((path) => path !== '/dev/vfio/devices');
  const cgroupPath = cgroupOf(unit.value, account.value);
  return {
    account,
    groups,
    unit,
    unitDefaults: guarded('/etc/systemd/system.conf', () => managerDefaults(host)),
    login: guarded(LIMITS, () => readLogin(host, account.value, groups.value ?? [])),
    paths: guarded('/dev', () => known(withFolders(host, wanted), '/dev')),
    cgroup: guarded(CGROUP, () => readCgroup(host, cgroupPath)),
    runningLockedMemory: guarded(cgroupPath, () => runningLimit(host, unit.value, cgroupPath)),
    selinux: attribute(host, '/sys/fs/selinux/enforce', flag),
  };
}

function readAccount(host: ReadHost, user: string): Fact<Account> {
  const text = host.readText(PASSWD);
  if (text === undefined) return absent('unsupported', 'no such file, or not recorded', PASSWD);
  // systemd takes a number for a name.
  const same = ({ name, uid }: PasswdEntry) => name === user || String(uid) === user;
  const found = parsePasswd(text).find(same);
  if (found !== undefined) return known(found, PASSWD);
  const elsewhere = otherSources(host, 'passwd');
  if (elsewhere !== undefined) {
    return absent('unsupported', `it is not among the local accounts, and ${elsewhere} is not asked`, PASSWD);
  }
  return absent('missing', `there is no account ${user}`, PASSWD);
}

/** nsswitch.conf(5): a directory service, which only a program of the host could ask. */
function otherSources(host: ReadHost, database: string): string | undefined {
  const text = textOrNothing(host, '/etc/nsswitch.conf') ?? '';
  const sources = new RegExp(`^\\s*${database}:([^#\\n]*)`, 'm').exec(text)?.[1]?.trim().split(/\s+/) ?? [];
  const others = sources.filter(
    (name) => !name.startsWith('[') && !['files', 'compat', 'systemd'].includes(name),
  );
  return others.length === 0 ? undefined : others.join(', ');
}

/** Group= replaces the account's own group, SupplementaryGroups= adds to the others (systemd.exec(5)). */
function readGroups(host: ReadHost, account: Fact<Account>, settings: UnitSettings): Fact<Group[]> {
  if (account.absent !== undefined) return account;
  const text = host.readText(GROUP);
  if (text === undefined) return absent('unsupported', 'no such file, or not recorded', GROUP);
  const all = parseGroups(text);
  const named = [
    settings.Group?.at(-1),
    ...(settings.SupplementaryGroups ?? []).flatMap((line) => line.split(/\s+/)),
  ];
  const own = settings.Group?.at(-1) === undefined ? account.value.gid : undefined;
  const found = all
    .filter(
      ({ name, gid, members }) =>
        gid === own ||
        members.includes(account.value.name) ||
        named.includes(name) ||
        named.includes(String(gid)),
    )
    .map(({ name, gid }) => ({ name, gid }));
  const unnamed =
    own === undefined || found.some(({ gid }) => gid === own) ? [] : [{ name: String(own), gid: own }];
  return known([...unnamed, ...found], GROUP);
}

function readUnit(host: ReadHost, name: string): Fact<Unit> {
  const template = /^(.+@).+(\.\w+)$/.exec(name);
  const candidates = [name, ...(template === null ? [] : [`${template[1]}${template[2]}`])];
  const path = candidates
    .flatMap((file) => UNIT_FOLDERS.map((folder) => `${folder}/${file}`))
    .find((file) => host.stat(file) !== undefined);
  if (path === undefined) return absent('missing', `there is no unit ${name}`, `${UNIT_FOLDERS[4]}/${name}`);
  const target = host.readLink(path);
  if (target === '/dev/null') return absent('garbled', 'the unit is masked', path);
  const text = host.readText(path);
  if (text === undefined) return absent('missing', 'the link leads nowhere', path);
  // A link to another unit is an alias, whose drop-ins count too.
  const alias = target?.split('/').pop() ?? name;
  const folders = [name, alias]
    .flatMap(dropInNames)
    .flatMap((of) => UNIT_FOLDERS.map((base) => `${base}/${of}.d`));
  const files = [path, ...dropIns(host, folders)];
  const texts = files.map((file) => (file === path ? text : (host.readText(file) ?? '')));
  return known({ name, files, settings: mergeUnits(texts, 'Service') }, path);
}

/** Sorted by name wherever they lie; of two with one name the first folder's counts, and one that leads to /dev/null hides the others. */
function dropIns(host: ReadHost, folders: readonly string[]): string[] {
  const found = new Map<string, string>();
  for (const folder of folders) {
    for (const name of names(host, folder)) {
      if (name.endsWith('.conf') && !found.has(name)) found.set(name, `${folder}/${name}`);
    }
  }
  return [...found.keys()].sort().flatMap((name) => {
    const path = found.get(name) ?? '';
    return host.readLink(path) === '/dev/null' ? [] : [path];
  });
}

function managerDefaults(host: ReadHost): Fact<Record<string, string[]>> {
  const main = MANAGER_FOLDERS.map((folder) => `${folder}/system.conf`).find(
    (path) => host.stat(path) !== undefined,
  );
  const parts = dropIns(
    host,
    MANAGER_FOLDERS.map((folder) => `${folder}/system.conf.d`),
  );
  const files = [...(main === undefined ? [] : [main]), ...parts];
  if (files.length === 0) return absent('missing', 'systemd is not configured', '/etc/systemd/system.conf');
  const merged = mergeUnits(
    files.map((file) => host.readText(file) ?? ''),
    'Manager',
  );
  const kept = ['DefaultLimitMEMLOCK', 'DefaultLimitRTPRIO', 'CPUAffinity'];
  const settings = Object.entries(merged).filter(([key]) => kept.includes(key));
  return known(Object.fromEntries(settings), files.join(', '));
}

function readLogin(
  host: ReadHost,
  account: Account | undefined,
  groups: readonly Group[],
): ServiceAccount['login'] {
  if (account === undefined) return absent('unsupported', 'the account is not known', LIMITS);
  const parts = names(host, '/etc/security/limits.d').filter((name) => name.endsWith('.conf'));
  const files = [LIMITS, ...parts.map((name) => `/etc/security/limits.d/${name}`)];
  const read = files.flatMap((path) => {
    const text = host.readText(path);
    return text === undefined ? [] : [{ path, text }];
  });
  if (read.length === 0) return absent('missing', 'there is none', LIMITS);
  const soft = (item: string) => {
    const value = loginLimit(
      read.map(({ text }) => text),
      item,
      { ...account, groups },
    ).soft;
    if (value === undefined) return null;
    return value === Number.POSITIVE_INFINITY ? 'unlimited' : String(value);
  };
  return known(
    { lockedMemory: soft('memlock'), realtimePriority: soft('rtprio') },
    read.map(({ path }) => path).join(', '),
  );
}

/** A path and every folder above it: each must let the account through. */
function withFolders(host: ReadHost, paths: readonly string[]): Path[] {
  const all = new Set(
    paths.flatMap((path) =>
      path.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/') || '/'),
    ),
  );
  return [...all].sort().flatMap((path) => {
    const status = host.stat(path);
    if (status === undefined) return [];
    const { uid, gid, mode } = status;
    return [{ path, uid, gid, mode: mode & 0o7777 }];
  });
}

/** Where systemd puts the unit (systemd.slice(5)); a user's sessions are below user.slice. */
function cgroupOf(unit: Unit | undefined, account: Account | undefined): string {
  if (unit === undefined) return `${CGROUP}/user.slice/user-${account?.uid ?? 0}.slice`;
  const stem = unit.name.includes('@')
    ? `system-${(unit.name.split('@')[0] ?? '').replaceAll('-', '\\x2d')}.slice`
    : 'system.slice';
  const slice = unit.settings.Slice?.at(-1) ?? stem;
  // a-b.slice lies in a.slice.
  const parts = slice.replace(/\.slice$/, '').split('-');
  const folders = parts.map((_, index) => `${parts.slice(0, index + 1).join('-')}.slice`);
  return `${[CGROUP, ...folders].join('/')}/${unit.name}`;
}

/** Before the unit runs its group does not exist; then the nearest one above tells. */
function readCgroup(host: ReadHost, path: string): Fact<Cgroup> {
  if (host.stat(`${CGROUP}/cgroup.controllers`) === undefined) {
    return absent('unsupported', 'no cgroup v2, or not recorded', CGROUP);
  }
  let cpus: string | null = null;
  const hugetlb: Record<string, string> = {};
  let nearest: string | undefined;
  for (let here = path; here.startsWith(CGROUP); here = here.slice(0, here.lastIndexOf('/'))) {
    const found = names(host, here);
    if (found.length > 0) nearest ??= here;
    const effective = cpus === null ? textOrNothing(host, `${here}/cpuset.cpus.effective`) : undefined;
    if (effective !== undefined) cpus = cpuListText(effective);
    for (const name of found) {
      const size = /^hugetlb\.(\w+)\.max$/.exec(name)?.[1];
      const limit = size === undefined ? undefined : textOrNothing(host, `${here}/${name}`);
      if (size === undefined || limit === undefined || limit === 'max') continue;
      hugetlb[size] = String(Math.min(Number(hugetlb[size] ?? Number.POSITIVE_INFINITY), Number(limit)));
    }
  }
  return known({ cpus, hugetlb }, nearest ?? CGROUP);
}

function runningLimit(host: ReadHost, unit: Unit | undefined, cgroup: string): Fact<string> {
  if (unit === undefined) return absent('missing', 'no unit is named', cgroup);
  const [pid] = (host.readText(`${cgroup}/cgroup.procs`) ?? '').trim().split('\n');
  if (!pid) return absent('missing', 'the unit does not run', `${cgroup}/cgroup.procs`);
  return attribute(host, `/proc/${pid}/limits`, (text) =>
    word(/^Max locked memory\s+(\S+)/m.exec(text)?.[1] ?? ''),
  );
}
