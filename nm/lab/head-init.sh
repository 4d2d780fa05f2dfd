#!/bin/busybox sh
# Process 1 of an image-made head node, before its disk is mounted; hands over to /sbin/init there.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do insmod "$module"; done
mkdir /disk
until mount -t ext4 /dev/vda /disk 2>/dev/null; do sleep 0.1; done
mount --move /dev /disk/dev
umount /proc
exec switch_root /disk /sbin/init
