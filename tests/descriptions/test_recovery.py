"""Mistakes in the words and in the grammar are told together: reading goes on behind a ; or a }."""

import pytest

from nm.descriptions.compiler import compile as compile_description
from nm.descriptions.limits import Limits
from nm.descriptions.problems import Flawed
from tests.descriptions.say import LIBRARY, mistakes

TOLD = {
    # behind a ;
    "a 1 +; b +5; c 1;": ["1:5 + does not belong here", "1:10 + is no value"],
    # behind the } of what is wrong, and within what is around it
    "m extends 5 { n +1; } k +1;": ["1:11 extends what?", "1:25 + is no value"],
    "m extends { n +1; o +2; } k +3;": ["1:15 + is no value", "1:21 + is no value", "1:29 + is no value"],
    "m extends { n [1, 2; o 1 } k +3;": ["1:20 ; does not belong here", "1:30 + is no value"],
    "m extends { n [1, 2 } k +3;": ["1:21 } does not belong here", "1:25 + is no value"],
    # words
    r'a "x\q"; b "y\q"; c 1;': ["1:5 no such escape", "1:14 no such escape"],
    'a "x\n; b +1;': ["1:3 this string does not end on its line", "2:5 + is no value"],
    "日本 4; b 語;": ["1:1 no word begins with 日", "1:9 no word begins with 語"],
    "a `1`; b +1;": ["1:3 no word begins with `", "1:5 no word begins with `", "1:10 + is no value"],
    "a 2147483648; b 1e3q; c #HEX#0#;": [
        "1:3 2147483648 does not fit into 32 bits",
        "1:25 #HEX# takes 2 digits for each byte",
    ],
    "a +1; /* b": ["1:3 + is no value", "1:7 this comment does not end"],
    # what opens and closes
    "a 1; } b +1; } c 1;": [
        "1:6 } does not belong here",
        "1:10 + is no value",
        "1:14 } does not belong here",
    ],
    "a extends { b extends { c 1;": ["1:29 the end of the text does not belong here"],
    "extends { a +1; b +1;": [
        "1:13 + is no value",
        "1:19 + is no value",
        "1:22 the end of the text does not belong here",
    ],
    "extends { a 1; } b +1;": ["1:18 b does not belong here"],
    # files
    '#include "none.sf" a 1; b +1;': ["1:1 no file none.sf came with the description", "1:27 + is no value"],
    '#codebase "x" #include "y.sf"; b +1;': ["1:1 #codebase: nm loads no classes", "1:34 + is no value"],
}  # fmt: skip


@pytest.mark.parametrize("text", TOLD)
def test_all_are_told(text: str) -> None:
    found = mistakes(text).problems
    said = [f"{':'.join(map(str, problem.position))} {problem.message}" for problem in found]
    assert said == TOLD[text]


def test_those_of_several_files_are_told_once_each() -> None:
    found = mistakes('#include "x.sf" #include "x.sf" a +1;', x_sf="b +2;").problems
    assert [(problem.file, problem.position) for problem in found] == [("x.sf", (1, 3)), ("test.sf", (1, 35))]


def test_no_more_are_told_than_may_be() -> None:
    with pytest.raises(Flawed, match="and more") as caught:
        compile_description("t", "a +; " * 100, limits=Limits(problems=5))
    assert len(caught.value.problems) == 5


def test_a_limit_that_is_reached_is_told_behind_them() -> None:
    with pytest.raises(Flawed) as caught:
        compile_description("t", "a +; b extends { } " + "c 1; " * 100, limits=Limits(steps=50))
    assert [problem.message for problem in caught.value.problems] == [
        "+ is no value",
        "this takes more than 50 steps",
    ]


def test_a_mistake_deep_inside_leaves_the_depth_as_it_was() -> None:
    deep = "a extends { " * 30 + "x [[[[[ +; " + "}" * 30
    assert [p.message for p in mistakes(deep * 40).problems] == ["+ is no value"] * 20


def test_what_several_files_include_is_read_once() -> None:
    """In one place; what it includes in another is its own there."""
    once = compile_description(
        "t", '#include "x.sf" sfConfig extends { }', {"x.sf": "a 1;" * 500}, Limits(text=2200)
    )
    assert once.tree.attributes == {}
    text = '#include "x.sf" #include "y.sf" sfConfig extends P { #include "x.sf" q extends P { v 2; } r a; }'
    files = {
        "x.sf": "P extends { v a; } a 1; a:b:c 1; a extends { b extends { } }",
        "y.sf": '#include "x.sf"',
    }
    said = compile_description("t", text, files, library=LIBRARY).text()
    assert said.count("c 1;") >= 3
