"""docs/bowl.md: its example works, its configuration is one, and the tests that it names are there."""

import re
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest

from nm.bowlcalls import METHODS
from nm.config import parse
from tests.bowl.conftest import Portal

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/bowl.md").read_text(encoding="utf-8")
_SHOWN = re.compile(r"(?:^    .*\n|^\n(?=    ))+", re.MULTILINE)
BLOCKS = [textwrap.dedent(block) for block in _SHOWN.findall(PAGE)]


def test_its_configuration_is_one() -> None:
    [text] = [block for block in BLOCKS if "[bowl]" in block]
    config = parse(text)
    assert config.bowl.addresses == ("127.0.0.1",)
    assert set(tomllib.loads(text)) == {"bowl", "federation", "mail"}


def test_its_example_works(shared: Portal) -> None:
    [text] = [block for block in BLOCKS if "jsonrpclib" in block]
    said: dict[str, Any] = {}
    exec(text.replace("localhost:11223", f"127.0.0.1:{shared.port}"), said)
    portal = said["portal"]
    assert portal.ListResources(False, "7") == []
    shared.free(said["free"][0]["id"])
    portal("close")()


def test_every_method_is_told_with_its_arguments() -> None:
    for method, names in METHODS.items():
        told = re.search(rf"`{method}\(([^)]*)\)`", PAGE)
        assert told is not None, method
        assert tuple(name.partition("=")[0].strip() for name in told.group(1).split(",")) == names


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`(tests/[^`]*)`", PAGE))))
def test_a_test_that_it_names_is_there(named: str) -> None:
    file, _, test = named.partition("::")
    assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8")
