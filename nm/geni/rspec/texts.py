"""RSpecs as texts: read without harm, written, compressed. Pure.

A request comes from a stranger. There is no document type and no entity in it, and how much it may hold is
limited before anything looks at it.
"""

import base64
import binascii
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from lxml import etree

from nm.errors import Invalid
from nm.geni.rspec.vocabulary import RSPEC

Element = etree._Element

DEPTH, ATTRIBUTES, NAMESPACES = 32, 40, 500  # the last: declarations in one text


@dataclass(frozen=True)
class Bounds:
    """What a text may hold."""

    characters: int
    elements: int


REQUEST = Bounds(1 << 20, 5_000)  # what strangers send
ANSWER = Bounds(1 << 26, 1_000_000)  # what an aggregate answers, to whoever asked it


def parse(text: str, bounds: Bounds = REQUEST) -> Element:
    """The root of an RSpec. Invalid when it is not plain XML, or too much of it."""
    if len(text) > bounds.characters:
        raise _malformed(f"it is longer than {bounds.characters} characters")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise _malformed("document types and entities are refused", "take <!DOCTYPE ...> out")
    if (
        bounds is REQUEST and text.count("xmlns") > NAMESPACES
    ):  # each element that is moved looks through them
        raise _malformed(f"it declares more than {NAMESPACES} namespaces", "declare them once, at the root")
    try:
        root = etree.fromstring(text.strip().encode(), _parser())
    except (etree.LxmlError, ValueError) as error:
        raise _malformed(f"malformed XML: {str(error)[:120]}") from None
    _check_bounds(root, bounds)
    return root


def _parser() -> etree.XMLParser:
    """One for each text. It reads UTF-8 whatever the text says: what was seen is what is read."""
    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False
    )


def _check_bounds(root: Element, bounds: Bounds) -> None:
    waiting, count = [(1, root)], 0
    while waiting:
        depth, one = waiting.pop()
        count += 1
        if count > bounds.elements or depth > DEPTH:
            raise _malformed(f"it has more than {bounds.elements} elements, or more than {DEPTH} in another")
        if is_element(one) and len(one.attrib) > ATTRIBUTES:
            raise _malformed(f"{spoken(one)} has too many attributes")
        waiting += [(depth + 1, child) for child in one]


def children(element: Element, *names: str) -> list[Element]:
    """The elements in it; those of these names, when some are given. Never comments and the like."""
    return [child for child in element if is_element(child) and (not names or child.tag in names)]


def is_element(one: Element) -> bool:
    """Whether it is no comment, instruction or entity."""
    return isinstance(one.tag, str)


def local(element: Element) -> str:
    """Its name without the namespace."""
    return str(element.tag).rpartition("}")[2]


def namespace(element: Element) -> str:
    """Its namespace; nothing when it has none."""
    return str(element.tag)[1:].rpartition("}")[0]


def spoken(element: Element) -> str:
    """How people find it."""
    line = cast("int | None", element.sourceline)
    return f"<{local(element)[:40]}>" + (f" in line {line}" if line else "")


def new_root(spaces: Mapping[str | None, str]) -> Element:
    """The root of an RSpec to be written, with these namespaces by their prefixes."""
    return etree.Element(f"{{{RSPEC}}}rspec", nsmap=cast("Mapping[str, str]", spaces))


def render(root: Element) -> str:
    """The RSpec as text. Nothing is indented, for that would change what others wrote."""
    return etree.tostring(root, encoding="unicode")


def compress(text: str) -> str:
    """As geni_compressed asks for it: zlib, then base64, as a string."""
    return base64.b64encode(zlib.compress(text.encode())).decode("ascii")


def decompress(text: str, bounds: Bounds = ANSWER) -> str:
    """What was compressed so. Invalid when it was not, or is too long."""
    try:
        reader = zlib.decompressobj()
        found = reader.decompress(base64.b64decode(text, validate=True), bounds.characters * 4)
        if reader.unconsumed_tail:
            raise _malformed(f"it is longer than {bounds.characters} characters")
        if not reader.eof:
            raise _malformed("its compressed form is cut off")
        return found.decode()
    except (binascii.Error, zlib.error, ValueError):
        raise _malformed("it is not zlib's form in base64") from None


def _malformed(said: str, hint: str = "give it as RSpec version 3") -> Invalid:
    return Invalid(f"the RSpec cannot be read: {said}", hint)
