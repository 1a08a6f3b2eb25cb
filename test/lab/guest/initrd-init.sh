#!/bin/busybox sh
# First program of the fast guest: makes the host's root file system the guest's, read-only below a tmpfs overlay.
/bin/busybox mkdir -p /proc /sys /dev /host /layers /newroot
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
for module in virtio_pci 9pnet_virtio 9p overlay; do modprobe "$module"; done
mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000 hostroot /host
mount -t tmpfs layers /layers
mkdir /layers/upper /layers/work
mount -t overlay -o lowerdir=/host,upperdir=/layers/upper,workdir=/layers/work root /newroot
# lab.kernel= names the folder, on the host, that holds the guest's modules and boot files.
kernel=$(sed -n 's/.*lab\.kernel=\([^ ]*\).*/\1/p' /proc/cmdline)
mkdir -p /newroot/usr/lib/modules /newroot/boot
mount --bind "/newroot$kernel/lib/modules" /newroot/usr/lib/modules
mount --bind "/newroot$kernel/boot" /newroot/boot
mount --move /proc /newroot/proc
mount --move /sys /newroot/sys
mount --move /dev /newroot/dev
mkdir -p /newroot/run
mount -t tmpfs -o mode=755 run /newroot/run
cp /fast-init.sh /newroot/run/fast-init.sh
exec switch_root /newroot /bin/sh /run/fast-init.sh
