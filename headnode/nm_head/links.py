"""What machines find below the TFTP root: a link or little file each, for pxelinux and for iPXE.

What linky made is in its state; whatever else lies there is left alone, also where linky would put something.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nm_head import files
from nm_head.machines import Image, Machine
from nm_head.settings import Settings

KERNELS = "nm-boot"  # below the TFTP root: the kernels beside the list
LOCK = "links.lock"  # whoever changes what lies there has it, beside the state folder's own lock
MENU = "boot.ipxe"  # what iPXE asks for first
# Debian's packages pxelinux, syslinux-common, syslinux-efi and ipxe: name below the TFTP root to its place.
LOADERS = {
    "pxelinux.0": "PXELINUX/pxelinux.0",
    "ldlinux.c32": "syslinux/modules/bios/ldlinux.c32",
    "undionly.kpxe": "ipxe/undionly.kpxe",
    "ipxe.efi": "ipxe/ipxe.efi",
    "syslinux.efi": "SYSLINUX.EFI/efi64/syslinux.efi",
    "ldlinux.e64": "syslinux/modules/efi64/ldlinux.e64",
}
_MENU = """#!ipxe
# Made by linky. Whoever has no script of its own boots from its disk.
chain --autofree ipxe/${netX/mac:hexhyp}.ipxe || exit
"""
_DISK = """# Made by linky: whoever has no link of its own boots from its disk.
DEFAULT disk
LABEL disk
  LOCALBOOT -1
"""


@dataclass(frozen=True)
class Entry:
    """A link to `target`, or else a file of this text."""

    target: str = ""
    text: str = ""


def wanted(
    settings: Settings, server: str, machines: Iterable[Machine], on_disk: Iterable[str] = ()
) -> dict[str, Entry]:
    """All entries by path below the TFTP root. `server`: this head node's address; `on_disk` have none."""
    found = {
        KERNELS: Entry(f"{settings.moc}/boot"),
        MENU: Entry(text=_MENU),
        "pxelinux.cfg/default": Entry(text=_DISK),
    }
    for name, place in LOADERS.items():
        if (settings.loaders / place).is_file():
            found[name] = Entry(str(settings.loaders / place))
    default = Image(settings.profile, profile=settings.profile) if settings.profile else None
    skipped = set(on_disk)
    for machine in machines:
        image = machine.image or default
        if image is not None and machine.mac not in skipped:
            found.update(of_machine(machine, image, server))
    return found


def of_machine(machine: Machine, image: Image, server: str) -> dict[str, Entry]:
    """A machine's two entries."""
    pxelinux, ipxe = paths(machine.mac)
    head = f"# Made by linky for {machine.name or machine.mac}: {image.name}\n"
    if image.kernel:
        return {
            pxelinux: Entry(text=head + _pxelinux(image)),
            ipxe: Entry(text=f"#!ipxe\n{head}" + _ipxe(image, server)),
        }
    return {
        pxelinux: Entry(f"../{image.profile}/pxelinux.cfg"),
        ipxe: Entry(text=f"#!ipxe\n{head}" + _by_profile(image.profile, pxelinux)),
    }


def paths(mac: str) -> tuple[str, str]:
    """Where a machine's entries lie: pxelinux's, iPXE's."""
    dashed = mac.replace(":", "-")
    return f"pxelinux.cfg/01-{dashed}", f"ipxe/{dashed}.ipxe"


def _pxelinux(image: Image) -> str:
    lines = ["DEFAULT nm", "LABEL nm", f"  KERNEL {_below(image.kernel)}"]
    if image.initrd:
        lines.append(f"  INITRD {_below(image.initrd)}")
    return "\n".join([*lines, *([f"  APPEND {image.cmdline}"] if image.cmdline else []), ""])


def _ipxe(image: Image, server: str) -> str:
    """By HTTP: TFTP waits for an answer to every block."""
    words = [f"kernel http://{server}/{_below(image.kernel)}", image.cmdline]
    if not image.initrd:
        return " ".join(filter(None, words)) + "\nboot\n"
    line = " ".join(filter(None, [*words, "initrd=initrd"]))
    return f"{line}\ninitrd --name initrd http://{server}/{_below(image.initrd)}\nboot\n"


def _below(path: str) -> str:
    return KERNELS + path[len("boot") :] if path.startswith("boot/") else path


def _by_profile(profile: str, pxelinux: str) -> str:
    """The profile's own script for iPXE, else pxelinux with the profile's configuration."""
    return f"""set root tftp://${{next-server}}/
chain --autofree ${{root}}{profile}/boot.ipxe ||
set 209:string {pxelinux}
set 210:string ${{root}}
iseq ${{platform}} efi && chain --autofree ${{root}}syslinux.efi ||
chain --autofree ${{root}}pxelinux.0 || exit
"""


def ours(settings: Settings, entries: Mapping[str, Entry]) -> list[str]:
    """The paths where nothing is yet, or just what linky would put there."""
    places = {path: settings.tftp / path for path in entries}
    return [
        path
        for path, place in places.items()
        if not (place.is_symlink() or place.exists()) or _is(place, entries[path])
    ]


def put(settings: Settings, entries: Mapping[str, Entry], own: Iterable[str]) -> list[str]:
    """Make all entries, and remove others of `own`. Answers the paths that are somebody else's."""
    mine, strange = set(own), []
    for path in sorted(mine - set(entries)):
        files.remove(settings.tftp / path)
    for path, entry in entries.items():
        place = settings.tftp / path
        if path not in mine:
            strange.append(path)
        elif _is(place, entry):
            continue
        elif entry.target:
            files.link(place, entry.target)
        else:
            files.write(place, entry.text)
    return strange


def _is(place: Path, entry: Entry) -> bool:
    try:
        if entry.target:
            return place.is_symlink() and str(place.readlink()) == entry.target
        return not place.is_symlink() and place.read_text(encoding="utf-8") == entry.text
    except (OSError, ValueError):
        return False
