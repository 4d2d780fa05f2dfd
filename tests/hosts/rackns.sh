#!/bin/sh
# Run a command beside a libvirtd and an Open vSwitch of its own: private mount, network, process, IPC
# and UTS namespaces, so that this machine's own are not touched and everything ends with the command.
#   rackns.sh COMMAND...        inside, $RACK is a scratch folder that QEMU's user may read
set -eu
scratch=$(mktemp -d /tmp/nm-rack.XXXXXX)
trap 'rm -rf "$scratch"' EXIT
chmod 755 "$scratch"
status=0
RACK=$scratch unshare --mount --net --pid --ipc --uts --fork --kill-child --mount-proc sh -eu -c '
    mount --make-rprivate /
    mount -t sysfs sysfs /sys
    mount -t tmpfs -o mode=755 tmpfs "$RACK" # libvirt, Open vSwitch and QEMU often wait for their disk
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/lock /run/openvswitch /run/libvirt "$RACK/etc" "$RACK/lib/qemu" "$RACK/log/qemu"
    cp -a /etc/libvirt/. "$RACK/etc"
    echo "cgroup_controllers = [ ]" >>"$RACK/etc/qemu.conf"
    rm -rf "$RACK"/etc/qemu/*.xml "$RACK"/etc/qemu/autostart "$RACK"/etc/qemu/networks
    chown -R libvirt-qemu:libvirt-qemu "$RACK/lib/qemu" "$RACK/log/qemu"
    mount --bind "$RACK/etc" /etc/libvirt
    mount -t tmpfs -o mode=755 tmpfs /var/lib
    mkdir /var/lib/libvirt
    mount --bind "$RACK/lib" /var/lib/libvirt
    mount --bind "$RACK/log" /var/log/libvirt
    ip link set lo up
    ovsdb-tool create "$RACK/conf.db" /usr/share/openvswitch/vswitch.ovsschema
    ovsdb-server "$RACK/conf.db" --remote=punix:/run/openvswitch/db.sock --pidfile --detach \
        --log-file="$RACK/ovsdb.log" 2>"$RACK/ovsdb.err"
    ovs-vsctl --no-wait init
    ovs-vswitchd --pidfile --detach --log-file="$RACK/vswitchd.log" 2>"$RACK/vswitchd.err"
    virtlogd -d
    libvirtd -d
    "$@"
' rackns "$@" || status=$?
exit $status
