"""What the reference implementation's toString says of a component: `++` makes texts of anything.

Much like the canonical form, but with a D behind Doubles, NULL written out, no blanks inside lists, and `;`
for a component without attributes.
"""

from collections.abc import Iterator

from nm.descriptions.literals import java
from nm.descriptions.printer import INDENT, SPECIAL, name_text, value_text
from nm.descriptions.values import Attribute, Component, Float, Form, Function, Key, Long, Value, Vector


def component_text(component: Component, indent: str = "") -> str:
    """A component, over several lines unless it is empty."""
    head = f"extends {'DATA ' if component.data else ''}"
    if not component.attributes:
        return f"{head};"
    return "\n".join([f"{head}{{", *_items(component, indent + INDENT), f"{indent}}}"])


def _items(component: Component, indent: str) -> Iterator[str]:
    for key, attribute in component.attributes.items():
        yield f"{indent}{_tags(attribute)}{_name(key)} {_value(attribute.value, indent)}"


def _tags(attribute: Attribute) -> str:
    return f"[ {' '.join(sorted(attribute.tags))} ] " if attribute.tags else ""


def _name(key: Key) -> str:
    return name_text(key) if isinstance(key, tuple) or key.startswith("--") else key


def _value(value: Value, indent: str) -> str:
    return component_text(value, indent) if isinstance(value, Component) else f"{_basic(value)};"


def _basic(value: Value) -> str:
    if isinstance(value, Component):
        return component_text(value)
    if isinstance(value, str):
        return '"' + "".join(SPECIAL.get(sign, sign) for sign in value) + '"'
    if isinstance(value, Vector):
        return f"[|{', '.join(map(_basic, value))}|]"
    if isinstance(value, Long):
        return f"{value:d}L"
    if isinstance(value, float):
        return java(value) if isinstance(value, Float) else f"{java(value)}D"
    if isinstance(value, Function):
        return _function(value)
    return "NULL" if value is None else value_text(value)


def _function(function: Function) -> str:
    lazy = "LAZY " if function.lazy else ""
    data = "DATA " if function.data else ""
    word = "ASSERT" if function.form is Form.ASSERT else "APPLY"
    items = "".join(f"{line}\n" for line in _items(function.component, ""))
    return f"{lazy}{data}{word} {{{items}}}"
