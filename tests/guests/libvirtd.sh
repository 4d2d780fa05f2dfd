#!/bin/sh
# Start a libvirtd within private namespaces and walls (house.sh), with the cgroups of the house; then COMMAND.
#   libvirtd.sh COMMAND...
set -eu
kinds=$(awk '$3 == "cgroup" { print $2 " " $4 }' /proc/mounts)
mount -t sysfs sysfs /sys
# Version 1 alone: beside it libvirt looks for version 2 before its folder is there.
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
echo "$kinds" | while read -r place options; do
    only=$(echo "$options" | tr , '\n' | grep -vxE 'rw|relatime|nosuid|nodev|noexec|xattr|release_agent=.*' |
        paste -sd,)
    case $only in name=*) only=none,$only ;; esac
    mkdir "$place"
    mount -t cgroup -o "$only" cgroup "$place"
done
mount -t tmpfs -o mode=755 tmpfs "$RACK" # libvirt and QEMU often wait for their disk
mkdir -p /run/lock /run/libvirt /var/lib/libvirt
mkdir -p "$RACK/etc" "$RACK/lib/qemu" "$RACK/lib/lxc" "$RACK/log/qemu" "$RACK/log/lxc"
cp -a /etc/libvirt/. "$RACK/etc"
rm -rf "$RACK"/etc/qemu/*.xml "$RACK"/etc/qemu/autostart "$RACK"/etc/qemu/networks "$RACK"/etc/lxc
chown -R libvirt-qemu:libvirt-qemu "$RACK/lib/qemu" "$RACK/log/qemu"
mkdir -p /var/log/libvirt
mount --bind "$RACK/etc" /etc/libvirt
mount --bind "$RACK/lib" /var/lib/libvirt
mount --bind "$RACK/log" /var/log/libvirt
virtlogd -d
libvirtd -d
"$@"
