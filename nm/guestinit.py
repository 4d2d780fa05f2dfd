"""How a container starts: two scripts on its seed, for the tree that containers share is left alone. Pure.

The tree is mounted read-only, the container's own disk at /mnt and the seed below that. The first script puts
both together by overlayfs and makes that the root; the second brings what the container is told to its place,
lets go of all that it was made from, and becomes the tree's own init, or waits when there is none. They need
of the tree a shell, mount, umount, pivot_root and chroot, and folders /proc, /sys, /dev and /mnt.
"""

DISK, SEED = "/mnt", "/mnt/seed"  # where libvirt mounts them
FOLDERS = ("upper", "work", "root", "seed")  # on the disk
INIT, START = "init", "start"
NOTES = "/var/log/nm-initscript.log"  # what the initscript says

_INIT = """\
#!/bin/sh
# Process 1, in the shared tree: makes the root of this container, and goes on there.
set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
for place in dev sys proc; do # the last one is what mount itself looks into
    mount -n --move "/$place" "/mnt/root/$place"
done
cd /mnt/root
pivot_root . mnt
exec chroot . /bin/sh /mnt/mnt/seed/start
"""

_START = """\
#!/bin/sh
# Process 1, in the container's own root: what it is told comes to its place, then its own programs run.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
told=/mnt/mnt/seed
hostname "$(cat $told/hostname)"
mkdir -p /etc/nm-guest /root/.ssh /etc/ssh /var/log
chmod 700 /etc/nm-guest /root/.ssh
rm -f /etc/nm-guest/initscript
cp $told/guest.json /etc/nm-guest/
cp $told/authorized_keys /root/.ssh/
chmod 600 /root/.ssh/authorized_keys
if [ -e $told/ssh_host_ed25519_key ]; then
    cp $told/ssh_host_ed25519_key /etc/ssh/
    chmod 600 /etc/ssh/ssh_host_ed25519_key
fi
if [ -e $told/initscript ]; then
    cp $told/initscript /etc/nm-guest/
    chmod 700 /etc/nm-guest/initscript
fi
umount -l /mnt
if [ -e /etc/nm-guest/initscript ]; then
    /etc/nm-guest/initscript </dev/null >NOTES 2>&1 &
fi
[ ! -x /sbin/init ] || exec /sbin/init
exec /bin/sh -c 'trap "exit 0" TERM INT; while true; do sleep 3600 & wait $!; done'
"""

SCRIPTS = {INIT: (_INIT, 0o500), START: (_START.replace("NOTES", NOTES), 0o500)}
"""File to text and mode."""
