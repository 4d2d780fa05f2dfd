"""Operations on images: what head nodes and slivers are made from, and what nodes boot from the network.

An image names files by path, and only an administrator can register one, below the site's own folders of
images; everybody else names images. A `disk` image's file lies on the hosts (nm/storage.py), a `netboot`
image's on nmd's own machine, and so does the tree of a `root` image, which containers share. Pure; called
through nm.pool.
"""

import posixpath
from collections.abc import Mapping
from functools import partial
from typing import Any

from nm import specs, views
from nm.calls import Call
from nm.errors import Conflict, Invalid
from nm.pool import values
from nm.pool.common import need, need_new, tell
from nm.pools import holders
from nm.records import Record, name_of, new
from nm.store import Reader, Transaction

KINDS = ("disk", "netboot", "root")
FORMATS = ("qcow2", "raw")
SHARES = ("disk", "virtiofs", "9p")
LONGEST_PATH = 512

_USE = {"disk": "head nodes are made from", "netboot": "nodes boot from", "root": "containers start from"}
_NAMERS = (("headnode", "head node", "image"), ("node", "node", "image"), ("sliver", "sliver", "reference"))
_BOOT = ("kernel", "initrd", "cmdline")
_ONLY: Mapping[str, tuple[str, ...]] = {
    "disk": ("disk", "format", "memory", "cpus", "share"),
    "netboot": ("profile",),
    "root": ("root", "memory"),
}
_DEFAULTS: Mapping[str, Record] = {
    "disk": {"format": "qcow2", "memory": 1024, "cpus": 1, "share": "disk"},
    "netboot": {},
    "root": {"memory": 256},
}


def _path(call: Call, value: Any, what: str) -> str:
    """A file below one of the site's folders of images, spelled in just one way."""
    found = str(values.text(LONGEST_PATH, empty=False)(value, what))
    folders = call.site.image_folders
    plain = found.startswith("/") and posixpath.normpath(found) == found and not found.startswith("//")
    if not plain or not any(found.startswith(f"{folder.rstrip('/')}/") for folder in folders):
        raise Invalid(
            f"{what} is not in a folder of images",
            f"put the file below {' or '.join(folders)} (images.folders), and write its path without '..'",
        )
    return found


def _checks(call: Call) -> dict[str, values.Check]:
    path = partial(_path, call)
    return {
        "kind": values.one_of(*KINDS),
        "disk": path,
        "root": path,
        "format": values.one_of(*FORMATS),
        "memory": values.integer(16, 1 << 22),
        "cpus": values.integer(1, 512),
        "share": values.one_of(*SHARES),
        "profile": values.legal_name,
        "kernel": path,
        "initrd": path,
        "cmdline": values.text(),
    }


def register_image(tx: Transaction, call: Call, name: str, settings: Record) -> int:
    """Tell nm of an image; looks at no file."""
    need_new(tx, "image", name)
    what = f"image {name}"
    given = values.struct(settings, what, _checks(call), ("kind",))
    kind = given["kind"]
    for key in given:
        having = [one for one in KINDS if key in _ONLY[one]]
        if (having and kind not in having) or (key in _BOOT and kind == "root"):
            only = " and ".join(having) or "disk and netboot"
            raise Invalid(f"{what} is of kind {kind} and has no {key}", f"only kind {only} has it")
    if kind == "disk" and "disk" not in given:
        raise Invalid(f"{what} lacks disk", "name the file, or the LVM volume, that head nodes start from")
    if kind == "root" and "root" not in given:
        raise Invalid(f"{what} lacks root", "name the folder with the tree that containers start from")
    if "kernel" not in given and (useless := next((key for key in _BOOT if key in given), None)):
        raise Invalid(f"{what} has {useless} and no kernel", "name the kernel, or leave both out")
    if kind == "netboot" and {"profile", "kernel"} <= given.keys():
        raise Invalid(f"{what} has a profile and a kernel", "leave one of them out")
    absent = dict.fromkeys(("disk", "format", "memory", "cpus", "share", "profile", "root", *_BOOT))
    tx.put(new("image", name, call.now, **{**absent, **_DEFAULTS[kind], **given}))
    tell(tx, call, "image", name, "registered", kind)
    return 1


def unregister_image(tx: Transaction, call: Call, name: str) -> int:
    """Forget an image that nothing names; its files stay."""
    record = need(tx, "image", name)
    if (user := user_of(tx, name)) is not None:
        raise Conflict(f"image {name} is used by {user}", "let it use another image, or none, first")
    tx.delete(record["record_key"])
    tell(tx, call, "image", name, "unregistered")
    return 1


def user_of(reader: Reader, name: str) -> str | None:
    """Who names the image, in words; None when nobody does."""
    for kind, spoken, key in _NAMERS:
        for record in reader.range(kind):
            if record[key] == name:
                return f"{spoken} {name_of(record['record_key'])}"
    for sliver in reader.range("sliver"):
        if sliver.get("_index") and (sliver.get("_image") or {}).get("image") == name:
            return (
                f"sliver {name_of(sliver['record_key'])}"  # its disk is that one's file, and its own changes
            )
    for group in reader.range("group"):
        if any(name in specs.image_names(spec) for spec in (group["wanted"], group["target"])):
            return f"group {name_of(group['record_key'])}"
    component = holders.made_from(reader, name)
    return None if component is None else f"component {component}"


def need_kind(reader: Reader, name: str, kind: str) -> Record:
    """The image of that name; NotFound when there is none, Invalid when it is of another kind."""
    record = need(reader, "image", name)
    if record["kind"] != kind:
        raise Invalid(f"image {name} is of kind {record['kind']}", f"{_USE[kind]} images of kind {kind}")
    return record


def get_images(reader: Reader, call: Call, filter: Record) -> list[Record]:
    """The images that the filter matches."""
    return views.find(reader, "image", filter, lambda record: views.image(call, record))
