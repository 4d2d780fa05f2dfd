"""The files of a group's list of machines, as its head node reads them: what stands in each. Pure.

`machines.txt` has a line `MAC address` a machine. `machines.json` says more, and of every other file of the
list how long it is and what its checksum is: who reads a mixture of an old list and a new one notices.
Kernels of images lie in `boot/`. Used by the hands that write the list, and read it back.
"""

import hashlib
import json
from typing import Any

from nm.errors import Invalid
from nm.facts import Value
from nm.records import Record, is_name

TEXT, DOCUMENT, BOOT = "machines.txt", "machines.json", "boot"
BOOT_FILES = ("kernel", "initrd")
_OF_FILES = ("digest", "files")  # what machines.json says beside the document itself

Files = dict[str, dict[str, Any]]  # a path below the list's folder to {"size", "sha256"}


def boot_path(image: str, file: str) -> str:
    """Where a file of an image lies, below the list's folder."""
    return f"{BOOT}/{image}/{file}"


def boot_sources(image: Record | None) -> dict[str, str]:
    """The files of a netboot image, kernel and initrd, that nm gives to head nodes: file to its path here."""
    if image is None or image["kind"] != "netboot":
        return {}
    return {file: image[file] for file in BOOT_FILES if image.get(file)}


def kernels(value: Value) -> dict[str, list[str]]:
    """The images whose files lie beside the list, with these files' names."""
    told = [one["image"] for one in value.get("document", {}).get("machines", ()) if one["image"]]
    return {
        image["name"]: [file for file in BOOT_FILES if file in image] for image in told if "kernel" in image
    }


def digest(value: Value) -> str:
    """What tells one list from another."""
    told = {key: value[key] for key in ("machines", "document") if key in value}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def text(value: Value) -> bytes:
    """The content of machines.txt. A word that would break a line in two is refused."""
    for machine in value["machines"]:
        for word in machine:
            if word != "".join(word.split()) or not word.isprintable():
                raise Invalid(f"{word[:70]!r} cannot stand in a list of machines", "use no blanks")
    return "".join(f"{mac} {address}".rstrip() + "\n" for mac, address in value["machines"]).encode()


def document(value: Value, files: Files) -> bytes:
    """The content of machines.json, where these are the other files of the list."""
    told = {**value["document"], "digest": digest(value), "files": files}
    return (json.dumps(told, indent=1, ensure_ascii=False) + "\n").encode()


def checked(content: bytes) -> dict[str, Any]:
    """For `files`: a file of that content."""
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def parsed(txt: bytes, json_text: bytes | None) -> tuple[Value, Files]:
    """The value that the files have, and what is said of other files; a mixture has no document of nm's.

    Without machines.json (as an older nm wrote it) there is no document.
    """
    lines = [line.rstrip("\n").partition(" ") for line in txt.decode(errors="replace").splitlines()]
    found: Value = {"machines": [[mac, address] for mac, _, address in lines]}
    if json_text is None:
        return found, {}
    try:
        told = json.loads(json_text)
        files = {
            _path(path): {key: one[key] for key in ("size", "sha256")} for path, one in told["files"].items()
        }
        found["document"] = {key: part for key, part in told.items() if key not in _OF_FILES}
        if files.get(TEXT) != checked(txt):
            found["document"] = {"damaged": f"{TEXT} is another one than {DOCUMENT} was written with"}
        elif told["digest"] != digest(found):
            found["document"] = {"damaged": "changed by somebody"}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {**found, "document": {"damaged": "no JSON of nm's"}}, {}
    return found, files


def _path(path: str) -> str:
    """One of nm's own; ValueError for all others. A guest may have written it, and it is opened later."""
    if path == TEXT:
        return path
    boot, image, file = path.split("/")
    if boot != BOOT or not is_name(image) or file not in BOOT_FILES:
        raise ValueError(path)
    return path
