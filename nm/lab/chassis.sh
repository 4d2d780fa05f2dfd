#!/bin/sh
# What a virtual BMC's chassis does: "DOMAIN get NAME...", "DOMAIN set NAME VALUE...", "DOMAIN check ...".
# Called by ipmi_sim; the domain is the machine, and what it boots from is the state of that.
# ipmi_sim waits for the answer and is deaf meanwhile, so power is switched behind its back, as real chassis do: one
# after the other, and each time to what was asked for last.
set -eu
domain=$1 verb=$2
here=${0%/*}/$domain
shift 2

libvirt() { virsh -q -c qemu:///system "$@"; }

is_on() { [ "$(libvirt domstate "$domain")" != "shut off" ]; }

switch() {
    case $(cat "$here.power") in
        0) ! is_on || libvirt destroy "$domain" ;;
        *) is_on || libvirt start "$domain" ;;
    esac
}

behind() { (flock 9 && "$@") 9>"$here.lock" >/dev/null 2>&1 </dev/null & }

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
                power) echo "$2" >"$here.power" && behind switch ;;
                boot) boot_from "$2" ;;
                reset) ! is_on || behind libvirt reset "$domain" ;;
                shutdown) ! is_on || behind libvirt shutdown "$domain" ;;
            esac
            shift 2
        done >/dev/null
        ;;
esac
