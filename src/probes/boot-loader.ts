import { entryOptions, entryValues } from '../formats/boot-entry.ts';
import { grubEntries, grubEnvironment } from '../formats/grub-config.ts';
import { parseAssignments } from '../formats/key-value.ts';
import { TRIAL_ENTRY } from '../formats/own-files.ts';
import { appendedArguments } from '../formats/snap-state.ts';
import type { ReadHost } from '../host/host.ts';
import { defineProbe } from './define.ts';
import type { BootEntry, BootLoaderKind, Fact, Facts } from './facts.ts';
import {
  absent,
  attribute,
  exists,
  firstKnown,
  guarded,
  known,
  names,
  textOrNothing,
  wholeFile,
} from './read.ts';

type Boot = Facts['bootLoader'];
type Kind = NonNullable<Boot['kinds']['value']>[number];

const GRUB_CONFIG = '/boot/grub/grub.cfg';
const KERNEL_CMDLINE = '/etc/kernel/cmdline';
const MODEENV = '/var/lib/snapd/modeenv';
/** Boot Loader Interface, https://systemd.io/BOOT_LOADER_INTERFACE: what the loader and the stub say of themselves. */
const EFI_VARIABLES = '/sys/firmware/efi/efivars';
const LOADER_VENDOR = '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f';
/** Larger than any boot line or entry. */
const LIMIT = 1 << 16;

const TOOLS: Readonly<Record<Exclude<BootLoaderKind, 'uki' | 'raspberry-pi'>, readonly string[]>> = {
  'grub-debian': ['/usr/sbin/grub-mkconfig'],
  'grub-bls': ['/usr/sbin/grubby', '/usr/bin/grubby'],
  'rpm-ostree': ['/usr/bin/rpm-ostree'],
  bootc: ['/usr/bin/bootc'],
  'systemd-boot': ['/usr/bin/kernel-install'],
  'ubuntu-core': ['/usr/bin/snap'],
};

/** The most specific owner first: on rpm-ostree and bootc hosts the loader's own files are not to be edited. */
export const bootLoaderProbe = defineProbe('bootLoader', (host): Boot => {
  const kinds = [
    ...ubuntuCore(host),
    ...ostree(host),
    ...unified(host),
    ...systemdBoot(host),
    ...grub(host),
    ...raspberryPi(host),
  ];
  const loader = inCharge(host, kinds);
  return {
    kinds:
      kinds.length > 0
        ? known(kinds, '/boot')
        : absent('missing', 'no boot loader that is known here', '/boot'),
    loader,
    tool: tool(host, loader.value),
    entries: bootEntries(host, loader.value),
    files: Object.fromEntries(
      fileNames(host, loader.value).map((path) => [path, wholeFile(host, path, LIMIT)]),
    ),
    environment: loader.value === 'ubuntu-core' ? snapd(host) : environment(host),
    environmentDevice: environmentDevice(host),
    firmware: exists(host, '/sys/firmware/efi')
      ? known('uefi' as const, '/sys/firmware/efi')
      : exists(host, '/sys/firmware')
        ? known('bios' as const, '/sys/firmware/efi')
        : absent('missing', 'no /sys/firmware', '/sys/firmware'),
  };
});

function ubuntuCore(host: ReadHost): Kind[] {
  return exists(host, MODEENV) ? [{ kind: 'ubuntu-core', evidence: MODEENV }] : [];
}

function ostree(host: ReadHost): Kind[] {
  if (!exists(host, '/run/ostree-booted') && !exists(host, '/ostree/repo')) return [];
  for (const folder of ['/usr/lib/bootc', '/etc/bootc']) {
    if (exists(host, folder)) return [{ kind: 'bootc', evidence: folder }];
  }
  const evidence = exists(host, '/run/ostree-booted') ? '/run/ostree-booted' : '/ostree/repo';
  return [{ kind: 'rpm-ostree', evidence }];
}

function espFolders(host: ReadHost): string[] {
  return ['/efi', '/boot/efi', '/boot'].filter((folder) => exists(host, `${folder}/EFI`));
}

function unified(host: ReadHost): Kind[] {
  for (const esp of espFolders(host)) {
    const image = names(host, `${esp}/EFI/Linux`).find((name) => name.endsWith('.efi'));
    if (image !== undefined) return [{ kind: 'uki', evidence: `${esp}/EFI/Linux/${image}` }];
  }
  return [];
}

function systemdBoot(host: ReadHost): Kind[] {
  for (const esp of espFolders(host)) {
    const loader = names(host, `${esp}/EFI/systemd`).find((name) => /^systemd-boot.*\.efi$/.test(name));
    if (loader !== undefined) return [{ kind: 'systemd-boot', evidence: `${esp}/EFI/systemd/${loader}` }];
  }
  return [];
}

function grub(host: ReadHost): Kind[] {
  const debian = ['/usr/sbin/update-grub', GRUB_CONFIG].find((path) => exists(host, path));
  if (debian !== undefined) return [{ kind: 'grub-debian', evidence: debian }];
  if (!exists(host, '/boot/grub2')) return [];
  // GRUB_ENABLE_BLSCFG=false puts the entries back into grub.cfg, where grubby still edits them.
  const bls = names(host, '/boot/loader/entries').some((name) => name.endsWith('.conf'));
  const setting = textOrNothing(host, '/etc/default/grub');
  const evidence = bls ? '/boot/loader/entries' : setting === undefined ? '/boot/grub2' : '/etc/default/grub';
  return [{ kind: 'grub-bls', evidence }];
}

function raspberryPi(host: ReadHost): Kind[] {
  for (const path of ['/boot/firmware/cmdline.txt', '/boot/cmdline.txt']) {
    if (exists(host, path)) return [{ kind: 'raspberry-pi', evidence: path }];
  }
  return [];
}

/** Of several that are installed, the one that says it was there; systemd-boot and the stub always do. */
function inCharge(host: ReadHost, kinds: readonly Kind[]): Fact<BootLoaderKind> {
  const told = names(host, EFI_VARIABLES).length > 0;
  const info = loaderVariable(host, 'LoaderInfo');
  const silent = (kind: BootLoaderKind) =>
    (kind === 'systemd-boot' && !info?.startsWith('systemd-boot')) ||
    (kind === 'uki' && loaderVariable(host, 'StubInfo') === undefined);
  const chosen = kinds.length > 1 && told ? (kinds.find(({ kind }) => !silent(kind)) ?? kinds[0]) : kinds[0];
  return chosen === undefined
    ? absent('missing', 'no boot loader that is known here', '/boot')
    : known(chosen.kind, chosen.evidence);
}

/** Four octets of attributes, then UTF-16. */
function loaderVariable(host: ReadHost, name: string): string | undefined {
  try {
    const bytes = host.readBytes(`${EFI_VARIABLES}/${name}-${LOADER_VENDOR}`, 1024);
    return bytes && new TextDecoder('utf-16le').decode(bytes.subarray(4)).replace(/\0+$/, '');
  } catch {
    return undefined;
  }
}

function tool(host: ReadHost, loader: BootLoaderKind | undefined): Fact<string> {
  if (loader === undefined || loader === 'uki' || loader === 'raspberry-pi')
    return absent('missing', 'there is none for this loader', '/boot');
  const paths = TOOLS[loader];
  const found = paths.find((path) => exists(host, path));
  const [first = ''] = paths;
  return found === undefined ? absent('missing', 'no such program', first) : known(found, found);
}

/** Every entry that this loader could boot. */
function bootEntries(host: ReadHost, loader: BootLoaderKind | undefined): Fact<BootEntry[]> {
  switch (loader) {
    case undefined:
      return absent('missing', 'no boot loader that is known here', '/boot');
    case 'uki':
      return absent('unsupported', 'the boot line is a part of the signed image', '/boot');
    case 'grub-debian':
      return grubFile(host, GRUB_CONFIG, '/boot/grub/grubenv');
    case 'raspberry-pi': {
      const path = raspberryPi(host)[0]?.evidence ?? '/boot/cmdline.txt';
      return attribute(host, path, (line) => [entry('cmdline.txt', path, '', line)]);
    }
    case 'ubuntu-core':
      return attribute(host, MODEENV, (text) => snapEntries(text));
    default:
      return entryFiles(host, loader);
  }
}

function entry(id: string, path: string, kernel: string, line: string): BootEntry {
  return { id, path, kernel, line, managed: true, isDefault: true };
}

function grubFile(host: ReadHost, path: string, env: string): Fact<BootEntry[]> {
  const saved = grubEnvironment(textOrNothing(host, env) ?? '').get('saved_entry');
  const found = attribute(host, path, (text) => grubEntries(text, saved).map((one) => ({ ...one, path })));
  return found.value?.length === 0 ? absent('missing', 'it has no entry', path) : found;
}

/** snapd, boot/modeenv.go: current_kernel_command_lines=["…"]; the last one is for the next boot. */
function snapEntries(text: string): BootEntry[] {
  const values = parseAssignments(text);
  const raw = /^current_kernel_command_lines=(.*)$/m.exec(text)?.[1];
  let lines: unknown;
  try {
    lines = JSON.parse(raw ?? '[]');
  } catch {
    lines = [];
  }
  const line = Array.isArray(lines) ? lines.at(-1) : undefined;
  return typeof line === 'string' ? [entry('run', MODEENV, values.get('current_kernels') ?? '', line)] : [];
}

function entryFolders(host: ReadHost): string[] {
  return [...new Set(['/boot', ...espFolders(host)])].map((folder) => `${folder}/loader/entries`);
}

function entryPaths(host: ReadHost): string[] {
  return entryFolders(host).flatMap((folder) =>
    names(host, folder)
      .filter((name) => name.endsWith('.conf'))
      .map((name) => `${folder}/${name}`),
  );
}

function entryFiles(host: ReadHost, loader: BootLoaderKind): Fact<BootEntry[]> {
  const [folder = '/boot/loader/entries'] = entryFolders(host).filter((path) => exists(host, path));
  return guarded(folder, () => {
    host.list(folder);
    const variables = grubEnvironment(textOrNothing(host, '/boot/grub2/grubenv') ?? '');
    const found = entryPaths(host).flatMap((path) => {
      const text = host.readText(path);
      if (text === undefined) return [];
      const [version = ''] = entryValues(text, 'version');
      const [kernel = ''] = entryValues(text, 'linux');
      const [sort = ''] = entryValues(text, 'sort-key');
      const name = path.slice(path.lastIndexOf('/') + 1, -'.conf'.length);
      const line = withVariables(entryOptions(text), variables);
      const one = { ...entry(name, path, kernel, line), managed: name !== TRIAL_ENTRY };
      return [{ ...one, version, sort, rescue: /rescue/.test(name) }];
    });
    if (found.length === 0) return absent('missing', 'no entry', folder);
    const chosen = chosenEntry(host, loader, found, variables.get('saved_entry'));
    return known(
      found.map(({ version: _v, sort: _s, rescue: _r, ...one }) => ({
        ...one,
        isDefault: one.id === chosen,
      })),
      folder,
    );
  });
}

interface Sortable {
  readonly id: string;
  readonly version: string;
  readonly sort: string;
  readonly rescue: boolean;
}

/** The name that the loader was told, else the first in its order: sort-key, then the newest version. */
function chosenEntry(
  host: ReadHost,
  loader: BootLoaderKind,
  found: readonly Sortable[],
  saved: string | undefined,
): string | undefined {
  const told = loader === 'systemd-boot' ? systemdDefault(host) : loader === 'grub-bls' ? saved : undefined;
  const plain = (name: string) => name.replace(/\.conf$/, '').replace(/\+\d+(-\d+)?$/, '');
  const pattern = told && new RegExp(`^${plain(told).split('*').map(escaped).join('.*')}$`);
  const order = [...found].sort(
    (a, b) =>
      Number(a.sort === '') - Number(b.sort === '') ||
      compare(a.sort, b.sort) ||
      Number(a.rescue) - Number(b.rescue) ||
      -byVersion(a.version || a.id, b.version || b.id),
  );
  return (order.find(({ id }) => pattern && (pattern.test(id) || pattern.test(plain(id)))) ?? order[0])?.id;
}

function systemdDefault(host: ReadHost): string | undefined {
  const variable = loaderVariable(host, 'LoaderEntryDefault');
  if (variable !== undefined) return variable;
  for (const esp of espFolders(host)) {
    const setting = /^default\s+(\S+)/m.exec(textOrNothing(host, `${esp}/loader/loader.conf`) ?? '')?.[1];
    if (setting !== undefined && !setting.startsWith('@')) return setting;
  }
  return undefined;
}

const escaped = (text: string) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

function byVersion(a: string, b: string): number {
  const parts = (text: string) => text.match(/\d+|\D+/g) ?? [];
  const [one, other] = [parts(a), parts(b)];
  for (let at = 0; at < Math.max(one.length, other.length); at++) {
    const [x = '', y = ''] = [one[at], other[at]];
    const difference = Number(x) - Number(y);
    const order = Number.isNaN(difference) ? compare(x, y) : difference;
    if (order !== 0) return order;
  }
  return 0;
}

/** RHEL 8: `options $kernelopts $tuned_params`, with the values in grubenv. */
function withVariables(line: string, variables: ReadonlyMap<string, string>): string {
  return line
    .replace(/\$\{?([A-Za-z_]\w*)\}?/g, (whole, name: string) => variables.get(name) ?? whole)
    .trim();
}

/** What an undo has to put back where no generator makes it. */
function fileNames(host: ReadHost, loader: BootLoaderKind | undefined): string[] {
  if (loader === 'raspberry-pi') return raspberryPi(host).map(({ evidence }) => evidence);
  if (loader === 'grub-bls') return [...entryPaths(host), KERNEL_CMDLINE, '/etc/default/grub'];
  if (loader !== 'systemd-boot') return [];
  return [...entryPaths(host).filter((path) => !path.endsWith(`/${TRIAL_ENTRY}.conf`)), KERNEL_CMDLINE];
}

function environment(host: ReadHost): Boot['environment'] {
  const read = (path: string) => () =>
    attribute(host, path, (text) => {
      const values = grubEnvironment(text);
      const value = (name: string) => values.get(name) ?? null;
      return { saved: value('saved_entry'), next: value('next_entry') || null, options: value('kernelopts') };
    });
  return firstKnown(read('/boot/grub/grubenv')(), read('/boot/grub2/grubenv'));
}

function snapd(host: ReadHost): Boot['environment'] {
  return attribute(host, '/var/lib/snapd/state.json', (text) => ({
    saved: null,
    next: null,
    options: appendedArguments(text),
  }));
}

function environmentDevice(host: ReadHost): Boot['environmentDevice'] {
  return attribute(host, '/proc/mounts', (text) => {
    const mounts = text.split('\n').map((line) => line.split(' '));
    for (const folder of ['/boot/grub', '/boot/grub2', '/boot', '/']) {
      const [device = '', , type = ''] = mounts.findLast(([, path]) => path === folder) ?? [];
      if (type !== '') return { device, type };
    }
    return { device: '', type: '' };
  });
}
