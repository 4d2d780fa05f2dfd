#!/bin/sh
# The first process in a house's namespaces: makes private what its programs write to, then runs COMMAND.
#   walls.sh COMMAND...
set -eu
mount --make-rprivate /
for place in /run /var/lib; do
    mount -t tmpfs -o mode=755 tmpfs "$place"
done
ip link set lo up
"$@"
