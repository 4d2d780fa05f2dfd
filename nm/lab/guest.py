"""What runs in a lab's small domains: head nodes that answer who they reach, and guests of described pools.

One kernel and initial file system for both. Called when the rack is built, by the probe, and by pools.
"""

from pathlib import Path

from nm.lab.archive import HERE, archive, base, kept, kernel, unpacked
from nm.lab.layout import PREFIX, HeadNode

AGENTS = "/run/nm-agents"  # inside the lab: the sockets of the guests' second serial ports
MEMORY = 96  # MiB
DISK = 8  # MiB, with nothing on it
CMDLINE = "console=ttyS0 quiet panic=1 mitigations=off cryptomgr.notests"
MODULES = ("virtio_pci", "virtio_net", "button", "evdev", "virtio_blk", "isofs", "nls_utf8")


def image() -> Path:
    """The folder with vmlinux, initrd and an empty disk, guest.img, made when it is not there."""
    packed, modules = kernel()
    reach = ("reach.sh", 0o100644, (HERE / "reach.sh").read_bytes())
    initrd = archive([*base(HERE / "guest-init.sh", modules, MODULES), ("seed", 0o040755, b""), reach])

    def make(folder: Path) -> None:
        (folder / "vmlinux").write_bytes(unpacked(packed.read_bytes()))
        (folder / "initrd").write_bytes(initrd)
        with (folder / "guest.img").open("wb") as disk:  # for who is to have one
            disk.truncate(DISK << 20)

    return kept([packed.read_bytes(), initrd], make)


def agent(name: str) -> str:
    """The socket of that head node's agent, inside the lab."""
    return f"{AGENTS}/{name}"


def domain(head: HeadNode, folder: Path) -> str:
    """The domain's description; its NIC is connected to nothing until nm connects it."""
    return f"""<domain type="qemu">
  <name>{head.name}</name>
  <memory unit="MiB">{MEMORY}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch="x86_64" machine="q35">hvm</type>
    <kernel>{folder}/vmlinux</kernel>
    <initrd>{folder}/initrd</initrd>
    <cmdline>{CMDLINE} lab.address={head.address}/{PREFIX}</cmdline>
  </os>
  <features><acpi/></features>
  <on_reboot>restart</on_reboot>
  <devices>
    <interface type="ethernet">
      <mac address="{head.mac}"/>
      <model type="virtio"/>
      <link state="down"/>
    </interface>
    <serial type="file"><source path="/var/log/libvirt/qemu/{head.name}.console"/><target port="0"/></serial>
    <serial type="unix"><source mode="bind" path="{agent(head.name)}"/><target port="1"/></serial>
    <memballoon model="none"/>
  </devices>
</domain>
"""
