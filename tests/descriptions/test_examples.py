"""docs/examples: they are good, laid out as nm lays out, and use every attribute that there is."""

import io
import re
from pathlib import Path

import pytest

from nm.pools.kinds import KINDS
from nm.shell.main import main
from nm.shell.output import Output

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
POOLS = ("localVirtualPool.sf", "distVirtualPool.sf", "remoteConfig.sf")
PARTS = ("selection.sf", "defaultPool.sf", "remoteConfig.sf")
USED = ("XenDomain", "LoopbackStorageBackend", "LVMStorageBackend", "Shell", "DeployManagement")


def said(*words: str) -> str:
    """What nmctl says of a good description, with its remarks."""
    out, remarks = io.StringIO(), io.StringIO()
    assert main([*words], Output(out, remarks)) == 0, remarks.getvalue()
    return out.getvalue() + remarks.getvalue()


@pytest.mark.parametrize("name", POOLS)
def test_they_are_good(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    told = said("sf", "check", name)
    assert "the description is good" in told and "warning" not in told and "nowhere" not in told


def test_they_are_laid_out() -> None:
    said("sf", "fmt", "--check", *map(str, sorted(EXAMPLES.glob("*.sf"))))


@pytest.mark.parametrize("kind", USED)
def test_the_third_uses_every_attribute_of_the_base_components(kind: str) -> None:
    text = "\n".join((EXAMPLES / name).read_text() for name in PARTS)
    written = set(re.findall(r"^ *(\w+) ", text, re.MULTILINE))
    assert {attribute.name for attribute in KINDS[kind].attributes} - written == set()
