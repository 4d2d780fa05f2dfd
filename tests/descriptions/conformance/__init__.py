"""Small descriptions with what they mean, or what is wrong with them: one file for each part of the language,
and second-reading.txt, whose results were written down before anybody looked at what nm makes of them.

A file consists of cases with empty lines between them. `## ` begins what the cases behind it show. Of a
case's lines come first, when there are any,

    @NAME TEXT             a file of that name and text, which the description may include
    @@use NAME             a text of the library that it includes
    @@property NAME TEXT   a property, its text as in JSON
    @@environment NAME TEXT   a variable of the environment, likewise
    @@now SECONDS          when it is compiled, since 1970; nothing is told of that otherwise
    @@decimals WAY         how numbers like 1.25 are read
    @@phase PHASE          what the description is behind that phase, and not behind all
    @@file                 the description is a whole file; so it is, too, when it has an attribute sfConfig

then the description, or the attributes of its sfConfig; and last `=> ` with what sfConfig resolves to in
canonical form, on one line and without the braces around it, or `!! ` with the first mistake. What is hard to
see is written ␉ (tab), ␍ (CR), ␌ (FF), ␋ (VT), ␀ (NUL), ␢ (byte-order mark), ␣ (no-break space).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast, get_args

from nm import sflibrary
from nm.descriptions.compiler import Phase, Stage, behind
from nm.descriptions.literals import Decimals
from nm.descriptions.problems import Flawed
from nm.descriptions.surroundings import Surroundings

FOLDER = Path(__file__).parent
LIBRARY = sflibrary.texts()
UNSEEN = str.maketrans({"␉": "\t", "␍": "\r", "␌": "\f", "␋": "\v", "␀": "\0", "␢": "\ufeff", "␣": "\xa0"})
WHOLE = re.compile(r"(?<![:\w])sfConfig\b")


@dataclass
class Case:
    """One description. `meaning` or `mistake` is what is expected; `place`: its file and line."""

    place: str
    sentence: str
    text: str = ""
    meaning: str | None = None
    mistake: str | None = None
    files: dict[str, str] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    now: float | None = None
    decimals: Decimals = "double"
    phase: Phase = "compile"
    whole: bool = False

    def description(self) -> str:
        """The whole text."""
        start = "".join(f'#include "{name}"\n' for name in self.used)
        whole = self.whole or WHOLE.search(self.text) is not None
        return start + (self.text if whole else f"sfConfig extends {{ {self.text}\n }}")

    def stage(self) -> Stage:
        """It behind its phase. Raises Flawed."""
        return behind(
            "test.sf",
            self.description(),
            self.phase,
            self.files,
            library=LIBRARY,
            surroundings=Surroundings(self.properties, self.environment, self.now),
            decimals=self.decimals,
        )

    def outcome(self) -> tuple[str | None, str | None]:
        """What it means in truth, and what is wrong with it."""
        try:
            made = self.stage()
        except Flawed as error:
            return None, error.problems[0].message.strip()
        said = " ".join(made.text().split())
        if self.phase == "compile":
            said = said.removeprefix("sfConfig extends {").removesuffix("}").strip()
        return said, None


def cases() -> list[Case]:
    """All of them."""
    return [case for path in sorted(FOLDER.glob("*.txt")) for case in _cases(path)]


def _cases(path: Path) -> Iterator[Case]:
    sentence, case, lines = "", None, list[str]()
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line and case is None:
            continue
        if line.startswith("## "):
            sentence = line.removeprefix("## ")
            continue
        case = case or Case(f"{path.stem}:{number}", sentence)
        if line[:2] in {"=>", "!!"}:
            case.text = "\n".join(lines).translate(UNSEEN)
            told = line[2:].strip().translate(UNSEEN)
            case.meaning, case.mistake = (told, None) if line[0] == "=" else (None, told)
            yield case
            case, lines = None, []
        elif not line.startswith("@") or lines:
            lines.append(line)
        else:
            _directive(case, line)
    assert case is None, f"{path.name} ends within a case"


def _directive(case: Case, line: str) -> None:
    word, _, rest = line.partition(" ")
    name, _, text = rest.partition(" ")
    if word == "@@use":
        case.used.append(rest)
    elif word == "@@property":
        case.properties[name] = json.loads(text)
    elif word == "@@environment":
        case.environment[name] = json.loads(text)
    elif word == "@@decimals":
        assert rest in get_args(Decimals)
        case.decimals = cast("Decimals", rest)
    elif word == "@@now":
        case.now = float(rest)
    elif word == "@@phase":
        assert rest in get_args(Phase)
        case.phase = cast("Phase", rest)
    elif word == "@@file":
        case.whole = True
    else:
        case.files[word.removeprefix("@")] = rest.translate(UNSEEN)
