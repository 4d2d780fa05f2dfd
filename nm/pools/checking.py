"""What is wrong with the parts of a description, and what is merely odd, before anything is made of them."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nm.descriptions.components import NO_PLACE, Written
from nm.descriptions.unknown import GENERAL, advice
from nm.errors import Invalid, NotFound
from nm.pools import guests, shapes
from nm.pools.attributes import Attribute, Value, is_component, is_lazy, leads
from nm.pools.following import broken
from nm.pools.grouping import wrong, wrong_alone
from nm.pools.kinds import DISKS, DOMAINS, KINDS, SHOWN_NOT
from nm.pools.scripting import SCRIPTS, script_text, shell_of
from nm.pools.tree import ROOT, Part, Path, Tree, spell

CHOICES: Mapping[str, tuple[str, ...]] = {
    "whenUnreachable": ("keep", "terminate"),
    "format": ("raw", "qcow2"),
    "onReboot": ("start", "end"),
    "onCrash": ("destroy", "restart"),
    "graphics": ("none", "vnc", "spice"),
    "diskBus": ("virtio", "scsi", "sata", "ide"),
    "bridgeKind": ("linux", "ovs"),
}
PROCESSORS = 512  # as of images; libvirtd itself ends of two thousand million
BOUNDS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(("memory", "size", "sfLivenessFactor"), (1, sys.maxsize)),
    **dict.fromkeys(("maxMemory", "swapSize", "sfLivenessDelay"), (0, sys.maxsize)),
    "vcpus": (1, PROCESSORS),
    "maxVcpus": (0, PROCESSORS),
    "shutdownTimeout": (0, 600),  # the host's other pools wait meanwhile
}
LAST_VLAN = 4094
A = {"Integer": "an Integer", "Any": "a value", "CD": "a component"}


@dataclass(frozen=True)
class Finding:
    """What is wrong (an error) or odd (a warning) about an attribute of a part, or about the part."""

    level: Literal["error", "warning"]
    path: Path
    text: str
    hint: str
    written: Written = NO_PLACE

    @property
    def place(self) -> str:
        """Where it is described, to stand before what is said of it."""
        file, line, column = self.written
        return f"{file}:{line}:{column}: " if file else ""

    def __str__(self) -> str:
        return f"{self.place}{self.level}: {self.words}"

    @property
    def words(self) -> str:
        """What is said of it, where its place and level are known."""
        return f"{spell(self.path)}: {self.text}; {self.hint}"


def findings(tree: Tree) -> list[Finding]:
    """All of them, in the order in which parts are made; errors forbid to deploy it.

    Where something could not even be kept, told or handed on, nobody looks further.
    """
    if unfit := list(_unfit(tree.parts.values())):
        return unfit
    found = [finding for part in tree.parts.values() for finding in _of_part(part)]
    found += [_error(part, text, hint) for part, text, hint in wrong(tree.parts)]
    given = guests.given_in(tree)
    for path, values in given.items():
        found += _of_guest(tree.parts[path], values)
    found += [_error(part, text, hint) for part, text, hint in guests.clashes(tree, given)]
    return [*found, *_of_shells(tree), *_of_disks(tree), *_of_lazy(tree), *_of_order(tree)]


def _unfit(parts: Iterable[Part]) -> Iterator[Finding]:
    for part in parts:
        for text, hint in shapes.unfit(part.attributes):
            yield _error(part, text, hint)


def of_one(part: Part) -> list[Finding]:
    """What is wrong with one part, for all that is known of it alone."""
    given = guests.given(part.attributes) if part.kind in DOMAINS else {}
    return [*_unfit([part]), *_of_part(part), *_of_guest(part, given)]


def _of_guest(part: Part, given: Mapping[str, Value]) -> Iterator[Finding]:
    """What a domain cannot be called, or have."""
    for text, hint in guests.wrong(given):
        yield _error(part, text, hint)


def _of_lazy(tree: Tree) -> Iterator[Finding]:
    """Where lazy values lead that count for their component, and assertions that do not hold."""
    for part in tree.parts.values():
        known = KINDS[part.kind].known if part.kind in KINDS else {}
        for name, value in part.attributes.items():
            if isinstance(value, dict) and is_lazy(value) and name in known and not known[name].lazy:
                yield from _of_value_there(tree, part, known[name])
    for path, words in broken(tree.parts, tree.surroundings).items():
        yield _error(tree.parts[path], words, "correct what it is about")


def _of_value_there(tree: Tree, part: Part, attribute: Attribute) -> Iterator[Finding]:
    try:
        value = tree.followed(part, attribute.name)
    except NotFound as error:
        yield _error(part, f"{attribute.name} leads nowhere: {error.message}", error.hint)
        return
    if value is not None and attribute.type not in ("CD", "Reference"):
        yield from _of_value(part, attribute, value)


def _of_part(part: Part) -> Iterator[Finding]:
    yield from _of_name(part)
    kind = KINDS.get(part.kind)
    if kind is None:
        hint = "let it extend one, such as Compound, or say DATA when it is not to be deployed"
        yield _error(part, "nm knows no such kind of component", hint)
        return
    known = kind.known
    for attribute in kind.musts:
        if attribute.name not in part.attributes:
            text = attribute.text or f"give it a {attribute.type}"
            yield _error(part, f"{attribute.name} is missing", text)
    for name, value in part.attributes.items():
        if name in known:
            yield from _of_value(part, known[name], value)
    if part.kind in DOMAINS:
        yield from _of_nic(part)
    for text, hint in wrong_alone(part):
        yield _error(part, text, hint)


def _of_name(part: Part) -> Iterator[Finding]:
    """What is made for a part is called by its path as it is spelled, so no two may be spelled alike."""
    name = part.path[-1] if part.path else ""
    if part.path and (not name.isprintable() or ":" in name or spell((name,)) == spell(ROOT)):
        yield _error(part, f"{name!r} cannot be a component's name", "choose another one, without a colon")


def _of_value(part: Part, attribute: Attribute, value: Value) -> Iterator[Finding]:
    choices = CHOICES.get(attribute.name)
    if not attribute.fits(value):
        wanted = "a lazy reference" if attribute.lazy or attribute.type == "Reference" else _a(attribute.type)
        hint = "write LAZY and the way to it" if wanted == "a lazy reference" else attribute.text
        yield _error(part, f"{attribute.name} is {_shown(attribute, value)}, and must be {wanted}", hint)
    elif choices is not None and isinstance(value, str) and value not in choices:
        text = f"{attribute.name} is {_shown(attribute, value)}"
        yield _error(part, text, f"it is one of {', '.join(choices)}")
    elif (bounds := _outside(attribute.name, value)) is not None:
        yield _error(part, f"{attribute.name} is {_shown(attribute, value)}", bounds)
    elif attribute.lazy and attribute.name in part.needs and part.needs[attribute.name] is None:
        yield _error(part, f"{attribute.name} leads nowhere", "name a component of this description")


def _shown(attribute: Attribute, value: Value) -> str:
    return SHOWN_NOT if attribute.quiet else repr(value)[:60]


def _outside(name: str, value: Value) -> str | None:
    """Which numbers an attribute may be, when it is another one."""
    least, most = BOUNDS.get(name, (0, 0))
    if name not in BOUNDS or not isinstance(value, int) or least <= value <= most:
        return None
    return f"it is {least} at least" if most == sys.maxsize else f"it is {least} to {most}"


def _of_shells(tree: Tree) -> Iterator[Finding]:
    """What could never be run."""
    for part in tree.parts.values():
        if part.kind == "Shell":
            yield from _read(part, shell_of, part.attributes)
        elif part.kind == "Script":
            for name in SCRIPTS.values():
                value = part.attributes.get(name)
                if value is not None and not leads(value):
                    yield from _read(part, script_text, value, f"{name}: ")
            yield from _of_need(tree, part, "shell", ("Shell",), ("script", "shell", "BashShell"))


def _read(part: Part, read: Callable[[Any], object], value: Value, before: str = "") -> Iterator[Finding]:
    try:
        read(value)
    except Invalid as error:
        yield _error(part, f"{before}{error.message}", error.hint)


def _of_disks(tree: Tree) -> Iterator[Finding]:
    for part in tree.parts.values():
        if part.kind in DOMAINS:
            yield from _of_need(tree, part, "storageBackend", DISKS, ("domain", "disk", DISKS[0]))


def _of_need(
    tree: Tree, part: Part, name: str, kinds: Sequence[str], called: tuple[str, str, str]
) -> Iterator[Finding]:
    """What a part needs is of such a kind, and where that is; what leads nowhere is told already.

    called: how people call the part, what it needs, and what they write to have one.
    """
    other = tree.parts.get(part.needs.get(name) or part.path, part)
    user, need, prototype = called
    if other is part:
        return
    if other.kind not in kinds:
        yield _error(part, f"{name} leads to a {other.kind}", f"let it lead to a {prototype}")
    elif other.host != part.host:
        hint = f"a {user} runs where its {need} is: describe both on one host"
        yield _error(part, f"its {need} is on {other.host or 'another host'}", hint)


def _of_nic(part: Part) -> Iterator[Finding]:
    """Tags are Open vSwitch's."""
    vlan, kind = part.attributes.get("vlan"), part.attributes.get("bridgeKind")
    if isinstance(vlan, int) and not 1 <= vlan <= LAST_VLAN:
        yield _error(part, f"vlan is {vlan}", f"it is one of 1 to {LAST_VLAN}")
    if vlan is not None and (kind == "linux" or "bridge" not in part.attributes):
        yield _error(part, "vlan is of a bridge of Open vSwitch only", "name such a bridge, or leave it out")


def _a(name: str) -> str:
    return A.get(name, f"a {name}")


def unknown(part: Part) -> Iterator[Finding]:
    """Its attributes that its kind does not know: warned of, for what is inside, or a link, may want them.

    Of descriptions the compiler tells them, with their columns; this is for attributes that are set by calls.
    """
    kind = KINDS.get(part.kind)
    if kind is None or kind.name in GENERAL:
        return
    known = kind.known
    for name, value in part.attributes.items():
        if name not in known and not is_component(value):
            text = f"{kind.name} knows no {name}"
            yield Finding("warning", part.path, text, advice(name, known), part.written)


def _of_order(tree: Tree) -> Iterator[Finding]:
    for one, other in sorted(tree.misplaced):
        hint = f"describe {spell(other)} before it"
        text = f"it needs {spell(other)}, which stands behind it and is made first"
        yield Finding("warning", one, text, hint, tree.parts[one].written)
    for one, other in sorted(tree.circular):
        text = f"it and {spell(other)} need each other, so one is made without the other"
        yield Finding("warning", one, text, "remove one of the two references", tree.parts[one].written)


def _error(part: Part, text: str, hint: str) -> Finding:
    return Finding("error", part.path, text, hint, part.written)
