#!/bin/sh
# What udhcpc does with a lease on a node: the address goes to the NIC, the head node's is kept for the call.
case $1 in
    deconfig) ip address flush dev "$interface" ;;
    bound | renew)
        ip address add "$ip/$mask" dev "$interface"
        echo "$serverid" >/head
        echo "node has address $ip from $serverid"
        ;;
esac
