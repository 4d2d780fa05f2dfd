"""What lazy values are worth while a pool runs, and assertions about them."""

from dataclasses import replace
from typing import Any

import pytest

from nm.errors import NMError, NotFound
from nm.pools.briefs import resolved
from nm.pools.checking import findings
from nm.pools.following import Led, Live, broken
from nm.pools.tree import Tree
from tests.pools.world import parts, pool

A = "a extends P { v 3; w 1.5; d extends DATA { w 5; } inner extends P { n LAZY ATTRIB v; } } "
PREDICATES = '#include "org/smartfrog/predicates.sf"\n'


def worth(value: str, inside: str = A) -> Any:
    """What b:x is worth."""
    held = "held extends DATA { n 1; o LAZY a; }"
    return Live(pool(f"{inside} b extends P {{ x {value}; y LAZY a:v; {held} }}").parts).worth(("b",), "x")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("LAZY a:v", 3),
        ("LAZY PARENT:a:v", 3),
        ("LAZY ATTRIB a:inner:n", 3),  # from one to the next
        ("LAZY a:d:w", 5),  # what is data
        ("LAZY HERE y", 3),
        ("LAZY OPTIONAL (7) nowhere", 7),
        ("LAZY OPTIONAL nowhere", None),
        ("(LAZY a:v + 1)", 4),
        ('("x" ++ LAZY a:v)', "x3"),
        ('("x" ++ LAZY a:d)', "xextends DATA {\n  w 5;\n}"),
        ("IF (LAZY a:v > 2) THEN LAZY a ELSE LAZY b FI", Led(("a",))),
        ("[LAZY a:v, 2]", [3, 2]),
        ("IF (LAZY a:v > 2) THEN 1 ELSE 2 FI", 1),
        ("(LAZY a:v == y)", True),
        ("(LAZY a:w * 2)", 3.0),
        ("LAZY a", Led(("a",))),
        ("LAZY a:inner", Led(("a", "inner"))),
        ("LAZY a:d", {"attributes": {"w": 5}, "data": True, "tags": {}}),
        ("LAZY a:sfHost", "localhost"),
        ("LAZY a:sfLivenessDelay", 15),
    ],
)
def test_what_it_is_worth(value: str, expected: Any) -> None:
    assert worth(value) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("LAZY a:nowhere", "a has no nowhere"),
        ("LAZY a:v:more", "a:v is no component"),
        ("(LAZY a:v / 0)", "division by zero"),
        ("LAZY HOST one:x", "LAZY HOST leads nowhere"),
        ("LAZY PROCESS", "LAZY PROCESS leads nowhere"),
        ('("x" ++ LAZY a)', "a is a component that runs, of which there is no text"),
        ('("x" ++ LAZY held)', "a is a component that runs"),
        ("LAZY b:x", "circle"),
    ],
)
def test_what_is_worth_nothing(value: str, words: str) -> None:
    with pytest.raises(NotFound, match=words):
        worth(value)


def test_what_place_gives_is_looked_for_upwards() -> None:
    tree = pool(
        'h extends C { sfProcessHost "one"; sfLivenessDelay 3; sfLivenessFactor (LAZY PARENT:n + 1); n 4;'
        " a extends P; b extends P { sfLivenessDelay 0; } } c extends P { at LAZY h:a:sfHost; }"
    )
    live = Live(tree.parts)
    given = {
        path: [live.worth(path, f"sfLiveness{name}") for name in ("Delay", "Factor")]
        for path in (("h", "a"), ("h", "b"), ("c",))
    }
    assert given == {("h", "a"): [3, 5], ("h", "b"): [0, 5], ("c",): [15, 2]}
    assert live.worth(("c",), "at") == "one"
    assert tree.parts["c",].needs == {"at": ("h", "a")}


def test_what_is_made_where_another_is() -> None:
    tree = pool(
        'a extends P { sfProcessHost "one"; } b extends P { sfProcessHost LAZY a:sfHost; }'
        ' h extends C { sfProcessHost LAZY n; n "two"; c extends P;'
        " d extends P { sfProcessHost LAZY c:sfHost; } }"
        " e extends P { sfProcessHost LAZY f:sfHost; } f extends P { sfProcessHost LAZY e:sfHost; }"
    )
    hosts = {path[-1]: part.host for path, part in tree.parts.items() if path}
    assert hosts == {"a": "one", "b": "one", "h": "two", "c": "two", "d": "two", "e": "", "f": ""}


def test_actions_are_found_by_their_paths() -> None:
    tree = pool(
        "s extends Sequence { actions extends DATA { x extends P { v 1; } y extends P { w LAZY x:v; } } }"
    )
    assert Live(tree.parts).worth(("s", "actions", "y"), "w") == 1
    assert tree.value(("s", "actions", "y"), "w") == 1


def test_a_part_whose_name_is_an_attribute_of_its_own() -> None:
    """A link to a part does not lead to what the part has of that name."""
    tree = pool("a extends P { a 5; } b extends P { x LAZY a; y LAZY a:a; }")
    assert resolved(tree, tree.parts["b",]) == {"sfClass": tree.parts["b",].attributes["sfClass"], "y": 5}


def test_what_a_function_needs_is_made_first() -> None:
    tree = pool("b extends P { x (LAZY a:v + LAZY c:v); } a extends P { v 1; } c extends P { v 1; }")
    assert list(tree.parts) == [(), ("a",), ("c",), ("b",)]


def test_what_is_needed_is_found_behind_other_links() -> None:
    tree = pool(
        'd extends Domain { hostname "d"; storageBackend LAZY ATTRIB mine; } mine LAZY ATTRIB disk;'
        ' disk extends LoopbackStorageBackend { baseImage "/a"; } x LAZY y; y LAZY x;'
        " p extends P { n LAZY ATTRIB x; m (1 + LAZY d:memory); }"
    )
    assert tree.parts["d",].needs == {"storageBackend": ("disk",)}
    assert list(tree.parts) == [(), ("disk",), ("d",), ("p",)]
    assert tree.parts["p",].needs["n"] is None
    with pytest.raises(NotFound):
        Live(tree.parts).worth(("p",), "n")


def test_one_link_costs_the_same_in_a_large_pool() -> None:
    """Only what a walk comes to is looked at."""
    wide = Tree(parts_of_many(3000))
    live = Live(wide.parts)
    assert live.worth(("p2999",), "x") == 7
    assert live._linker.budget.steps < 40


def parts_of_many(count: int) -> list[Any]:
    first, second = parts("sfConfig extends C { v 7; p extends P { x LAZY ATTRIB v; } }")
    return [first, *(replace(second, path=(f"p{n}",)) for n in range(count))]


# ---- assertions


def asserted(inside: str) -> Tree:
    return Tree(parts(f"{PREDICATES}sfConfig extends C {{ {inside} }}"))


ASSERTION = "a extends P { v %s; } b extends P { s extends Assertions { ok (LAZY a:v > 2); } }"
SCHEMA = """
S extends Schema { n extends Integer { description "how many"; } r extends Reference { binding "lazy"; }
                   f extends Float; l extends Long; }
sfConfig extends C { a extends P { v %s; } b extends P { s extends S; n LAZY a:v; r LAZY a; f 1.0f; l 5L; } }
"""


def test_an_assertion_about_what_is_lazy_is_checked_when_it_is_known() -> None:
    assert broken(asserted(ASSERTION % 3).parts) == {}
    [(path, words)] = broken(asserted(ASSERTION % 2).parts).items()
    assert path == ("b",) and "ok does not hold" in words
    assert "ok does not hold" in " ".join(map(str, findings(asserted(ASSERTION % 2))))


def test_a_schema_too() -> None:
    assert broken(Tree(parts(PREDICATES + SCHEMA % 5)).parts) == {}
    [words] = broken(Tree(parts(PREDICATES + SCHEMA % '"five"')).parts).values()
    assert "n (how many)" in words and "must be an Integer" in words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("LAZY a:v", "memory is 'much'"),
        ("LAZY a:gone", "memory leads nowhere"),
        ("(LAZY a:w + 1)", ""),
    ],
)
def test_where_a_value_leads_that_counts_is_checked_before(value: str, words: str) -> None:
    tree = pool(f'a extends P {{ v "much"; w 511; }} d extends Domain {{ hostname "d"; memory {value}; }}')
    errors = [str(one) for one in findings(tree) if one.level == "error"]
    assert words in " ".join(errors) and bool(errors) == bool(words)
    if words:
        with pytest.raises(NMError):
            resolved(tree, tree.parts["d",], strict=True)
    else:
        assert resolved(tree, tree.parts["d",], strict=True)["memory"] == 512


def test_a_host_may_be_a_lazy_one() -> None:
    inner = 'c extends C { sfProcessHost LAZY ATTRIB h; a extends P; d extends P { sfProcessHost "two"; } }'
    tree = pool(f'h "one"; {inner} b extends P {{ x LAZY c:a:sfHost; }}')
    assert {path[-1]: part.host for path, part in tree.parts.items() if path} == {
        "c": "one", "a": "one", "d": "two", "b": ""
    }  # fmt: skip
    assert Live(tree.parts).worth(("b",), "x") == "one"
