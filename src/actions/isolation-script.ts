import { formatCpuList, parseCpuList } from '../formats/cpu-list.ts';
import { OWN } from '../formats/own-files.ts';
import { HEADER } from './file.ts';

interface Work {
  /** The tmpfiles entries once more. */
  readonly attributes: boolean;
  /** Keep interrupts off the isolated CPUs. */
  readonly interrupts?: { readonly isolated: string; readonly housekeeping: string };
  /** Make a partition of these CPUs. */
  readonly partition?: string;
}

/**
 * POSIX sh. A kernel that refuses to move an interrupt manages it itself: that is no failure, and kept as `apply` keeps it
 * (refused.ts), so that a plan does not ask for it again.
 */
export function isolationScript({ attributes, interrupts, partition }: Work): string {
  return [
    `#!/bin/sh\n${HEADER}root=$BYPASS_SETUP_ROOT\nfailed=0\n`,
    attributes ? `systemd-tmpfiles --create "$root${OWN.tmpfiles}" || failed=1\n` : '',
    partition === undefined ? '' : PARTITION.replaceAll('@CPUS@', formatCpuList(parseCpuList(partition))),
    interrupts === undefined
      ? ''
      : INTERRUPTS.replace('@ISOLATED@', parseCpuList(interrupts.isolated).join(' ')).replace(
          '@HOUSEKEEPING@',
          formatCpuList(parseCpuList(interrupts.housekeeping)),
        ),
    'exit $failed\n',
  ].join('\n');
}

/** Documentation/admin-guide/cgroup-v2.rst: what is not possible is written all the same, and reads "invalid". */
const PARTITION = `group=$root/sys/fs/cgroup/bypass.slice
grep -qw cpuset "$root/sys/fs/cgroup/cgroup.subtree_control" || echo +cpuset >"$root/sys/fs/cgroup/cgroup.subtree_control"
[ -d "$group" ] || mkdir "$group"
echo @CPUS@ >"$group/cpuset.cpus"
[ ! -e "$group/cpuset.cpus.exclusive" ] || echo @CPUS@ >"$group/cpuset.cpus.exclusive"
echo isolated >"$group/cpuset.cpus.partition"
read -r state <"$group/cpuset.cpus.partition"
if [ "$state" != isolated ]; then
  echo "bypass-setup: bypass.slice is '$state'" >&2
  failed=1
fi
`;

const INTERRUPTS = `isolated=' @ISOLATED@ '
housekeeping=@HOUSEKEEPING@

# moved LIST: sets $left to the list without isolated CPUs
moved() {
  left=
  touched=0
  for part in $(echo "$1" | tr , ' '); do
    cpu=\${part%-*}
    while [ "$cpu" -le "\${part#*-}" ]; do
      case $isolated in
        *" $cpu "*) touched=1 ;;
        *) left=$left,$cpu ;;
      esac
      cpu=$((cpu + 1))
    done
  done
  left=\${left#,}
  [ -n "$left" ] || left=$housekeeping
}

# A driver that udev still loads spreads its interrupts over all CPUs when it starts (irq_set_affinity_and_hint).
[ -n "$root" ] || udevadm settle --timeout=30 2>/dev/null || :

last=
touched=0
refused=
for file in "$root"/proc/irq/*/smp_affinity_list; do
  read -r list <"$file" || continue
  # Most have the same.
  [ "$list" = "$last" ] || moved "$list"
  last=$list
  [ "$touched" = 0 ] || { echo "$left" >"$file"; } 2>/dev/null || {
    irq=\${file%/*}
    refused="$refused\${irq##*/} EIO\\n"
  }
done
if [ -n "$refused" ]; then
  mkdir -p "$root/run/bypass-setup/refused"
  printf "$refused" >"$root/run/bypass-setup/refused/irq-affinity"
fi
`;
