#!/bin/sh
# The VM's second program: runs pytest, or benchmarks, on this machine's files, leaves the exit status, switches off.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root PYTHONDONTWRITEBYTECODE=1 NM_KERNEL=1
answer=/mnt/answer
ip link set lo up
for module in 8021q bridge veth dummy; do
    modprobe "$module"
done
cd "$(cat "$answer/project")" || exit
eval "set -- $(cat "$answer/arguments")"
if [ "$1" != benchmarks ]; then
    set -- pytest -q --color=no -o timeout=400 -p no:cacheprovider "$@"
fi
.venv/bin/python -m "$@" >/dev/ttyS0 2>&1
echo $? >"$answer/status"
sync
echo o >/proc/sysrq-trigger
sleep 60
