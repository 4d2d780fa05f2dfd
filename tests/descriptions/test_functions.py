"""Of functions, schemas and assertions what the conformance suite does not say."""

import pytest

from nm.descriptions.functions import PACKAGES
from tests.descriptions.say import FUNCTIONS, SCHEMAS, meaning, wrong

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


def test_a_prototype_of_a_function_may_leave_arguments_open() -> None:
    start = "T extends sum { x TBD; y 1; }"
    assert meaning(f"{FUNCTIONS} {start} sfConfig extends {{ a extends T {{ x 2; }} }}") == "a 3;"


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
