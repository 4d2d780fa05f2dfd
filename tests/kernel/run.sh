#!/bin/bash
# Run tests/kernel (or the pytest arguments given, or `benchmarks NAME`) as root under Debian's stock kernel,
# in a VM without network: this machine's own network is not touched. The VM sees this machine's files
# read-only, with a memory-backed overlay on top. Needs no root and no KVM. Returns pytest's exit status.
#
# packages: linux-image-amd64 qemu-system-x86 busybox-static kmod cpio
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
seconds=${SECONDS_ALLOWED:-5400}

die() {
    printf 'test-kernel: %s\n' "$1" >&2
    exit 1
}

kernel=$(ls -v /boot/vmlinuz-6.*-amd64 2>/dev/null | grep -v cloud | tail -n 1) || true
[ -n "$kernel" ] || die "no /boot/vmlinuz-6.*-amd64; install linux-image-amd64"
version=${kernel#/boot/vmlinuz-}
modules=/lib/modules/$version
[ -d "$modules" ] || die "no $modules; install linux-image-$version"
for program in qemu-system-x86_64 busybox modprobe cpio; do
    PATH=$PATH:/usr/sbin command -v "$program" >/dev/null ||
        die "no $program; install qemu-system-x86 busybox-static kmod cpio"
done

work=$(mktemp -d /tmp/nm-kernel.XXXXXX)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/first/{bin,modules,proc,sys,dev,below,above,root} "$work/answer"

# The first file system in memory: busybox, the modules that reach this machine's files, and first.sh.
cp "$(command -v busybox)" "$work/first/bin/busybox"
cp "$here/first.sh" "$work/first/init"
chmod 755 "$work/first/init"
number=10
for module in virtio_pci 9pnet_virtio 9p overlay; do
    while read -r verb file _; do
        [ "$verb" = insmod ] && [ -z "$(find "$work/first/modules" -name "*-${file##*/}")" ] || continue
        number=$((number + 1)) # in the order in which they need each other
        cp "$file" "$work/first/modules/$number-${file##*/}"
    done < <(PATH=$PATH:/usr/sbin modprobe -S "$version" --show-depends "$module")
done
(cd "$work/first" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/first.img"

[ $# -gt 0 ] || set -- tests/kernel
printf '%q ' "$@" >"$work/answer/arguments"
printf '%s' "$project" >"$work/answer/project"

timeout --foreground "$seconds" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -machine q35 -m 1024 -smp 2 \
    -display none -nodefaults -no-reboot -net none -serial stdio \
    -kernel "$kernel" -initrd "$work/first.img" -append "console=ttyS0 quiet panic=1 mitigations=off" \
    -virtfs local,path=/,mount_tag=machine,security_model=none,readonly=on,multidevs=remap \
    -virtfs local,path="$work/answer",mount_tag=answer,security_model=none </dev/null ||
    die "the VM was not done within $seconds s"
status=$(cat "$work/answer/status" 2>/dev/null) || die "the VM ended without an answer; see its console above"
exit "$status"
