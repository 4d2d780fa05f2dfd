"""The phases: prototypes, placement, links, tags, what stays lazy (facts of the reference implementation)."""

import pytest

from tests.descriptions.say import inside, meaning, mistakes, wrong

FILES = {
    # prototypes: copies, from left to right, by name and not deep
    "A extends { x 1; y 2; } sfConfig extends A { y 3; z 4; }": "x 1; y 3; z 4;",
    "A extends { x 1; y 2; } B extends { y 3; z 4; } sfConfig extends A, B;": "x 1; y 3; z 4;",
    "A extends { x 1; y 2; } B extends { y 3; z 4; } sfConfig extends B, A;": "y 2; z 4; x 1;",
    "A extends { x 1; } B extends { y 2; } sfConfig extends A, B { x 3; }": "x 3; y 2;",
    "A extends { x 1; } sfConfig extends A, { x 2; }, { y 3; }": "x 2; y 3;",
    "A extends { x 1; } sfConfig extends { x 2; y 3; }, A;": "x 1; y 3;",
    "sfConfig extends NULL { x 1; }": "x 1;",
    "A extends { c extends { p 1; q 2; } } sfConfig extends A { c extends { q 3; } }": "c extends { q 3; }",
    "A extends { c extends { p 1; q 2; } } sfConfig extends A { c extends A:c { q 3; } }":
        "c extends { p 1; q 3; }",
    "A extends { c extends { p 1; q 2; } } sfConfig extends A { c:q 3; }": "c extends { p 1; q 3; }",
    "A extends { n B; } B extends { v 1; } sfConfig extends { B extends { v 2; } a extends A; }":
        "B extends { v 2; } a extends { n extends { v 2; } }",
    # nested extends are resolved where the prototype stands, links where the copy stands
    "B extends { v 1; } A extends { n extends B; } sfConfig extends { B extends { v 2; } a extends A; }":
        "B extends { v 2; } a extends { n extends { v 1; } }",
    "v 1; A extends { n v; } sfConfig extends { v 2; a extends A; }": "v 2; a extends { n 2; }",
    # where prototypes are looked for
    "P extends { a 1; } sfConfig extends { P extends { a 2; } q extends P; }":
        "P extends { a 2; } q extends { a 2; }",
    "P extends { a 1; } sfConfig extends { P extends { a 2; } q extends ROOT:P; }":
        "P extends { a 2; } q extends { a 1; }",
    "sfConfig extends { P extends { a 2; } q extends PARENT:P; }": "P extends { a 2; } q extends { a 2; }",
    "sfConfig extends { q extends P { P extends { a 3; } } }": "q extends { a 3; P extends { a 3; } }",
    "sfConfig extends { q extends THIS:P { P extends { a 3; } } }": "q extends { a 3; P extends { a 3; } }",
    "P extends { a 1; } Q P; sfConfig extends Q;": "a 1;",
    "sfConfig extends A:b; A extends B; B extends { b extends { c 1; } }": "c 1;",
    "sfConfig extends A; A extends B; B extends C; C extends { c 1; }": "c 1;",
    "A extends DATA { x 1; } sfConfig extends { b extends A; }": "b extends { x 1; }",
    "A extends { x extends DATA { y 1; } } sfConfig extends A;": "x extends DATA { y 1; }",
    "A extends { x 1; } sfConfig extends { a extends A B; }": "a extends { x 1; } B;",
    "A extends { -- 1; -- 2; } sfConfig extends A { -- 3; }": "-- 1; -- 2; -- 3;",
    # placement
    "sfConfig extends { a extends { } a:x 1; }": "a extends { x 1; }",
    "sfConfig extends { a extends { x 1; y 2; } a:x 3; }": "a extends { x 3; y 2; }",
    "sfConfig extends { a:b:x 1; a extends { b extends { } } }": "a extends { b extends { x 1; } }",
    "sfConfig extends { a extends { } l a; l:x 1; }": "a extends { x 1; } l extends { x 1; }",
    "A extends { c extends { } c:x 1; } sfConfig extends { a extends A; b extends A; }":
        "a extends { c extends { x 1; } } b extends { c extends { x 1; } }",
    "sfConfig extends { a extends { } a:b extends { } a:b:c 1; }": "a extends { b extends { c 1; } }",
    "sfConfig extends { a:b:c 1; a:b extends { } a extends { } }": "a extends { b extends { c 1; } }",
    "A extends { c extends { v 1; } } sfConfig extends { a extends A; b extends A; a:c:v 2; }":
        "a extends { c extends { v 2; } } b extends { c extends { v 1; } }",
    "v 1; sfConfig extends { a extends { v 2; } a:x v; v 3; }": "a extends { v 2; x 2; } v 3;",
    "sfConfig:a 1; sfConfig extends { }": "a 1;",
    # links
    "v 1; sfConfig extends { a v; }": "a 1;",
    "v 1; sfConfig extends { v 2; b extends { a v; } }": "v 2; b extends { a 2; }",
    "v 1; sfConfig extends { v 2; b extends { v 3; a PARENT:v; c ROOT:v; d THIS:v; e HERE v; } }":
        "v 2; b extends { v 3; a 2; c 1; d 3; e 3; }",
    "sfConfig extends { a b; b c; c 1; }": "a 1; b 1; c 1;",
    "sfConfig extends { a extends { b extends { c 1; } } x a:b:c; y a:b:PARENT:b:c; }":
        "a extends { b extends { c 1; } } x 1; y 1;",
    "g 1; sfConfig extends { g PARENT:g; }": "g 1;",
    "sfConfig extends { a extends { v 1; w v; } v 2; b a; }":
        "a extends { v 1; w 1; } v 2; b extends { v 1; w 1; }",
    "sfConfig extends { a extends { b c; c extends { d 1; } } x a:b:d; }":
        "a extends { b extends { d 1; } c extends { d 1; } } x 1;",
    "A extends { x 1; } sfConfig A;": "x 1;",
    "sfConfig extends DATA { x 1; }": "x 1;",
    "sfConfig extends { a extends DATA { v 1; w v; } }": "a extends DATA { v 1; w 1; }",
    "sfConfig extends { a extends { x 1; } b a:ATTRIB y; y 2; }": "a extends { x 1; } b 2; y 2;",
    # lazy, data, optional
    "sfConfig extends { a LAZY b; b 1; c a; }": "a LAZY b; b 1; c LAZY a;",
    "sfConfig extends { a LAZY ATTRIB b; b 1; d extends { e a; } }": "a LAZY b; b 1; d extends { e LAZY a; }",
    "sfConfig extends { a extends { } b LAZY a; c b:x; }": "a extends { } b LAZY a; c LAZY b:x;",
    "sfConfig extends { a DATA nowhere; b a; }": "a DATA nowhere; b DATA nowhere;",
    "sfConfig extends { a LAZY HOST \"h\":app:path; }": "a LAZY HOST h:app:path;",
    "sfConfig extends { a LAZY PROCESS; }": "a LAZY PROCESS;",
    "sfConfig extends { a OPTIONAL b; }": "a;",
    "sfConfig extends { a OPTIONAL (5) b; }": "a 5;",
    "sfConfig extends { a OPTIONAL (5) b; b 1; }": "a 1; b 1;",
    "sfConfig extends { a LAZY OPTIONAL b; }": "a LAZY OPTIONAL b;",
    "sfConfig extends { a OPTIONAL (\"none\") PROPERTY x.y; }": 'a "none";',
    "sfConfig extends { a OPTIONAL (1) ENVPROPERTY HOME; }": "a 1;",
    "A extends { x TBD; } sfConfig extends A { x 1; }": "x 1;",
    "A extends { x TBD; } sfConfig extends { }": "",
    # tags
    "sfConfig extends { [sfTemp] a 1; b a; }": "b 1;",
    "sfConfig extends { [sfLocal] a 1; b extends { c a; } }": "[sfLocal] a 1; b extends { c 1; }",
    "sfConfig extends { x extends { [sfLocal] a 1; } b x:ATTRIB a; }":
        "x extends { [sfLocal] a 1; } b 1;",
    "sfConfig extends { [sfLocal] a 1; b HERE a; }": "[sfLocal] a 1; b 1;",
    "sfConfig extends { [mine] a 1; [yours] a 2; }": "[mine, yours] a 2;",
    "A extends { [mine] a 1; } sfConfig extends A { [yours, other] a 2; }": "[mine, other, yours] a 2;",
    "A extends { a 1; } sfConfig extends A { [sfOverride] a 2; }": "[sfOverride] a 2;",
    '[ "two words" ] x 1; sfConfig extends { [a b] c 1; }': "[a, b] c 1;",
    # phases
    'phaseList [| "type", "place", "function", "sfConfig", "link" |]; sfConfig extends { a b; b 1; }':
        "a 1; b 1;",
    'phaseList [| "type", "mine", "sfConfig", "link" |]; sfConfig extends { a 1; }': "a 1;",
    'phaseList [| "type", "sfConfig" |]; sfConfig extends { a b; b 1; }': "a b; b 1;",
}  # fmt: skip


@pytest.mark.parametrize("text", FILES)
def test_a_file(text: str) -> None:
    assert meaning(text) == FILES[text]


WRONG = {
    # prototypes
    "sfConfig extends A;": "no A here, nor in any component around",
    "A extends B; sfConfig extends { }": "no B here, nor in any component around",
    "A extends A; sfConfig extends { }": "A is its own prototype",
    "A extends B; B extends A; sfConfig extends { }": "A is its own prototype",
    "A extends { x extends A; } sfConfig extends { }": "A is its own prototype",
    "A 1; sfConfig extends A;": "A is no component",
    "A LAZY B; B extends { } sfConfig extends A;": "A is lazy",
    "A extends { } sfConfig extends A:b;": "A:b: A has no b",
    # placement
    "sfConfig extends { a:x 1; }": "a:x cannot be placed: a: sfConfig has no a",
    "A extends { b:c 1; } sfConfig extends { }": "b:c cannot be placed: b: A has no b",
    "sfConfig extends { a 1; a:x 2; }": "a:x cannot be placed: a is no component",
    "a extends { } sfConfig extends { a:x 2; }": "a:x cannot be placed: a: sfConfig has no a",
    "sfConfig extends { a extends { } l LAZY a; l:x 1; }": "l:x cannot be placed through a lazy link",
    # links
    "sfConfig extends { g g; }": "sfConfig:g goes round in a circle",
    "g 1; sfConfig extends { g g; }": "sfConfig:g goes round in a circle",
    "sfConfig extends { a b; b a; }": "sfConfig:a goes round in a circle",
    "sfConfig extends { n extends { w 1; } b extends { n extends { } x n:w; } }":
        "n:w: sfConfig:b:n has no w",
    "sfConfig extends { a 1; b a:c; }": "a:c: a is no component",
    "sfConfig extends { a NULL; b a:c; }": "a:c: a is no component",
    "sfConfig extends { a PARENT:PARENT:b; }": "PARENT:PARENT:b: the file itself has no parent",
    "sfConfig extends { a extends { b sfConfig; } }": "sfConfig would contain itself",
    "sfConfig extends { a extends { b PARENT; } }": "sfConfig would contain itself",
    "sfConfig extends { a extends { x b; } b extends { y a; } }": "sfConfig:a would contain itself",
    "sfConfig extends { a TBD; }": "a is still to be defined",
    "sfConfig extends { a b; b TBD; }": "b is still to be defined",
    "sfConfig extends { a PROPERTY x; }": "PROPERTY x: there is no such property",
    "sfConfig extends { a ENVPROPERTY HOME; }": "ENVPROPERTY HOME is not to be had",
    "sfConfig extends { a CONSTANT java.lang.Integer.MAX_VALUE; }":
        "CONSTANT java.lang.Integer.MAX_VALUE is not to be had",
    "sfConfig extends { a HOST h; }": "HOST is known at run time only",
    "sfConfig extends { a x:b; x extends { [sfLocal] b 1; } }": "x:b: b is local",
    "sfConfig extends { a extends x:T; x extends { [sfLocal] T extends { } } }": "x:T: T is local",
    # tags
    "A extends { [sfFinal] a 1; } sfConfig extends A { a 2; }": "a may not be changed",
    "sfConfig extends { x extends { [sfFinal] a 1; } x:a 2; }": "a may not be changed",
    "A extends { } sfConfig extends A { [sfOverride] a 2; }": "a overrides nothing",
    # what is to be deployed
    "a extends { }": "there is no sfConfig",
    "": "there is no sfConfig",
    "sfConfig 1;": "sfConfig is no component",
    "sfConfig LAZY a; a extends { }": "sfConfig is no component",
    'phaseList [| "mine", "sfConfig" |]; sfConfig extends { phase.mine "a.b.C"; }':
        "phase.mine wants a phase of its own",
    "phaseList 1; sfConfig extends { }": "phaseList is no list of names",
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake(text: str) -> None:
    assert wrong(text) == WRONG[text]


def test_properties_are_those_that_are_given() -> None:
    from nm.descriptions.compiler import compile as compile_description
    from nm.descriptions.linking import Surroundings

    given = Surroundings({"site": "cern", "count": "3"})
    text = "sfConfig extends { a PROPERTY site; b IPROPERTY count; c PROPERTY count; }"
    assert compile_description("t", text, surroundings=given).plain()["attributes"] == {
        "a": "cern",
        "b": 3,
        "c": "3",
    }


def test_an_unused_part_of_the_file_may_hold_links_that_lead_nowhere() -> None:
    assert meaning("a extends { b nowhere; } sfConfig extends { }") == ""


def test_included_attributes_take_their_place() -> None:
    text = 'a 1; #include "x.sf" b 2; sfConfig extends { p a; q b; }'
    assert meaning(text, x_sf="a 5; b 6;") == "p 5; q 2;"
    assert meaning('sfConfig extends { #include "x.sf" }', x_sf="extends { a 5; }") == "a 5;"
    assert meaning('#include "x.sf"', x_sf="sfConfig extends { }") == ""
    assert meaning('#include? "none.sf" sfConfig extends { a 1; }') == "a 1;"
    assert meaning('#include "/org/smartfrog/components.sf" sfConfig extends { }') == ""


def test_what_includes_can_go_wrong() -> None:
    assert wrong('#include "none.sf"') == "no file none.sf came with the description"
    assert wrong('#include "x.sf"', x_sf='#include "y.sf"', y_sf='#include "x.sf"') == (
        "files include each other: x.sf -> y.sf -> x.sf"
    )
    assert wrong('#include "test.sf"', test_sf="") == "files include each other: test.sf -> test.sf"
    inner = mistakes('#include? "x.sf"', x_sf="a 1;\n  b ^").problems[0]
    assert (inner.file, inner.position) == ("x.sf", (2, 5))


def test_anonymous_attributes_of_different_files_stay_apart() -> None:
    assert meaning('sfConfig extends { -- 1; #include "x.sf" }', x_sf="-- 2;") == "-- 1; -- 2;"


def test_a_wide_component_and_a_deep_one() -> None:
    wide = "".join(f"a{n} {n};" for n in range(2000))
    assert inside(wide).count(";") == 2000
    deep = "a extends { " * 60 + "x 1; " + "} " * 60
    assert inside(deep).count("extends") == 60
