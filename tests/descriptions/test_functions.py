"""Functions, operators, schemas and assertions (facts of the reference implementation)."""

import pytest

from nm.descriptions.functions import PACKAGES
from tests.descriptions.say import FUNCTIONS, SCHEMAS, inside, meaning, wrong

WORTH = {
    # numbers: the widest kind wins, integers wrap around
    "(1 + 2 + 3)": "6",
    "(2 * 3 * 4)": "24",
    "(5 - 3)": "2",
    "(7 / 2)": "3",
    "(-7 / 2)": "-3",
    "(-7 % 3)": "-1",
    "(7 % 3)": "1",
    "(1 + 2L)": "3L",
    "(1 + 1.5f)": "2.5f",
    "(1.5f + 1.5d)": "3.0d",
    "(1L + 1.5f)": "2.5f",
    "(2147483647 + 1)": "-2147483648",
    "(9223372036854775807L + 1)": "-9223372036854775808L",
    "(65536 * 65536)": "0",
    "(1.0 / 0)": "(1.0d / 0.0d)",
    "(1.0f / 0)": "(1.0f / 0.0f)",
    "(-1.0 / 0)": "(-1.0d / 0.0d)",
    "(0.0 / 0)": "(0.0d / 0.0d)",
    "(7 / 2.0)": "3.5d",
    # texts
    '("a" ++ "b" ++ "c")': '"abc"',
    '("a" ++ 1 ++ 2L ++ 1.0f ++ 1.5 ++ true ++ NULL)': '"a121.01.5trueNULL"',
    '("" ++ [1, "x", [2]])': '"[1, x, [2]]"',
    '("" ++ 10000000.0 ++ " " ++ 0.001)': '"1.0E7 0.001"',
    # lists
    "[1, 2, \"x\", [3]]": '[| 1, 2, "x", [| 3 |] |]',
    "([1] <> [2, 3] <> [])": "[| 1, 2, 3 |]",
    "([1] <> 2 <> [3])": "[| 1, 3 |]",
    # comparisons
    "(1 < 2)": "true",
    "(1 < 1.5)": "true",
    "(2L >= 2)": "true",
    "(1 > 2)": "false",
    "(2 <= 1)": "false",
    "(1 == 1)": "true",
    "(1 == 1L)": "false",
    "(1.0d == 1.0f)": "false",
    "(1 == true)": "false",
    "(NULL == NULL)": "true",
    "([1, 2] == [1, 2])": "true",
    "([1] == [1L])": "false",
    '("a" != "b")': "true",
    # booleans
    "(true && false && true)": "false",
    "(false || true)": "true",
    "(true x| true)": "false",
    "(true -> false)": "false",
    "(false -> false)": "true",
    "(! true)": "false",
    # choices
    "IF true THEN 1 ELSE 2 FI": "1",
    "IF (1 > 2) THEN 1 ELSE 2 FI": "2",
    "SWITCH IF false THEN 1 IF true THEN 2 IF true THEN 3 ENDSWITCH": "2",
    "SWITCH { n 3; } IF (n == 3) THEN n ENDSWITCH": "3",
    "(5)": "5",
    "((1 + 2) * 3)": "9",
    "(extends { b 1; })": "extends { b 1; }",
}  # fmt: skip


@pytest.mark.parametrize("operation", WORTH)
def test_an_operation(operation: str) -> None:
    said = inside(f"a {operation};")
    assert said.removesuffix(";") == f"a {WORTH[operation]}"


REFUSED = {
    "(1 / 0)": "division by zero",
    "(1 % 0)": "division by zero",
    "(1.5 % 2)": "% takes integers",
    '(1 + "x")': '"x" is no number',
    "(1 + true)": "true is no number",
    '("a" < "b")': '"a" is no number',
    "(1 && true)": "1 is neither true nor false",
    "IF 1 THEN 2 ELSE 3 FI": "1 is neither true nor false",
    "IF true THEN 2 ELSE nowhere FI": "no nowhere here, nor in any component around",
    "SWITCH IF false THEN 1 ENDSWITCH": "no case of the SWITCH holds",
    '[(extends { })]': "a component in a list",
    'APPLY { sfFunctionClass "java.lang.Runtime"; }': "no function java.lang.Runtime",
    "APPLY { x 1; }": "a function without sfFunctionClass",
    'ASSERT { sfFunctionClass "org.smartfrog.sfcore.languages.sf.functions.EQ"; left 1; right 2; }':
        "the assertion does not hold",
}  # fmt: skip


@pytest.mark.parametrize("operation", REFUSED)
def test_what_cannot_be_computed(operation: str) -> None:
    assert wrong(f"sfConfig extends {{ a {operation}; }}") == REFUSED[operation]


PLACES = {
    # arguments live one level below the attribute
    "sfConfig extends { b 1; a (b + 1); }": "b 1; a 2;",
    "b 1; sfConfig extends { b 5; a (PARENT:b + 1); }": "b 5; a 6;",
    "b 1; sfConfig extends { b 5; c extends { a [PARENT:PARENT:b]; } }": "b 5; c extends { a [| 5 |]; }",
    "b 1; sfConfig extends { b 5; a IF (PARENT:b == 5) THEN 1 ELSE 2 FI; }": None,
    # what is lazy makes the function lazy
    "sfConfig extends { l LAZY x; a [l]; }":
        f'l LAZY x; a LAZY APPLY {{ sfFunctionClass "{PACKAGES[0]}Vector"; -- LAZY l; }};',
}  # fmt: skip


def test_where_arguments_are_looked_for() -> None:
    for text, meant in PLACES.items():
        if meant is not None:
            assert meaning(text) == meant
    assert wrong("sfConfig extends { a (PARENT:a + 1); }") == "sfConfig:a goes round in a circle"


TEMPLATES = {
    'a extends concat { -- "x"; -- 1; }': 'a "x1";',
    "a extends vector { -- 1; n 2; }": "a [| 1, 2 |];",
    "a extends append { x [1]; y 2; z [3]; }": "a [| 1, 3 |];",
    'a extends formatString { format "$0 and $1$2 $9"; s0 "x"; s1 2; s2 "y"; }': 'a "x and y ";',
    "a extends sum { -- 1; -- 2; }": "a 3;",
    "a extends plus { -- 1; -- 2; }": "a 3;",
    "a extends minus { left 5; right 2; }": "a 3;",
    "a extends not { data true; }": "a false;",
    "a extends GE { left 5; right 2; }": "a true;",
    "a extends ifThenElse { if true; then 1; else 2; }": "a 1;",
    "a extends next { base 10; } b extends next { base 10; }": "a 10; b 11;",
    "a extends Set { setSize 2; setElem extends { v 1; } }":
        "a extends { elem0 extends DATA { v 1; } elem1 extends DATA { v 1; } }",
    "v 7; a extends ref { reference \"v\"; }": "v 7; a 7;",
    "a extends sum { sfFunctionLazy true; -- 1; }":
        f'a LAZY APPLY {{ sfFunctionClass "{PACKAGES[0]}Sum"; sfFunctionLazy true; -- 1; }};',
    # a function is made before values are placed elsewhere, and its arguments are placed before it is made
    "a extends sum { -- 1; } a:x 5;": "a 6;",
    "T extends sum { x TBD; y 1; } a extends T { x 2; }": None,
}  # fmt: skip


@pytest.mark.parametrize("body", TEMPLATES)
def test_a_template(body: str) -> None:
    meant = TEMPLATES[body]
    if meant is None:
        meant = "a 3;"
        start, _, rest = body.partition("} ")
        assert meaning(f"{FUNCTIONS} {start}}} sfConfig extends {{ {rest} }}") == meant
    else:
        assert meaning(f"{FUNCTIONS} sfConfig extends {{ {body} }}").removesuffix(";") == meant.removesuffix(
            ";"
        )


def test_chance_and_time_are_given_or_not_there() -> None:
    from nm.descriptions.compiler import compile as compile_description
    from nm.descriptions.linking import Surroundings
    from tests.descriptions.say import LIBRARY

    text = f"{FUNCTIONS} sfConfig extends {{ a extends random; b extends date; }}"
    world = Surroundings(now=0.0, chance=lambda: 0.5)
    made = compile_description("t", text, library=LIBRARY, surroundings=world)
    assert made.plain()["attributes"] == {"a": 0.5, "b": "Thu Jan 01 00:00:00 UTC 1970"}
    assert wrong(text) == "random is not to be had here"


CHECKED = {
    ("memory extends Integer;", "memory 1;"): "",
    ("memory extends Integer;", ""): "memory is missing",
    ("memory extends Integer { description \"MiB\"; }", ""): "memory (MiB) is missing",
    ("memory extends OptionalInteger;", ""): "",
    ("memory extends Integer;", 'memory "x";'): 'memory is "x", and must be an Integer',
    ("memory extends Integer;", "memory 1L;"): "memory is 1L, and must be an Integer",
    ("memory extends Integer;", "memory true;"): "memory is true, and must be an Integer",
    ("memory extends Integer;", "memory n; n 5;"): "",
    ("memory extends Integer;", "memory LAZY n;"): "",
    ('memory extends Integer { binding "eager"; }', "memory LAZY n;"):
        "memory is lazy, and must be known now",
    ('memory extends Integer { binding "lazy"; }', "memory 1;"): "memory is 1, and must be a lazy reference",
    ('memory extends Integer { binding "odd"; }', "memory 1;"):
        "the schema of memory has a wrong binding or optional",
    ('memory extends Compulsory { class "no.such.Class"; }', "memory 1;"):
        'the schema of memory has class "no.such.Class"',
    ("memory extends Integer;", "memory nowhere;"): "no nowhere here, nor in any component around",
    ("memory extends OptionalInteger;", "memory nowhere;"): "no nowhere here, nor in any component around",
    ("memory extends Integer;", "memory TBD;"): "memory is still to be defined",
    ("memory 5;", "memory 1;"): "memory of the schema is no description of an attribute",
    ("x extends Long;", "x 1;"): "",
    ("x extends Float;", "x 1;"): "",
    ("x extends Float;", "x 1L;"): "x is 1L, and must be a Float or an Integer",
    ("x extends Double;", "x 1L;"): "",
    ("x extends Double;", "x 1.0f;"): "",
    ("x extends String;", "x 1;"): "x is 1, and must be a string",
    ("x extends Boolean;", "x true;"): "",
    ("x extends Vector;", "x [1];"): "",
    ("x extends CD;", "x extends { };"): "",
    ("x extends CD;", "x 1;"): "x is 1, and must be a component",
    ("x extends Reference;", "x LAZY y;"): "",
    ("x extends Reference;", "x DATA y;"): "",
    ("x extends Null;", "x NULL;"): "",
    ("x extends Compulsory { class [| \"java.lang.String\", \"java.lang.Boolean\" |]; }", "x true;"): "",
}  # fmt: skip


@pytest.mark.parametrize(("schema", "body"), CHECKED)
@pytest.mark.parametrize("phase", ["static", "dynamic"])
def test_a_schema(schema: str, body: str, phase: str) -> None:
    of = f'S extends Schema {{ sfAssertionPhase "{phase}"; {schema} }}'
    text = f"{SCHEMAS} {of} sfConfig extends {{ s extends S; {body} }}"
    if CHECKED[schema, body]:
        assert wrong(text) == CHECKED[schema, body]
    else:
        assert ("s LAZY ASSERT" in meaning(text)) == (phase == "dynamic")


def test_a_schema_whose_rules_depend_on_their_place() -> None:
    start = (
        f'{SCHEMAS} S extends Schema {{ sfAssertionPhase "static"; m extends Integer {{ optional may; }} }}'
    )
    assert meaning(f"{start} sfConfig extends {{ [sfTemp] may true; s extends S; }}") == ""
    assert wrong(f"{start} sfConfig extends {{ may false; s extends S; }}") == "m is missing"


ASSERTIONS = {
    ("static", "ok (n == 1);", "n 1;"): "",
    ("static", "ok (n == 1);", "n 2;"): "the assertion ok does not hold",
    ("static", "ok n;", "n 2;"): "ok is neither true nor false",
    ("static", "ok n;", "n LAZY x;"): "a static assertion about something lazy",
    ("staticLazy", "ok n;", "n LAZY x;"): "",
    ("dynamic", "ok n;", "n LAZY x;"): "",
    ("dynamic", "ok n;", "n false;"): "the assertion ok does not hold",
    ("later", "ok n;", "n true;"): 'sfAssertionPhase is "later"',
}


@pytest.mark.parametrize(("phase", "assertion", "body"), ASSERTIONS)
def test_assertions(phase: str, assertion: str, body: str) -> None:
    of = f't extends Assertions {{ sfAssertionPhase "{phase}"; {assertion} }}'
    text = f"{SCHEMAS} sfConfig extends {{ {body} {of} }}"
    if meant := ASSERTIONS[phase, assertion, body]:
        assert wrong(text) == meant
    else:
        assert ("t LAZY ASSERT" in meaning(text)) == (phase == "dynamic")
