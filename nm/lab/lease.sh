#!/bin/sh
# What udhcpc does with a lease: the address goes to the NIC, and who gave it is kept in /run/server.
case $1 in
    deconfig) ip address flush dev "$interface" ;;
    bound | renew)
        ip address replace "$ip/$mask" dev "$interface"
        echo "$serverid" >/run/server
        [ "$1" = renew ] || echo "$(hostname): address $ip from $serverid"
        ;;
esac
