"""XML documents that strangers send, taken apart without harm. Pure.

A credential needs no document type, no entity, no comment and no instruction; so there are none here, and
what an element's text is cannot be seen in two ways. Numbers are limited before anything is canonicalised,
for that sorts attributes and namespaces in the square of their number.
"""

from collections.abc import Iterator

from lxml import etree

from nm.errors import Denied

SIZE = 1 << 18  # characters
ELEMENTS, DEPTH, ATTRIBUTES, NAMESPACES = 1000, 40, 10, 16
XML_ID = "{http://www.w3.org/XML/1998/namespace}id"

Element = etree._Element


def parse(text: str) -> Element:
    """The root of a document that is small and plain. Denied when it is not."""
    if len(text) > SIZE:
        raise malformed(f"it is longer than {SIZE} characters")
    if "<!DOCTYPE" in text:
        raise malformed("document types and entities are refused")
    try:
        root = etree.fromstring(text.strip().encode(), _parser())
    except (etree.LxmlError, ValueError) as error:
        raise malformed(f"malformed XML: {str(error)[:100]}") from None
    _is_plain(root)
    return root


def _parser() -> etree.XMLParser:
    """One for each document. It reads UTF-8 whatever the document says: what was seen is what is read."""
    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False
    )


def _is_plain(root: Element) -> None:
    for count, (depth, one) in enumerate(_walk(root)):
        if not isinstance(one.tag, str):
            raise malformed("it has comments or instructions")
        if count >= ELEMENTS or depth > DEPTH:
            raise malformed(f"it has more than {ELEMENTS} elements, or more than {DEPTH} one in another")
        if len(one.attrib) > ATTRIBUTES or len(one.nsmap) > NAMESPACES:
            raise malformed(f"<{one.tag[:40]}> has too many attributes or namespaces")


def _walk(root: Element) -> Iterator[tuple[int, Element]]:
    """Every element with its depth, in the document's order; none is looked at before it is asked for."""
    yield 0, root
    open_ones = [iter(root)]
    while open_ones:
        if (child := next(open_ones[-1], None)) is None:
            open_ones.pop()
        else:
            yield len(open_ones), child
            open_ones.append(iter(child))


def children(element: Element, needed: tuple[str, ...], more: tuple[str, ...] = ()) -> dict[str, Element]:
    """Its elements by name: each of the `needed` ones, and some of `more`, once. Denied for another shape."""
    found: dict[str, Element] = {}
    for child in element:
        tag = str(child.tag)
        if tag in found or tag not in (*needed, *more):
            raise malformed(f"<{element.tag}> holds <{tag[:80]}>, or twice")
        found[tag] = child
    if missing := [tag for tag in needed if tag not in found]:
        raise malformed(f"<{element.tag}> holds no <{missing[0]}>")
    return found


def text_of(element: Element) -> str:
    """The text of an element that holds nothing else, without the white space around. Denied otherwise."""
    if len(element):
        raise malformed(f"<{element.tag}> holds elements, and should hold text")
    return (element.text or "").strip()


def malformed(said: str) -> Denied:
    """The refusal of a document that says nothing."""
    return Denied(f"a credential cannot be read: {said}", "give it whole, as it was issued")
