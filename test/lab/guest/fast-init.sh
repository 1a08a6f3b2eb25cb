# Second program of the fast guest, and its process 1: what an init system would do, as far as the tests need it.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mkdir -p /dev/pts /dev/shm /dev/hugepages /var/lib/bypass-setup
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs tmp /tmp
# What this program left on the host is not the guest's.
mount -t tmpfs state /var/lib/bypass-setup
mount -t cgroup2 cgroup /sys/fs/cgroup 2>/dev/null
mount -t securityfs securityfs /sys/kernel/security 2>/dev/null
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
cat /sys/bus/pci/devices/*/modalias | sort -u | while read -r alias; do modprobe -q "$alias"; done
modprobe -q virtio_net
modprobe -q virtio_console
ip link set lo up
mac=$(sed -n 's/.*lab\.management=\([^ ]*\).*/\1/p' /proc/cmdline)
for interface in /sys/class/net/*; do
  [ "$(cat "$interface/address")" = "$mac" ] || continue
  ip address add 10.0.2.15/24 dev "${interface##*/}"
  ip link set "${interface##*/}" up
  ip route add default via 10.0.2.2
done
agent=$(sed -n 's/.*lab\.agent=\([^ ]*\).*/\1/p' /proc/cmdline)
for port in /sys/class/virtio-ports/*; do
  [ "$(cat "$port/name")" = org.qemu.guest_agent.0 ] || continue
  "$agent" --method=virtio-serial --path="/dev/${port##*/}" --statedir=/run --pidfile=/run/agent.pid &
done
# A shell on the serial line, for --sit.
while :; do
  setsid sh -c 'exec sh -i < /dev/ttyS0 > /dev/ttyS0 2>&1' &
  wait $!
done
