"""The schemas of nm's extension, as files: what an aggregate serves below its own address."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

SUFFIX = ".xsd"


@cache
def texts() -> Mapping[str, str]:
    """The schemas by their names: ad.xsd, request.xsd, manifest.xsd."""
    found = [entry for entry in files(__name__).iterdir() if entry.name.endswith(SUFFIX)]
    return {
        entry.name: entry.read_text(encoding="utf-8") for entry in sorted(found, key=lambda one: one.name)
    }
