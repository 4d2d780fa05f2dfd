#!/bin/sh
# The first process in the namespaces of a house (see house.py): mounts what is private, then runs COMMAND.
#   walls.sh COMMAND...        inside, $HOUSE is a scratch folder that every account may read
set -eu
mount --make-rprivate /
for place in /run /var/lib /var/log; do
    mount -t tmpfs -o mode=755 tmpfs "$place"
done
export HOUSE=/var/lib/house HOME=/var/lib/root
export TMPDIR="$HOUSE/tmp"
mkdir -p "$TMPDIR"
chmod 1777 "$TMPDIR"
cp -a /etc "$HOUSE/etc"
mount --bind "$HOUSE/etc" /etc
mkdir -m 700 /var/lib/root
sed -i 's|^root:\(.*\):[^:]*:\([^:]*\)$|root:\1:/var/lib/root:\2|' /etc/passwd
printf '127.0.0.1 localhost house\n::1 localhost\n' >/etc/hosts
hostname house
ip link set lo up
unset SSH_AUTH_SOCK DISPLAY
"$@"
