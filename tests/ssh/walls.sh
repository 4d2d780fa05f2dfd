#!/bin/sh
# The first process in the namespaces of a house (see house.py): mounts what is private, then runs COMMAND.
#   walls.sh COMMAND...        $HOUSE is a scratch folder
set -eu
mount --make-rprivate /
mkdir "$HOUSE/tmp"
cp -a /etc "$HOUSE/etc"
mount --bind "$HOUSE/etc" /etc
for place in /run /var/lib /var/log; do
    mount -t tmpfs -o mode=755 tmpfs "$place"
done
mkdir -m 700 /var/lib/root
sed -i 's|^root:\(.*\):[^:]*:\([^:]*\)$|root:\1:/var/lib/root:\2|' /etc/passwd
printf '127.0.0.1 localhost\n::1 localhost\n' >/etc/hosts
hostname house
ip link set lo up
# sshd sends without TCP_NODELAY, and would wait 40 ms for each delayed acknowledgement.
ip route replace local 127.0.0.0/8 dev lo table local quickack 1
export HOME=/var/lib/root TMPDIR="$HOUSE/tmp"
unset SSH_AUTH_SOCK DISPLAY
"$@"
