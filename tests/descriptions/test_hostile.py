"""No text hangs or exhausts anybody, and none raises anything but nm's own error. Work is counted."""

import random
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nm.descriptions.compiler import PHASES, Phase, behind
from nm.descriptions.compiler import compile as compile_description
from nm.descriptions.limits import Limits
from nm.descriptions.problems import Flawed
from tests.descriptions.grammar import Grammar
from tests.descriptions.say import EXAMPLES, LIBRARY

STEPS = 20_000
SMALL = Limits(steps=STEPS, weight=200_000)
CALLS_A_STEP = 60  # Python calls that one counted step may take, at most


def calls_of(work: Callable[[], Any]) -> int:
    """How many Python functions were called meanwhile."""
    count = 0

    def watch(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def chain(length: int, one: str, last: str) -> str:
    return "".join(one.format(n=n, m=n + 1) for n in range(length)) + last.format(n=length)


DOUBLING = 40
HOSTILE = {
    "prototypes that double": chain(DOUBLING, "a{n} extends {{ x extends a{m}; y extends a{m}; }}", "a{n} 1;")
    + "sfConfig extends a0;",
    "prototypes that double, the other way": "a0 extends { v 1; }"
    + "".join(f"a{n + 1} extends {{ x extends a{n}; y extends a{n}; }}" for n in range(DOUBLING))
    + f"sfConfig extends a{DOUBLING};",
    "links that double": "sfConfig extends { a0 extends { v 1; }"
    + "".join(f"a{n + 1} extends {{ x a{n}; y a{n}; }}" for n in range(DOUBLING))
    + "}",
    "texts that double": 'sfConfig extends { a0 "xxxx";'
    + "".join(f"a{n + 1} (a{n} ++ a{n});" for n in range(DOUBLING))
    + "}",
    "lists that double": "sfConfig extends { a0 [1];"
    + "".join(f"a{n + 1} [a{n}, a{n}];" for n in range(DOUBLING))
    + f"b (a{DOUBLING} == a{DOUBLING}); }}",
    "lists that are appended": "sfConfig extends { a0 [1, 2];"
    + "".join(f"a{n + 1} (a{n} <> a{n});" for n in range(DOUBLING))
    + "}",
    "formats that double": '#include "org/smartfrog/functions.sf" sfConfig extends { a0 "xxxx";'
    + "".join(f'a{n + 1} extends formatString {{ format "$0$0$0$0"; s0 a{n}; }}' for n in range(DOUBLING))
    + "}",
    "components as texts": "sfConfig extends { a0 extends { v 1; }"
    + "".join(f"a{n + 1} extends {{ x a{n}; y a{n}; }}" for n in range(20))
    + 'b ("" ++ a20); }',
    "lists that go deep": "sfConfig extends { a0 [];"
    + "".join(f"a{n + 1} [a{n}];" for n in range(500))
    + "}",
    "sets in sets": '#include "org/smartfrog/functions.sf" sfConfig extends { a0 extends { v 1; }'
    + "".join(f"a{n + 1} extends Set {{ setSize 1000; setElem a{n}; }}" for n in range(20))
    + "}",
    "a set without end": '#include "org/smartfrog/functions.sf" sfConfig extends { a extends Set '
    "{ setSize 2147483647; setElem extends { } } }",
    "braces": "a extends { " * 5000,
    "brackets": "sfConfig extends { a " + "[" * 5000,
    "parentheses": "sfConfig extends { a " + "(" * 5000 + "1" + ")" * 5000,
    "constants": "sfConfig extends { a " + "[| " * 5000,
    "conditions": "sfConfig extends { a " + "IF " * 5000,
    "a long reference": "sfConfig extends { a " + "PARENT:" * 5000 + "b; }",
    "a long reference that goes nowhere": "sfConfig extends { a extends { b " + "THIS:" * 50_000 + "x; } }",
    "a chain of links": "sfConfig extends { " + chain(3000, "a{n} a{m};", "a{n} 1;") + "}",
    "a chain of links through components": "sfConfig extends { "
    + chain(3000, "a{n} extends {{ v a{m}:v; }}", "a{n} extends {{ v 1; }}")
    + "}",
    "a chain of prototypes": chain(3000, "a{n} extends a{m};", "a{n} extends {{ }}") + "sfConfig extends a0;",
    "a chain of prototypes inside each other": chain(3000, "a{n} extends a{m}:x;", "a{n} extends {{ }}"),
    "a chain of functions": "sfConfig extends { " + chain(3000, "a{n} (a{m} + 1);", "a{n} 1;") + "}",
    "placements against the order": "sfConfig extends { a extends { } "
    + "".join("a" + ":a" * (50 - n) + " extends { } " for n in range(50))
    + "}",
    "placements that wait for each other": "".join(f"a{n}:x a{n + 1}:x;" for n in range(2000))
    + "sfConfig extends { }",
    "many that are missing, and optional": "sfConfig extends { "
    + "".join(f"a{n} OPTIONAL b{n};" for n in range(2000))
    + "}",
    "many that are missing": "sfConfig extends { " + "".join(f"a{n} b{n};" for n in range(2000)) + "}",
    "many that miss the same": "sfConfig extends { x nowhere; "
    + "".join(f"a{n} x;" for n in range(2000))
    + "}",
    "a large integer": "sfConfig extends { a " + "9" * 100_000 + "; }",
    "a large exponent": "sfConfig extends { a 1e999999999; b -1e999999999f; c (a - a); }",
    "a long name": "sfConfig extends { a " + "x" * 100_000 + "; }",
    "long names that are missing, and optional": f"sfConfig extends {{ {'x' * 400} extends {{ "
    + "".join(f"a{n} OPTIONAL THIS:b;" for n in range(1500))
    + "} }",
    "tags that are inherited": f"A extends {{ [{','.join(f't{n}' for n in range(4000))}] a 1; }}"
    + "".join(f"b{n} extends A {{ a 2; }}" for n in range(500))
    + "sfConfig extends { x b0; }",
    "a wide prototype of many": "A extends { w extends { " + "".join(f"a{n};" for n in range(1000)) + "} }"
    + "".join(f"b{n} extends A;" for n in range(1000))
    + "sfConfig extends { }",
    "many long texts": f'sfConfig extends {{ s "{"x" * 50_000}";'
    + "".join(f"a{n} (s ++ s ++ {n});" for n in range(1000))
    + "}",
    "many long lists": f"sfConfig extends {{ v [{'1,' * 2000}1];"
    + "".join(f"a{n} (v <> v);" for n in range(500))
    + "}",
    "functions as data in lists that double": "sfConfig extends { "
     f'a0 [| DATA APPLY {{ x "{"x" * 5000}"; }} |];'
    + "".join(f"a{n + 1} [a{n}, a{n}];" for n in range(12))
    + "}",
    "a long line": "sfConfig extends { " + " " * 100_000 + "a b; }",
    "backslashes": "sfConfig extends { a " + "\\" * 100_000 + "u0061; }",
    "escapes": "\\u0061" * 20_000 + " 1;",
    "surrogates": 'sfConfig extends { a "\\ud800"; b \\udfff; }',
    "comments": "/*" * 50_000,
    "quotes": '"' * 50_001,
    "hashes": "#" * 50_001,
    "tags": "[" + "a," * 50_000,
    "includes": "".join('#include "org/smartfrog/components.sf"\n' for _ in range(1000)),
    "nul": "sfConfig extends { a \0; }",
    "itself": "sfConfig extends sfConfig;",
    "itself inside": "sfConfig extends { x extends sfConfig; }",
    "its own prototype by a link": "A B; B A; sfConfig extends A;",
    "a function as prototype": "A [1]; sfConfig extends A;",
    "a schema in itself": '#include "org/smartfrog/predicates.sf" '
    "sfConfig extends Schema { s extends Schema { } }",
    "a reference that makes itself": '#include "org/smartfrog/functions.sf" '
    'sfConfig extends { a extends ref { r "a"; } }',
    "a bad reference": '#include "org/smartfrog/functions.sf" sfConfig extends { a extends ref { r "a:"; } }',
    "a phase list of nothing": "phaseList [| |]; sfConfig extends { a (1 + 2); }",
    "phases twice": 'phaseList [| "link", "type", "link", "place", "type", "sfConfig", "sfConfig", "link" |];'
    "sfConfig extends { sfConfig extends { a 1; } }",
    "no placing": 'phaseList [| "type", "function", "sfConfig", "link" |]; '
    "sfConfig extends { a extends { } a:b 1; }",
}  # fmt: skip


@pytest.mark.no_cover  # a text goes through the same code thousands of times
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("phase", PHASES)
def test_hostile_texts_cost_what_is_counted(name: str, phase: Phase) -> None:
    def work() -> None:
        try:
            said = behind("hostile", HOSTILE[name], phase, limits=SMALL, library=LIBRARY).text()
        except Flawed as error:
            assert error.problems
            assert str(error)
        else:
            assert len(said) < 10 * SMALL.weight

    assert calls_of(work) < CALLS_A_STEP * STEPS


def test_lists_that_share_what_they_hold_are_not_looked_through() -> None:
    text = HOSTILE["lists that double"]

    def work() -> None:
        with pytest.raises(Flawed, match="more than"):
            compile_description("hostile", text)

    assert calls_of(work) < 50_000  # 2**22 ones would be in the last of them


def test_texts_that_include_each_other_twice_are_bounded() -> None:
    twice = '-- extends {{ #include "{0}" }} #include "{0}"'
    files = {f"f{n}": twice.format(f"f{n + 1}") for n in range(25)} | {"f25": "x 1;"}
    with pytest.raises(Flawed, match="more than 500 texts to read"):
        compile_description("t", '#include "f0"', files)
    long = {f"f{n}": f'#include "f{n + 1}"' for n in range(200)} | {"f200": ""}
    with pytest.raises(Flawed, match="levels deep"):
        compile_description("t", '#include "f0"', long)


def test_each_limit_says_which_it_is() -> None:
    for limits, text, said in (
        (Limits(text=10), "sfConfig extends { }", "more than 10 characters to read"),
        (Limits(steps=3), "sfConfig extends { }", "more than 3 steps"),
        (Limits(name=8), "sfConfig extends { abcdefghi 1; }", "a name of more than 8 characters"),
        (Limits(depth=2), "sfConfig extends { a extends { b extends { } } }", "more than 2 levels deep"),
        (Limits(weight=20), 'sfConfig extends { a "0123456789"; }', "larger than 20 characters"),
        (Limits(problems=2), "sfConfig extends { a b; c d; e f; }", "and more"),
    ):
        with pytest.raises(Flawed, match=said):
            compile_description("t", text, limits=limits)


def test_work_grows_as_the_description_does() -> None:
    """Ten times the components take ten times the steps, in one component or in many."""
    for shape in ("sfConfig extends {{ {} }}", "sfConfig extends {{ host extends {{ {} }} }}"):
        steps = []
        for count in (100, 1000):
            body = "".join(
                f'd{n} extends Domain {{ hostname "h{n}"; ip 1; l up; }} d{n}:x {n};' for n in range(count)
            )
            domain = "Domain extends { memory 5; a extends { b extends { c 1; } } }"
            text = f"up 1; {domain} {shape.format(body)}"
            steps.append(compile_description("t", text).steps)
        assert steps[1] < 10.1 * steps[0]


WORDS = [
    *[
        "a",
        "b",
        "c",
        "A",
        "B",
        "sfConfig",
        "a-b",
        "1",
        "2",
        "-3",
        "1.5",
        "2L",
        "1f",
        "true",
        "false",
        "NULL",
        "TBD",
        "extends",
        "DATA",
        "LAZY",
        "OPTIONAL",
        "ATTRIB",
        "HERE",
    ],
    *[
        "PARENT",
        "ROOT",
        "THIS",
        "PROPERTY",
        "HOST",
        "PROCESS",
        "APPLY",
        "ASSERT",
        "IF",
        "THEN",
        "ELSE",
        "FI",
        "SWITCH",
        "ENDSWITCH",
        "phaseList",
        "VAR",
    ],
    *[
        "{",
        "}",
        "{",
        "}",
        "{",
        "}",
        "[",
        "]",
        "[|",
        "|]",
        "(",
        ")",
        ":",
        ":",
        ";",
        ";",
        ";",
        ",",
        "--",
        "+",
        "-",
        "*",
        "/",
        "%",
        "++",
        "<>",
        "==",
        "!=",
        ">=",
        "<=",
        ">",
        "<",
        "&&",
        "||",
        "x|",
        "!",
        "->",
        "//",
        "/*",
        "*/",
    ],
    *[
        '"s"',
        '"a:b"',
        "##t#",
        "#HEX#00#",
        "[sfFinal]",
        "[sfTemp]",
        "[sfLocal]",
        "[sfOverride]",
        "phase.function",
    ],
    *["sfFunctionClass", "#include", "#include?", "é", "\\u0041", "\\"],
]


def compiles_or_is_refused(text: str, phase: Phase = "compile") -> None:
    try:
        behind("fuzz", text, phase, {"x.sf": "b extends { a 1; } c b:a;"}, SMALL, library=LIBRARY).text()
    except Flawed as error:
        assert str(error)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=80), st.sampled_from(PHASES))
def test_any_words(words: list[str], phase: Phase) -> None:
    compiles_or_is_refused(" ".join(words), phase)
    compiles_or_is_refused(f"sfConfig extends {{ {' '.join(words)} }}", phase)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.text(max_size=200), st.binary(max_size=200))
def test_any_text(text: str, data: bytes) -> None:
    compiles_or_is_refused(text)
    compiles_or_is_refused(data.decode("latin-1"))
    compiles_or_is_refused(f'sfConfig extends {{ a "{text}"; b {text} }}')


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(PHASES))
def test_any_description(seed: int, phase: Phase) -> None:
    compiles_or_is_refused(Grammar(random.Random(seed)).file(), phase)
