"""The daemon's words for people at a command line: commands in the place of methods, forms of time.

The daemon speaks of methods of its API. Which command calls which is read from the tables of commands.
"""

import re
from functools import cache

_LONGEST = 70
# A method, and what its struct is to hold; or text that has a capital letter.
_METHOD = re.compile(r"`?\b([A-Z][A-Za-z]+)\b`?(?: with (\w+)=(True|False))?")


@cache
def _commands() -> dict[str, str]:
    """The words of the first command of each method."""
    from nm.shell import guide  # the tables import those who import this

    found: dict[str, str] = {}
    for command in guide.commands():
        found.setdefault(command.method, command.words)
    for command in guide.commands():
        for method in command.uses:
            found.setdefault(method, command.words)
    return found


def spoken(text: str) -> str:
    """The text with the command of every method that it names."""

    def command(found: re.Match[str]) -> str:
        words = _commands().get(found[1])
        setting = f" {found[2]}={found[3].lower()}" if found[2] else ""
        return f"`nmctl {words}{setting}`" if words else found[0]

    return _METHOD.sub(command, text)


def clipped(word: str) -> str:
    """A word that somebody typed, short enough for an error."""
    return word if len(word) <= _LONGEST else f"{word[: _LONGEST - 3]}..."


def nearest_methods(name: str) -> str:
    """What to do about a method that does not exist."""
    import difflib

    by_lower = {method.lower(): method for method in _commands() if method}
    near = [by_lower[found] for found in difflib.get_close_matches(name.lower(), by_lower, 3)]
    otherwise = "`nmctl methods` lists all"
    return f"did you mean {' or '.join(near)}? {otherwise}" if near else otherwise
