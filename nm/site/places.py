"""What files hold: a site, where its things stand, and what is wrong with it. Pure.

A *site* is a dict of sections, each a dict by name; what is in them is what the methods of the API that make
such things take.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nm.errors import Invalid

FORMAT = 1
SECTIONS = (
    "switches", "ports", "hosts", "vlans", "trunks", "images", "nodes", "headnodes",
    "delegates", "rights", "users", "groups",
)  # fmt: skip

Site = dict[str, dict[str, Any]]
Place = tuple[str, ...]  # as ("nodes", "n1")


@dataclass(frozen=True)
class Origin:
    """Where something was read."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Problem:
    """What is wrong in a place of a file, and what to do."""

    origin: Origin
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.origin}: {self.message}" + (f"; {self.hint}" if self.hint else "")


class BadFiles(Invalid):
    """Files that cannot be read as a site. Every problem is in `problems`."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        message = f"{problems[0].origin}: {problems[0].message}{more}"
        super().__init__(message, problems[0].hint or "nothing was imported")
        self.problems = list(problems)


@dataclass
class Loaded:
    """What files hold: the site, where its things stand, and remarks for people."""

    site: Site = field(default_factory=dict)
    origins: dict[Place, Origin] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, place: Place, value: Any, origin: Origin) -> None:
        """Take in one thing; what is there already is a problem."""
        section, name = place[0], place[1]
        there = self.site.setdefault(section, {})
        if name in there:
            said = f"{section} {name} is there twice, first in {self.origins[section, name]}"
            self.problems.append(Problem(origin, said, "leave one of them out"))
            return
        there[name] = value
        self.origins[section, name] = origin

    def where(self, place: Sequence[str]) -> Origin:
        """Where that stands, or what it is a part of."""
        for length in range(len(place), 0, -1):
            if (origin := self.origins.get(tuple(place[:length]))) is not None:
                return origin
        return next(iter(self.origins.values()), Origin("site", 1))

    def text(self) -> str:
        """The site as the API takes it."""
        return json.dumps({"format": FORMAT, **self.site}, ensure_ascii=False, separators=(",", ":"))


def merged(parts: Iterable[Loaded]) -> Loaded:
    """All of them as one site. BadFiles when two have a thing of one name."""
    whole = Loaded()
    for part in parts:
        whole.notices += part.notices
        for section, entries in part.site.items():
            for name, value in entries.items():
                whole.add((section, name), value, part.origins[section, name])
        for place, origin in part.origins.items():
            whole.origins.setdefault(place, origin)
    if whole.problems:
        raise BadFiles(whole.problems)
    return whole
