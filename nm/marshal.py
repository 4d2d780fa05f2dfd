"""XML-RPC to values and back: what a request's or an answer's body means, and an answer's body.

Used by the door (nm/api.py), and by whoever is given an answer as a document. Bodies are read by the standard
library's unmarshaller behind defusedxml's guard (no DTD, no entity), with a limit of depth and no tolerance
for what is not XML-RPC. Answers are written by a small marshaller of our own, which is faster and knows what
XML 1.0 cannot carry; or in JSON, for who asks for that: it is read in a thirtieth of the time. Pure.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.parsers.expat import ExpatError
from xmlrpc.client import Fault, ResponseError, Unmarshaller

from defusedxml.common import DefusedXmlException
from defusedxml.xmlrpc import DefusedExpatParser

from nm.errors import Invalid

MAX_INT = 2**31 - 1  # of XML-RPC's one kind of int
MAX_DEPTH = 32  # lists and structs within each other
LONGEST_TAG = 1000  # bytes; XML-RPC has no attributes, and a parser lets nobody else work meanwhile
_TAG = re.compile(rb"<(?![!?])[^<>]{%d}" % LONGEST_TAG)
_EXACT = 2**53  # up to here a double holds every int
UNCARRIED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # in XML 1.0
_SPECIAL = re.compile(f"[&<>\r{UNCARRIED.pattern[1:]}")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}  # in this order
_NO_CHARACTER = "\ufffd"

_HEAD = "<?xml version='1.0'?>\n<methodResponse>"
_TAIL = "</methodResponse>\n"


class MalformedError(ValueError):
    """The body is not well-formed XML, or not what was expected of XML-RPC."""


class _Reader(Unmarshaller):
    """The standard unmarshaller, minus its tolerance."""

    root = ""

    def start(self, tag: str, attrs: dict[str, str]) -> None:
        """Nothing nests without bound."""
        self.root = self.root or tag
        super().start(tag, attrs)
        if len(self._marks) > MAX_DEPTH:
            raise MalformedError(f"more than {MAX_DEPTH} lists and structs within each other")

    def end_struct(self, data: str) -> None:
        """A struct whose members all have a name of their own, and a value."""
        members: list[Any] = self._stack[self._marks[-1] :]
        names = members[::2]
        if len(members) % 2 or not all(isinstance(name, str) for name in names):
            raise MalformedError("a struct's member lacks its name or its value")
        if len(set(names)) < len(names):
            twice = Counter(names).most_common(1)[0][0]
            raise Invalid(f"a struct has the member {twice[:70]!r} twice", "name each member once")
        super().end_struct(data)

    dispatch = {**Unmarshaller.dispatch, "struct": end_struct}  # type: ignore[dict-item]  # noqa: RUF012


def parse_call(body: bytes, tags: int | None = None) -> tuple[str, tuple[Any, ...]]:
    """Method name and arguments of a call. `tags`: how many it may have.

    MalformedError when it is none; Invalid for a struct that says a thing twice.
    """
    if tags is not None and body.count(b"<") > tags:
        raise MalformedError(f"no XML-RPC call: it has more than {tags} tags")
    try:
        reader, arguments = _read(body, "call")
    except Fault:
        raise MalformedError("no XML-RPC call, but a fault") from None
    name = reader.getmethodname()
    if not name:
        raise MalformedError("no XML-RPC call: methodName is missing")
    return name, arguments


def parse_answer(body: bytes) -> Any:
    """The value that a call was answered with. Fault when that is one; else as parse_call."""
    reader, values = _read(body, "answer")
    if reader.root != "methodResponse" or len(values) != 1:
        raise MalformedError("no XML-RPC answer: a methodResponse with one value is expected")
    return values[0]


def _read(body: bytes, what: str) -> tuple[_Reader, tuple[Any, ...]]:
    if _TAG.search(body):
        raise MalformedError(f"no XML-RPC {what}: a tag in it is longer than {LONGEST_TAG} bytes")
    reader = _Reader()
    parser = DefusedExpatParser(reader, forbid_dtd=True)
    parser._parser.buffer_text = True  # else each line, and each escaped sign, is told by itself
    try:
        parser.feed(body)
        parser.close()
        return reader, reader.close()
    except Fault as fault:
        if type(fault.faultCode) is int and type(fault.faultString) is str:
            raise
        raise MalformedError("a fault without code or text") from None
    except DefusedXmlException:
        raise MalformedError("document types and entities are refused") from None
    except ExpatError as error:
        raise MalformedError(f"malformed XML: {error}") from None
    except MalformedError:
        raise
    except (
        ResponseError,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        raise MalformedError(f"no XML-RPC {what}: {error}") from None


def answer(value: object) -> bytes:
    """The body that answers a call with that value. TypeError for what XML-RPC has no word for."""
    parts = [_HEAD, "<params><param>"]
    _write(value, parts.append)
    parts += ("</param></params>", _TAIL)
    return "".join(parts).encode()


def fault(code: int, text: str) -> bytes:
    """The body that answers a call with a fault."""
    parts = [_HEAD, "<fault>"]
    _write({"faultCode": code, "faultString": text}, parts.append)
    parts += ("</fault>", _TAIL)
    return "".join(parts).encode()


def json_answer(value: object) -> bytes:
    """The same in JSON. TypeError for what it has no word for."""
    return _json({"result": value})


def json_fault(code: int, text: str) -> bytes:
    """The same in JSON."""
    return _json({"fault": {"faultCode": code, "faultString": text}})


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode(errors="replace")


@dataclass(frozen=True)
class Form:
    """One way to write answers and faults."""

    answer: Callable[[object], bytes]
    fault: Callable[[int, str], bytes]


FORMS: Mapping[bytes, Form] = {  # by the content types of HTTP
    b"text/xml": Form(answer, fault),
    b"application/json": Form(json_answer, json_fault),
}


def escape(text: str) -> str:
    """The text as XML; a character that XML 1.0 has no place for becomes U+FFFD."""
    if _SPECIAL.search(text) is None:
        return text
    for sign, written in _ESCAPES.items():
        text = text.replace(sign, written)
    # What is printable has a place in XML; that is known sooner than which characters have none.
    return text if text.isprintable() else UNCARRIED.sub(_NO_CHARACTER, text)


def _write(value: Any, out: Callable[[str], None]) -> None:
    writer = _WRITERS.get(type(value))
    if writer is None:
        raise TypeError(f"no XML-RPC type for {type(value).__name__}")
    writer(value, out)


def _write_text(value: str, out: Callable[[str], None]) -> None:
    out(f"<value><string>{escape(value)}</string></value>")


def _write_struct(value: dict[Any, Any], out: Callable[[str], None]) -> None:
    out("<value><struct>")
    for name, member in value.items():
        if type(name) is not str:
            raise TypeError(f"a struct's member is named by {type(name).__name__}")
        out(f"<member><name>{escape(name)}</name>")
        _write(member, out)
        out("</member>")
    out("</struct></value>")


def _write_list(value: Sequence[Any], out: Callable[[str], None]) -> None:
    out("<value><array><data>")
    for item in value:
        _write(item, out)
    out("</data></array></value>")


def _write_int(value: int, out: Callable[[str], None]) -> None:
    if -MAX_INT - 1 <= value <= MAX_INT:
        out(f"<value><int>{value}</int></value>")
    elif abs(value) <= _EXACT:  # as a time past 2038
        out(f"<value><double>{float(value)!r}</double></value>")
    else:
        raise TypeError("an int is too large for XML-RPC")


_WRITERS: dict[type, Callable[[Any, Callable[[str], None]], None]] = {
    str: _write_text,
    dict: _write_struct,
    list: _write_list,
    tuple: _write_list,
    int: _write_int,
    bool: lambda value, out: out(f"<value><boolean>{value:d}</boolean></value>"),
    float: lambda value, out: out(f"<value><double>{value!r}</double></value>"),
    type(None): lambda _, out: out("<value><nil/></value>"),
}
