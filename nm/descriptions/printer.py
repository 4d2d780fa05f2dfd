"""Trees back to text, in one canonical form: what is printed is read as the same tree."""

import math
import re
from collections.abc import Iterator, Sequence
from itertools import count

from nm.descriptions.lexer import RESERVED, WORD
from nm.descriptions.literals import java
from nm.descriptions.values import (
    ALONE,
    TBD,
    Attribute,
    Component,
    Float,
    Form,
    Function,
    Key,
    Long,
    Part,
    Reference,
    Value,
    Vector,
)

INDENT = "  "
UNNAMED = re.compile(r"--[0-9]+")
SPECIAL = {"\n": "\\n", "\t": "\\t", "\b": "\\b", "\r": "\\r", "\f": "\\f", "\\": "\\\\", '"': '\\"'}
PLAIN = re.compile(r'[^\n\t\b\r\f\\"\x00-\x1f\x7f]*')


def text_of(root: Component) -> str:
    """A whole file."""
    return "\n".join([*_items(root, ""), ""])


def value_text(value: Value, indent: str = "") -> str:
    """A value as it stands behind its name, without the ; that ends it."""
    if isinstance(value, Component):
        return "\n".join(_component(value, indent))
    if isinstance(value, Reference):
        return reference_text(value)
    if isinstance(value, Function):
        return _function(value, indent)
    return _literal(value, indent)


def reference_text(reference: Reference) -> str:
    """A reference as it is written."""
    words = ["DATA"] if reference.data else ["LAZY"] if reference.lazy else []
    if reference.optional:
        words.append(
            "OPTIONAL" if reference.default is None else f"OPTIONAL ({value_text(reference.default)})"
        )
    words.append(":".join(_part(part, not index) for index, part in enumerate(reference.parts)))
    return " ".join(words)


def name_text(key: Key) -> str:
    """The name of an attribute, or its path."""
    path = (key,) if isinstance(key, str) else key
    return ":".join("--" if UNNAMED.fullmatch(name) else _word(name) for name in path)


def string_text(text: str) -> str:
    """A string in its quotes."""
    if PLAIN.fullmatch(text):
        return f'"{text}"'
    return '"' + "".join(SPECIAL.get(sign) or _printable(sign) for sign in text) + '"'


def _printable(sign: str) -> str:
    return f"\\{ord(sign):03o}" if ord(sign) < ord(" ") or sign == "\x7f" else sign


def _items(component: Component, indent: str) -> Iterator[str]:
    for key, attribute in component.attributes.items():
        yield from _attribute(key, attribute, indent)


def _attribute(key: Key, attribute: Attribute, indent: str) -> Iterator[str]:
    tags = f"[{', '.join(map(_word, sorted(attribute.tags)))}] " if attribute.tags else ""
    value = attribute.value
    head = f"{indent}{tags}{name_text(key)}"
    if value is None:
        yield f"{head};"
        return
    text = value_text(value, indent)
    ends = isinstance(value, Component) and text.endswith("}")
    yield f"{head} {text}" if ends else f"{head} {text};"


def _component(component: Component, indent: str) -> Iterator[str]:
    head = ["extends", *(["DATA"] if component.data else [])]
    bodies = [
        "\n".join(_body(item, indent)) if isinstance(item, Component) else reference_text(item[0])
        for item in component.prototypes
    ]
    own = component.attributes
    # A body right behind another would not be read; a comma stands between them.
    comma = "," if component.prototypes and isinstance(component.prototypes[-1], Component) else ""
    if bodies:
        head.append(", ".join(bodies) + comma)
    if own or not bodies or comma:
        head.append("\n".join(_body(component, indent)))
    yield " ".join(head)


def _body(component: Component, indent: str) -> Iterator[str]:
    if not component.attributes:
        yield "{ }"
        return
    yield "{"
    yield from _items(component, indent + INDENT)
    yield f"{indent}}}"


def _function(function: Function, indent: str) -> str:
    values = {key: item.value for key, item in function.component.attributes.items()}
    if function.lazy or function.data or function.form in {Form.APPLY, Form.ASSERT}:
        word = "ASSERT" if function.form is Form.ASSERT else "APPLY"
        head = "DATA " if function.data else "LAZY " if function.lazy else ""
        return f"{head}{word} " + "\n".join(_body(function.component, indent))
    texts = {key: _inside(value, indent) for key, value in values.items() if key != "sfFunctionClass"}
    if function.form is Form.VECTOR:
        return f"[{', '.join(texts.values())}]"
    if function.form is Form.IF:
        return f"IF {texts['if']} THEN {texts['then']} ELSE {texts['else']} FI"
    if function.form is Form.SWITCH:
        return _switch(function.component, texts, indent)
    if function.operator == "!":
        return f"(! {texts['data']})"
    return f"({f' {function.operator} '.join(texts.values())})"


def _switch(component: Component, texts: dict[Key, str], indent: str) -> str:
    cases = next(n for n in count() if f"IF{n}" not in texts or f"THEN{n}" not in texts)
    named = {f"{word}{n}" for n in range(cases) for word in ("IF", "THEN")} | {"sfFunctionClass"}
    body = Component({key: item for key, item in component.attributes.items() if key not in named})
    head = ["SWITCH", *(["\n".join(_body(body, indent))] if body.attributes else [])]
    return " ".join(
        [*head, *(f"IF {texts[f'IF{n}']} THEN {texts[f'THEN{n}']}" for n in range(cases)), "ENDSWITCH"]
    )


def _inside(value: Value, indent: str) -> str:
    """A value among others: a component stands in ( )."""
    return f"({value_text(value, indent)})" if isinstance(value, Component) else value_text(value, indent)


def _literal(value: Value, indent: str) -> str:
    if value is None or value is TBD or isinstance(value, bool):
        return "NULL" if value is None else "TBD" if value is TBD else "true" if value else "false"
    if isinstance(value, str):
        return string_text(value)
    if isinstance(value, bytes):
        return f"#HEX#{value.hex().upper()}#"
    if isinstance(value, int):
        return f"{value:d}L" if isinstance(value, Long) else f"{value:d}"
    return _decimal(value) if isinstance(value, float) else _vector(value, indent)


def _decimal(value: float) -> str:
    letter = "f" if isinstance(value, Float) else "d"
    if math.isfinite(value):
        return f"{java(value)}{letter}"
    above = "0" if math.isnan(value) else "1" if value > 0 else "-1"
    return f"({above}.0{letter} / 0.0{letter})"  # what has no word of its own


def _vector(values: Sequence[Value], indent: str) -> str:
    texts = ", ".join(_inside(value, indent) for value in values)
    constant = isinstance(values, Vector) and "(" not in texts and "[" not in texts.replace("[|", "")
    return f"[| {texts} |]" if constant and texts else "[| |]" if not texts else f"[{texts}]"


def _part(part: Part, first: bool) -> str:
    if part.kind in ALONE:
        return part.kind
    bare = "ATTRIB" if first else "HERE"
    plain = WORD.fullmatch(part.name) and part.name not in RESERVED
    if part.kind == bare and plain:
        return part.name
    return f"{part.kind} {_word(part.name)}"


def _word(name: str) -> str:
    """A word, in quotes where it is none."""
    return name if WORD.fullmatch(name) and name not in RESERVED else string_text(name)
