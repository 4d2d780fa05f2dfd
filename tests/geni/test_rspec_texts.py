"""RSpecs as texts: what a stranger may send, and the compressed form."""

import base64
import time
import zlib

import pytest

from nm.errors import Invalid
from nm.geni.rspec import request, texts
from nm.geni.rspec.texts import Bounds
from tests.geni.lab import LAB, asked, link, rspec

ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "x" * 50}">' for n in range(12))
HOSTILE = {
    "bomb": f"<!DOCTYPE r [{ENTITIES}]>{rspec(asked('a', '&e11;'))}",
    "file": f'<!DOCTYPE r [<!ENTITY f SYSTEM "file:///etc/passwd">]>{rspec(asked("a", "&f;"))}',
    "doctype": f'<!DOCTYPE r SYSTEM "http://127.0.0.1:1/x">{rspec(asked("a"))}',
    "undeclared": rspec(asked("a", "&f;")),
    "deep": rspec(asked("a"), "<other:a>" * 5000 + "</other:a>" * 5000),
    "rather deep": rspec(asked("a"), "<other:a>" * 50 + "</other:a>" * 50),
    "many": rspec(asked("a"), "<other:a/>" * 100_000),
    "rather many": rspec(asked("a"), "<other:a/>" * 5_000),
    "long": rspec(asked("a"), f"<other:a>{'x' * (1 << 20)}</other:a>"),
    "attributes": rspec(asked("a"), "<other:a " + " ".join(f"a{n}=''" for n in range(20_000)) + "/>"),
    "namespaces": rspec(asked("a"), *(f'<other:a xmlns:a{n}="urn:{n}"/>' for n in range(4000))),
    "cut": rspec(asked("a"))[:-9],
    "twice": rspec(asked("a")) * 2,
    "nothing": "",
    "blank": " \n",
    "no XML": "give me nodes",
    "a zero": rspec(asked("a")) + "\0",
    "surrogate": rspec(asked("\udc80")),
    "UTF-16": '<?xml version="1.0" encoding="UTF-16"?>' + rspec(asked("\u00e9"))[:-3],
    "several of many": rspec(asked("a", '<nm:several count="70"/>', "<other:a/>" * 4000)),
    "several of links": rspec(
        asked("a", '<nm:several count="70"/>', interfaces=1),
        link("l", *["a:0"] * 4000),
    ),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_refused_at_once(text: str) -> None:
    before = time.process_time()
    with pytest.raises(Invalid) as refused:
        request.read(text, LAB)
    assert refused.value.hint and len(str(refused.value)) < 1000
    assert time.process_time() - before < 10, "a text that grows as it is read takes minutes"


def test_a_declared_encoding_is_no_matter() -> None:
    text = '<?xml version="1.0" encoding="ISO-8859-1"?>\n' + rspec(asked("\u00e9"))
    assert request.read(text, LAB).nodes[0].client_id == "\u00e9"


def test_comments_and_instructions_are_passed_over() -> None:
    text = rspec("<!-- one --><?two three?>", asked("a", "<!-- four -->"))
    assert [node.client_id for node in request.read(text, LAB).nodes] == ["a"]


def test_compressed_is_zlib_in_base64_as_a_string() -> None:
    text = rspec(asked("a")) * 100
    packed = texts.compress(text)
    assert type(packed) is str
    assert packed.isascii() and len(packed) < len(text) / 10
    assert zlib.decompress(base64.b64decode(packed)).decode() == text
    assert texts.decompress(packed) == text


@pytest.mark.parametrize(
    "packed",
    [
        "",
        "<rspec/>",
        base64.b64encode(b"plain").decode(),
        texts.compress("x" * 100)[:-8],
        "\u00e9",
        "AAA",
    ],
)
def test_what_is_not_compressed_is_refused(packed: str) -> None:
    with pytest.raises(Invalid):
        texts.decompress(packed)


def test_a_compressed_bomb_is_not_unpacked() -> None:
    with pytest.raises(Invalid, match="longer"):
        texts.decompress(texts.compress("x" * 5_000_000), Bounds(1000, 10))
