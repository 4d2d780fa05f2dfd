"""What docs/descriptions.md shows is so."""

import re
from pathlib import Path

from nm.descriptions.limits import Limits
from tests.descriptions.say import LIBRARY, inside, meaning
from tests.shell.conftest import run

PAGE = (Path(__file__).parents[2] / "docs/descriptions.md").read_text(encoding="utf-8")


def block(first: str) -> str:
    """The example that begins with that line."""
    found = re.search(rf"(?m)^    {re.escape(first)}.*(\n(    .*)?)*", PAGE)
    assert found is not None
    return re.sub(r"(?m)^    ", "", found[0]).strip() + "\n"


def test_the_example(tmp_path: Path) -> None:
    pool = tmp_path / "pool.sf"
    pool.write_text(block('#include "org/smartfrog/components.sf"'))
    assert run("sf", "check", str(pool)).out == block("the description is good")
    assert "memory 1024;" in run("sf", "resolve", str(pool)).out


def test_the_values() -> None:
    assert inside("a 512; b 5L; c 1.25; d 1.25f; e [| 1, \"y\" |]; f OPTIONAL (5) x;") == (
        'a 512; b 5L; c 1.25d; d 1.25f; e [| 1, "y" |]; f 5;'
    )  # fmt: skip
    assert inside("a 5; x extends { b (a + 1); [sfTemp] c 0; }") == ("a 5; x extends { b 6; }")
    assert meaning("g 1; sfConfig extends { g PARENT:g; }") == "g 1;"


def test_the_library_is_listed_whole() -> None:
    parts = {
        "org/smartfrog/sfcore/prim/prim.sf",
        "org/smartfrog/sfcore/compound/compound.sf",
    }  # of components.sf
    parts |= {"org/smartfrog/services/display/components.sf", "org/smartfrog/sfcore/workflow/components.sf"}
    assert {name for name in LIBRARY if f"`{name}`" in PAGE} == set(LIBRARY) - parts


def test_the_limits() -> None:
    depth = f"components, prototypes and links may go {Limits.depth} levels deep"
    said = f"{Limits.text:,} characters in {Limits.includes} texts; {depth}"
    assert said in PAGE
    assert f"At most {Limits.problems} mistakes" in PAGE
    assert f"A name has at most {Limits.name} characters" in PAGE
