#!/bin/busybox sh
# Process 1 of the lab's small guests. A head node takes the address that its command line tells and answers on its
# second serial port "ask NUMBER ADDRESS..." with "NUMBER ADDRESS...": those that it reaches. A described domain
# takes the address and gateway that its seed tells, and says so on its console.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do insmod "$module"; done
for word in $(cat /proc/cmdline); do
    case $word in lab.address=*) address=${word#*=} ;; esac
done
for input in /dev/input/event*; do # only the power button makes events
    { dd if="$input" of=/dev/null bs=24 count=1 2>/dev/null && poweroff -f; } &
done
ip link set lo up
if [ -z "$address" ]; then
    for disk in /sys/block/*; do
        [ "$(cat "$disk/serial" 2>/dev/null)" = nm-seed ] && mount -t iso9660 -o ro "/dev/${disk##*/}" /seed
    done
    told() { sed -n "s/.*\"$1\": \"\\(.*\\)\".*/\\1/p" /seed/nm/guest.json; }
    address=$(told address)
    name=$(told hostname)
    hostname "$name"
    gateway=$(told gateway)
fi
ip address add "$address" dev eth0
ip link set eth0 up
[ -n "$gateway" ] && ip route add default via "$gateway"
if [ -n "$name" ]; then
    echo "READY $name $address" >/dev/ttyS0
    while true; do sleep 3600; done
fi
stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1
while true; do
    read -r word number addresses || sleep 1
    [ "$word" = ask ] && echo $number $(sh /reach.sh $addresses)
    word=
done
