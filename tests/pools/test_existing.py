"""Texts of domains that are there already, also hostile ones: what becomes of them holds together."""

from typing import Any

import pytest

from nm.descriptions.compiler import compile as compile_description
from nm.errors import Invalid
from nm.pools.existing import Existing, read
from nm.pools.tree import Part, parts_of
from nm.shell.domains import description
from tests.descriptions.say import LIBRARY

DISK = "<disk type='file' device='disk'><source file='{path}'/><target dev='vda'/></disk>"


def xml(name: str = "web", path: str = "", inside: str = "") -> str:
    disk = DISK.format(path=path) if path else ""
    return f"<domain><name>{name}</name>{inside}<devices>{disk}</devices></domain>"


def parts(*texts: str) -> dict[str, Part]:
    """What the description of these domains makes, by name."""
    text = description([read(one) for one in texts], "h1")
    made = compile_description("pool.sf", text, library=LIBRARY)
    return {part.path[-1]: part for part in parts_of(made.pieces()) if part.path}


@pytest.mark.parametrize(
    "inside",
    [
        "<memory>much</memory>",
        "<memory>1<!-- --></memory><vcpu>x</vcpu>",
        "<vcpu current='two'>2</vcpu>",
        f"<memory>{'9' * 5000}</memory>",
    ],
)
def test_what_is_no_number_is_told(inside: str) -> None:
    with pytest.raises(Invalid, match="no XML of libvirt's"):
        read(xml(inside=inside))


def test_nothing_comes_in_by_what_is_left_out() -> None:
    found = parts(xml(inside="<on_crash>x&#10; evil extends Domain; &#13; //</on_crash>"))
    assert list(found) == ["web"]


@pytest.mark.parametrize("name", ["DATA", "extends", "a b", 'a"b', "web-1", "\\u0022", "a&#13;b"])
def test_any_name_becomes_a_component_of_that_name(name: str) -> None:
    said = name.replace("&#13;", "\r")
    found = parts(xml(name, f"/images/{name}"))
    assert {path: part.kind for path, part in found.items()} == {
        said: "Domain",
        f"{said}-disk": "LoopbackStorageBackend",
    }
    assert found[said].attributes["domainName"] == said
    assert found[f"{said}-disk"].attributes["baseImage"] == f"/images/{said}"


def test_a_disk_takes_no_other_domains_name() -> None:
    found = parts(xml("web", "/images/a"), xml("web-disk", "/images/b"))
    kinds: dict[str, Any] = {name: part.kind for name, part in found.items()}
    assert sorted(kinds.values()) == ["Domain"] * 2 + ["LoopbackStorageBackend"] * 2
    disks = {(part.needs["storageBackend"] or ("",))[-1] for part in found.values() if part.kind == "Domain"}
    assert {found[name].attributes["baseImage"] for name in disks} == {"/images/a", "/images/b"}


def test_what_it_is_comes_back_by_its_struct() -> None:
    found = read(xml("web", "/images/a"), running=True)
    assert Existing.of(found.struct()) == found
