#!/bin/sh
# What a virtual BMC's chassis does: "DOMAIN get NAME...", "DOMAIN set NAME VALUE...", "DOMAIN check ...".
# Called by ipmi_sim; the domain is the machine, and what it boots from is the state of that.
set -eu
domain=$1 verb=$2
shift 2

libvirt() { virsh -q -c qemu:///system "$@"; }

is_on() { [ "$(libvirt domstate "$domain")" != "shut off" ]; }

power() {
    case $1 in
        0) ! is_on || libvirt destroy "$domain" ;;
        *) is_on || libvirt start "$domain" ;;
    esac
}

boots_from() { libvirt dumpxml --inactive "$domain" | sed -n "s/.*<boot dev='\([a-z]*\)'.*/\1/p"; }

boot_from() {
    case $1 in pxe) device=network ;; *) device=hd ;; esac
    libvirt dumpxml --inactive "$domain" | sed "s/<boot dev='[a-z]*'/<boot dev='$device'/" | libvirt define /dev/stdin
}

case $verb in
    get)
        for name; do
            value=0
            case $name in
                power) ! is_on || value=1 ;;
                boot) case $(boots_from) in network) value=pxe ;; *) value=default ;; esac ;;
            esac
            echo "$name:$value"
        done
        ;;
    set)
        while [ $# -gt 1 ]; do
            case $1 in
                power) power "$2" ;;
                boot) boot_from "$2" ;;
                reset) ! is_on || libvirt reset "$domain" ;;
                shutdown) ! is_on || libvirt shutdown "$domain" ;;
            esac
            shift 2
        done >/dev/null
        ;;
esac
