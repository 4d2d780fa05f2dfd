"""Of the phases what the conformance suite does not say."""

from tests.descriptions.say import inside, meaning, mistakes, wrong


def test_properties_are_those_that_are_given() -> None:
    from nm.descriptions.compiler import compile as compile_description
    from nm.descriptions.surroundings import Surroundings

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
