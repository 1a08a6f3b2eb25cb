import { spawnSync } from 'node:child_process';
import { entryOptions, withOptions } from '../../src/formats/boot-entry.ts';
import { grubEnvironment } from '../../src/formats/grub-config.ts';
import { parseCommandLine } from '../../src/formats/kernel-cmdline.ts';
import type { HostBuilder } from './host-builder.ts';
import type { KernelSimulator } from './kernel-simulator.ts';

/** The tools of boot loaders, as far as they write boot lines. Shell files are read by a real shell. */

const VERSIONS = ['6.1.0-27-amd64', '6.1.0-28-amd64'] as const;
const ENTRIES = '/boot/loader/entries';

export type LoaderName =
  | 'grub-debian'
  | 'grub-bls'
  | 'rpm-ostree'
  | 'bootc'
  | 'systemd-boot'
  | 'raspberry-pi'
  | 'ubuntu-core';

/** What a loader keeps, with this line in it. GRUB's is put together of two variables. */
export function addLoader(host: HostBuilder, loader: LoaderName, line: string): void {
  for (const version of VERSIONS) host.set(`/boot/vmlinuz-${version}`, 'a kernel');
  host.set('/proc/mounts', '/dev/vda1 / ext4 rw 0 0\n');
  if (loader === 'grub-debian') {
    host.set('/usr/sbin/update-grub', '');
    host.set('/usr/sbin/grub-mkconfig', '');
    host.set('/etc/default/grub', grubDefault(line));
    host.set('/etc/default/grub.d/50-cloudimg-settings.cfg', CLOUD);
    host.set('/boot/grub/grub.cfg', grubConfig(grubDefault(line) + CLOUD, line));
    host.set(GRUB_ENVIRONMENT, grubBlock({ saved_entry: '0' }));
  } else if (loader === 'grub-bls') {
    host.set('/usr/sbin/grubby', '');
    host.set('/boot/grub2/grubenv', grubBlock({ boot_success: '1' }));
    host.set('/etc/default/grub', `GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX="${line.replaceAll('"', '')}"\n`);
    host.set('/etc/kernel/cmdline', `${line}\n`);
    entries(host, ENTRIES, line);
  } else if (loader === 'rpm-ostree' || loader === 'bootc') {
    host.set('/run/ostree-booted', '');
    host.set(`/usr/bin/${loader}`, '');
    if (loader === 'bootc') host.set('/usr/lib/bootc/kargs.d/10.toml', '');
    host.set(`${ENTRIES}/ostree-1.conf`, bls('1', line));
  } else if (loader === 'systemd-boot') {
    host.set('/boot/efi/EFI/systemd/systemd-bootx64.efi', '');
    host.set('/usr/bin/kernel-install', '');
    entries(host, '/boot/efi/loader/entries', line);
    host.set('/etc/kernel/install.d/x', '');
  } else if (loader === 'raspberry-pi') host.set('/boot/firmware/cmdline.txt', `${line}\n`);
  else {
    host.set('/usr/bin/snap', '');
    host.set(
      '/var/lib/snapd/modeenv',
      `mode=run\ncurrent_kernel_command_lines=${JSON.stringify([`snapd_recovery_mode=run ${line}`])}\n`,
    );
    host.set('/var/lib/snapd/state.json', JSON.stringify(snapState(line)));
  }
}

const CLOUD = 'GRUB_CMDLINE_LINUX="console=ttyS0 nohz_full=9"\n';

const grubDefault = (line: string) =>
  `GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT='${line}'\nGRUB_CMDLINE_LINUX=""\n`;

function snapState(line: string): object {
  return { data: { config: { core: { system: { kernel: { 'dangerous-cmdline-append': line } } } } } };
}

function entries(host: HostBuilder, folder: string, line: string): void {
  for (const version of VERSIONS) host.set(`${folder}/0123-${version}.conf`, bls(version, line));
}

function bls(version: string, line: string): string {
  return `title Linux\nversion ${version}\nlinux /vmlinuz-${version}\ninitrd /initrd.img-${version}\noptions ${line}\n`;
}

function grubBlock(values: Readonly<Record<string, string>>): string {
  const lines = Object.entries(values).map(([name, value]) => `${name}=${value}\n`);
  return `# GRUB Environment Block\n${lines.join('')}`.padEnd(1024, '#');
}

/** /etc/default/grub and the drop-ins, read by sh as grub-mkconfig does; then the parts of /etc/grub.d. */
function grubConfig(settings: string, fallback: string, parts: readonly string[] = []): string {
  const shell = spawnSync(
    'sh',
    ['-ec', `${settings}\nprintf '%s\\n%s\\n' "$GRUB_CMDLINE_LINUX" "$GRUB_CMDLINE_LINUX_DEFAULT"`],
    { encoding: 'utf8' },
  );
  if (shell.status !== 0) throw new Error(`sh: ${shell.stderr}`);
  const [common = '', standard = fallback] = shell.stdout.split('\n');
  const menu = VERSIONS.toReversed().flatMap((version) => [
    `menuentry 'Linux ${version}' --class os $menuentry_id_option 'gnulinux-${version}-advanced-UUID' {`,
    `\tlinux\t/boot/vmlinuz-${version} root=UUID=1 ro ${common} ${standard}`,
    `\tinitrd\t/boot/initrd.img-${version}`,
    '}',
    `menuentry 'Linux ${version} (recovery mode)' $menuentry_id_option 'gnulinux-${version}-recovery-UUID' {`,
    `\tlinux\t/boot/vmlinuz-${version} root=UUID=1 ro single ${common}`,
    '}',
  ]);
  return [
    '### BEGIN /etc/grub.d/00_header ###',
    'if [ "$next_entry" ] ; then',
    '   set default="$next_entry"',
    '   set next_entry=',
    '   save_env next_entry',
    'else',
    '   set default="0"',
    'fi',
    '### END /etc/grub.d/00_header ###',
    '### BEGIN /etc/grub.d/10_linux ###',
    ...menu,
    '### END /etc/grub.d/10_linux ###',
    ...parts,
    '',
  ].join('\n');
}

type Program = (host: KernelSimulator, args: readonly string[]) => string | undefined;

const put = (host: KernelSimulator, path: string, text: string) =>
  host.putBytes(path, new TextEncoder().encode(text));

export const GRUB_ENVIRONMENT = '/boot/grub/grubenv';

export function editEnvironment(host: KernelSimulator, args: readonly string[]): undefined {
  const [path = '', what, ...words] = args;
  const values = grubEnvironment(host.readText(path) ?? '');
  for (const word of words) {
    const [name = '', ...rest] = word.split('=');
    if (what === 'set') values.set(name, rest.join('='));
    else values.delete(name);
  }
  put(host, path, grubBlock(Object.fromEntries(values)));
}

const words = (text: string) => parseCommandLine(text).parameters.map((parameter) => parameter.text);

function changed(line: string, remove: readonly string[], append: readonly string[]): string {
  return [...words(line).filter((word) => !remove.includes(word)), ...append].join(' ');
}

function eachEntry(host: KernelSimulator, folder: string, edit: (line: string) => string): void {
  for (const name of host.list(folder) ?? []) {
    const text = host.readText(`${folder}/${name}`) ?? '';
    put(host, `${folder}/${name}`, withOptions(text, edit(entryOptions(text))));
  }
}

const option = (args: readonly string[], name: string) =>
  args.filter((arg) => arg.startsWith(`${name}=`)).map((arg) => arg.slice(name.length + 1));

/** A new deployment, which is the default, and the one before. */
function deploy(host: KernelSimulator, edit: (line: string) => string): void {
  const path = (number: number) => `${ENTRIES}/ostree-${number}.conf`;
  const text = host.readText(path(2)) ?? host.readText(path(1)) ?? '';
  const line = edit(entryOptions(text));
  put(host, path(2), bls('2', line));
}

export const LOADER_PROGRAMS: Readonly<Record<string, Program>> = {
  'grub-mkconfig'(host, args) {
    const folder = '/etc/default/grub.d';
    const names = (host.list(folder) ?? []).filter((name) => name.endsWith('.cfg'));
    const settings = ['/etc/default/grub', ...names.map((name) => `${folder}/${name}`)]
      .map((path) => host.readText(path) ?? '')
      .join('\n');
    const parts = (host.list('/etc/grub.d') ?? []).map((name) => {
      const script = host.readText(`/etc/grub.d/${name}`) ?? '';
      const { stdout } = spawnSync('sh', ['-ec', script], { encoding: 'utf8' });
      return `### BEGIN /etc/grub.d/${name} ###\n${stdout}### END /etc/grub.d/${name} ###`;
    });
    put(host, args[1] ?? '', grubConfig(settings, '', parts));
    return undefined;
  },
  'grub-editenv': editEnvironment,
  'grub2-editenv': editEnvironment,
  grubby(host, args) {
    const remove = option(args, '--remove-args').flatMap(words);
    const append = option(args, '--args').flatMap(words);
    eachEntry(host, ENTRIES, (line) => changed(line, remove, append));
    const path = '/etc/default/grub';
    const text = host.readText(path) ?? '';
    put(
      host,
      path,
      text.replace(
        /^(GRUB_CMDLINE_LINUX=")(.*)"$/m,
        (_, head: string, line: string) => `${head}${changed(line, remove, append)}"`,
      ),
    );
    return undefined;
  },
  'kernel-install'(host, [what, version = '']) {
    if (what !== 'add') throw new Error(`kernel-install ${what}`);
    const line = host.readText('/etc/kernel/cmdline') ?? host.readText('/proc/cmdline') ?? '';
    put(host, `/boot/efi/loader/entries/0123-${version}.conf`, bls(version, line.trim()));
    return undefined;
  },
  bootctl: () => undefined,
  'rpm-ostree'(host, args) {
    const append = option(args, '--append');
    deploy(host, (line) => changed(line, option(args, '--delete-if-present'), append));
    return undefined;
  },
  bootc(host, args) {
    const at = args.indexOf('--options');
    const next = at < 0 ? [] : words(args[at + 1] ?? '');
    const text = host.readText(`${ENTRIES}/ostree-2.conf`) ?? '';
    const own = /^x-options-source-bypass-setup (.*)$/m.exec(text)?.[1] ?? '';
    deploy(host, (line) => changed(line, words(own), next));
    const path = `${ENTRIES}/ostree-2.conf`;
    put(host, path, `${host.readText(path)}x-options-source-bypass-setup ${next.join(' ')}\n`);
    return undefined;
  },
  snap(host, [what, , value = '']) {
    const line = what === 'set' ? value.slice(value.indexOf('=') + 1) : '';
    put(host, '/var/lib/snapd/state.json', JSON.stringify(snapState(line)));
    const modeenv = `mode=run\ncurrent_kernel_command_lines=${JSON.stringify([`snapd_recovery_mode=run ${line}`])}\n`;
    put(host, '/var/lib/snapd/modeenv', modeenv);
    return undefined;
  },
};
