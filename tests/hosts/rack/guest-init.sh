#!/bin/busybox sh
# Process 1 of a head node in these tests: counts its boots on its own disk, and says on its console what the
# seed disk tells it.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do insmod "$module"; done
for input in /dev/input/event*; do  # only the power button makes events
    { dd if="$input" of=/dev/null bs=24 count=1 2>/dev/null && poweroff -f; } &
done
for nic in /sys/class/net/eth*; do ip link set "${nic##*/}" up; done  # and IPv6 says hello
for disk in /sys/block/vd*; do
    case $(cat "$disk/serial") in
    nm-disk) own=/dev/${disk##*/} ;;
    nm-seed) seed=/dev/${disk##*/} ;;
    esac
done
boots=$(($(dd if="$own" bs=16 count=1 2>/dev/null | tr -dc 0-9) + 1))
printf '%-16s' "$boots" | dd of="$own" conv=notrunc,fsync 2>/dev/null
mkdir -p /seed
mount -t iso9660 -o ro "$seed" /seed
{
    echo
    echo "BOOT $boots"
    echo "META $(cat /seed/meta-data | tr -d ' \n')"
    echo "NETWORK $(cat /seed/network-config | tr -d ' \n')"
    echo "USER $(tail -n +2 /seed/user-data | tr -d '\n')"
    echo "KEY $(cat /seed/nm/key 2>/dev/null | tr -d '\n')"
    echo "MACS $(cat /sys/class/net/eth*/address | tr '\n' ' ')"
    echo "READY"
} >/dev/ttyS0
while true; do sleep 3600; done
