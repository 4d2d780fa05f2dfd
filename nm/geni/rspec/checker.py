"""Whether an RSpec has the form that RSpec v3 gives it; what is wrong, where, and what to do. Pure.

A table in place of the schemas: of each element of RSpec itself which attributes it must have, what their
values look like, and which elements may be in it. What other namespaces have is nobody's business here, but
that nm's own extension is looked at as well.
"""

import ipaddress
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from nm.errors import Invalid
from nm.geni.refusals import Unsupported
from nm.geni.rspec.texts import Element, children, local, namespace, spoken
from nm.geni.rspec.vocabulary import AD, MANIFEST, NM, REQUEST, RSPEC, SCHEMAS

MOST_TOLD = 5  # problems in one answer
LONGEST_VALUE = 1024  # characters of an attribute
LONGEST_ID = 256

Check = Callable[[str], str]  # of a value: what it should be, when it is not that; else nothing
Problem = tuple[str, str]  # what is wrong, and what to do


@dataclass(frozen=True)
class Shape:
    """What an element looks like."""

    needs: tuple[str, ...] = ()
    holds: tuple[str, ...] = ()  # elements of RSpec itself


_SERVICES = ("login", "install", "execute")
_NODE = ("sliver_type", "hardware_type", "location", "interface", "services", "relation", "icon")
_LINK = ("component_manager", "interface_ref", "link_type", "property", "component_hop")
_COMMON: Mapping[str, Shape] = {
    "rspec": Shape(("type",), ("node", "link")),
    "sliver_type": Shape(("name",), ("disk_image",)),
    "disk_image": Shape(),
    "hardware_type": Shape(("name",)),
    "location": Shape(("country",)),
    "services": Shape((), _SERVICES),
    "install": Shape(("url", "install_path")),
    "execute": Shape(("shell", "command")),
    "ip": Shape(("address",)),
    "link_type": Shape(("name",)),
    "component_manager": Shape(("name",)),
    "property": Shape(("source_id", "dest_id")),
    "relation": Shape(),
    "icon": Shape(),
    "component_hop": Shape((), ("interface_ref",)),
}
SHAPES: Mapping[str, Mapping[str, Shape]] = {
    AD: {
        **_COMMON,
        "node": Shape(("component_id", "component_manager_id", "exclusive"), (*_NODE, "available")),
        "interface": Shape(("component_id",), ("ip",)),
        "available": Shape(("now",)),
        "link": Shape(("component_id",), _LINK),
        "interface_ref": Shape(("component_id",)),
        "login": Shape(("authentication",)),
    },
    REQUEST: {
        **_COMMON,
        "node": Shape(("client_id",), _NODE),
        "interface": Shape(("client_id",), ("ip",)),
        "link": Shape(("client_id",), _LINK),
        "interface_ref": Shape(("client_id",)),
        "login": Shape(("authentication",)),
    },
    MANIFEST: {
        **_COMMON,
        "node": Shape(("client_id",), (*_NODE, "host")),
        "interface": Shape(("client_id",), ("ip",)),
        "link": Shape(("client_id",), _LINK),
        "interface_ref": Shape(("client_id",)),
        "host": Shape(("name",)),
        "login": Shape(("authentication", "hostname", "port", "username")),
    },
}
# Of nm's own extension, in an RSpec of any kind.
_OURS: Mapping[str, tuple[str, ...]] = {
    "several": ("count",),
    "node": (),
    "port": (),
    "vlan": ("id",),
    "vlans": (),
    "network": ("name", "vlan"),
    "trunk": ("name",),
    "headnode": ("name",),
    "login": ("authentication", "hostname", "port", "username"),
}


def _boolean(value: str) -> str:
    return "" if value in ("true", "false", "1", "0") else "true or false"


def _identifier(value: str) -> str:
    plain = value.isprintable() and 0 < len(value) <= LONGEST_ID and value == value.strip()
    return "" if plain else f"1 to {LONGEST_ID} characters that can be seen"


def _address(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return "an IP address, as 192.0.2.1"
    return ""


def between(lowest: float, highest: float, whole: bool = True) -> Check:
    """The check of a number."""

    def check(value: str) -> str:
        try:
            number = int(value) if whole and len(value) < 20 else float(value)
        except ValueError:
            number = math.nan
        good = lowest <= number <= highest and value.isascii()
        return "" if good else f"{'a whole' if whole else 'a'} number from {lowest:g} to {highest:g}"

    return check


_VALUES: Mapping[tuple[str, str, str], Check] = {
    (RSPEC, "node", "exclusive"): _boolean,
    (RSPEC, "available", "now"): _boolean,
    (RSPEC, "node", "client_id"): _identifier,
    (RSPEC, "interface", "client_id"): _identifier,
    (RSPEC, "link", "client_id"): _identifier,
    (RSPEC, "ip", "address"): _address,
    (RSPEC, "login", "port"): between(1, 65535),
    (RSPEC, "location", "latitude"): between(-90, 90, whole=False),
    (RSPEC, "location", "longitude"): between(-180, 180, whole=False),
    (RSPEC, "link", "vlantag"): between(1, 4094),
    (NM, "several", "count"): between(1, 70),
    (NM, "node", "id"): between(0, 2**31 - 1),
    (NM, "vlan", "id"): between(2, 4094),
    (NM, "network", "vlan"): between(2, 4094),
    (NM, "login", "port"): between(1, 65535),
}


def check_kind(root: Element, kind: str) -> None:
    """Invalid when it is no RSpec v3 of that kind, Unsupported when it is of another version."""
    space, what = namespace(root), f'give an RSpec version 3 with type="{kind}"'
    if local(root) != "rspec":
        raise Invalid(f"{spoken(root)} is no RSpec", what)
    if space != RSPEC and "rspec/" in space:
        raise Unsupported(f"{spoken(root)} is an RSpec of {space[:80]}", what)
    if space != RSPEC:
        raise Invalid(f"{spoken(root)} is in namespace {space[:80]!r}", f'say xmlns="{RSPEC}"')
    if (root.get("type") or "").lower() != kind:
        raise Invalid(f"{spoken(root)} has type {(root.get('type') or '')[:40]!r}", what)


def check(root: Element, kind: str, ignored: Callable[[Element], bool] = lambda element: False) -> None:
    """Invalid when the RSpec has another form than one of that kind has; the first problems, in one message.

    `ignored`: children of the root that are for somebody else, and are not looked at.
    """
    check_kind(root, kind)
    problems = []
    for problem in _problems(root, SHAPES[kind], ignored):
        problems.append(problem)
        if len(problems) == MOST_TOLD:
            break
    if problems:
        said = "; ".join(dict.fromkeys(text for text, _ in problems))
        raise Invalid(
            f"the RSpec is not well formed: {said}", "; ".join(dict.fromkeys(h for _, h in problems))
        )


def _problems(
    root: Element, shapes: Mapping[str, Shape], ignored: Callable[[Element], bool]
) -> Iterator[Problem]:
    waiting = [root]
    while waiting:
        element = waiting.pop()
        if namespace(element) == NM:
            yield from _problems_of_ours(element)
        else:
            shape = shapes[local(element)]
            yield from _attributes(element, shape.needs)
            yield from _strangers(element, shape)
        allowed = shapes[local(element)].holds if namespace(element) == RSPEC else ()
        inner = [child for child in children(element) if _is_checked(child, allowed)]
        if element is root:
            inner = [child for child in inner if not ignored(child)]
        waiting += reversed(inner)


def _is_checked(child: Element, allowed: tuple[str, ...]) -> bool:
    return namespace(child) == NM or (namespace(child) == RSPEC and local(child) in allowed)


def _strangers(element: Element, shape: Shape) -> Iterator[Problem]:
    """Elements that have no place here. Those of other namespaces have one everywhere."""
    for child in children(element):
        if not namespace(child):
            yield f"{spoken(child)} has no namespace", f'say xmlns="{RSPEC}", or that of the extension'
        elif namespace(child) == RSPEC and local(child) not in shape.holds:
            known = ", ".join(shape.holds) or "nothing"
            yield f"{spoken(child)} has no place in <{local(element)}>", f"<{local(element)}> holds {known}"


def _attributes(element: Element, needs: tuple[str, ...]) -> Iterator[Problem]:
    for name in needs:
        if not element.get(name):
            yield f"{spoken(element)} lacks {name}", f"give each <{local(element)}> its {name}"
    space, tag = namespace(element), local(element)
    for key, given in element.attrib.items():
        name, value = str(key), str(given)
        if len(value) > LONGEST_VALUE:
            yield f"{spoken(element)}: {name[:40]} is longer than {LONGEST_VALUE} characters", "shorten it"
        elif (check := _VALUES.get((space, tag, name))) is not None and (wanted := check(value)):
            yield f"{spoken(element)}: {name} is {value[:40]!r}", f"{name} of <{tag}> is {wanted}"


def _problems_of_ours(element: Element) -> Iterator[Problem]:
    needs = _OURS.get(local(element))
    if needs is None:
        known = ", ".join(_OURS)
        yield f"{spoken(element)} is not of nm's extension", f"that has {known}; see {SCHEMAS[REQUEST]}"
    else:
        yield from _attributes(element, needs)
