"""What any value of a component may be, whatever it means: how deep, how large, of which characters. Pure.

Records keep all of it, and write a component's again each time that it is made; answers tell it, and
descriptions of domains have it, both as XML.
"""

from collections.abc import Iterator, Mapping

from nm.marshal import UNCARRIED
from nm.pools.attributes import Value, Wrong, is_component

DEEPEST = 12  # components and lists in one another
LARGEST = 1 << 18  # characters of all attributes of a component; the compiler bounds all components together
A_VALUE = 8  # characters for which one counts that is no text


def unfit(attributes: Mapping[str, Value]) -> Iterator[Wrong]:
    """What of these could not be kept, told or handed on."""
    if not _is_plainly_fit(attributes):
        yield from _unfit(attributes)


def _is_plainly_fit(attributes: Mapping[str, Value]) -> bool:
    """Whether one glance shows it, as it does of nearly all: they are short, and no list or component."""
    texts = [*attributes]
    for value in attributes.values():
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, dict) and "reference" in value:
            texts.append(value["reference"])
        elif isinstance(value, dict | list):
            return False
    said = "".join(texts)
    return len(said) + A_VALUE * len(attributes) <= LARGEST and UNCARRIED.search(said) is None


def _unfit(attributes: Mapping[str, Value]) -> Iterator[Wrong]:
    weight = 0
    for name, value in attributes.items():
        items = [*_items(value)]
        texts = [name, *(item for _, item in items if isinstance(item, str))]
        weight += sum(map(len, texts)) + A_VALUE * (len(items) + 1 - len(texts))
        if any(depth > DEEPEST for depth, _ in items):
            yield f"{name} is nested more than {DEEPEST} deep", "make it flatter"
        if (found := next(filter(None, map(UNCARRIED.search, texts)), None)) is not None:
            text = f"{name!r} has the character U+{ord(found[0]):04X}, which XML has no place for"
            yield text, "leave it out, or write it in another way, as base64"
    if weight > LARGEST:
        text = f"its attributes have {weight:,} characters, and {LARGEST:,} are allowed"
        yield text, "keep what is long in an image, or in a file of the host"


def _items(value: Value, depth: int = 0) -> Iterator[tuple[int, Value]]:
    """All that a value is made of, names too, and how deep each lies; not what lies deeper than it may."""
    if is_component(value):
        value = [*value["attributes"], *value["attributes"].values()]
    elif isinstance(value, dict):  # a reference, or bytes
        value = next(iter(value.values()), None)
    if not isinstance(value, list):
        yield depth, value
        return
    yield depth + 1, None
    for inner in value if depth < DEEPEST else ():
        yield from _items(inner, depth + 1)
