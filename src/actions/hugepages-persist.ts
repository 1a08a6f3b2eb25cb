import { mountPoint, poolFolder, poolMemory } from '../formats/hugepage-pool.ts';
import { isMountUnit, mountUnit, OWN, UNIT_FOLDER } from '../formats/own-files.ts';
import { formatSize } from '../formats/size.ts';
import { bootPages } from '../plan/hugepage-arguments.ts';
import type { PlanContext } from './define.ts';
import { defineFileAction, type FileAfter, HEADER, hasSystemd, type WantedFile } from './file.ts';
import { mountAt, mountedSizes, mountOptions } from './hugetlbfs-mount.ts';

/** Files that reserve the pages and mount their file systems at every boot, before any service is started. */
export const hugepagesPersistAction = defineFileAction({
  name: 'hugepages-persist',
  wanted,
  owned: ({ facts }) => [
    OWN.hugepagesScript,
    OWN.hugepagesUnit,
    OWN.hugepagesWants,
    ...Object.keys(facts.ownFiles.files).filter(isMountUnit),
  ],
  refresh(context, path) {
    return path !== OWN.hugepagesScript && hasSystemd(context) ? [['systemctl', 'daemon-reload']] : [];
  },
  inForce(change, host) {
    if (isMountUnit(change.target)) {
      const path = change.target.slice(`${UNIT_FOLDER}/dev-`.length, -'.mount'.length);
      return mountAt(host, `/dev/${path}`) === undefined ? `nothing is mounted at /dev/${path}` : undefined;
    }
    if (change.target !== OWN.hugepagesScript) return undefined;
    const lines = ((change.after as FileAfter).text ?? '').split('\n');
    const short = lines.flatMap((line) => {
      const [, folder, count] = /^pages (\S+) \S+ (\d+)$/.exec(line) ?? [];
      const got = host.readText(`${folder}/nr_hugepages`)?.trim() ?? 'none';
      return folder === undefined || Number(got) >= Number(count)
        ? []
        : [`${folder} has ${got} of ${count} pages`];
    });
    return short.length === 0 ? undefined : short.join('; ');
  },
});

function wanted(context: PlanContext, note: (sentence: string) => void): WantedFile[] {
  const { profile } = context;
  if (!profile.persistent) return [];
  const lines = scriptLines(context);
  const sizes = mountedSizes(profile);
  if (lines.length === 0 && sizes.length === 0) return [];
  if (!hasSystemd(context)) {
    note('hugepages: there is no systemd here, so nothing reserves them at the next boot');
    return [];
  }
  const units = sizes.map((size) => mountFile(context, size));
  const wants = [
    ...(lines.length > 0 ? [OWN.hugepagesUnit] : []),
    ...sizes.map((size) => mountUnit(mountPoint(size))),
  ].map((path) => path.slice(path.lastIndexOf('/') + 1));
  return [
    ...(lines.length > 0 ? service(context, lines) : []),
    ...units,
    {
      path: OWN.hugepagesWants,
      text: `${HEADER}[Unit]\nWants=${wants.join(' ')}\n`,
      summary: `${OWN.hugepagesWants}: starts ${wants.length === 1 ? 'that unit' : 'those units'} at every boot`,
    },
  ];
}

/** One line for each pool: `pages FOLDER MEMORY COUNT`, or `at_most FOLDER COUNT`. */
function scriptLines({ profile, facts }: PlanContext): string[] {
  const numa = facts.hugepages.pools.value?.some(({ node }) => node !== null) === true;
  const pool = (node: number, size: number) => ({ node: numa ? node : null, size });
  const now = profile.hugepages.filter(({ atBoot, count }) => !atBoot && count > 0);
  const sizes = new Set(profile.hugepages.filter(({ atBoot }) => atBoot).map(({ size }) => size));
  const surplus = [...sizes].flatMap((size) =>
    bootPages(profile, size, facts).flatMap(({ node, count }) => {
      const asked = profile.hugepages.find((page) => page.node === node && page.size === size)?.count ?? 0;
      return asked < count ? [`at_most ${poolFolder(pool(node, size))} ${asked}`] : [];
    }),
  );
  return [
    ...now.map(({ node, size, count }) => {
      const one = pool(node, size);
      return `pages ${poolFolder(one)} ${poolMemory(one)} ${count}`;
    }),
    ...surplus,
  ];
}

function service({ profile }: PlanContext, lines: readonly string[]): WantedFile[] {
  const unit = profile.service?.unit;
  return [
    {
      path: OWN.hugepagesScript,
      text: SCRIPT + lines.map((line) => `${line}\n`).join('') + END,
      mode: 0o755,
      summary: `${OWN.hugepagesScript}: reserves the hugepages at boot`,
    },
    {
      path: OWN.hugepagesUnit,
      // sysinit.target comes before all that does not say otherwise (systemd.special(7)).
      text: `${HEADER}[Unit]
Description=Reserve hugepages
DefaultDependencies=no
RequiresMountsFor=/etc/bypass-setup
After=systemd-sysctl.service
Before=sysinit.target shutdown.target${unit === undefined ? '' : ` ${unit}`}
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${OWN.hugepagesScript}
`,
      summary: `${OWN.hugepagesUnit}: runs it before any service`,
    },
  ];
}

function mountFile(context: PlanContext, size: number): WantedFile {
  const where = mountPoint(size);
  const path = mountUnit(where);
  return {
    path,
    text: `${HEADER}[Unit]
Description=Hugepages of ${formatSize(size)}
DefaultDependencies=no
Before=sysinit.target

[Mount]
What=hugetlbfs
Where=${where}
Type=hugetlbfs
Options=${mountOptions(context, size)}
`,
    summary: `${path}: mounts ${where} at boot`,
  };
}

/** POSIX sh. It never makes a pool smaller, but where the boot line had to give each node as many as the largest. */
const SCRIPT = `#!/bin/sh
${HEADER}set -u
failed=0

number() {
  cat "$1" 2>/dev/null || echo 0
}

pages() {
  for try in 1 2 3; do
    [ "$(number "$1/nr_hugepages")" -ge "$3" ] && break
    [ "$try" = 1 ] || echo 1 >/proc/sys/vm/compact_memory
    echo "$3" >"$1/nr_hugepages"
  done
  got=$(number "$1/nr_hugepages")
  if [ "$got" -lt "$3" ]; then
    echo "$1: $got of $3 pages" >&2
    failed=1
  fi
  echo "$3" >"$2"
}

at_most() {
  [ "$(number "$1/nr_hugepages")" -le "$2" ] || echo "$2" >"$1/nr_hugepages"
}

`;
const END = 'exit "$failed"\n';
