import { formatCpuList, intersect, parseCpuList, subtract } from '../formats/cpu-list.ts';
import { FormatError } from '../formats/format-error.ts';
import { isUserspace } from '../formats/nic-drivers.ts';
import { formatSize, parseSize } from '../formats/size.ts';
import { isTrue } from '../formats/systemd-unit.ts';
import type { Facts, PciFunction, ServiceAccount } from '../probes/facts.ts';
import type { Evidence, Finding } from '../report/report.ts';
import { defineCheck, type Judgement } from './define.ts';
import { evidence } from './evidence.ts';

const APPLY = 'make it so first: bypass-setup plan -f PROFILE';
const WHY = 'the application starts as this account, and then lacks what root had when it was tried out';

/** What the account is to do on this host; a profile says more than the host does. */
export interface Duty {
  readonly user: string;
  readonly unit?: string;
  /** Addresses of the functions it shall drive; without a profile those that are on a user-space driver. */
  readonly nics?: readonly string[];
  readonly hugepages?: readonly { readonly size: number; readonly count: number }[];
  /** CPU list. */
  readonly isolated?: string;
}

interface Case {
  readonly duty: Duty;
  readonly facts: Facts;
  readonly own: ServiceAccount;
}

/** Judges only when it is asked about an account, so it is none of CHECKS. */
export function judgeServiceAccount(facts: Facts, own: ServiceAccount, duty: Duty): Finding[] {
  return defineCheck('account', WHY, () => judge({ duty, facts, own })).judge(facts);
}

function judge(all: Case): Judgement[] {
  const { own, duty } = all;
  const subject = duty.user;
  if (own.account.absent !== undefined) {
    return [
      {
        subject,
        result: own.account.absent === 'missing' ? 'fail' : 'unknown',
        sentence: own.account.reason,
        evidence: [evidence(own.account, subject)],
        ...(own.account.absent === 'missing' ? { remedy: `make it: useradd --system ${subject}` } : {}),
      },
    ];
  }
  if (own.groups.absent !== undefined) {
    const sentence = 'its groups cannot be read';
    return [{ subject, result: 'unknown', sentence, evidence: [evidence(own.groups)] }];
  }
  if (duty.unit !== undefined && own.unit.absent !== undefined) {
    return [
      {
        subject: duty.unit,
        result: own.unit.absent === 'missing' || own.unit.absent === 'garbled' ? 'fail' : 'unknown',
        sentence: own.unit.reason,
        evidence: [evidence(own.unit, duty.unit)],
        remedy: 'install the unit, or correct service.unit in the profile',
      },
    ];
  }
  return [
    ...runsAs(all),
    ...devices(all),
    hugepages(all),
    lockedMemory(all),
    ...mappings(all),
    ...pinning(all),
    realtime(all),
    ...notJudged(all),
  ];
}

const setting = ({ own }: Case, key: string) => own.unit.value?.settings[key]?.at(-1);
const settings = ({ own }: Case, key: string) =>
  (own.unit.value?.settings[key] ?? []).flatMap((line) => line.split(/\s+/));

/** The unit's files, and what they say of a setting. */
function unitSays({ own }: Case, key: string, expected?: string): Evidence {
  const value = own.unit.value?.settings[key]?.join(', ') || '(not set)';
  const path = own.unit.value?.files.join(', ') ?? own.unit.from;
  return { path, value: `${key}=${value}`, ...(expected === undefined ? {} : { expected }) };
}

function runsAs(all: Case): Judgement[] {
  const { duty, own } = all;
  if (duty.unit === undefined) return [];
  const user = setting(all, 'User') ?? 'root';
  if (user === duty.user || user === String(own.account.value?.uid)) return [];
  if (user.includes('%')) {
    const sentence = `whether the unit runs as ${duty.user} is not known: its user has a specifier`;
    return [
      { subject: duty.unit, result: 'unknown', sentence, evidence: [unitSays(all, 'User', duty.user)] },
    ];
  }
  return [
    {
      subject: duty.unit,
      result: 'fail',
      sentence: `the unit runs as ${user}, not as ${duty.user}`,
      evidence: [unitSays(all, 'User', duty.user)],
      remedy: `set User=${duty.user} in the unit (systemctl edit ${duty.unit})`,
    },
  ];
}

/** capabilities(7), systemd.exec(5): the bounding set is whole unless the unit lists one; the ambient set is empty. */
function hasCapability(all: Case, name: string): boolean {
  if (isTrue(setting(all, 'PrivateUsers'))) return false;
  const bounded = listed(all, 'CapabilityBoundingSet', name, true);
  if (isRoot(all)) return bounded;
  return bounded && listed(all, 'AmbientCapabilities', name, false);
}

function listed({ own }: Case, key: string, name: string, otherwise: boolean): boolean {
  const lines = own.unit.value?.settings[key];
  // An empty value alone empties the set.
  if (lines === undefined) return otherwise;
  let has = lines[0]?.startsWith('~') === true;
  for (const line of lines) {
    const inverted = line.startsWith('~');
    if (line.replace('~', '').split(/\s+/).includes(name)) has = !inverted;
  }
  return has;
}

const isRoot = ({ own }: Case) => own.account.value?.uid === 0;

type Path = NonNullable<ServiceAccount['paths']['value']>[number];

/** Whether the permission bits give the account what it needs: 4 to read, 2 to write, 1 to search. */
function grants(all: Case, path: Path, need: number): boolean {
  if (isRoot(all)) return true;
  const { uid } = all.own.account.value ?? {};
  const groups = all.own.groups.value ?? [];
  const shift = path.uid === uid ? 6 : groups.some(({ gid }) => gid === path.gid) ? 3 : 0;
  return ((path.mode >> shift) & need) === need;
}

function show(all: Case, { path, uid, gid, mode }: Path): Evidence {
  const name = all.own.groups.value?.find((group) => group.gid === gid)?.name ?? String(gid);
  return { path, value: `mode ${mode.toString(8).padStart(3, '0')}, owner ${uid}, group ${name}` };
}

/** The first thing on the way to a path that keeps the account out. */
function obstacle(all: Case, path: string, need: number): Path | 'missing' | undefined {
  const paths = all.own.paths.value ?? [];
  const found = paths.find((entry) => entry.path === path);
  if (found === undefined) return 'missing';
  const above = paths.filter((entry) => path.startsWith(entry.path === '/' ? '/' : `${entry.path}/`));
  return [
    ...above.filter((entry) => !grants(all, entry, 1)),
    ...(grants(all, found, need) ? [] : [found]),
  ][0];
}

function devices(all: Case): Judgement[] {
  const { facts, duty, own } = all;
  const functions = facts.pci.networkFunctions.value ?? [];
  if (own.paths.absent !== undefined) {
    const sentence = 'what it may open cannot be read';
    return [{ subject: duty.user, result: 'unknown', sentence, evidence: [evidence(own.paths)] }];
  }
  const wanted =
    duty.nics ?? functions.filter(({ driver }) => isUserspace(driver.value)).map(({ address }) => address);
  if (wanted.length === 0) {
    const sentence = 'no NIC is bound to a user-space driver, so there is none to open';
    const seen = evidence(facts.pci.networkFunctions, undefined, ({ length }) => `${length} functions`);
    return [{ subject: duty.user, result: 'skip', sentence, evidence: [seen] }];
  }
  return wanted.map((address) => {
    const nic = functions.find((candidate) => candidate.address === address);
    if (nic !== undefined) return device(all, nic);
    const seen = evidence(facts.pci.networkFunctions, address, ({ length }) => `${length} others`);
    return {
      subject: address,
      result: 'fail',
      sentence: 'is not there yet',
      evidence: [seen],
      remedy: APPLY,
    };
  });
}

function device(all: Case, nic: PciFunction): Judgement {
  const { facts, own, duty } = all;
  const subject = nic.address;
  const node = nodeOf(nic, all);
  if (node === undefined) {
    return {
      subject,
      result: 'fail',
      sentence: `has no device file for ${duty.user} to open: it is on ${nic.driver.value ?? 'no driver'}`,
      evidence: [evidence(nic.driver, 'vfio-pci'), evidence(nic.iommuGroup)],
      remedy: APPLY,
    };
  }
  const raw = node.includes('/noiommu-') || node.startsWith('/dev/uio');
  const needed = node.startsWith('/dev/vfio/') ? [node, '/dev/vfio/vfio'] : [node];
  for (const path of needed) {
    const hidden = hiddenByUnit(all, path);
    if (hidden !== undefined) return { subject, ...hidden };
    const blocked = obstacle(all, path, 6);
    if (blocked === 'missing') {
      const sentence = `${path} does not exist`;
      return {
        subject,
        result: 'fail',
        sentence,
        evidence: [
          evidence(facts.userspaceIo.vfioNodes, path, (nodes) => nodes.map((entry) => entry.path).join(', ')),
        ],
        remedy: 'reload vfio-pci, or let udev make the node: udevadm trigger --subsystem-match=vfio',
      };
    }
    if (blocked !== undefined) {
      return {
        subject,
        result: 'fail',
        sentence: `${duty.user} may not ${blocked.path === path ? 'open' : 'reach'} ${path}`,
        evidence: [
          { ...show(all, blocked), expected: 'read and write for the account' },
          evidence(own.groups, undefined, groupNames),
        ],
        remedy:
          blocked.path === path
            ? 'name the account under "service" in the profile and apply it: a udev rule then gives it the group, at every boot'
            : `let it through: setfacl -m u:${duty.user}:x ${blocked.path}`,
      };
    }
  }
  if (raw && !hasCapability(all, 'CAP_SYS_RAWIO')) {
    return {
      subject,
      result: 'fail',
      sentence: `${duty.user} may not drive it without an IOMMU: that takes CAP_SYS_RAWIO`,
      evidence: [{ path: node, value: 'no IOMMU' }, unitSays(all, 'AmbientCapabilities', 'CAP_SYS_RAWIO')],
      remedy: 'turn on the IOMMU; an account with CAP_SYS_RAWIO may write to all memory anyway',
    };
  }
  const entries = (own.paths.value ?? []).filter(({ path }) => needed.includes(path));
  return {
    subject,
    result: 'pass',
    sentence: `${duty.user} may open ${node}`,
    evidence: [...entries.map((entry) => show(all, entry)), evidence(own.groups, undefined, groupNames)],
  };
}

const groupNames = (groups: readonly { name: string }[]) => groups.map(({ name }) => name).join(', ');

function nodeOf(nic: PciFunction, { facts, own }: Case): string | undefined {
  if (!isUserspace(nic.driver.value)) return undefined;
  const uio = facts.userspaceIo.uioNodes.value?.find(({ pci }) => pci === nic.address);
  if (nic.driver.value !== 'vfio-pci') return uio?.path;
  const group = nic.iommuGroup.value;
  if (group === undefined) return undefined;
  const noiommu = `/dev/vfio/noiommu-${group}`;
  return own.paths.value?.some(({ path }) => path === noiommu) ? noiommu : `/dev/vfio/${group}`;
}

/** systemd.exec(5) PrivateDevices=, systemd.resource-control(5) DeviceAllow=. */
function hiddenByUnit(all: Case, path: string): Omit<Judgement, 'subject'> | undefined {
  if (isTrue(setting(all, 'PrivateDevices'))) {
    return {
      result: 'fail',
      sentence: `PrivateDevices=yes hides ${path} from the unit`,
      evidence: [unitSays(all, 'PrivateDevices', 'no')],
      remedy: 'set PrivateDevices=no, and DevicePolicy=closed with DeviceAllow=char-vfio rw in its place',
    };
  }
  const rules = all.own.unit.value?.settings.DeviceAllow ?? [];
  const policy = setting(all, 'DevicePolicy') ?? 'auto';
  if (policy === 'auto' && rules.length === 0) return undefined;
  const allowed = rules.some((rule) => {
    // Without rights it gives all of them.
    const [what = '', rights = 'rwm'] = rule.split(/\s+/);
    const named = what === path || (what.startsWith('char-') && globs(what.slice(5), deviceClass(path)));
    return named && rights.includes('r') && rights.includes('w');
  });
  if (allowed) return undefined;
  return {
    result: 'fail',
    sentence: `the unit may not open ${path}`,
    evidence: [unitSays(all, 'DeviceAllow', `${path} rw`), unitSays(all, 'DevicePolicy')],
    remedy: `add DeviceAllow=char-${deviceClass(path)} rw to the unit (systemctl edit ${all.duty.unit})`,
  };
}

/** Its name in /proc/devices: drivers/vfio/group.c, drivers/vfio/container.c (a misc device), drivers/uio/uio.c. */
function deviceClass(path: string): string {
  if (path === '/dev/vfio/vfio') return 'misc';
  return path.startsWith('/dev/vfio/') ? 'vfio' : 'uio';
}

/** fnmatch(3), as far as names of devices go. */
function globs(pattern: string, text: string): boolean {
  const escaped = pattern.replace(/[.+^${}()|\\[\]]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(text);
}

function hugepages(all: Case): Judgement {
  const { facts, own, duty } = all;
  const subject = duty.user;
  const limited = Object.entries(own.cgroup.value?.hugetlb ?? {});
  const short = limited.find(([size, limit]) => Number(limit) < wantedBytes(all, sizeOf(size)));
  if (short !== undefined) {
    return {
      subject,
      result: 'fail',
      sentence: `its control group may take ${formatSize(Number(short[1]))} in pages of ${short[0]}`,
      evidence: [{ path: `${own.cgroup.from}/hugetlb.${short[0]}.max`, value: short[1], expected: 'max' }],
      remedy: `echo max > ${own.cgroup.from}/hugetlb.${short[0]}.max, and end what set it`,
    };
  }
  const mounts = facts.hugepages.mounts.value ?? [];
  if (mounts.length === 0) {
    const sentence = 'no hugetlbfs is mounted; only an application that asks with --in-memory gets hugepages';
    return {
      subject,
      result: 'warn',
      sentence,
      evidence: [evidence(facts.hugepages.mounts, 'a mount', (found) => `${found.length}`)],
      remedy: 'mount -t hugetlbfs nodev /dev/hugepages',
    };
  }
  const seen = mounts.map((mount) => {
    const entry = own.paths.value?.find(({ path }) => path === mount.path);
    return entry === undefined ? { path: mount.path, value: '(missing)' } : show(all, entry);
  });
  const usable = mounts.filter((mount) => obstacle(all, mount.path, 3) === undefined);
  const reachable = usable.map((mount) => mount.size ?? facts.hugepages.defaultSize.value);
  const wanted = new Set(duty.hugepages?.map(({ size }) => size));
  const missing = [...wanted].filter((size) => !reachable.includes(size));
  if (usable.length === 0 || missing.length > 0) {
    const which = missing.length > 0 && usable.length > 0 ? `of ${missing.map(formatSize).join(', ')} ` : '';
    return {
      subject,
      result: 'warn',
      sentence: `${subject} may not write to a hugetlbfs mount; it gets pages ${which}only with --in-memory`,
      evidence: seen,
      remedy: 'mount one for it (options uid=, gid=, mode=), or give EAL --in-memory, which needs no mount',
    };
  }
  const where = usable.map(({ path }) => path).join(', ');
  return {
    subject,
    result: 'pass',
    sentence: `${subject} may map hugepages through ${where}`,
    evidence: seen,
  };
}

/** The kernel's names in hugetlb.*.max: 2MB, 1GB. */
function sizeOf(name: string): number {
  try {
    return parseSize(name);
  } catch (error) {
    if (error instanceof FormatError) return 0;
    throw error;
  }
}

/** Octets of hugepages that the application may map, all of them or those of one size. */
function wantedBytes({ duty, facts }: Case, size?: number): number {
  const pools =
    duty.hugepages ??
    (facts.hugepages.pools.value ?? []).map((pool) => ({ size: pool.size, count: pool.total ?? 0 }));
  return pools.reduce(
    (sum, pool) => sum + (size === undefined || size === pool.size ? pool.size * pool.count : 0),
    0,
  );
}

/** Whatever is mapped for DMA counts as locked, hugepages too (drivers/vfio/vfio_iommu_type1.c, vfio_lock_acct). */
const LEAST = 64 << 20;

function lockedMemory(all: Case): Judgement {
  const { duty, own } = all;
  const subject = duty.user;
  const remedy =
    duty.unit === undefined
      ? `add "${subject} - memlock unlimited" to /etc/security/limits.d/, and log in anew`
      : `set LimitMEMLOCK=infinity in the unit (systemctl edit ${duty.unit}); a profile with service.unit does`;
  if (hasCapability(all, 'CAP_IPC_LOCK')) {
    const reason = isRoot(all) ? 'it is root' : 'it has CAP_IPC_LOCK';
    const sentence = `no limit of locked memory counts: ${reason}`;
    return {
      subject,
      result: 'pass',
      sentence,
      evidence: [
        unitSays(all, 'AmbientCapabilities'),
        evidence(own.account, undefined, ({ uid }) => `uid ${uid}`),
      ],
    };
  }
  const { limit, seen, unset } = duty.unit === undefined ? loginMemlock(all) : unitMemlock(all);
  if (limit === undefined) {
    const sentence = 'its limit of locked memory cannot be read';
    return { subject, result: 'unknown', sentence, evidence: seen };
  }
  const wanted = wantedBytes(all);
  const running = own.runningLockedMemory.value;
  if (limit >= Math.max(wanted, LEAST)) {
    if (
      running !== undefined &&
      running !== 'unlimited' &&
      Number(running) < Math.min(limit, Math.max(wanted, LEAST))
    ) {
      return {
        subject: duty.unit ?? subject,
        result: 'fail',
        sentence: `it may lock ${formatSize(Number(running))}: it runs since before its limit was raised`,
        evidence: [evidence(own.runningLockedMemory), ...seen],
        remedy: `systemctl restart ${duty.unit}`,
      };
    }
    return {
      subject,
      result: 'pass',
      sentence: `it may lock ${limit === Number.POSITIVE_INFINITY ? 'any amount of memory' : formatSize(limit)}`,
      evidence: seen,
    };
  }
  const few = limit < LEAST || duty.hugepages !== undefined;
  const needs =
    wanted > LEAST ? `the hugepages are ${formatSize(wanted)}` : `a driver needs ${formatSize(LEAST)}`;
  return {
    subject,
    result: few ? 'fail' : 'warn',
    sentence: `it may lock ${formatSize(limit)}${unset ? ', as nothing raises it' : ''}; ${needs}`,
    evidence: seen,
    remedy,
  };
}

interface Memlock {
  /** Octets; undefined where it cannot be known. */
  readonly limit: number | undefined;
  readonly seen: Evidence[];
  readonly unset: boolean;
}

/** What systemd and the kernel give when nobody says more (systemd-system.conf(5), include/uapi/linux/resource.h). */
const USUAL_MEMLOCK = 8 << 20;

function unitMemlock(all: Case): Memlock {
  const own = setting(all, 'LimitMEMLOCK');
  const general = all.own.unitDefaults.value?.DefaultLimitMEMLOCK?.at(-1);
  const seen = [unitSays(all, 'LimitMEMLOCK', 'infinity')];
  if (own === undefined)
    seen.push(
      evidence(all.own.unitDefaults, undefined, () => `DefaultLimitMEMLOCK=${general ?? '(not set)'}`),
    );
  const text = own ?? general;
  return { limit: text === undefined ? USUAL_MEMLOCK : octets(text), seen, unset: text === undefined };
}

function loginMemlock({ own }: Case): Memlock {
  const { login } = own;
  const seen = [
    evidence(login, 'memlock unlimited', ({ lockedMemory: soft }) => `memlock ${soft ?? '(not set)'}`),
  ];
  if (login.absent !== undefined && login.absent !== 'missing')
    return { limit: undefined, seen, unset: false };
  const soft = login.value?.lockedMemory ?? null;
  if (soft === null) return { limit: USUAL_MEMLOCK, seen, unset: true };
  return { limit: soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft) * 1024, seen, unset: false };
}

/** `infinity`, `8M`, or soft and hard limit with a colon (systemd.exec(5)). */
function octets(text: string): number | undefined {
  const [soft = ''] = text.split(':');
  if (soft === 'infinity') return Number.POSITIVE_INFINITY;
  try {
    return parseSize(soft);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** Each hugepage may become a mapping of its own (DPDK Linux guide, "VFIO memory mapping limits"). */
function mappings({ facts, duty }: Case): Judgement[] {
  const { dmaEntries } = facts.limits;
  if (dmaEntries.absent !== undefined) return [];
  const pools =
    duty.hugepages ?? facts.hugepages.pools.value?.map((pool) => ({ count: pool.total ?? 0 })) ?? [];
  const pages = pools.reduce((sum, { count }) => sum + count, 0);
  if (pages < dmaEntries.value) return [];
  return [
    {
      subject: duty.user,
      result: duty.hugepages === undefined ? 'warn' : 'fail',
      sentence: `vfio allows ${dmaEntries.value} mappings, and there are ${pages} hugepages`,
      evidence: [evidence(dmaEntries, `more than ${pages}`)],
      remedy: `use larger pages, or load vfio_iommu_type1 with dma_entry_limit=${2 * pages}`,
    },
  ];
}

function pinning(all: Case): Judgement[] {
  const { facts, own, duty } = all;
  const isolated = parseCpuList(duty.isolated ?? facts.isolation.isolated.value ?? '');
  if (isolated.length === 0) return [];
  // systemd joins the lines of it, with blanks or commas between the numbers.
  const asked = settings(all, 'AllowedCPUs').join(',');
  const current = own.cgroup.value?.cpus;
  if (asked === '' && (own.cgroup.absent !== undefined || current == null)) {
    const known = own.cgroup.absent === undefined;
    const sentence = known
      ? 'no control group keeps it from the isolated CPUs'
      : 'whether its control group has the isolated CPUs cannot be read';
    const seen = evidence(own.cgroup, undefined, () => 'no cpuset');
    return [{ subject: duty.user, result: known ? 'pass' : 'unknown', sentence, evidence: [seen] }];
  }
  const bound =
    asked === ''
      ? {
          cpus: list(current ?? ''),
          seen: evidence(own.cgroup, formatCpuList(isolated), ({ cpus }) => cpus ?? ''),
        }
      : { cpus: list(asked), seen: unitSays(all, 'AllowedCPUs', formatCpuList(isolated)) };
  if (bound.cpus === undefined) {
    return [
      {
        subject: duty.user,
        result: 'unknown',
        sentence: 'the CPUs it may use cannot be read',
        evidence: [bound.seen],
      },
    ];
  }
  const missing = subtract(isolated, bound.cpus);
  const none = intersect(isolated, bound.cpus).length === 0;
  if (missing.length === 0) {
    return [
      {
        subject: duty.user,
        result: 'pass',
        sentence: 'it may pin to the isolated CPUs',
        evidence: [bound.seen],
      },
    ];
  }
  return [
    {
      subject: duty.user,
      result: none || duty.isolated !== undefined ? 'fail' : 'warn',
      sentence: `it may not pin to the isolated CPUs ${formatCpuList(missing)}`,
      evidence: [bound.seen],
      remedy:
        duty.unit === undefined
          ? 'start it in a slice whose AllowedCPUs has them'
          : `set AllowedCPUs=${formatCpuList(isolated)} in the unit, or nothing`,
    },
  ];
}

function list(text: string): readonly number[] | undefined {
  try {
    return parseCpuList(text);
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** Nobody needs it to poll; so it is said, and not judged. */
function realtime(all: Case): Judgement {
  const { own, duty } = all;
  const text =
    duty.unit === undefined
      ? own.login.value?.realtimePriority
      : (setting(all, 'LimitRTPRIO') ?? own.unitDefaults.value?.DefaultLimitRTPRIO?.at(-1));
  const limit = text === 'infinity' || text === 'unlimited' ? 99 : Number(text?.split(':')[0] ?? 0);
  const restricted = isTrue(setting(all, 'RestrictRealtime'));
  const may = !restricted && (limit > 0 || hasCapability(all, 'CAP_SYS_NICE'));
  const seen =
    duty.unit === undefined
      ? evidence(own.login, undefined, ({ realtimePriority }) => `rtprio ${realtimePriority ?? '(not set)'}`)
      : unitSays(all, restricted ? 'RestrictRealtime' : 'LimitRTPRIO');
  return {
    subject: duty.user,
    result: may ? 'pass' : 'skip',
    sentence: may
      ? 'it may use SCHED_FIFO'
      : 'it may not use SCHED_FIFO, which a poll loop on an isolated CPU does without',
    evidence: [seen],
  };
}

/** What else can keep the account out and is not to be read from files. */
function notJudged(all: Case): Judgement[] {
  const found: Judgement[] = [];
  const { own, duty } = all;
  if (own.selinux.value === true) {
    found.push({
      subject: duty.user,
      result: 'unknown',
      sentence: 'SELinux is enforcing; what its policy lets the application do is not known',
      evidence: [evidence(own.selinux)],
      remedy: 'start it once and look for refusals: ausearch -m AVC -ts recent',
    });
  }
  const keys = [
    'RootDirectory',
    'RootImage',
    'InaccessiblePaths',
    'SystemCallFilter',
    'AppArmorProfile',
    'SELinuxContext',
    'DynamicUser',
    'ProcSubset',
  ];
  const used = keys.filter((key) => setting(all, key) !== undefined && setting(all, key) !== 'no');
  if (used.length > 0) {
    found.push({
      subject: duty.unit ?? duty.user,
      result: 'unknown',
      sentence: `what ${used.join(', ')} keeps from the application is not known`,
      evidence: used.map((key) => unitSays(all, key)),
      remedy: 'start the unit once, and let bypass-setup probe show that it holds its NIC',
    });
  }
  return found;
}
