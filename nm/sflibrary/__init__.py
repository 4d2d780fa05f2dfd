"""The texts that every description may include: those of SmartFrog and SmartDomains, and nm's own.

The files lie below this folder under the names by which they are included. They are all that nm reads for a
description by itself; everything else comes with it.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

SUFFIX = ".sf"


@cache
def texts() -> Mapping[str, str]:
    """The texts by the names under which they are included."""
    return dict(sorted(_below(files(__name__), "")))


def _below(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _below(entry, f"{path}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            yield path + entry.name, entry.read_text(encoding="utf-8")
