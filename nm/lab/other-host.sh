#!/bin/sh
# Process 1 of a lab's second host, in namespaces of its own: libvirtd with a pool of disks, sshd; then it only reaps.
#   other-host.sh NAME ADDRESS KEYS POOL FOLDER
set -eu
name=$1 address=$2 keys=$3 pool=$4 folder=$5
mount --make-rprivate /
mkdir -p "/run/nm/log/$name-libvirt" "/run/$pool"
cp -a /etc/libvirt /run/libvirt-there
for place in /run/libvirt /etc/libvirt /var/lib/libvirt; do
    mount -t tmpfs -o mode=755 tmpfs "$place"
done
for place in "/run/$pool" "$folder"; do
    mount -t tmpfs -o mode=711 tmpfs "$place"
done
cp /run/libvirt-there/*.conf /etc/libvirt
mount --bind "/run/nm/log/$name-libvirt" /var/log/libvirt
mkdir -p /var/log/libvirt/qemu /run/sshd
hostname "$name"
libvirtd --daemon --pid-file /run/libvirt/libvirtd.pid
virsh="virsh -q -c qemu:///system"
$virsh pool-define-as "$pool" dir --target "/run/$pool"
$virsh pool-start "$pool"
/usr/sbin/sshd -D -e -f "$keys/sshd_config" &
echo "$name is ready at $address"
while true; do sleep 3600; done
