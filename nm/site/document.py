"""A site as one TOML or JSON document, and where in it each thing stands.

Whether it makes sense is the daemon's business (nm/imports.py); this room turns text into a site and back,
and remembers lines, so that what the daemon refuses can be shown in its place. Pure.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from nm.site.places import FORMAT, SECTIONS, BadFiles, Loaded, Origin, Place, Problem

Lines = dict[Place, int]
HEAD = "# A site of nm. `nmctl import` reads it, docs/import.md explains it.\n"

_BARE = r"[A-Za-z0-9_-]+|\"(?:[^\"\\]|\\.)*\"|'[^']*'"
_DOTTED = rf"\s*((?:{_BARE})(?:\s*\.\s*(?:{_BARE}))*)\s*"
_HEADER = re.compile(rf"\s*\[\[?{_DOTTED}\]")
_KEY = re.compile(rf"{_DOTTED}=")
_WORD = re.compile(_BARE)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_DEEPEST = 3  # a port's settings: ports, its switch, itself

# What of either language can lead deeper, and what only looks like it: strings, and remarks of TOML's.
_PIECE = re.compile(
    r'"""(?:[^\\]|\\.)*?(?:"""|\Z)|"(?:[^"\\\n]|\\.)*"?|#[^\n]*|[][{}.,\n]'
    r"|'''.*?(?:'''|\Z)|'[^'\n]*'?",
    re.DOTALL,
)
LEVELS = 32  # as many as a request may have


# ---- reading


def parse_toml(text: str, file: str) -> Loaded:
    """The site of a TOML document. BadFiles when it is none."""
    _refuse_depth(text, file)
    try:
        document = tomllib.loads(text)
    except ValueError as error:  # TOMLDecodeError is one; a number of too many digits another
        raise BadFiles([_toml_problem(str(error), text, file)]) from None
    return _loaded(document, _toml_lines(text), file)


def _refuse_depth(text: str, file: str) -> None:
    """BadFiles where brackets and dotted keys lead deeper than any site does.

    Before the text is parsed: parsers go down by recursion, and TOML's takes the square of a key's dots.
    """
    line, dots = 1, 0
    levels = [0]  # of the brackets that are open, each with the dots before it
    for found in _PIECE.finditer(text):
        piece = found[0]
        if piece in "[{":
            levels.append(levels[-1] + dots + 1)
            dots = 0
        elif piece in "]}":
            levels = levels[:-1] or [0]
            dots = 0
        elif piece == ".":
            dots += 1
        elif piece in ",\n":
            dots = 0
        if levels[-1] + dots > LEVELS:
            said = f"nested too deeply: more than {LEVELS} levels"
            raise BadFiles([Problem(Origin(file, line), said, "make it flatter")])
        line += piece.count("\n")


def _toml_problem(said: str, text: str, file: str) -> Problem:
    found = re.search(r"\(at line (\d+), column \d+\)", said)
    line = int(found[1]) if found else text.count("\n") + 1
    message = re.sub(r"\s*\(at .*\)$", "", said)
    return Problem(Origin(file, line), f"not TOML: {message[:1].lower()}{message[1:]}", "see docs/import.md")


def _toml_lines(text: str) -> Lines:
    """The first line in which each table and key stands, down to _DEEPEST."""
    lines: Lines = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _words(header[1])
            _note(lines, table, number)
        elif key := _KEY.match(line):
            _note(lines, (*table, *_words(key[1])), number)
    return lines


def _words(dotted: str) -> Place:
    return tuple(_unquoted(word) for word in _WORD.findall(dotted))


def _unquoted(word: str) -> str:
    if word[0] == '"':
        try:
            return str(json.loads(word))
        except ValueError:
            return word[1:-1]
    return word.strip("'")


def _note(lines: Lines, place: Place, number: int) -> None:
    for length in range(1, min(len(place), _DEEPEST) + 1):
        lines.setdefault(place[:length], number)


def parse_json(text: str, file: str) -> Loaded:
    """The site of a JSON document; what `nmctl --json export` printed is one. BadFiles when it is none."""
    _refuse_depth(text, file)
    try:
        document = json.loads(text)
    except ValueError as error:
        line, said = getattr(error, "lineno", 1), getattr(error, "msg", str(error))
        problem = Problem(Origin(file, line), f"not JSON: {said.lower()}", "see docs/import.md")
        raise BadFiles([problem]) from None
    lines, twice = _json_lines(text)
    if twice:
        raise BadFiles(
            [Problem(Origin(file, line), f"{'.'.join(place)} is there twice", "leave one of them out")
             for place, line in twice]
        )  # fmt: skip
    if isinstance(document, dict) and document.get("ok") is True and set(document) == {"ok", "result"}:
        document, lines = document["result"], {place[1:]: n for place, n in lines.items() if len(place) > 1}
    return _loaded(document, lines, file)


def _json_lines(text: str) -> tuple[Lines, list[tuple[Place, int]]]:
    """The line of each key, one level deeper than in TOML; and the keys that an object has twice."""
    lines: Lines = {}
    twice: list[tuple[Place, int]] = []
    stack: list[str | None] = []  # the keys of the objects that are open; None for a list
    pending: tuple[str, int] | None = None
    line, end = 1, 0
    for token in _TOKEN.finditer(text):
        line += text.count("\n", end, token.start())
        end, word = token.start(), token[0]
        if word[0] == '"':
            pending = (_unquoted(word), line)
        elif word == ":" and pending is not None and stack and stack[-1] is not None:
            stack[-1] = pending[0]
            if all(key is not None for key in stack):
                place = tuple(key for key in stack if key is not None)
                if place in lines:
                    twice.append((place, pending[1]))
                if len(place) <= _DEEPEST + 1:
                    lines.setdefault(place, pending[1])
        elif word in "{[":
            stack.append("" if word == "{" else None)
        elif word in "}]" and stack:
            stack.pop()
    return lines, twice


def _loaded(document: Any, lines: Lines, file: str) -> Loaded:
    """The document as a site; sections that are none, and what cannot be sent, are problems."""
    loaded = Loaded()
    for place, line in lines.items():
        if len(place) == 3:
            loaded.origins[place] = Origin(file, line)
    if not isinstance(document, dict):
        raise BadFiles([Problem(Origin(file, 1), "it is no table of sections", _known_sections())])
    for section, entries in document.items():
        origin = Origin(file, lines.get((section,), 1))
        if section == "format":
            if entries != FORMAT:
                loaded.problems.append(Problem(origin, f"format {entries!r} is not known", f"write {FORMAT}"))
        elif section not in SECTIONS:
            loaded.problems.append(Problem(origin, f"there is no section {section!r}", _known_sections()))
        else:
            _take_section(loaded, section, entries, lines, origin)
    if loaded.problems:
        raise BadFiles(loaded.problems)
    return loaded


def _known_sections() -> str:
    return f"sections are {', '.join(SECTIONS)}"


def _take_section(loaded: Loaded, section: str, entries: Any, lines: Lines, origin: Origin) -> None:
    if section == "vlans" and isinstance(entries, str):
        entries = {entries: {}}
        lines[section, next(iter(entries))] = origin.line
    if not isinstance(entries, dict):
        loaded.problems.append(Problem(origin, f"{section} is no table", f"as [{section}.NAME]"))
        return
    for name, value in entries.items():
        here = Origin(origin.file, lines.get((section, name), origin.line))
        if (strange := _strange({name: value})) is not None:
            hint = "use text, numbers, true, false, lists and tables"
            loaded.problems.append(Problem(here, f"{section} {name!r} holds {strange}", hint))
        else:
            loaded.add((section, name), value, here)


def _strange(value: Any) -> str | None:
    """What in a value a site has no place for."""
    if isinstance(value, dict | list):
        parts: Iterable[Any] = [*value, *value.values()] if isinstance(value, dict) else value
        return next((found for part in parts if (found := _strange(part)) is not None), None)
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        return "half a character"
    if isinstance(value, str | bool | int | float) or value is None:
        return None
    return "a date or time"


# ---- writing


def to_toml(site: Mapping[str, Any]) -> str:
    """The site as a TOML document."""
    import tomli_w  # only who writes needs it

    return HEAD + tomli_w.dumps({"format": FORMAT, **_without_format(site)})


def to_json(site: Mapping[str, Any]) -> str:
    """The site as a JSON document."""
    return json.dumps({"format": FORMAT, **_without_format(site)}, ensure_ascii=False, indent=2) + "\n"


def _without_format(site: Mapping[str, Any]) -> dict[str, Any]:
    return {section: entries for section, entries in site.items() if section != "format"}
