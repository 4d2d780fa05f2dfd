"""Whatever stands in a file or a request: it is taken, or refused in words. Nothing else is ever raised."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from nm import imports
from nm.calls import Call
from nm.errors import Invalid, NMError
from nm.site import BadFiles, load
from nm.site.document import parse_json, parse_toml
from nm.site.spl import FORMS, parse
from tests.importing.conftest import Office
from tests.importing.samples import SPL, WHOLE
from tests.importing.test_whole_site import ROOT, SITE, imported
from tests.memory_store import MemoryStore
from tests.rack import rack

TEXT = st.text(max_size=8)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT)
ANYTHING = st.recursive(
    SCALARS,
    lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(TEXT, part, max_size=3)),
    max_leaves=6,
)
WHOLE_SITE: dict[str, Any] = json.loads(parse_toml(WHOLE, "f").text())


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, part in inner for deeper in places(part, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


NASTY: list[Any] = [
    None,
    True,
    -1,
    1.5,
    "",
    "x",
    "a\nb",
    [],
    ["x"],
    [["x"]],
    [{}],
    {},
    {"x": 1},
    {"vlan": "x"},
]


def test_nasty_values_in_every_place_of_a_site() -> None:
    for path in places(WHOLE_SITE)[1:]:
        for value in NASTY:
            taken_or_refused(path, value)


@limits(max_examples=60, deadline=None)
@given(st.sampled_from(places(WHOLE_SITE)[1:]), ANYTHING)
def test_any_value_in_any_place_of_a_site(path: tuple[Any, ...], value: Any) -> None:
    taken_or_refused(path, value)


def taken_or_refused(path: tuple[Any, ...], value: Any) -> None:
    store, call = MemoryStore(), Call(ROOT, "CheckImport", 1_800_000_000.0, SITE)
    text = json.dumps(replaced(WHOLE_SITE, path, value))
    with contextlib.suppress(Invalid):
        told = imports.check_import(store, call, text)
        assert all(problem["message"] and problem["hint"] for problem in told["problems"]), told["problems"]
        if told["problems"]:
            with pytest.raises(NMError):
                imports.import_site(store, call, text)
            assert store.revision == 0
        else:
            imported(text)


@limits(max_examples=60, deadline=None)
@given(st.integers(0, len(WHOLE)), st.integers(0, 9), TEXT)
def test_any_damage_to_a_document(at: int, cut: int, put: str) -> None:
    for parse_it, whole in ((parse_toml, WHOLE), (parse_json, json.dumps(WHOLE_SITE, indent=1))):
        with contextlib.suppress(BadFiles):
            parse_it(whole[:at] + put + whole[at + cut :], "f").text().encode()


@limits(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SPL)), st.integers(0, 80), st.integers(0, 9), TEXT)
def test_any_damage_to_a_file_of_spls(name: str, at: int, cut: int, put: str) -> None:
    with contextlib.suppress(BadFiles):
        loaded = parse({**SPL, name: SPL[name][:at] + put + SPL[name][at + cut :]})
        imports.check_import(MemoryStore(), Call(ROOT, "CheckImport", 1.8e9, SITE), loaded.text())
    assert set(SPL) == set(FORMS)


@pytest.mark.parametrize("text", ["9" * 5000, '"\\ud800"', "[" * 50_000, "1e999"])
def test_values_that_python_stumbles_over(tmp_path: Path, text: str) -> None:
    for name, whole in (("a.json", f'{{"vlans": {{"101": {text}}}}}'), ("a.toml", f"vlans.101 = {text}")):
        (tmp_path / name).write_text(whole)
        with contextlib.suppress(BadFiles):
            sent = load([tmp_path / name]).text().encode().decode()
            told = imports.check_import(MemoryStore(), Call(ROOT, "x", 0.0, SITE), sent)
            assert told["problems"]
    with pytest.raises(Invalid):
        imports.check_import(MemoryStore(), Call(ROOT, "x", 0.0, SITE), text)


DEEP = "nodes.n1 = 0\n"  # so that what is wrong stands in line 2


@pytest.mark.parametrize("count", [600, 50_000])
def test_what_is_nested_deeply_is_refused_before_it_is_parsed(tmp_path: Path, count: int) -> None:
    dotted = "a." * count + "a"
    documents = {
        "key.toml": f"{DEEP}{dotted} = 1",
        "header.toml": f"{DEEP}[{dotted}]",
        "inline.toml": f"{DEEP}nodes.n2 = {{ {dotted} = 1 }}",
        "quoted.toml": DEEP + '"a" . ' * count + "a = 1",
        "lists.toml": f"{DEEP}nodes.n2 = {'[' * count}{']' * count}",
        "tables.toml": f"{DEEP}nodes.n2 = {'{a.a=' * count}1{'}' * count}",
        "lists.json": '{"nodes":\n' + "[" * count + "]" * count + "}",
        "structs.json": '{"nodes":\n' + '{"a":' * count + "1" + "}" * count + "}",
    }
    for name, text in documents.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(BadFiles) as refused:
            load([tmp_path / name])
        assert str(refused.value).startswith(f"{tmp_path / name}:2: nested too deeply: more than 32 levels")


def test_the_daemon_refuses_what_is_nested_deeply() -> None:
    for count in (33, 900, 990, 50_000):
        site = f'{{"nodes": {{"n1": {{"x": {"[" * count}{"]" * count}}}}}}}'
        with contextlib.suppress(Invalid):
            (problem,) = imports.check_import(MemoryStore(), Call(ROOT, "x", 0.0, SITE), site)["problems"]
            assert problem["path"] == ["nodes", "n1"]
            assert problem["message"] == "it is nested too deeply: more than 32 levels"


def test_what_only_looks_nested_is_taken() -> None:
    text = ". " * 99 + "[{" * 99
    document = f"""
    # {text}
    [nodes.n1]
    a = "{text} \\" {text}"
    b = '{text} " {text}'
    c = \"\"\"
    {text} \"\" " \\\"\"\"
    {text}\"\"\"
    d = '''
    {text} '' {text}'''
    e = [{"1.5, " * 99}]
    """
    node = parse_toml(document, "f").site["nodes"]["n1"]
    assert [str(node[key]).count("[{") for key in "abcd"] == [198, 198, 198, 198]
    assert parse_json(json.dumps({"nodes": {"n1": {"x": text}}}), "f").site["nodes"] == {"n1": {"x": text}}


def test_a_string_that_is_never_closed_is_looked_through_once(tmp_path: Path) -> None:
    for name in ("a.json", "a.toml"):
        (tmp_path / name).write_text('{"a": "' + '\\"' * 500_000)
        with pytest.raises(BadFiles, match=":1: not "):
            load([tmp_path / name])


def test_what_is_no_plain_file_is_refused_at_once(office: Office, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    with open(tmp_path / "huge.toml", "wb") as huge:
        huge.truncate((16 << 20) + 1)
    said_of = {"pipe": "not a plain file", "zero": "not a plain file", "huge": "larger than 16 megabytes"}
    for name, said in said_of.items():
        assert said in office.nmctl("import", str(tmp_path / f"{name}.toml"), "--yes", status=2).err


@pytest.mark.parametrize("section", ["rights", "delegates", "groups"])
def test_a_thing_without_a_name_is_told(section: str, tmp_path: Path) -> None:
    with rack(tmp_path, nodes=2) as made:
        verdict = made.call("CheckImport", json.dumps({section: {"": {}}}))
        assert verdict["problems"]
