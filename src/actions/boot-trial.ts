import { isolatedBy, mergeArguments, parseArgument } from '../formats/boot-line.ts';
import { OWN } from '../formats/own-files.ts';
import type { Host } from '../host/host.ts';
import { HEADER, putBack } from './file.ts';
import type { Order } from './loaders/loader.ts';

/** A boot line that is tried once. A unit judges the host that came up with it; nothing else makes it the default. */

export const TRIAL_FILES = [OWN.trialScript, OWN.trialUnit, OWN.trialWants, OWN.trialResult] as const;

/** Seconds for the network and sshd to come up after boot. */
const PATIENCE = 180;

/**
 * With an end where the kernel panics (kernel/panic.c), and a mark for the unit. The kernel takes a name with a dot for a
 * module's parameter and does not complain of it (init/main.c, unknown_bootoption).
 */
export function trialLine({ before, after }: Order): string {
  const line = mergeArguments(before.lines[before.chosen ?? ''] ?? '', after.arguments, after.retired);
  return mergeArguments(line, [`panic=10`, mark(after.trial)]);
}

const mark = (digest: string | null) => `bypass_setup.trial=${digest}`;

/** `promote` are the commands that make the line the default; they must be true when all went well. */
export function writeTrial(host: Host, order: Order, promote: string): void {
  host.remove(OWN.trialResult);
  host.replaceFile(OWN.trialScript, script(order, promote), 0o755);
  host.replaceFile(OWN.trialUnit, unit(order), 0o644);
  host.replaceFile(OWN.trialWants, `${HEADER}[Unit]\nWants=bypass-setup-boot-trial.service\n`, 0o644);
}

/** Its folders too, the deepest first. */
export function removeTrial(host: Host, { before }: Order): void {
  for (const path of TRIAL_FILES) {
    const old = before.files[path];
    if (old !== undefined) putBack(host, path, old);
  }
}

function unit({ after }: Order): string {
  return `${HEADER}[Unit]
Description=Judge the boot line that is tried once
ConditionKernelCommandLine=${mark(after.trial)}
After=network-online.target bypass-setup.service
Wants=network-online.target

[Service]
Type=oneshot
ExecStart=${OWN.trialScript}
TimeoutStartSec=infinity
`;
}

function expected(order: Order, key: string): string {
  const found = order.after.arguments.map(parseArgument).find(({ name }) => name === key)?.value ?? '';
  return key === 'isolcpus' ? isolatedBy(found) : found;
}

function script(order: Order, promote: string): string {
  return `#!/bin/sh
${HEADER}# Runs after a boot with the boot line that is tried once. When the host is well the line becomes the default; else
# the host is started again, and its loader takes the old line.
root=$BYPASS_SETUP_ROOT
patience=\${BYPASS_SETUP_PATIENCE:-${PATIENCE}}

say() {
  { echo "bypass-setup: trial: $*" >"$root/dev/kmsg"; } 2>/dev/null || echo "bypass-setup: trial: $*" >&2
}

# Decimal list, one number a line.
numbers() {
  for part in $(echo "$1" | tr , ' '); do
    first=\${part%-*}
    last=\${part#*-}
    while [ "$first" -le "$last" ]; do
      echo "$first"
      first=$((first + 1))
    done
  done
}

# same WHAT EXPECTED FILE
same() {
  [ -z "$2" ] && return
  read -r found 2>/dev/null <"$root$3"
  [ "$(numbers "$2" | sort -u)" = "$(numbers "$found" 2>/dev/null | sort -u)" ] && return
  why="$1 is '$found', expected '$2'"
  return 1
}

# At least a twentieth of the memory, and 128 MiB.
memory() {
  total=0
  available=0
  while read -r name value _; do
    case $name in
      MemTotal:) total=$value ;;
      MemAvailable:) available=$value ;;
    esac
  done <"$root/proc/meminfo"
  [ "$available" -ge 131072 ] && [ $((available * 20)) -ge "$total" ] && return
  why="only $available kB of $total kB are available"
  return 1
}

# A route to anywhere by an interface that is up, for hosts that had one.
route() {
  ${order.before.route ? '' : 'return # there was none before\n  '}while read -r name destination _ flags _; do
    [ "$destination" = 00000000 ] || continue
    read -r state 2>/dev/null <"$root/sys/class/net/$name/operstate"
    [ "$state" = up ] || [ "$state" = unknown ] && return
  done <"$root/proc/net/route"
  why="there is no default route by an interface that is up"
  return 1
}

# ssh, where it is meant to run.
ssh() {
  meant=
  for unit in ssh.service sshd.service ssh.socket sshd.socket; do
    systemctl -q is-enabled "$unit" 2>/dev/null || continue
    systemctl -q is-active "$unit" && return
    meant=$unit
  done
  [ -z "$meant" ] && return
  why="$meant does not run"
  return 1
}

well() {
  same "the list of isolated CPUs" "${expected(order, 'isolcpus')}" /sys/devices/system/cpu/isolated &&
    same nohz_full "${expected(order, 'nohz_full')}" /sys/devices/system/cpu/nohz_full &&
    memory && route && ssh
}

promote() {
  ${promote}
}

result() {
  echo "$*" >"$root${OWN.trialResult}"
  sync
  say "$*"
}

waited=0
until well; do
  if [ "$waited" -ge "$patience" ]; then
    result "failed: $why"
    systemctl reboot
    exit 1
  fi
  sleep 5
  waited=$((waited + 5))
done
if promote; then
  result passed
else
  result "failed: the host is well, but the line could not be made the default"
  exit 1
fi
`;
}
