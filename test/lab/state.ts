/** What an undo must bring back, as text that two moments of one guest can be compared by. */
import type { Machine } from './machine.ts';

/**
 * Drivers, overrides and virtual functions; links with their settings, addresses and routes, without the numbers that the
 * kernel gives anew; each file that an administrator or a package owns, with owner, mode and digest.
 */
const SCRIPT = `
cd /sys/bus/pci/devices
for device in *; do
  echo "$device $(basename "$(readlink $device/driver)") override=$(cat $device/driver_override) vfs=$(cat $device/sriov_numvfs 2>/dev/null)"
done
for link in /sys/class/net/*; do
  [ -e $link/mtu ] || continue
  echo "$(basename $link) $(cat $link/address $link/mtu $link/flags | tr '\\n' ' ')"
done
ip -o address | sed 's/^[0-9]*: //; s/valid_lft.*//' | sort
ip route show table all | grep -v 'table local' | sort
ip -6 route show table all | grep -v 'table local' | sed 's/ expires.*//' | sort
lsmod | cut -d' ' -f1 | grep -E '^(vfio|uio)' | sort
owned() { find /etc /boot /usr/lib/systemd /usr/lib/udev /usr/lib/modprobe.d /usr/lib/initramfs-tools -xdev -type f -not -path /etc/ld.so.cache -not -path /etc/resolv.conf "$@"; }
owned -printf '%p %u:%g %m\\n' | sort
owned -print0 | sort -z | xargs -0 sha256sum
find /etc -xdev -type d -printf '%p %u:%g %m\\n' -o -xdev -type l -printf '%p -> %l\\n' | sort
find /run/systemd/system /run/udev/rules.d /run/NetworkManager -name '*bypass*' 2>/dev/null
systemctl list-timers --all --no-legend 2>/dev/null | grep -c bypass-setup
[ -d /var/lib/bypass-setup ] && find /var/lib/bypass-setup -mindepth 1 -not -path '*/runs*' | sort
true`;

export function stateOf(machine: Machine): Promise<string> {
  return machine.must(SCRIPT);
}
