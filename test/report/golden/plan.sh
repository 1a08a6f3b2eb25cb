#!/bin/sh
# What "bypass-setup apply -f profiles/feed.yaml" would do on this host now.
set -eu

# vfio-pci: load the module (runtime)
modprobe vfio-pci

# 0000:3b:00.0: bind to vfio-pci (from e1000e) (runtime, its link goes down)
echo vfio-pci > /sys/bus/pci/devices/0000:3b:00.0/driver_override
echo 0000:3b:00.0 > /sys/bus/pci/drivers_probe

# write /etc/modprobe.d/bypass-setup.conf: vfio-pci is loaded before the kernel drivers of these NICs (persistent)
install -m 644 /dev/stdin /etc/modprobe.d/bypass-setup.conf <<'END'
…
END

# node1 1048576kB: hugepages of 1 GiB (runtime)

# /etc/default/grub.d/bypass-setup.cfg: no CPU isolated at boot (persistent, works after a reboot)
rm -f /etc/default/grub.d/bypass-setup.cfg
update-grub
