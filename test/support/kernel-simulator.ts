import { posix } from 'node:path';
import { formatCpuList, intersect, parseCpuList } from '../../src/formats/cpu-list.ts';
import { formatCpuMaskLike, parseCpuMask } from '../../src/formats/cpu-mask.ts';
import type { Link, Route, VirtualFunction } from '../../src/formats/netlink.ts';
import type { ArchiveEntry } from '../../src/formats/text-archive.ts';
import { HostError } from '../../src/host/errors.ts';
import type {
  Answer,
  FileStatus,
  Host,
  KernelAnswers,
  Lock,
  Question,
  RunOptions,
  RunResult,
} from '../../src/host/host.ts';
import { LinkWalk } from '../../src/host/link-walk.ts';
import { LOADER_PROGRAMS } from './boot-loaders.ts';

/**
 * A host in memory whose writes behave like the kernel's. It starts from a recorded host; what a driver, a module or a
 * link does to sysfs when it comes or goes is taken from the places named beside each rule.
 */

type Node =
  | {
      readonly kind: 'file';
      readonly text: string;
      readonly bytes?: Uint8Array;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
    }
  | { readonly kind: 'device'; readonly mode: number; readonly uid: number; readonly gid: number }
  | { readonly kind: 'dir' }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'denied'; readonly errno: string };

/** Thrown by the operation at which the power went: nothing can be done until `restart`. */
export class Crash extends Error {}

interface Netdev {
  readonly name: string;
  readonly index: number;
  readonly permanent: string | undefined;
  readonly kind: string | undefined;
  readonly addresses: readonly string[];
  /** By address. */
  readonly broadcasts: Readonly<Record<string, string>>;
  readonly routes: readonly Route[];
  readonly virtualFunctions: readonly VirtualFunction[];
}

interface HardwareInterface {
  readonly name: string;
  /** `/virtio0`, where there is a device between. */
  readonly below: string;
  readonly mac: string;
  readonly permanent: string | undefined;
  /** What else is in its folder, by the path below it. */
  readonly files: readonly (readonly [string, Node])[];
}

/** What a kernel driver makes of a function: as seen when the simulation began. */
interface Hardware {
  readonly driver: string | undefined;
  readonly interfaces: readonly HardwareInterface[];
}

export interface Faults {
  /** Number of the operation (1 is the first write or program) at which the power goes. */
  readonly crashAt?: number;
  /** Whether that operation has its effect. */
  readonly crashAfter?: boolean;
  /** Number of the operation that fails, and how. */
  readonly failAt?: number;
  readonly errno?: string;
  /** Functions that vfio-pci refuses, with what the kernel says. */
  readonly vfioRefuses?: Readonly<Record<string, string>>;
  /** Functions whose driver takes them only at the nth probe. */
  readonly slowProbe?: Readonly<Record<string, number>>;
  /** The builder of an initramfs leaves out what is not its own. */
  readonly forgetful?: boolean;
  /** Pieces of memory that make a hugepage: how many each pool finds at first, and more after each help. */
  readonly pieces?: { readonly first: number; readonly compacted: number; readonly dropped: number };
  /** How many virtual functions have room for their memory. */
  readonly roomForVfs?: number;
  /** Programs that fail, by their name. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Attributes that the kernel does not let change: managed interrupts, ASPM that the firmware keeps. */
  readonly refuses?: Readonly<Record<string, string>>;
  /** The name the kernel gives an interface that comes back: true where udev does not rename it. */
  readonly kernelNames?: boolean;
}

const PCI = '/sys/bus/pci';
const CGROUP = '/sys/fs/cgroup';
const USERSPACE = ['vfio-pci', 'uio_pci_generic', 'igb_uio'];
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  vfio_pci: ['vfio', 'vfio_pci_core'],
  vfio_pci_core: ['vfio'],
  vfio_iommu_type1: ['vfio'],
  uio_pci_generic: ['uio'],
  igb_uio: ['uio'],
};
const PARAMETERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  vfio: { enable_unsafe_noiommu_mode: 'N' },
  vfio_pci: { disable_idle_d3: 'N', enable_sriov: 'N' },
  vfio_iommu_type1: { dma_entry_limit: '65535', allow_unsafe_interrupts: 'N' },
};
const DRIVER_OF: Readonly<Record<string, string>> = {
  vfio_pci: 'vfio-pci',
  uio_pci_generic: 'uio_pci_generic',
  igb_uio: 'igb_uio',
};
const IFF_UP = 1;
const BROADCAST_MULTICAST = 0x1002;

export class KernelSimulator implements Host {
  readonly root = '/';
  readonly live = true;
  faults: Faults = {};
  /** Writes and programs so far, as an administrator would type them. */
  readonly operations: string[] = [];

  private nodes = new Map<string, Node>();
  private children = new Map<string, Set<string>>();
  private netdevs = new Map<string, Netdev>();
  private readonly hardware = new Map<string, Hardware>();
  private readonly recorded = new Map<Question, unknown>();
  private probes = new Map<string, number>();
  /** Pages that each pool has got of its pieces, and what it got to have more of them. */
  private taken = new Map<string, number>();
  private compactions = 0;
  private drops = 0;
  private nextIndex = 1000;
  private down = false;
  private readonly locks = new Map<string, string>();
  private readonly walk = new LinkWalk((path) => {
    const node = this.nodes.get(path);
    if (node?.kind === 'link') return { link: node.target };
    return node === undefined ? undefined : 'there';
  });

  constructor(entries: readonly ArchiveEntry[] = []) {
    this.nodes.set('/', { kind: 'dir' });
    this.children.set('/', new Set());
    for (const entry of entries) {
      const path = `/${entry.path}`;
      if (entry.kind === 'file') {
        const text = new TextDecoder().decode(entry.bytes);
        this.put(path, { kind: 'file', text, bytes: entry.bytes, mode: entry.mode, uid: 0, gid: 0 });
      } else if (entry.kind === 'link') this.put(path, { kind: 'link', target: entry.target });
      else if (entry.kind === 'denied') this.put(path, { kind: 'denied', errno: entry.errno });
      else this.put(path, { kind: 'dir' });
    }
    this.settle();
  }

  /** The same host in the same state, with an own future. */
  clone(): KernelSimulator {
    const copy = new KernelSimulator();
    copy.nodes = new Map(this.nodes);
    copy.children = new Map([...this.children].map(([path, names]) => [path, new Set(names)]));
    copy.netdevs = new Map(this.netdevs);
    for (const [address, hardware] of this.hardware) copy.hardware.set(address, hardware);
    for (const [question, answer] of this.recorded) copy.recorded.set(question, answer);
    copy.probes = new Map(this.probes);
    copy.taken = new Map(this.taken);
    copy.compactions = this.compactions;
    copy.drops = this.drops;
    copy.nextIndex = this.nextIndex;
    copy.faults = this.faults;
    return copy;
  }

  /** After a crash of the tool, or before the next run: no more faults, and the count begins anew. */
  restart(faults: Faults = {}): void {
    this.down = false;
    // flock(2) ends with the process.
    this.locks.clear();
    this.faults = faults;
    this.operations.length = 0;
  }

  /** Everything a comparison of two states has to look at. Numbers of interfaces differ each time one is made. */
  tree(): ReadonlyMap<string, string> {
    const tree = new Map<string, string>();
    for (const [path, node] of this.nodes) {
      if (/\/(ifindex|uevent)$/.test(path)) continue;
      const owner = 'uid' in node ? ` ${node.mode.toString(8)} ${node.uid}:${node.gid}` : '';
      const content = node.kind === 'file' ? node.text : node.kind === 'link' ? node.target : '';
      tree.set(path, `${node.kind}${owner} ${content}`);
    }
    for (const [name, dev] of this.netdevs) {
      const routes = dev.routes
        .map(({ interfaces: _, ...route }) => JSON.stringify(Object.entries(route).sort()))
        .sort();
      tree.set(
        `net:${name}`,
        JSON.stringify({ ...dev, index: 0, addresses: [...dev.addresses].sort(), routes }),
      );
    }
    return tree;
  }

  putBytes(path: string, bytes: Uint8Array): void {
    this.put(path, {
      kind: 'file',
      text: new TextDecoder().decode(bytes),
      bytes,
      mode: 0o644,
      uid: 0,
      gid: 0,
    });
  }

  /** Somebody makes a VLAN on an interface. */
  plug(name: string, lower: string): void {
    const folder = `/sys/devices/virtual/net/${name}`;
    this.put(`${folder}/ifindex`, { kind: 'file', text: `${this.nextIndex}\n`, mode: 0o444, uid: 0, gid: 0 });
    this.link(`/sys/class/net/${name}`, folder);
    this.link(`${folder}/lower_${lower}`, this.walk.follow(`/sys/class/net/${lower}`) ?? '');
  }

  /** A file system that cannot be looked into. */
  close(path: string, errno: string): void {
    this.drop(path);
    this.put(path, { kind: 'denied', errno });
  }

  /** A process opens a device. */
  hold(pid: number, path: string): void {
    this.put(`/proc/${pid}/comm`, { kind: 'file', text: 'dpdk-testpmd\n', mode: 0o444, uid: 0, gid: 0 });
    this.put(`/proc/${pid}/fd/${this.children.get(`/proc/${pid}/fd`)?.size ?? 3}`, {
      kind: 'link',
      target: path,
    });
  }

  /** And it ends. */
  end(pid: number): void {
    this.drop(`/proc/${pid}`);
  }

  // Reading

  readText(path: string): string | undefined {
    const node = this.target(path, 'read');
    if (node === undefined) return undefined;
    if (node.kind === 'file') return node.text;
    throw new HostError('read', path, { code: node.kind === 'dir' ? 'EISDIR' : 'ENXIO' });
  }

  readBytes(path: string, limit: number): Uint8Array | undefined {
    const node = this.target(path, 'read');
    if (node === undefined) return undefined;
    if (node.kind !== 'file') throw new HostError('read', path, { code: 'EISDIR' });
    return (node.bytes ?? new TextEncoder().encode(node.text)).subarray(0, limit);
  }

  readLink(path: string): string | undefined {
    const node = this.beside(path);
    return node?.kind === 'link' ? node.target : undefined;
  }

  list(path: string): readonly string[] | undefined {
    const node = this.target(path, 'list');
    if (node?.kind !== 'dir') return undefined;
    return [...(this.children.get(this.walk.follow(path) ?? '') ?? [])].sort();
  }

  stat(path: string): FileStatus | undefined {
    const node = this.beside(path);
    if (node === undefined) return undefined;
    if (node.kind === 'file') return { type: 'file', mode: node.mode, uid: node.uid, gid: node.gid };
    if (node.kind === 'device') return { type: 'character', mode: node.mode, uid: node.uid, gid: node.gid };
    if (node.kind === 'link') return { type: 'link', mode: 0o777, uid: 0, gid: 0 };
    if (node.kind === 'denied') return { type: 'file', mode: 0, uid: 0, gid: 0 };
    return { type: 'directory', mode: 0o755, uid: 0, gid: 0 };
  }

  realPath(path: string): string | undefined {
    return this.walk.follow(path);
  }

  ask<Q extends Question>(question: Q): Answer<KernelAnswers[Q]> {
    const answer = this.answer(question);
    return answer === undefined
      ? { unanswered: 'the recorded host holds no such answer' }
      : { answer: answer as KernelAnswers[Q] };
  }

  private answer(question: Question): unknown {
    const netdevs = [...this.netdevs.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    if (question === 'links') {
      return netdevs.map((dev): Link => {
        const master = this.readLink(`/sys/class/net/${dev.name}/master`)?.split('/').pop();
        const index = master === undefined ? undefined : this.netdevs.get(master)?.index;
        return {
          index: dev.index,
          name: dev.name,
          ...(dev.kind === undefined ? {} : { kind: dev.kind }),
          ...(dev.virtualFunctions.length === 0 ? {} : { virtualFunctions: dev.virtualFunctions }),
          ...(dev.permanent === undefined ? {} : { permanentAddress: dev.permanent }),
          ...(index === undefined ? {} : { master: index }),
        };
      });
    }
    if (question === 'addresses') {
      return netdevs.flatMap((dev) =>
        [...dev.addresses].sort().map((address) => ({
          family: familyOf(address),
          address,
          interface: dev.index,
          ...(dev.broadcasts[address] === undefined ? {} : { broadcast: dev.broadcasts[address] }),
        })),
      );
    }
    if (question === 'routes') return netdevs.flatMap((dev) => dev.routes);
    return this.recorded.get(question);
  }

  // Changing

  writeAttribute(path: string, value: string): void {
    this.operation(`echo '${value.trim()}' > ${path}`, () => this.write(path, value === '' ? '\n' : value));
  }

  replaceFile(path: string, text: string, mode?: number): void {
    this.operation(
      `replace ${path}`,
      () => {
        const old = this.beside(path);
        const owner = old?.kind === 'file' ? old : { mode: 0o644, uid: 0, gid: 0 };
        this.put(path, { kind: 'file', text, mode: mode ?? owner.mode, uid: owner.uid, gid: owner.gid });
      },
      () => {
        // fsync is done, rename is not.
        this.put(`${posix.dirname(path)}/.${posix.basename(path)}.4711.tmp`, {
          kind: 'file',
          text,
          mode: 0o600,
          uid: 0,
          gid: 0,
        });
      },
    );
  }

  appendFile(path: string, text: string): void {
    this.operation(`append ${path}`, () => {
      const old = this.beside(path);
      const node = old?.kind === 'file' ? old : { text: '', mode: 0o600, uid: 0, gid: 0 };
      this.put(path, { kind: 'file', text: node.text + text, mode: node.mode, uid: node.uid, gid: node.gid });
    });
  }

  async lock(path: string, holder: string): Promise<Lock | undefined> {
    if (this.locks.has(path)) return undefined;
    this.locks.set(path, holder);
    return { release: () => void this.locks.delete(path) };
  }

  remove(path: string): void {
    this.operation(`rm ${path}`, () => {
      const here = this.walk.beside(path);
      if (here === undefined || !this.nodes.has(here)) return;
      // The files of a cgroup go with it (kernel/cgroup/cgroup.c, cgroup_rmdir).
      const group = here.startsWith(`${CGROUP}/`);
      if (group && this.readText(`${here}/cgroup.events`)?.includes('populated 1'))
        throw new HostError('remove', path, { code: 'EBUSY' });
      if (!group && (this.children.get(here)?.size ?? 0) > 0)
        throw new HostError('remove', path, { code: 'ENOTEMPTY' });
      this.drop(here);
    });
  }

  async run(argv: readonly [string, ...string[]], options: RunOptions): Promise<RunResult> {
    const [name, ...args] = argv[0] === 'env' ? argv.slice(2) : argv;
    const line = name === 'tee' ? `echo '${(options.input ?? '').trim()}' > ${args[0]}` : argv.join(' ');
    let result: RunResult = ok();
    this.operation(line, () => {
      result = this.program(name ?? '', args, options.input ?? '');
    });
    return result;
  }

  /** Counts, fails and crashes as the test has asked for. */
  private operation(line: string, effect: () => void, halfway: () => void = () => {}): void {
    if (this.down) throw new Crash();
    this.operations.push(line);
    const number = this.operations.length;
    const { crashAt, crashAfter, failAt, errno = 'EIO' } = this.faults;
    if (number === crashAt) {
      this.down = true;
      if (crashAfter) effect();
      else halfway();
      throw new Crash();
    }
    if (number === failAt) throw new HostError('write', line, { code: errno });
    effect();
  }

  private program(name: string, args: readonly string[], input: string): RunResult {
    const refusal = this.faults.programs?.[name];
    if (refusal !== undefined) return failed(refusal);
    try {
      const loader = LOADER_PROGRAMS[name];
      if (loader !== undefined) return ok(loader(this, args));
      const found = PROGRAMS[name];
      if (found === undefined) throw new Error(`the simulator has no program ${name}`);
      return found.call(this, args, input) ?? ok();
    } catch (error) {
      if (error instanceof Stuck) return { exitCode: undefined, stdout: '', stderr: '', timedOut: true };
      if (error instanceof HostError)
        return failed(`${name}: ${error.path}: ${WORDS[error.errno] ?? error.errno}`);
      throw error;
    }
  }

  // The kernel

  /** One write(2) to an attribute. */
  write(path: string, value: string): void {
    const real = this.walk.follow(path);
    const node = real === undefined ? undefined : this.nodes.get(real);
    if (real === undefined || node === undefined) throw new HostError('write', path, { code: 'ENOENT' });
    if (node.kind !== 'file') throw new HostError('write', path, { code: 'EISDIR' });
    const text = value.replace(/\n$/, '');
    const fail = (code: string) => new HostError('write', path, { code });
    const driver = /^\/sys\/bus\/pci\/drivers\/([^/]+)\/(bind|unbind)$/.exec(real);
    if (driver !== null) {
      const device = this.device(text);
      if (device === undefined) throw fail('ENODEV');
      if (driver[2] === 'unbind') {
        // drivers/base/bus.c, unbind_store: ENODEV unless it is this driver's.
        if (this.driverOf(device) !== driver[1]) throw fail('ENODEV');
        this.unbind(device);
      } else if (this.driverOf(device) !== undefined || !this.matches(device, driver[1] ?? ''))
        throw fail('ENODEV');
      else this.attach(device, driver[1] ?? '', fail);
    } else if (real === `${PCI}/drivers_probe`) {
      const device = this.device(text);
      if (device === undefined) throw fail('ENODEV');
      this.probe(device, fail);
    } else if (real.endsWith('/driver_override')) {
      // drivers/base/driver.c, driver_set_override: a newline, a NUL or nothing clears.
      const cleared = text === '' || text.startsWith('\0');
      this.setText(real, cleared ? '(null)\n' : `${text}\n`);
    } else if (real.endsWith('/sriov_numvfs')) {
      this.makeVirtual(posix.dirname(real), Number(text), fail);
    } else if (real.endsWith('/nr_hugepages')) {
      this.resizePool(posix.dirname(real), Number(text));
    } else if (/\/(compact|compact_memory)$/.test(real)) this.compactions++;
    else if (real === '/proc/sys/vm/drop_caches') this.drops++;
    else if (/\/parameters\/(?!policy)/.test(real)) {
      if (!/^[YNyn01]$/.test(text)) throw fail('EINVAL');
      this.setText(real, /^[Yy1]$/.test(text) ? 'Y\n' : 'N\n');
    } else this.set(real, text, fail);
  }

  /** Attributes that are no device's. */
  private set(path: string, text: string, fail: (code: string) => HostError): void {
    const refusal = this.faults.refuses?.[path];
    if (refusal !== undefined) throw fail(refusal);
    const now = this.readText(path) ?? '';
    const folder = posix.dirname(path);
    const file = posix.basename(path);
    if (path.startsWith(CGROUP)) this.setCgroup(path, text, fail);
    else if (file === 'smp_affinity_list') {
      // kernel/irq/proc.c, write_irq_affinity: no CPU that is online is an error.
      const online = parseCpuList(this.readText('/sys/devices/system/cpu/online') ?? '0');
      const cpus = intersect(parseCpuList(text), online);
      if (cpus.length === 0) throw fail('EINVAL');
      this.setText(path, `${formatCpuList(parseCpuList(text))}\n`);
      this.setText(`${folder}/effective_affinity_list`, `${cpus[0]}\n`);
    } else if (/(^|_)(cpumask|affinity|cpus)$/.test(file)) {
      const cpus = parseCpuMask(text);
      if (cpus.length === 0 && file === 'default_smp_affinity') throw fail('EINVAL');
      this.setText(path, `${formatCpuMaskLike(cpus, now)}\n`);
    } else if (/\[[^\]]+\]/.test(now)) {
      // mm/huge_memory.c and others: a word of the list, which is then marked.
      const words = now
        .trim()
        .split(/\s+/)
        .map((word) => word.replace(/[[\]]/g, ''));
      if (!words.includes(text)) throw fail('EINVAL');
      this.setText(path, `${words.map((word) => (word === text ? `[${word}]` : word)).join(' ')}\n`);
    } else if (path === '/proc/sys/kernel/printk') {
      // kernel/sysctl.c, do_proc_dointvec: numbers that are not given stay.
      const given = text.split(/\s+/);
      const left = now.trim().split(/\s+/).slice(given.length);
      this.setText(path, `${[...given, ...left].join('\t')}\n`);
    } else if (path.startsWith('/proc/sys/')) {
      if (!/^-?\d+$/.test(text)) throw fail('EINVAL');
      // kernel/watchdog.c, proc_watchdog_common, while somebody reads all three all the time: what has no effect is forgotten.
      const switched = '/proc/sys/kernel/watchdog';
      const both = ['nmi_watchdog', 'soft_watchdog'].map((name) => `/proc/sys/kernel/${name}`);
      const admitted = this.readText(switched)?.trim() !== '0';
      this.setText(path, both.includes(path) && !admitted ? '0\n' : `${text}\n`);
      if (both.includes(path) && both.every((name) => this.readText(name)?.trim() !== '1'))
        this.setText(switched, '0\n');
    } else if (file === 'current_clocksource') {
      // kernel/time/clocksource.c: a name that is not there is taken, and nothing happens.
      const names = (this.readText(`${folder}/available_clocksource`) ?? '').split(/\s+/);
      if (names.includes(text)) this.setText(path, `${text}\n`);
    } else if (path.includes('/cpufreq/policy')) this.setFrequency(folder, file, text, fail);
    else this.setText(path, `${text}\n`);
  }

  /** drivers/cpufreq/cpufreq.c, drivers/cpufreq/intel_pstate.c */
  private setFrequency(folder: string, file: string, text: string, fail: (code: string) => HostError): void {
    const read = (name: string) => this.readText(`${folder}/${name}`)?.trim() ?? '';
    if (file === 'scaling_governor') {
      if (!read('scaling_available_governors').split(' ').includes(text)) throw fail('EINVAL');
      // Active intel_pstate forces the preference, and remembers none.
      if (text === 'performance' && read('energy_performance_preference') !== '')
        this.setText(`${folder}/energy_performance_preference`, 'performance\n');
    } else if (file === 'energy_performance_preference') {
      if (text !== 'performance' && read('scaling_governor') === 'performance') throw fail('EBUSY');
    } else if (file === 'scaling_min_freq') {
      const number = Math.min(
        Math.max(Number(text), Number(read('cpuinfo_min_freq'))),
        Number(read('scaling_max_freq')),
      );
      this.setText(`${folder}/${file}`, `${number}\n`);
      return;
    }
    this.setText(`${folder}/${file}`, `${text}\n`);
  }

  /** kernel/cgroup/cpuset.c */
  private setCgroup(path: string, text: string, fail: (code: string) => HostError): void {
    const folder = posix.dirname(path);
    const file = posix.basename(path);
    if (file === 'cgroup.subtree_control') {
      const controllers = new Set((this.readText(path) ?? '').split(/\s+/).filter(Boolean));
      if (text === '+cpuset') controllers.add('cpuset');
      else controllers.delete('cpuset');
      this.setText(path, `${[...controllers].sort().join(' ')}\n`);
      for (const name of this.children.get(CGROUP) ?? []) this.giveCpuset(`${CGROUP}/${name}`);
    } else if (file === 'cpuset.cpus.partition') {
      const cpus = this.readText(`${folder}/cpuset.cpus`)?.trim() ?? '';
      const possible = text !== 'isolated' || cpus !== '';
      this.setText(path, possible ? `${text}\n` : 'isolated invalid (cpuset.cpus is empty)\n');
      this.setText(`${CGROUP}/cpuset.cpus.isolated`, `${text === 'isolated' ? cpus : ''}\n`);
    } else if (file === 'cpuset.cpus') {
      if (this.readText(`${folder}/cpuset.cpus.partition`)?.trim() === 'isolated') throw fail('EINVAL');
      this.setText(path, `${formatCpuList(parseCpuList(text))}\n`);
    } else this.setText(path, `${text}\n`);
  }

  /** A group has the files of a controller as long as its parent gives it. */
  private giveCpuset(group: string): void {
    if (this.nodes.get(group)?.kind !== 'dir') return;
    const given = (this.readText(`${CGROUP}/cgroup.subtree_control`) ?? '').split(/\s+/).includes('cpuset');
    for (const [file, text] of [
      ['cpuset.cpus', '\n'],
      ['cpuset.cpus.partition', 'member\n'],
    ] as const) {
      if (!given) this.drop(`${group}/${file}`);
      else if (!this.nodes.has(`${group}/${file}`))
        this.put(`${group}/${file}`, { kind: 'file', text, mode: 0o644, uid: 0, gid: 0 });
    }
  }

  /** A program maps pages, or gives them back. */
  usePages(folder: string, count: number): void {
    this.setText(
      `${folder}/free_hugepages`,
      `${Number(this.readText(`${folder}/free_hugepages`)) - count}\n`,
    );
  }

  /** mm/hugetlb.c, set_max_huge_pages: surplus pages become ordinary ones first, and pages in use become surplus. */
  private resizePool(folder: string, wanted: number): void {
    const read = (name: string) => Number(this.readText(`${folder}/${name}`) ?? 0);
    let total = read('nr_hugepages');
    let free = read('free_hugepages');
    let surplus = read('surplus_hugepages');
    const { first, compacted, dropped } = this.faults.pieces ?? { first: 1e9, compacted: 0, dropped: 0 };
    const taken = this.taken.get(folder) ?? 0;
    surplus -= Math.max(0, Math.min(surplus, wanted - (total - surplus)));
    const pieces = first + this.compactions * compacted + this.drops * dropped - taken;
    const more = Math.max(0, Math.min(wanted - (total - surplus), pieces));
    const fewer = Math.max(0, Math.min(total - surplus - wanted, free));
    total += more - fewer;
    free += more - fewer;
    surplus += Math.max(0, total - surplus - wanted);
    this.taken.set(folder, taken + more - fewer);
    this.setText(`${folder}/nr_hugepages`, `${total}\n`);
    this.setText(`${folder}/free_hugepages`, `${free}\n`);
    this.setText(`${folder}/surplus_hugepages`, `${surplus}\n`);
  }

  mount(args: readonly string[]): void {
    const [type = '', options = '', source = '', path = ''] = [args[1], args[3], args[4], args[5]];
    if (this.nodes.get(path)?.kind !== 'dir') throw new HostError('write', path, { code: 'ENOENT' });
    const shown = options
      .split(',')
      .map((option) => (option.startsWith('gid=') ? 'gid=1001' : option.replace('mode=0', 'mode=')))
      .join(',');
    this.setText(
      '/proc/mounts',
      `${this.readText('/proc/mounts')}${source} ${path} ${type} rw,relatime,${shown} 0 0\n`,
    );
  }

  umount(path: string): void {
    const busy = [...this.nodes].some(
      ([fd, node]) =>
        /^\/proc\/\d+\/fd\//.test(fd) && node.kind === 'link' && node.target.startsWith(`${path}/`),
    );
    if (busy) throw new HostError('write', path, { code: 'EBUSY' });
    const lines = (this.readText('/proc/mounts') ?? '').split('\n');
    this.setText('/proc/mounts', lines.filter((line) => line.split(' ')[1] !== path).join('\n'));
    for (const name of [...(this.children.get(path) ?? [])]) this.drop(`${path}/${name}`);
  }

  private driverOf(device: string): string | undefined {
    const node = this.nodes.get(`${device}/driver`);
    return node?.kind === 'link' ? posix.basename(node.target) : undefined;
  }

  private matches(device: string, driver: string): boolean {
    const override = this.nodes.get(`${device}/driver_override`);
    const name = override?.kind === 'file' ? override.text.trim() : '';
    if (name !== '' && name !== '(null)') return name === driver;
    return this.hardware.get(posix.basename(device))?.driver === driver;
  }

  /** drivers/base/bus.c, drivers_probe_store: no driver that matches is no error. */
  private probe(device: string, fail: (code: string) => HostError): void {
    if (this.driverOf(device) !== undefined) return;
    // drivers/pci/pci-driver.c, pci_device_can_probe
    const physical = this.walk.follow(`${device}/physfn`);
    const override = this.readText(`${device}/driver_override`)?.trim() ?? '(null)';
    if (this.readText(`${physical}/sriov_drivers_autoprobe`)?.trim() === '0' && override === '(null)') return;
    const address = posix.basename(device);
    const tries = (this.probes.get(address) ?? 0) + 1;
    this.probes.set(address, tries);
    if (tries < (this.faults.slowProbe?.[address] ?? 0)) return;
    const driver = [...(this.children.get(`${PCI}/drivers`) ?? [])].find((name) =>
      this.matches(device, name),
    );
    if (driver !== undefined) this.attach(device, driver, fail);
  }

  private attach(device: string, driver: string, fail: (code: string) => HostError): void {
    const address = posix.basename(device);
    const group = this.readLink(`${device}/iommu_group`);
    if (driver === 'vfio-pci') {
      const refusal = this.faults.vfioRefuses?.[address];
      if (refusal !== undefined) throw fail(refusal);
      if (group === undefined) {
        // drivers/vfio/group.c, vfio_noiommu_group_alloc: a group of its own, only where the parameter allows it.
        if (this.readText('/sys/module/vfio/parameters/enable_unsafe_noiommu_mode')?.trim() !== 'Y')
          throw fail('EINVAL');
        const number = this.numberOf(address);
        this.link(`/sys/kernel/iommu_groups/${number}/devices/${address}`, device);
        this.link(`${device}/iommu_group`, `/sys/kernel/iommu_groups/${number}`);
        this.put(`/dev/vfio/noiommu-${number}`, { kind: 'device', mode: 0o600, uid: 0, gid: 0 });
      } else {
        const node = `/dev/vfio/${posix.basename(group)}`;
        // One node for the group; the second device finds it there.
        if (!this.nodes.has(node)) this.put(node, { kind: 'device', mode: 0o600, uid: 0, gid: 0 });
      }
    } else if (USERSPACE.includes(driver)) {
      const number = this.numberOf(address);
      this.put(`${device}/uio/uio${number}/name`, {
        kind: 'file',
        text: `${driver}\n`,
        mode: 0o444,
        uid: 0,
        gid: 0,
      });
      this.link(`${device}/uio/uio${number}/device`, device);
      this.link(`/sys/class/uio/uio${number}`, `${device}/uio/uio${number}`);
      this.put(`/dev/uio${number}`, { kind: 'device', mode: 0o600, uid: 0, gid: 0 });
    } else for (const net of this.hardware.get(address)?.interfaces ?? []) this.register(device, net);
    this.link(`${device}/driver`, `${PCI}/drivers/${driver}`);
    this.link(`${PCI}/drivers/${driver}/${address}`, device);
  }

  private unbind(device: string): void {
    const address = posix.basename(device);
    const driver = this.driverOf(device) ?? '';
    const group = this.readLink(`${device}/iommu_group`);
    if (this.isHeld(device)) throw new Stuck();
    if (Number(this.readText(`${device}/sriov_numvfs`) ?? 0) > 0) {
      this.makeVirtual(device, 0, (code) => new HostError('write', device, { code }));
    }
    for (const path of [...this.nodes.keys()]) {
      if (!path.startsWith(`${device}/`) || !/^(virtio\d+\/)?net\/[^/]+$/.test(path.slice(device.length + 1)))
        continue;
      this.unregister(path);
    }
    for (const name of this.children.get(`${device}/uio`) ?? []) {
      this.drop(`/sys/class/uio/${name}`);
      this.drop(`/dev/${name}`);
    }
    this.drop(`${device}/uio`);
    this.drop(`${device}/driver`);
    this.drop(`${PCI}/drivers/${driver}/${address}`);
    if (driver === 'vfio-pci' && group !== undefined) {
      const number = posix.basename(group);
      const members = [...(this.children.get(`/sys/kernel/iommu_groups/${number}/devices`) ?? [])];
      const shared = members.some((other) => this.driverOf(this.device(other) ?? '') === 'vfio-pci');
      if (!shared) this.drop(`/dev/vfio/${number}`);
      if (this.nodes.has(`/dev/vfio/noiommu-${number}`)) {
        this.drop(`/dev/vfio/noiommu-${number}`);
        this.drop(`/sys/kernel/iommu_groups/${number}`);
        this.drop(`${device}/iommu_group`);
      }
    }
  }

  /** drivers/vfio/vfio_main.c, vfio_unregister_group_dev waits until the last user has gone. */
  private isHeld(device: string): boolean {
    const group = this.readLink(`${device}/iommu_group`);
    const nodes =
      group === undefined
        ? []
        : [`/dev/vfio/${posix.basename(group)}`, `/dev/vfio/noiommu-${posix.basename(group)}`];
    if (this.driverOf(device) !== 'vfio-pci') return false;
    return [...this.nodes].some(
      ([path, node]) =>
        /^\/proc\/\d+\/fd\//.test(path) && node.kind === 'link' && nodes.includes(node.target),
    );
  }

  /** drivers/pci/pci-sysfs.c, sriov_numvfs_store; vfio-pci asks for its parameter first. */
  private makeVirtual(device: string, count: number, fail: (code: string) => HostError): void {
    const now = Number(this.readText(`${device}/sriov_numvfs`));
    if (count === now) return;
    if (count > Number(this.readText(`${device}/sriov_totalvfs`))) throw fail('ERANGE');
    const driver = this.driverOf(device);
    if (driver === undefined) throw fail('ENOENT');
    if (
      driver === 'vfio-pci' &&
      this.readText('/sys/module/vfio_pci/parameters/enable_sriov')?.trim() !== 'Y'
    )
      throw fail('ENOENT');
    if (count > 0 && now > 0) throw fail('EBUSY');
    if (count > (this.faults.roomForVfs ?? count)) throw fail('ENOMEM');
    const names = [...(this.children.get(device) ?? [])];
    for (const name of names.filter((entry) => /^virtfn\d+$/.test(entry))) {
      const virtual = this.walk.follow(`${device}/${name}`);
      if (virtual !== undefined) this.removeVirtual(virtual);
      this.drop(`${device}/${name}`);
    }
    this.setText(`${device}/sriov_numvfs`, `${count}\n`);
    const [net] = [...(this.children.get(`${device}/net`) ?? [])];
    const dev = net === undefined ? undefined : this.netdevs.get(net);
    if (dev !== undefined) {
      const virtualFunctions = Array.from({ length: count }, (_, index) => ({
        index,
        mac: '00:00:00:00:00:00',
        vlan: 0,
        trust: false,
        spoofCheck: true,
      }));
      this.netdevs.set(dev.name, { ...dev, virtualFunctions });
    }
    for (let index = 0; index < count; index++) this.addVirtual(device, index, net);
  }

  private addVirtual(physical: string, index: number, net: string | undefined): void {
    const address = posix.basename(physical).replace(/..\..$/, `10.${index}`);
    const device = `${posix.dirname(physical)}/${address}`;
    const text = (file: string, value: string) =>
      this.put(`${device}/${file}`, { kind: 'file', text: `${value}\n`, mode: 0o644, uid: 0, gid: 0 });
    for (const file of ['class', 'vendor', 'subsystem_vendor', 'subsystem_device']) {
      text(file, this.readText(`${physical}/${file}`)?.trim() ?? '0x0');
    }
    text('device', '0x1889');
    text('modalias', 'pci:v00008086d00001889');
    text('driver_override', '(null)');
    // drivers/pci/probe.c, pci_device_add: that of the bus.
    text('numa_node', this.readText(`${physical}/numa_node`)?.trim() ?? '-1');
    this.link(`${PCI}/devices/${address}`, device);
    this.link(`${device}/physfn`, physical);
    this.link(`${physical}/virtfn${index}`, device);
    const group = this.readLink(`${physical}/iommu_group`);
    if (group !== undefined) {
      const own = 1000 + 10 * Number(`0x${address.slice(5, 7)}`) + index;
      this.link(`/sys/kernel/iommu_groups/${own}/devices/${address}`, device);
      this.link(`${device}/iommu_group`, `/sys/kernel/iommu_groups/${own}`);
      this.put(`/sys/kernel/iommu_groups/${own}/type`, {
        kind: 'file',
        text: 'DMA\n',
        mode: 0o644,
        uid: 0,
        gid: 0,
      });
    }
    this.addDriver('iavf');
    const mac = `02:00:5e:0${index}:${address.slice(5, 7)}:00`;
    this.hardware.set(address, {
      driver: 'iavf',
      interfaces: [
        { name: `${net ?? `vf${address.slice(5, 7)}`}v${index}`, below: '', mac, permanent: mac, files: [] },
      ],
    });
    this.probe(device, (code) => new HostError('write', device, { code }));
  }

  private removeVirtual(device: string): void {
    const address = posix.basename(device);
    if (this.driverOf(device) !== undefined) this.unbind(device);
    const group = this.readLink(`${device}/iommu_group`);
    if (group !== undefined) this.drop(`/sys/kernel/iommu_groups/${posix.basename(group)}`);
    this.drop(`${PCI}/devices/${address}`);
    this.drop(device);
    this.hardware.delete(address);
  }

  /** The kernel takes the lowest number that is free; here each device has its own, so that two trees compare. */
  private numberOf(address: string): number {
    return 100 + [...this.hardware.keys()].indexOf(address);
  }

  /** A driver makes its interface: down, with the MTU and the address of the hardware, under a new number. */
  private register(device: string, net: HardwareInterface): void {
    const name = this.faults.kernelNames ? this.freeName() : net.name;
    const index = this.nextIndex++;
    const folder = `${device}${net.below}/net/${name}`;
    const text = (file: string, value: string | number) =>
      this.put(`${folder}/${file}`, { kind: 'file', text: `${value}\n`, mode: 0o644, uid: 0, gid: 0 });
    for (const [file, node] of net.files) this.put(`${folder}/${file}`, node);
    text('address', net.mac);
    text('mtu', 1500);
    text('ifindex', index);
    text('flags', hex(BROADCAST_MULTICAST));
    text('operstate', 'down');
    this.put(`${folder}/carrier`, { kind: 'denied', errno: 'EINVAL' });
    this.link(`${folder}/device`, `${device}${net.below}`);
    this.link(`/sys/class/net/${name}`, folder);
    this.netdevs.set(name, {
      name,
      index,
      permanent: net.permanent,
      kind: undefined,
      addresses: [],
      broadcasts: {},
      routes: [],
      virtualFunctions: [],
    });
  }

  private freeName(): string {
    let number = 0;
    while (this.netdevs.has(`eth${number}`)) number++;
    return `eth${number}`;
  }

  private unregister(folder: string): void {
    const name = posix.basename(folder);
    this.release(name);
    this.drop(folder);
    this.drop(`/sys/class/net/${name}`);
    this.netdevs.delete(name);
    if ((this.children.get(posix.dirname(folder))?.size ?? 0) === 0) this.drop(posix.dirname(folder));
  }

  /** Takes an interface out of its bond or bridge. */
  private release(name: string): void {
    const folder = this.walk.follow(`/sys/class/net/${name}`);
    const master = this.readLink(`${folder}/master`)?.split('/').pop();
    if (folder === undefined || master === undefined) return;
    const above = this.walk.follow(`/sys/class/net/${master}`);
    this.drop(`${folder}/master`);
    this.drop(`${folder}/upper_${master}`);
    this.drop(`${above}/lower_${name}`);
    const slaves = this.nodes.get(`${above}/bonding/slaves`);
    if (slaves?.kind === 'file') {
      const left = slaves.text.split(/\s+/).filter((slave) => slave !== '' && slave !== name);
      this.setText(`${above}/bonding/slaves`, left.length === 0 ? '\n' : `${left.sort().join(' ')}\n`);
    }
  }

  private enslave(name: string, master: string): void {
    const folder = this.walk.follow(`/sys/class/net/${name}`);
    const above = this.walk.follow(`/sys/class/net/${master}`);
    if (folder === undefined || above === undefined) throw new HostError('write', master, { code: 'ENODEV' });
    const bond = this.nodes.get(`${above}/bonding/slaves`);
    if (bond?.kind === 'file') {
      if (this.flags(name) & IFF_UP) throw new HostError('write', name, { code: 'EPERM' });
      const slaves = new Set([...bond.text.split(/\s+/).filter(Boolean), name]);
      this.setText(`${above}/bonding/slaves`, `${[...slaves].sort().join(' ')}\n`);
      // A bond brings up what it takes.
      this.setUp(name, true);
    }
    this.link(`${folder}/master`, above);
    this.link(`${folder}/upper_${master}`, above);
    this.link(`${above}/lower_${name}`, folder);
  }

  private flags(name: string): number {
    return Number(this.readText(`/sys/class/net/${name}/flags`)?.trim() ?? 0);
  }

  private setUp(name: string, up: boolean): void {
    const folder = this.walk.follow(`/sys/class/net/${name}`) ?? '';
    const flags = this.flags(name);
    if (((flags & IFF_UP) !== 0) === up) return;
    this.setText(`${folder}/flags`, `${hex(up ? flags | IFF_UP : flags & ~IFF_UP)}\n`);
    this.setText(`${folder}/operstate`, up ? 'up\n' : 'down\n');
    this.put(
      `${folder}/carrier`,
      up ? { kind: 'file', text: '1\n', mode: 0o644, uid: 0, gid: 0 } : { kind: 'denied', errno: 'EINVAL' },
    );
    const dev = this.netdevs.get(name);
    if (dev === undefined || up) return;
    // net/ipv6/addrconf.c flushes the addresses; routes of both families go with the link.
    const addresses = dev.addresses.filter((address) => familyOf(address) === 'inet');
    this.netdevs.set(name, { ...dev, addresses, routes: [] });
  }

  /** load_module and its parameters; a driver that is new probes what matches it. */
  private load(module: string): void {
    if (this.nodes.has(`/sys/module/${module}`)) return;
    const release = this.readText('/proc/sys/kernel/osrelease')?.trim();
    const dependencies = this.readText(`/lib/modules/${release}/modules.dep`) ?? '';
    const known = new RegExp(`/${module.replaceAll('_', '[-_]')}\\.ko`).test(dependencies);
    if (!known && module !== 'vfio_pci_core') throw new HostError('read', module, { code: 'ENOENT' });
    for (const needed of NEEDS[module] ?? []) this.load(needed);
    this.put(`/sys/module/${module}/initstate`, {
      kind: 'file',
      text: 'live\n',
      mode: 0o444,
      uid: 0,
      gid: 0,
    });
    for (const [name, value] of Object.entries(PARAMETERS[module] ?? {})) {
      this.put(`/sys/module/${module}/parameters/${name}`, {
        kind: 'file',
        text: `${value}\n`,
        mode: 0o644,
        uid: 0,
        gid: 0,
      });
    }
    const driver = DRIVER_OF[module];
    if (driver !== undefined) this.addDriver(driver);
    if (module === 'vfio') this.put('/dev/vfio/vfio', { kind: 'device', mode: 0o666, uid: 0, gid: 0 });
  }

  private unload(module: string): void {
    if (!this.nodes.has(`/sys/module/${module}/initstate`))
      throw new HostError('write', module, { code: 'ENOENT' });
    const users = Object.entries(NEEDS).filter(
      ([other, needs]) => needs.includes(module) && this.nodes.has(`/sys/module/${other}/initstate`),
    );
    const driver = DRIVER_OF[module];
    const bound = [...(this.children.get(`${PCI}/drivers/${driver}`) ?? [])].filter((name) => /:/.test(name));
    if (users.length > 0 || (driver !== undefined && bound.length > 0))
      throw new HostError('write', module, { code: 'EBUSY' });
    this.drop(`/sys/module/${module}`);
    if (driver !== undefined) this.drop(`${PCI}/drivers/${driver}`);
    if (module === 'vfio') {
      this.drop('/dev/vfio/vfio');
      if ((this.children.get('/dev/vfio')?.size ?? 0) === 0) this.drop('/dev/vfio');
    }
  }

  private addDriver(driver: string): void {
    for (const file of ['bind', 'unbind', 'new_id']) {
      if (this.nodes.has(`${PCI}/drivers/${driver}/${file}`)) continue;
      this.put(`${PCI}/drivers/${driver}/${file}`, { kind: 'file', text: '', mode: 0o200, uid: 0, gid: 0 });
    }
  }

  // Programs

  ip(args: readonly string[]): void {
    const words = args.filter((word) => word !== '-4' && word !== '-6');
    const after = (word: string) => words[words.indexOf(word) + 1] ?? '';
    const name = after('dev');
    const dev = this.netdevs.get(name);
    if (dev === undefined) throw new HostError('write', name, { code: 'ENODEV' });
    const folder = this.walk.follow(`/sys/class/net/${name}`) ?? '';
    if (words[0] === 'address') {
      const address = words[2] ?? '';
      // iproute2 sets none by itself (ip/ipaddress.c, ipaddr_modify).
      const broadcast = words.includes('broadcast') ? { [address]: after('broadcast') } : {};
      this.netdevs.set(name, {
        ...dev,
        addresses: [...new Set([...dev.addresses, address])],
        broadcasts: { ...dev.broadcasts, ...broadcast },
      });
    } else if (words[0] === 'route') {
      if (!(this.flags(name) & IFF_UP)) throw new HostError('write', name, { code: 'ENETDOWN' });
      const destination = words[2] ?? '';
      const route: Route = {
        family: args.includes('-6') ? 'inet6' : 'inet',
        destination,
        interfaces: [dev.index],
        table: Number(after('table')),
        type: 'unicast',
        ...(words.includes('via') ? { gateway: after('via') } : {}),
        ...(words.includes('metric') ? { priority: Number(after('metric')) } : {}),
        ...(words.includes('src') ? { source: after('src') } : {}),
      };
      const others = dev.routes.filter(
        (other) => other.destination !== destination || other.table !== route.table,
      );
      this.netdevs.set(name, { ...dev, routes: [...others, route] });
    } else {
      const [what = '', value = ''] = words.slice(words.indexOf('dev') + 2);
      if (what === 'vf') this.setVirtual(dev, Number(value), words.slice(-2));
      else if (what === 'up' || what === 'down') this.setUp(name, what === 'up');
      else if (what === 'nomaster') this.release(name);
      else if (what === 'master') this.enslave(name, value);
      else if (what === 'mtu' || what === 'address') this.setText(`${folder}/${what}`, `${value}\n`);
      else if (what === 'name') this.rename(dev, folder, value);
      else throw new Error(`the simulator knows no ip ${args.join(' ')}`);
    }
  }

  private setVirtual(dev: Netdev, index: number, [key = '', value = '']: readonly string[]): void {
    const virtual = dev.virtualFunctions.find((entry) => entry.index === index);
    if (virtual === undefined) throw new HostError('write', dev.name, { code: 'EINVAL' });
    const changes: Readonly<Record<string, Partial<VirtualFunction>>> = {
      mac: { mac: value },
      vlan: { vlan: Number(value) },
      trust: { trust: value === 'on' },
      spoofchk: { spoofCheck: value === 'on' },
    };
    const virtualFunctions = dev.virtualFunctions.map((entry) =>
      entry === virtual ? { ...entry, ...changes[key] } : entry,
    );
    this.netdevs.set(dev.name, { ...dev, virtualFunctions });
  }

  /** net/core/dev.c, dev_change_name: not while it is up. */
  private rename(dev: Netdev, folder: string, name: string): void {
    if (this.flags(dev.name) & IFF_UP) throw new HostError('write', dev.name, { code: 'EBUSY' });
    if (this.netdevs.has(name)) throw new HostError('write', name, { code: 'EEXIST' });
    const target = `${posix.dirname(folder)}/${name}`;
    for (const [path, node] of [...this.nodes]) {
      if (path === folder || path.startsWith(`${folder}/`))
        this.put(target + path.slice(folder.length), node);
    }
    this.drop(folder);
    this.drop(`/sys/class/net/${dev.name}`);
    this.link(`/sys/class/net/${name}`, target);
    this.netdevs.delete(dev.name);
    this.netdevs.set(name, { ...dev, name });
  }

  modprobe(args: readonly string[]): void {
    for (const name of args) {
      if (name.startsWith('pci:')) continue;
      this.load(name.replaceAll('-', '_'));
    }
  }

  rmmod(args: readonly string[]): void {
    for (const name of args) this.unload(name);
  }

  owner(path: string, change: { uid?: number; gid?: number; mode?: number }): void {
    const node = this.nodes.get(path);
    if (node === undefined || !('uid' in node)) throw new HostError('write', path, { code: 'ENOENT' });
    this.put(path, { ...node, ...change });
  }

  copy(from: string, to: string): void {
    const node = this.nodes.get(from);
    if (node?.kind !== 'file') throw new HostError('read', from, { code: 'ENOENT' });
    this.put(to, node);
  }

  move(from: string, to: string): void {
    this.copy(from, to);
    this.drop(from);
  }

  delete(path: string): void {
    this.drop(path);
  }

  makeFolder(path: string): void {
    if (!this.nodes.has(path)) this.put(path, { kind: 'dir' });
    if (!path.startsWith(`${CGROUP}/`)) return;
    this.put(`${path}/cgroup.events`, { kind: 'file', text: 'populated 0\n', mode: 0o444, uid: 0, gid: 0 });
    this.giveCpuset(path);
  }

  /** What a build would pack, as text: the scripts that are there. */
  buildImage(path: string, release: string): void {
    const scripts = {
      'scripts/init-top/bypass-setup': '/etc/initramfs-tools/scripts/init-top/bypass-setup',
      'hooks/pre-udev/00-override': '/usr/lib/dracut/modules.d/90bypass-setup/module-setup.sh',
    };
    const packed = Object.entries(scripts).filter(
      ([, source]) => !this.faults.forgetful && this.nodes.has(source),
    );
    const text = `image ${release}\n${packed.map(([name]) => `${name}\n`).join('')}`;
    this.put(path, { kind: 'file', text, mode: 0o600, uid: 0, gid: 0 });
  }

  // The tree

  private device(address: string): string | undefined {
    return this.walk.follow(`${PCI}/devices/${address}`);
  }

  private target(path: string, operation: 'read' | 'list'): Node | undefined {
    const real = this.walk.follow(path);
    const node = real === undefined ? undefined : this.nodes.get(real);
    if (node?.kind === 'denied') throw new HostError(operation, path, { code: node.errno });
    return node;
  }

  private beside(path: string): Node | undefined {
    const here = this.walk.beside(path);
    return here === undefined ? undefined : this.nodes.get(here);
  }

  private setText(path: string, text: string): void {
    const node = this.nodes.get(path);
    const old = node?.kind === 'file' ? node : { mode: 0o644, uid: 0, gid: 0 };
    this.put(path, { kind: 'file', text, mode: old.mode, uid: old.uid, gid: old.gid });
  }

  /** As sysfs makes them: relative, and the target's own name always is the last (fs/kernfs/symlink.c). */
  private link(path: string, target: string): void {
    const up = posix.relative(posix.dirname(path), posix.dirname(target));
    this.put(path, { kind: 'link', target: posix.join(up, posix.basename(target)) });
  }

  private put(path: string, node: Node): void {
    const real = posix.join(
      this.walk.follow(posix.dirname(path)) ?? posix.dirname(path),
      posix.basename(path),
    );
    this.nodes.set(real, node);
    if (node.kind === 'dir' && !this.children.has(real)) this.children.set(real, new Set());
    for (let here = real; here !== '/'; here = posix.dirname(here)) {
      const parent = posix.dirname(here);
      if (!this.nodes.has(parent)) this.nodes.set(parent, { kind: 'dir' });
      const names = this.children.get(parent);
      if (names?.has(posix.basename(here))) break;
      this.children.set(parent, (names ?? new Set()).add(posix.basename(here)));
    }
    this.walk.forget();
  }

  private drop(path: string): void {
    for (const name of [...(this.children.get(path) ?? [])]) this.drop(`${path}/${name}`);
    this.nodes.delete(path);
    this.children.delete(path);
    this.children.get(posix.dirname(path))?.delete(posix.basename(path));
    this.walk.forget();
  }

  /** Makes of a recording what a kernel would show of itself. */
  private settle(): void {
    for (const folder of ['/sys/module', '/sys/class/uio', '/sys/kernel/iommu_groups', '/dev'])
      this.makeFolder(folder);
    this.takeAnswers();
    this.straightenLinks();
    for (const address of this.children.get(`${PCI}/devices`) ?? []) {
      const device = this.device(address);
      if (device === undefined) continue;
      const driver = this.driverOf(device);
      if (driver !== undefined) {
        this.addDriver(driver);
        this.link(`${device}/driver`, `${PCI}/drivers/${driver}`);
        this.link(`${PCI}/drivers/${driver}/${address}`, device);
      }
      this.hardware.set(address, this.hardwareOf(address, device, driver));
    }
    if (this.nodes.has(PCI))
      this.put(`${PCI}/drivers_probe`, { kind: 'file', text: '', mode: 0o200, uid: 0, gid: 0 });
  }

  /** The recording may lead from one interface to another through /sys/class/net; the kernel's own links do not. */
  private straightenLinks(): void {
    for (const [path, node] of [...this.nodes]) {
      if (node.kind !== 'link' || !/\/net\/[^/]+\/(master|device|(upper|lower)_[^/]*)$/.test(path)) continue;
      const real = this.walk.follow(path);
      if (real !== undefined) this.link(path, real);
    }
  }

  private takeAnswers(): void {
    const answer = (question: Question) => {
      const text = this.readText(`/.kernel/${question}.json`);
      return text === undefined ? undefined : (JSON.parse(text) as { answer: unknown }).answer;
    };
    for (const question of ['rules', 'neighbours', 'drivers', 'kernelLog'] as const) {
      const found = answer(question);
      if (found !== undefined) this.recorded.set(question, found);
    }
    const links = (answer('links') ?? []) as KernelAnswers['links'];
    const addresses = (answer('addresses') ?? []) as KernelAnswers['addresses'];
    const routes = (answer('routes') ?? []) as KernelAnswers['routes'];
    for (const name of this.children.get('/sys/class/net') ?? []) {
      const folder = this.walk.follow(`/sys/class/net/${name}`);
      if (folder === undefined || this.nodes.get(folder)?.kind !== 'dir') continue;
      const index = Number(this.readText(`${folder}/ifindex`) ?? 0);
      const link = links.find((entry) => entry.name === name);
      const state = this.readText(`${folder}/operstate`)?.trim();
      const flags = BROADCAST_MULTICAST | (state === 'down' ? 0 : IFF_UP);
      this.put(`${folder}/flags`, { kind: 'file', text: `${hex(flags)}\n`, mode: 0o644, uid: 0, gid: 0 });
      if (state === 'down') this.put(`${folder}/carrier`, { kind: 'denied', errno: 'EINVAL' });
      this.netdevs.set(name, {
        name,
        index,
        permanent: link?.permanentAddress,
        kind: link?.kind,
        addresses: addresses.filter((entry) => entry.interface === index).map((entry) => entry.address),
        broadcasts: Object.fromEntries(
          addresses.flatMap(({ interface: of, address, broadcast }) =>
            of === index && broadcast !== undefined ? [[address, broadcast]] : [],
          ),
        ),
        routes: routes.filter((entry) => entry.interfaces[0] === index),
        virtualFunctions: link?.virtualFunctions ?? [],
      });
    }
    this.drop('/.kernel');
  }

  private hardwareOf(address: string, device: string, driver: string | undefined): Hardware {
    if (driver !== undefined && !USERSPACE.includes(driver)) {
      const folders = [
        '',
        ...[...(this.children.get(device) ?? [])]
          .filter((name) => /^virtio\d+$/.test(name))
          .map((name) => `/${name}`),
      ];
      const interfaces = folders.flatMap((below) =>
        [...(this.children.get(`${device}${below}/net`) ?? [])].map((name) => {
          const mac = this.readText(`${device}${below}/net/${name}/address`)?.trim() ?? '';
          const permanent = this.netdevs.get(name)?.permanent;
          const folder = `${device}${below}/net/${name}/`;
          const files = [...this.nodes]
            .filter(([path]) => path.startsWith(folder) && !/\/(master|(upper|lower)_[^/]*)$/.test(path))
            .map(([path, node]) => [path.slice(folder.length), node] as const);
          return { name, below, mac: permanent ?? mac, permanent, files };
        }),
      );
      return { driver, interfaces };
    }
    const memory = JSON.parse(this.readText('/var/lib/bypass-setup/nics.json') ?? '{}') as Record<
      string,
      { driver: string; address: string; interface: string } | undefined
    >;
    const nic = memory[address];
    if (nic === undefined) return { driver: undefined, interfaces: [] };
    this.addDriver(nic.driver);
    return {
      driver: nic.driver,
      interfaces: [{ name: nic.interface, below: '', mac: nic.address, permanent: nic.address, files: [] }],
    };
  }
}

/** The write does not come back. */
class Stuck extends Error {}

type Program = (this: KernelSimulator, args: readonly string[], input: string) => RunResult | undefined;

const nothing: Program = () => undefined;

const PROGRAMS: Readonly<Record<string, Program>> = {
  tee(args, input) {
    this.write(args[0] ?? '', input);
  },
  ip(args) {
    this.ip(args);
  },
  modprobe(args) {
    this.modprobe(args);
  },
  rmmod(args) {
    this.rmmod(args);
  },
  chgrp([group, path = '']) {
    this.owner(path, { gid: group === 'root' ? 0 : 1001 });
  },
  chown([owner = '', path = '']) {
    const [uid, gid] = owner.split(':').map(Number);
    this.owner(path, { uid: uid ?? 0, gid: gid ?? 0 });
  },
  chmod([mode = '', path = '']) {
    this.owner(path, { mode: Number.parseInt(mode, 8) });
  },
  mount(args) {
    this.mount(args);
  },
  umount(args) {
    this.umount(args[0] ?? '');
  },
  mkdir(args) {
    this.makeFolder(args.at(-1) ?? '');
  },
  cp(args) {
    this.copy(args.at(-2) ?? '', args.at(-1) ?? '');
  },
  mv([from = '', to = '']) {
    this.move(from, to);
  },
  rm(args) {
    this.delete(args.at(-1) ?? '');
  },
  mkinitramfs(args) {
    this.buildImage(args[1] ?? '', args[2] ?? '');
  },
  dracut(args) {
    this.buildImage(args[1] ?? '', args[2] ?? '');
  },
  lsinitramfs([path = '']) {
    return ok(this.readText(path) ?? '');
  },
  lsinitrd([path = '']) {
    return ok(this.readText(path) ?? '');
  },
  sync: nothing,
  nmcli: nothing,
  networkctl: nothing,
  systemctl: nothing,
  'systemd-run': nothing,
  udevadm: nothing,
};

function ok(stdout = ''): RunResult {
  return { exitCode: 0, stdout, stderr: '', timedOut: false };
}

function failed(stderr: string): RunResult {
  return { exitCode: 1, stdout: '', stderr: `${stderr}\n`, timedOut: false };
}

/** strerror(3) */
const WORDS: Readonly<Record<string, string>> = {
  EBUSY: 'Device or resource busy',
  EINVAL: 'Invalid argument',
  EIO: 'Input/output error',
  ENODEV: 'No such device',
  ENOMEM: 'Cannot allocate memory',
  ENOSPC: 'No space left on device',
};

const hex = (value: number) => `0x${value.toString(16)}`;

const familyOf = (address: string) => (address.includes(':') ? 'inet6' : 'inet');
