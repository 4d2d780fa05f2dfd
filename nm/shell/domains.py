"""Libvirt's domains as a description: what is told of them becomes components. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from nm.descriptions.printer import name_text, string_text
from nm.pools.existing import Existing, Value


def description(domains: Sequence[Existing], host: str | None) -> str:
    """A text that describes these domains, in canonical layout."""
    place = [f"  sfProcessHost {string_text(host)};"] if host else []
    taken = {domain.name for domain in domains}
    lines = [
        '#include "ch/cern/openlab/smartdomains/components.sf"',
        "",
        "sfConfig extends Compound {",
        "  sfSyncTerminate true;",
        *place,
        *(line for domain in domains for line in _components(domain, taken)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _components(found: Existing, taken: set[str]) -> Iterator[str]:
    """Of a domain and its disk, which is called as nothing that is `taken` is."""
    own = next(name for name in _names(f"{found.name}-disk") if name not in taken)
    taken.add(own)
    disk = name_text(own)
    yield ""
    for what in found.left:
        yield f"  // not taken over: {' '.join(what.split())}"
    if found.disk:
        yield f"  {disk} extends {found.disk_kind} {{"
        yield from _attributes(found.disk)
        yield "  }"
    yield f"  {name_text(found.name)} extends Domain {{"
    yield from _attributes(found.attributes)
    if found.disk:
        yield f"    storageBackend LAZY ATTRIB {disk};"
    yield "  }"


def _names(name: str) -> Iterator[str]:
    while True:
        yield name
        name += "-disk"


def _attributes(attributes: Mapping[str, Value]) -> Iterator[str]:
    for name, value in attributes.items():
        yield f"    {name} {_value(value)};"


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else string_text(value)
