"""What a component does not know is warned of, with what may have been meant, and is not refused."""

import pytest

from nm.descriptions.compiler import Description
from nm.descriptions.compiler import compile as compile_description
from tests.descriptions.say import LIBRARY

START = """#include "ch/cern/openlab/smartdomains/components.sf"
#include "org/smartfrog/sfcore/workflow/combinators/components.sf"
"""


def described(body: str) -> Description:
    text = f'{START} Guest extends XenDomain {{ hostname "h"; }} sfConfig extends Compound {{ {body} }}'
    return compile_description("pool.sf", text, library=LIBRARY)


WARNED = {
    "d extends Guest { memroy 5; }": [("XenDomain knows no memroy", "did you mean memory?", "sfConfig:d")],
    "d extends Guest { nonsense 5; }": [
        ("XenDomain knows no nonsense", "it knows autostart, bridge, bridgeKind, cmdline, ", "sfConfig:d")
    ],
    "sfSyncTerminat true;":
        [("Compound knows no sfSyncTerminat", "did you mean sfSyncTerminate?", "sfConfig")],
    "d extends Guest; d:memroy 5;": [("XenDomain knows no memroy", "did you mean memory?", "sfConfig:d")],
    "r extends Retry { retry 1; retrys 2; a LAZY nowhere; }": [
        ("Retry knows no retrys", "did you mean retry?", "sfConfig:r"),
        ("Retry knows no a", "it knows keepOnFailure, retry", "sfConfig:r"),
    ],
    # once, in however many places it is inherited
    "G extends DATA Guest { memroy 5; } d extends G; e extends G;":
        [("XenDomain knows no memroy", "did you mean memory?", "sfConfig:G")],
    # a schema that is computed in its place
    "d extends Guest { s extends Schema { sfAssertionPhase \"static\"; own extends Integer "
    "{ optional may; } } own 1; [sfTemp] may true; owns 2; }":
        [("XenDomain knows no owns", "did you mean own?", "sfConfig:d")],
}  # fmt: skip


@pytest.mark.parametrize("body", WARNED)
def test_a_warning(body: str) -> None:
    made = described(body)
    found = [(problem.message, problem.advice, problem.where) for problem in made.warnings]
    assert len(found) == len(WARNED[body])
    for said, meant in zip(found, WARNED[body], strict=True):
        assert said[0] == meant[0]
        assert said[1].startswith(meant[1])
        assert said[2] == meant[2]
    name = WARNED[body][0][0].split()[-1]
    assert f" {name} " in made.text()  # it stays


FINE = [
    "d extends Guest { memory 512; sfProcessHost \"h\"; sfUpdatable true; }",
    "size 512; d extends Guest { memory size; }",  # a link needs it
    "size 512; d extends Guest { x extends { y LAZY size; } }",
    "size 512; d extends Guest { memory (size * 2); }",
    "d extends Guest { [sfTemp] mine 5; }",
    # no component of a known kind
    "d extends Guest { part extends { mine 5; } data extends DATA { mine 5; } }",
    "p extends Prim { mine 5; }",
    "d extends Guest { -- 5; }",
    "d extends Guest { ok extends Assertions { yes (1 == 1); } }",
]  # fmt: skip


@pytest.mark.parametrize("body", FINE)
def test_what_is_not_warned_of(body: str) -> None:
    assert described(body).warnings == ()


def test_it_has_its_place() -> None:
    (warning,) = described("\n d extends Guest { memroy 5; }").warnings
    assert (warning.file, warning.position) == ("pool.sf", (4, 20))


def test_no_more_are_told_than_mistakes() -> None:
    many = "".join(f"x{n} {n};" for n in range(100))
    assert len(described(f"d extends Guest {{ {many} }}").warnings) == 20
