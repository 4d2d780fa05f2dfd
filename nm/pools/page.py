"""docs/components.md, made from the kinds: `python -m nm.pools.page` writes it to the standard output."""

import sys
from collections.abc import Iterator

from nm.descriptions.unknown import GENERAL
from nm.pools.attributes import EFFECTS, Attribute
from nm.pools.checking import CHOICES
from nm.pools.kinds import ALL, COMPOUND, EVERY, Kind

ALIASES = {name for kind in ALL for name in kind.written if name != kind.name}

HEAD = """# Components: what each is given

This page is made from the code (`make docs`); docs/descriptions.md explains the language,
docs/pools.md what is deployed.

*must*: a component without that attribute is refused. *a change*: what changing, adding or removing an
attribute means for a component that runs, when its description is applied again:

| a change | means |
|---|---|
| now | the running component is changed in place |
| restart | it is stopped, changed, and started again |
| refused | nothing is done at all, for something would be lost: another component has to be described |
| replace | it is taken down, with all inside it, and another one is made |
| termination | nothing has to be done: it counts when the component ends |

An attribute that a component does not know is warned of, unless it may hold any for what is inside to
link to. A change of such a one is *now*, or *replace* when its name begins with `sf`. When a component is
made anew, so is what needs it by a lazy reference, or it starts again, as if that reference had changed.

Domains can be at any libvirt URI that the site allows, Xen's included; nm's own tests have never seen Xen.
"""


def page() -> str:
    """The page."""
    return "\n".join([HEAD, *_every(), *(line for kind in ALL for line in _kind(kind)), *_left_out()])


def _every() -> Iterator[str]:
    yield "## Every component\n"
    yield from _table(EVERY)
    yield "## Whatever holds others\n"
    yield "Compound, the combinators, FireBreak and Group.\n"
    yield from _table(COMPOUND)


def _kind(kind: Kind) -> Iterator[str]:
    if kind.name in ALIASES:
        return
    yield f"## {' or '.join(kind.written or (kind.name,))}\n"
    yield f'{kind.text[0].upper()}{kind.text[1:]}. `#include "{kind.include}"`\n'
    own = [attribute for attribute in kind.attributes if attribute not in COMPOUND]
    yield from _table(own)
    notes = [
        "Its actions stand in it, or as data in `actions`, or one in `action`."
        if kind.inside == "actions"
        else "",
        "It may hold attributes of any name." if kind.name in GENERAL else "",
        "It acts on a host, so it needs an administrator or an allowance of the site's."
        if kind.privileged
        else "",
    ]
    if any(notes):
        yield " ".join(note for note in notes if note) + "\n"


def _table(attributes: tuple[Attribute, ...] | list[Attribute]) -> Iterator[str]:
    if not attributes:
        return
    yield "| attribute | type | must | default | a change | |"
    yield "|---|---|---|---|---|---|"
    for attribute in attributes:
        yield f"| {' | '.join(_cells(attribute))} |"
    yield ""


def _cells(attribute: Attribute) -> Iterator[str]:
    yield f"`{attribute.name}`"
    yield "lazy reference" if attribute.lazy else attribute.type
    yield "must" if attribute.must else ""
    yield _default(attribute)
    yield " or ".join(attribute.effects or [effect for effect in EFFECTS if effect == attribute.effect])
    choices = CHOICES.get(attribute.name)
    listed = bool(choices) and not all(choice in attribute.text for choice in choices or ())
    secret = "; shown to nobody" if attribute.quiet else ""
    yield attribute.text + (f": {', '.join(choices or ())}" if listed else "") + secret


def _default(attribute: Attribute) -> str:
    if isinstance(attribute.default, bool):
        return str(attribute.default).lower()
    if isinstance(attribute.default, list):
        return ", ".join(map(str, attribute.default))
    return "" if attribute.default is None else str(attribute.default)


def _left_out() -> Iterator[str]:
    yield "## Left out\n"
    yield "- EventSend, OnEvent, EventCounter and their like: nm has no events between components.\n"


if __name__ == "__main__":
    sys.stdout.write(page())
