import { HEADER } from './file.ts';

/** A NIC as the boot script compares it before it writes driver_override; `-` where nothing is known. */
export interface BootNic {
  readonly address: string;
  readonly driver: string;
  readonly vendor: string;
  readonly device: string;
  /** `0x8086:0x0001` */
  readonly subsystem: string | undefined;
  readonly serial: string | undefined;
  readonly mac: string | undefined;
  /**
   * Addresses of all functions with the same vendor and device. Without a serial number two NICs of a kind cannot be
   * told apart before a driver has them: when one is added, moved or taken out, none of them is touched.
   */
  readonly peers: readonly string[];
}

/**
 * The script that runs at boot, as early as the system lets it: in the initramfs before udev loads any driver, and again
 * from a unit before the network is configured. POSIX sh, because an initramfs has nothing else.
 */
export function bootScript(nics: readonly BootNic[]): string {
  const lines = nics.map((nic) =>
    [
      'nic',
      nic.address,
      nic.driver,
      nic.vendor,
      nic.device,
      nic.subsystem ?? '-',
      nic.serial ?? '-',
      nic.mac ?? '-',
      nic.serial === undefined ? nic.peers.join(',') : '-',
    ].join(' '),
  );
  const drivers = [...new Set(nics.map(({ driver }) => driver))];
  const modules = drivers.flatMap((driver) =>
    driver === 'vfio-pci' ? [driver, 'vfio_iommu_type1'] : [driver],
  );
  const loads = modules.map((module) => `modprobe -q ${module} || :`);
  return `#!/bin/sh\n${HEADER}${TEXT.replace('@MODULES@', loads.join('\n')).replace('@NICS@', lines.join('\n'))}`;
}

const TEXT = `# Binds the NICs below to their user-space driver before a kernel driver makes an interface of them. A NIC is
# touched only when what is in its slot is what was there when this was written.
[ "$1" = prereqs ] && exit 0
root=$BYPASS_SETUP_ROOT
pci=$root/sys/bus/pci
failed=0

say() {
  { echo "bypass-setup: $*" >"$root/dev/kmsg"; } 2>/dev/null || echo "bypass-setup: $*" >&2
}

value() {
  read -r text 2>/dev/null <"$1" && echo "$text"
}

driver() {
  link=$(readlink "$1/driver") && echo "\${link##*/}"
}

# PCI Express Base Specification 7.9.3: the Device Serial Number capability, most significant byte first.
serial() {
  set -- $(od -An -v -tx1 "$1/config" 2>/dev/null)
  at=256
  tries=0
  while [ "$at" -ge 256 ] && [ $((at + 12)) -le $# ] && [ "$tries" -lt 480 ]; do
    eval "head=\\\${$((at + 4))}\\\${$((at + 3))}\\\${$((at + 2))}\\\${$((at + 1))}"
    case $head in 00000000 | ffffffff) return ;; esac
    case $head in
      *0003)
        eval "echo \\\${$((at + 12))}-\\\${$((at + 11))}-\\\${$((at + 10))}-\\\${$((at + 9))}-\\\${$((at + 8))}-\\\${$((at + 7))}-\\\${$((at + 6))}-\\\${$((at + 5))}"
        return
        ;;
    esac
    at=$((0x\${head%?????} & 0xffc))
    tries=$((tries + 1))
  done
}

# All functions with this vendor and device.
peers() {
  list=
  for other in "$pci"/devices/*; do
    [ "$(value "$other/vendor")" = "$1" ] && [ "$(value "$other/device")" = "$2" ] && list=$list,\${other##*/}
  done
  echo "\${list#,}"
}

# same WHAT EXPECTED FOUND
same() {
  [ "$2" = - ] || [ "$2" = "$3" ] && return
  say "$address: $1 is '$3', expected '$2': another NIC is in this slot, it is left alone"
  failed=1
  return 1
}

# nic ADDRESS DRIVER VENDOR DEVICE SUBSYSTEM SERIAL MAC PEERS
nic() {
  address=$1
  dev=$pci/devices/$1
  if [ ! -e "$dev/vendor" ]; then
    say "$1: no such device"
    failed=1
    return
  fi
  now=$(driver "$dev")
  [ "$now" = "$2" ] && return
  same vendor "$3" "$(value "$dev/vendor")" || return
  same device "$4" "$(value "$dev/device")" || return
  same subsystem "$5" "$(value "$dev/subsystem_vendor"):$(value "$dev/subsystem_device")" || return
  [ "$6" = - ] || same serial "$6" "$(serial "$dev")" || return
  [ "$8" = - ] || same "the list of NICs of its kind" "$8" "$(peers "$3" "$4")" || return
  for net in "$dev"/net/* "$dev"/virtio*/net/*; do
    [ -e "$net/address" ] || continue
    same "the MAC address" "$7" "$(value "$net/address")" || return
    flags=$(value "$net/flags")
    if [ $((\${flags:-0} & 1)) -ne 0 ]; then
      say "$1: its interface \${net##*/} is already up, it is left alone"
      failed=1
      return
    fi
  done
  echo "$2" >"$dev/driver_override"
  [ -z "$now" ] || echo "$1" >"$pci/drivers/$now/unbind"
  echo "$1" >"$pci/drivers_probe"
  if [ "$(driver "$dev")" = "$2" ]; then
    # As after "apply": one that stays would keep every other driver away.
    echo >"$dev/driver_override"
  elif [ "$late" = 1 ]; then
    say "$1: is on '$(driver "$dev")', not on $2"
    echo >"$dev/driver_override"
    echo "$1" >"$pci/drivers_probe"
    failed=1
  fi
}

# Without the module the override still keeps the kernel driver away until the second run.
late=0
[ "$1" = late ] && late=1
@MODULES@
@NICS@
[ "$late" = 0 ] || exit $failed
exit 0
`;
