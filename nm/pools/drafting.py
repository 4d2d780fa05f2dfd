"""From a text to the parts that it means, when they hold together. Pure, and slow for long texts.

A hostile text costs no more than `bounds` let it; nothing is compiled within a transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from nm.descriptions.limits import Limits
from nm.errors import Denied, Invalid
from nm.pools import allowing
from nm.pools.checking import Finding, findings, unfit
from nm.pools.grouping import hosted
from nm.pools.keeping import Text, on_host
from nm.pools.plan import Plan
from nm.pools.tags import Tag, tags_of
from nm.pools.tree import Part, Tree, parts_of

MOST_TOLD = 20
LONGEST_NAME = 255  # of a file that came along


@dataclass(frozen=True)
class Draft:
    """A description that could be deployed, for all that is known without the world.

    host: where those parts are that name none. timed: whether it asks for the time, or for chance.
    """

    name: str
    text: Text
    parts: list[Part]
    warnings: list[str] = field(default_factory=list)
    host: str = ""
    timed: bool = False

    @cached_property
    def tree(self) -> Tree:
        """The parts in the order in which they are made."""
        return Tree(self.parts, surroundings=self.text.surroundings)

    @cached_property
    def uses(self) -> dict[str, int]:
        """What it counts."""
        return allowing.uses(self.parts)

    @cached_property
    def tags(self) -> list[Tag]:
        """What it claims."""
        return tags_of((part.kind, part.host, part.attributes) for part in self.parts)

    def hash_of(self, plan: Plan) -> str:
        """Names a plan of it, with the moment that it was made for where that makes a difference."""
        return f"{plan.hash()}@{self.text.surroundings.now!r}" if self.timed else plan.hash()


class _Noted(dict[str, str]):
    """Texts that note which of them were read."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__(texts)
        self.read: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        """The text, which from now on was read."""
        if name in self:
            self.read.add(name)
        return super().get(name, default)


def draft(name: str, text: Text, bounds: Limits, most: int, host: str = "") -> Draft:
    """The draft of the pool of that name. Invalid tells all that is wrong with it.

    text: with all that it may read. most: components that it may have. host: where those are that name none.
    """
    check_files(text.files)
    ours, theirs = _Noted(text.library), _Noted(text.files)
    description = replace(text, files=theirs, library=ours).compiled(name, bounds)
    parts = hosted(on_host(parts_of(description.pieces(), text.surroundings), host))
    if len(parts) > most:
        raise Invalid(
            f"the description has {len(parts)} components; {most} are allowed",
            "make several descriptions of it (descriptions.components)",
        )
    refuse(list(unfit(parts)))
    read = replace(text, files=_those(theirs), library=_those(ours))
    warned = [str(warning) for warning in description.warnings]
    made = Draft(name, read, parts, warned, host, description.timed)
    noticed = findings(made.tree)
    refuse([finding for finding in noticed if finding.level == "error"])
    made.warnings.extend(f"{finding.place}{finding.words}" for finding in noticed)
    return made


def check_files(files: Mapping[str, Any]) -> None:
    """Invalid unless these are texts by their names."""
    for name, text in files.items():
        if not isinstance(text, str):
            raise Invalid(f"file {name[:70]!r} is no text", "send a struct of include path to text")
        if not (0 < len(name) <= LONGEST_NAME and name.isprintable()):
            raise Invalid(f"{name[:70]!r} cannot be the name of a file", "name it as the text includes it")


def refuse(wrong: list[Finding], *, denied: bool = False) -> None:
    """Raise all of it, if there is any."""
    if wrong:
        more = f"\nand {len(wrong) - MOST_TOLD} more" if len(wrong) > MOST_TOLD else ""
        error = Denied if denied else Invalid
        raise error("\n".join(map(str, wrong[:MOST_TOLD])) + more, "nothing was changed")


def _those(noted: _Noted) -> dict[str, str]:
    return {name: noted[name] for name in sorted(noted.read)}
