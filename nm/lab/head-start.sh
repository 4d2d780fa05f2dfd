#!/bin/sh
# Process 1 of a head node once its disk is mounted: what systemd, udev and cloud-init do elsewhere. Then rc.local,
# as nm ships it, does what is the head node's own.
export PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /run/seed /run/nm-head

told() { sed -n "s/^ *\"$1\": \"\(.*\)\",*$/\1/p" /run/head.json; }

for disk in /dev/vd?; do
    mount -t iso9660 -o ro "$disk" /run/seed 2>/dev/null || continue
    [ ! -f /run/seed/nm/head.json ] || cp /run/seed/nm/head.json /run/head.json
    umount /run/seed
done
hostname "$(told hostname)"
ip link set lo up
for place in /sys/class/net/*; do
    nic=${place##*/} mac=$(cat "$place/address")
    case $mac in
        "$(told mac)")
            ip address add "$(told address)" dev "$nic"
            ip link set "$nic" up
            ;;
        "$(told management_mac)")
            ip link set "$nic" up
            udhcpc -b -T 1 -t 30 -i "$nic" -s /usr/lib/lease.sh
            ;;
    esac
done
for input in /dev/input/event*; do # only the power button makes events
    { dd if="$input" of=/dev/null bs=24 count=1 2>/dev/null && sync && poweroff -f; } &
done
httpd -p 8080 -h /srv/home
: >/var/log/moc-list.log
tail -f /var/log/moc-list.log &
sh /etc/rc.local
echo "$(hostname): started after $(cut -d ' ' -f 1 /proc/uptime) s"
while true; do sleep 3600; done
