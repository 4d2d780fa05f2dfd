"""Answers of aggregates for people. Pure.

Aggregates are strangers: what is not as it should be is shown as -.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from nm.shell import times
from nm.shell.offline import explained
from nm.shell.output import Block, Fields, Line, Table
from nm.shell.table import Scene


def version(answer: Any, _scene: Scene) -> Sequence[Block]:
    """What GetVersion answers."""
    said = answer if isinstance(answer, dict) else {}
    urls = said.get("geni_api_versions")
    pairs = [
        ("version", _text(said.get("geni_api"))),
        ("urls", ", ".join(map(str, urls.values())) if isinstance(urls, dict) else "-"),
        ("requests", _versions(said.get("geni_request_rspec_versions"))),
        ("advertisements", _versions(said.get("geni_ad_rspec_versions"))),
        ("credentials", _versions(said.get("geni_credential_types"), "geni_")),
        ("allocation", _text(said.get("geni_allocate"))),
        ("software", _text(said.get("geni_am_code") or said.get("geni_am_type"))),
    ]
    return [Fields(pairs)]


def _versions(found: Any, prefix: str = "") -> str:
    ones = [one for one in _list(found) if isinstance(one, dict)]
    return ", ".join(f"{one.get(f'{prefix}type')} {one.get(f'{prefix}version')}" for one in ones) or "-"


def advertisement(answer: Any, _scene: Scene) -> Sequence[Block]:
    """The nodes of an advertisement."""
    from nm.geni.rspec import texts

    with explained():
        root = texts.parse(str(answer), texts.ANSWER)
    nodes = [one for one in texts.children(root) if texts.local(one) == "node"]
    rows = []
    for node in nodes:
        parts: dict[str, list[Any]] = {}
        for part in texts.children(node):
            parts.setdefault(texts.local(part), []).append(part)
        now = next((part.get("now") for part in parts.get("available", ())), None)
        types = [part.get("name") or "" for part in parts.get("hardware_type", ())]
        urn = node.get("component_id") or ""
        name = node.get("component_name") or urn.rpartition("+")[2]
        count = len(parts.get("interface", ()))
        rows.append([name, _free(now), ", ".join(types) or "-", str(count), urn])
    return [Table(["NODE", "AVAILABLE", "HARDWARE", "NICS", "URN"], rows, empty="no nodes")]


def _free(now: str | None) -> str:
    return {"true": "yes", "1": "yes", "false": "no", "0": "no"}.get((now or "").lower(), "-")


def manifest(answer: Any, scene: Scene) -> Sequence[Block]:
    """Slivers, and what the manifest says of their nodes and links."""
    from nm.errors import Invalid
    from nm.geni.rspec import manifest as manifests

    said = answer if isinstance(answer, dict) else {}
    blocks = list(slivers(said, scene))
    try:
        found = manifests.read(str(said.get("geni_rspec") or ""))
    except Invalid:
        return [*blocks, Line("its manifest cannot be read: --tostdout shows it")]
    if nodes := list(_nodes(found)):
        blocks.append(Table(["NODE", "IS", "SLIVER", "LOG IN"], nodes))
    if links := [[link.client_id, _text(link.vlan)] for link in found.links]:
        blocks.append(Table(["LINK", "VLAN"], links))
    if found.head:
        ways = ", ".join(map(_way, found.head.logins)) or "no way in"
        blocks.append(Line(f"head node {found.head.name}: {ways}"))
    return blocks


def _nodes(found: Any) -> Iterator[list[str]]:
    for node in found.nodes:  # also other aggregates', which have no sliver here
        ways = [_way(login) for login in node.logins]
        yield [node.client_id, _last(node.component_id), _last(node.sliver_id), ", ".join(ways) or "-"]


def _way(login: Any) -> str:
    way = f"ssh {login.username}@{login.hostname}"
    return way if login.port == 22 else f"{way} -p {login.port}"


def slivers(answer: Any, scene: Scene) -> Sequence[Block]:
    """Slivers and their states."""
    listed = answer.get("geni_slivers") if isinstance(answer, dict) else answer
    rows = []
    for one in _list(listed):
        said = one if isinstance(one, dict) else {}
        rows.append(
            [
                _last(said.get("geni_sliver_urn")),
                _state(said.get("geni_allocation_status")),
                _state(said.get("geni_operational_status")),
                _moment(said.get("geni_expires"), scene.now),
                _text(said.get("geni_error")),
            ]
        )
    return [Table(["SLIVER", "ALLOCATION", "STATE", "ENDS", "ERROR"], rows, empty="no slivers")]


def stopped(answer: Any, scene: Scene) -> Sequence[Block]:
    """What Shutdown did."""
    slice_name = scene.options.slice
    said = "is shut down" if answer is True else "is not shut down"
    return [Line(f"slice {slice_name} {said}")]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return "-" if value in (None, "") else str(value)


def _state(value: Any) -> str:
    return _text(value).removeprefix("geni_")


def _last(urn: Any) -> str:
    return _text(urn).rpartition("+")[2]


def _moment(value: Any, now: float) -> str:
    from nm.errors import Invalid
    from nm.geni.times import parse

    try:
        return times.human(parse(str(value)), now)
    except Invalid:
        return _text(value)
