"""Libvirt's domains as a description: what is told of them becomes components. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence

from nm.pools.existing import Existing, Value

WORD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")


def description(domains: Sequence[Existing], host: str | None) -> str:
    """A text that describes these domains, in canonical layout."""
    place = [f"  sfProcessHost {_text(host)};"] if host else []
    lines = [
        '#include "ch/cern/openlab/smartdomains/components.sf"',
        "",
        "sfConfig extends Compound {",
        "  sfSyncTerminate true;",
        *place,
        *(line for domain in domains for line in _components(domain)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _components(found: Existing) -> Iterator[str]:
    disk = _name(f"{found.name}-disk")
    yield ""
    for what in found.left:
        yield f"  // not taken over: {what}"
    if found.disk:
        yield f"  {disk} extends {found.disk_kind} {{"
        yield from _attributes(found.disk)
        yield "  }"
    yield f"  {_name(found.name)} extends Domain {{"
    yield from _attributes(found.attributes)
    if found.disk:
        yield f"    storageBackend LAZY ATTRIB {disk};"
    yield "  }"


def _attributes(attributes: Mapping[str, Value]) -> Iterator[str]:
    for name, value in attributes.items():
        yield f"    {name} {_value(value)};"


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else _text(value)


def _name(name: str) -> str:
    return name if WORD.fullmatch(name) else _text(name)


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
