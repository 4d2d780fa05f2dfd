"""docs/examples: they are good, laid out as nm lays out, and use every attribute that there is."""

import io
from pathlib import Path

import pytest

from nm.descriptions.compiler import compile as compile_description
from nm.pools.kinds import KINDS
from nm.shell.main import main
from nm.shell.output import Output
from tests.descriptions.say import LIBRARY

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
POOLS = ("localVirtualPool.sf", "distVirtualPool.sf", "remoteConfig.sf")
CHOICES = (("DefaultLoopback", "OnBridge"), ("DefaultLVM", "OnSwitch"), ("ThinLVM", "OnNetwork"))
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


def given(storage: str, domain: str) -> dict[str, set[str]]:
    """The attributes that the third gives to each kind when these are selected."""
    files = {path.name: path.read_text() for path in EXAMPLES.glob("*.sf")}
    chosen = files["selection.sf"].replace(" DefaultLoopback;", f" {storage};")
    files["selection.sf"] = chosen.replace(" OnBridge;", f" {domain};")
    made = compile_description("remoteConfig.sf", files["remoteConfig.sf"], files, library=LIBRARY)
    return {piece.kind: {*piece.attributes, *piece.needs} for piece in made.pieces()}


@pytest.mark.parametrize("kind", USED)
def test_the_third_uses_every_attribute_of_the_base_components(kind: str) -> None:
    """With one choice or another: not all of them go together."""
    found = [given(*choice).get(kind, set()) for choice in CHOICES]
    assert {attribute.name for attribute in KINDS[kind].attributes} - set().union(*found) == set()
