#!/bin/busybox sh
# The VM's first program: mounts this machine's files with an overlay in memory and goes on there.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do
    insmod "$module"
done
mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=512000,ro machine /below
mount -t tmpfs tmpfs /above
mkdir /above/changes /above/work
mount -t overlay -o lowerdir=/below,upperdir=/above/changes,workdir=/above/work overlay /root
for folder in proc sys dev; do
    mount --move /$folder /root/$folder
done
mkdir -p /root/dev/pts /root/dev/shm /root/mnt/answer
mount -t tmpfs tmpfs /root/dev/shm
mount -t tmpfs tmpfs /root/run
mount -t tmpfs tmpfs /root/tmp
mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 answer /root/mnt/answer
project=$(cat /root/mnt/answer/project)
exec switch_root /root /bin/sh "$project/tests/kernel/second.sh"
