#!/bin/busybox sh
# Process 1 of a head node: takes its address, then answers on its second serial port
# "ask NUMBER ADDRESS..." with "NUMBER ADDRESS...": those that it reaches.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do insmod "$module"; done
for word in $(cat /proc/cmdline); do
    case $word in lab.address=*) address=${word#*=} ;; esac
done
for input in /dev/input/event*; do  # only the power button makes events
    { dd if="$input" of=/dev/null bs=24 count=1 2>/dev/null && poweroff -f; } &
done
ip link set lo up
ip address add "$address" dev eth0
ip link set eth0 up
stty -F /dev/ttyS1 raw -echo
exec </dev/ttyS1 >/dev/ttyS1
while true; do
    read -r word number addresses || sleep 1
    [ "$word" = ask ] && echo $number $(sh /reach.sh $addresses)
    word=
done
