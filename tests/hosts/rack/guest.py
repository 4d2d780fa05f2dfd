"""A guest that mounts its list of machines and says on its console what it reads: LIST LINES CHECKSUM."""

from pathlib import Path

from nm.lab import archive

CMDLINE = "console=ttyS0 quiet panic=1 mitigations=off cryptomgr.notests"
MODULES = ("virtio_pci", "virtio_blk", "virtiofs", "9pnet_virtio", "9p", "isofs", "acpiphp")
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in /modules/*; do insmod "$module"; done
way=$(sed 's/.*list.way=//' /proc/cmdline)
echo "UP $way"
# past its cache busybox reads whole pages only
try() {
    case $way in
    disk)
        now=$(dd if=/dev/vda bs=4096 count=1 iflag=direct 2>/dev/null | head -c 2048 | tr -d '\\0')
        [ "$now" = "$head" ] && return
        umount -l /moc 2>/dev/null
        blockdev --flushbufs /dev/vda 2>/dev/null && mount -t iso9660 -o ro /dev/vda /moc && head=$now ;;
    *)
        [ "$head" ] || { mount -t "$way" -o "$options" "$tag" /moc && head=mounted; } ;;
    esac
}
tag=moc options=ro
[ "$way" = 9p ] && tag=pool options=ro,trans=virtio,version=9p2000.L,cache=none
while true; do
    try 2>/dev/null
    now="$(tr '\\n' ';' </moc/machines.txt) $(sha256sum </moc/machines.json)" 2>/dev/null
    [ "$now" = "$last" ] || echo "LIST $now"
    last=$now
    sleep 0.1
done
"""


def make(folder: Path) -> None:
    """The guest's kernel and initial file system, in that folder."""
    kernel, modules = archive.kernel()
    init = folder / "init"
    init.write_text(INIT)
    files = [("moc", 0o040755, b""), *archive.base(init, modules, MODULES)]
    (folder / "vmlinux").write_bytes(archive.unpacked(kernel.read_bytes()))
    (folder / "initrd").write_bytes(archive.archive(files))


def domain(name: str, way: str, folder: Path, devices: str = "") -> str:
    """The domain's description; its console is a file."""
    shared = '<memoryBacking><source type="memfd"/><access mode="shared"/></memoryBacking>'
    return f"""<domain type="qemu">
  <name>{name}</name><memory unit="MiB">128</memory>{shared}<vcpu>1</vcpu>
  <os><type arch="x86_64" machine="pc">hvm</type>
    <kernel>{folder}/vmlinux</kernel><initrd>{folder}/initrd</initrd>
    <cmdline>{CMDLINE} list.way={way}</cmdline></os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator><controller type="usb" model="none"/>{devices}
    <serial type="file"><source path="{console(name)}"/><target port="0"/></serial>
    <memballoon model="none"/>
  </devices>
</domain>"""


def console(name: str) -> Path:
    """What the guest has said."""
    return Path(f"/var/log/libvirt/qemu/{name}.console")
