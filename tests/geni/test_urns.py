"""Names: what is one, what two spellings have in common, and who is over whom."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nm.errors import Invalid
from nm.geni import urns
from nm.geni.urns import Urn, parse

IDN = "urn:publicid:IDN+"
VISIBLE = "".join(chr(code) for code in range(0x21, 0x7F))
WORDS = st.text(VISIBLE, min_size=1, max_size=12)
NAMES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)
LABELS = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)
AUTHORITIES = st.lists(LABELS, min_size=1, max_size=3).map(":".join)


@given(NAMES)
def test_what_is_escaped_is_found_again(name: str) -> None:
    assert urns.unescape(urns.escape(name)) == name


@given(NAMES)
def test_what_is_escaped_has_only_what_a_urn_may_have(name: str) -> None:
    assert set(urns.escape(name)) <= set(string.ascii_letters + string.digits + "(),.=@$_!*~-+:;%")


@given(AUTHORITIES, st.sampled_from(["user", "slice", "node", "authority"]), NAMES)
def test_a_name_that_is_written_is_read_again(authority: str, kind: str, name: str) -> None:
    made = Urn(authority, kind, name)
    again = parse(str(made))
    assert (again, again.authority, again.type, again.name) == (made, authority, kind, name)
    assert hash(again) == hash(made)


@given(st.text(max_size=60))
def test_any_other_text_is_refused_and_nothing_else_happens(text: str) -> None:
    for given_text in (text, IDN + text, f"{IDN}a+user+{text}"):
        try:
            found = parse(given_text)
        except Invalid:
            continue
        assert parse(str(found)) == found


@given(st.text(VISIBLE, min_size=1, max_size=20))
def test_every_escape_stands_for_its_character(name: str) -> None:
    everything = "".join(f"%{ord(one):02x}" for one in name)
    assert parse(f"{IDN}a+user+{everything}") == parse(f"{IDN}a+user+{urns.escape(name)}")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("a+b", "a b"),
        ("a:b", "a//b"),
        ("a;b", "a::b"),
        ("a%2Bb", "a+b"),
        ("a%3ab", "a:b"),
        ("a%2Fb", "a/b"),
        ("a%3Bb", "a;b"),
        ("a%27b", "a'b"),
        ("a%3Fb", "a?b"),
        ("a%23b", "a#b"),
        ("a%25b", "a%b"),
    ],
)
def test_each_transcript_of_public_identifiers(written: str, meant: str) -> None:
    assert urns.unescape(written) == meant
    assert urns.escape(meant) == written.replace("%3a", "%3A")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Lab.Org+user+alice", "lab.org+user+alice", True),
        ("lab+slice+One", "lab+slice+oNE", True),
        ("lab+user+Alice", "lab+user+alice", False),
        ("lab+user+al%69ce", "lab+user+alice", True),
        ("lab+user+alice", "lab+slice+alice", False),
        ("lab:a+user+alice", "lab+user+alice", False),
    ],
)
def test_what_two_spellings_have_in_common(one: str, other: str, same: bool) -> None:
    assert (parse(IDN + one) == parse(IDN + other)) is same


@pytest.mark.parametrize(
    ("authority", "name", "over"),
    [
        ("a+authority+sa", "a+user+x", True),
        ("A+authority+sa", "a:b+slice+x", True),
        ("a:b+authority+sa", "a:b:c+slice+x", True),
        ("a:b+authority+sa", "a+slice+x", False),
        ("a+authority+sa", "ab+slice+x", False),
        ("a+authority+sa", "b:a+slice+x", False),
        ("a+user+sa", "a+user+x", False),
    ],
)
def test_who_has_authority_over_whom(authority: str, name: str, over: bool) -> None:
    assert parse(IDN + authority).is_over(parse(IDN + name)) is over


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "urn:uuid:6a4d6f8a", "urn:publicid:", IDN, f"{IDN}a", f"{IDN}a+user", f"{IDN}a+user+",
        f"{IDN}+user+x", f"{IDN}a++x", f"{IDN}a::b+user+x", f"{IDN}:a+user+x", f"{IDN}a:+user+x",
        f"{IDN}a b+user+x", f"{IDN}a%3Ab+user+x", f"{IDN}a;b+user+x", f"{IDN}a+User+x", f"{IDN}a+user+x y",
        f"{IDN}a+user+x\n", f"{IDN}a+user++x", f"{IDN}a+user+x++y", f"{IDN}a+user+%0A", f"{IDN}a+user+%7F",
        f"{IDN}a+user+%", f"{IDN}a+user+%zz", f"{IDN}a+user+ü", f"{IDN}a+user+%C3%BC", f"{IDN}a+user+a/b",
        f"{IDN}a+user+<x>", f"{IDN}a+user+{'x' * 255}", "urn:publicid:idn+a+user+x", f" {IDN}a+user+x",
    ],
)  # fmt: skip
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(Invalid):
        parse(text)
