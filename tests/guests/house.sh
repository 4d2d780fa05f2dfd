#!/bin/sh
# Run a command beside a libvirtd of its own that runs machines (qemu:///system) and containers (lxc:///system):
# private mount, network, process, IPC, UTS and cgroup namespaces, so that this machine's own are not touched
# and everything ends with the command.
#   house.sh COMMAND...        inside, $RACK is a scratch folder that QEMU's user may read
# WALLS names what makes places private and then runs what it is given: walls.sh beside this, or
# tests/ssh/walls.sh for accounts of the house's own as well.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d /tmp/nm-house.XXXXXX)
chmod 755 "$scratch"
name=${scratch##*/}
kinds=$(awk '$3 == "cgroup" { print $2 }' /proc/mounts)
clear() {
    for place in $kinds; do # the deepest first; what ran in them has ended
        find "$place/$name" -depth -type d -exec rmdir {} + 2>/dev/null || true
    done
    rm -rf "$scratch"
}
trap clear EXIT
places=
for place in $kinds; do
    mkdir "$place/$name"
    [ ! -e "$place/$name/cpuset.cpus" ] || for file in cpuset.cpus cpuset.mems; do
        cat "$place/$file" >"$place/$name/$file"
    done
    places="$places $place/$name"
done
status=0
RACK=$scratch PLACES=$places sh -eu -c '
    for place in $PLACES; do echo $$ >"$place/cgroup.procs"; done
    unset PLACES
    exec setpriv --pdeathsig KILL unshare --mount --net --pid --ipc --uts --cgroup --fork --kill-child \
        --mount-proc "$@"
' house "${WALLS:-$here/walls.sh}" "$here/libvirtd.sh" "$@" || status=$?
exit $status
