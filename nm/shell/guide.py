"""Finds a command by its words, and explains commands from the tables, so that no help is out of date."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from nm.shell import (
    accounts,
    deployed,
    descriptions,
    geni,
    groups,
    images,
    importing,
    offline,
    pictures,
    pool,
    service,
    slivers,
    sources,
    wording,
)
from nm.shell.failures import Usage
from nm.shell.table import Command

SECTIONS: dict[str, Sequence[Command]] = {
    "Groups": groups.COMMANDS,
    "The pool": pool.COMMANDS,
    "Images": images.COMMANDS,
    "The picture": pictures.COMMANDS,
    "Slivers": slivers.COMMANDS,
    "The source of slices": sources.COMMANDS,
    "Accounts": accounts.COMMANDS,
    "Whole sites": importing.COMMANDS,
    "Descriptions": (*descriptions.COMMANDS, *deployed.COMMANDS),
    "Federation": geni.COMMANDS,
    "The daemon": service.COMMANDS,
    "Without a daemon": offline.COMMANDS,
}
# Options that make another command of one: `repair --switch sw0` is `switch repair sw0`.
ELSEWHERE = {
    "audit": {"--all": ("pool", "audit")},
    "repair": {"--all": ("pool", "repair"), "--switch": ("switch", "repair"), "--port": ("port", "repair")},
}
LAB = ("lab up|exec|status|down", "a rack on this machine to try things on")
HELP = ("-h", "--help", "help")
USAGE = "nmctl [--host ADDRESS | --lab NAME] [--timeout SECONDS] [--json] [--quiet] COMMAND ..."
SUMMARY = "nm hands out isolated slices of real machines; nmctl tells it what you want."
REMARKS = (
    "nmctl COMMAND --help tells more. Commands that start a job take --wait.",
    "The daemon: --host (or --address), --lab, the variable NM_ADDRESS, else /run/nm/api.sock.",
    "On another machine: --host ssh://ACCOUNT@MACHINE; keys and known hosts are those of ssh.",
    (
        "Exit status: 0 ok, 1 general, 2 usage, 3 configuration, 4 denied, 5 not found, 6 conflict or busy,\n"
        "7 a device failed, 8 daemon unreachable, 9 done in part, or an audit found differences.\n"
        "A plan ends with 2 when there is something to do."
    ),
)


def commands() -> Iterator[Command]:
    """All commands in the order of the help."""
    for section in SECTIONS.values():
        yield from section


def spellings() -> dict[tuple[str, ...], Command]:
    """Every command under its words, and under its other words."""
    return {
        tuple(words.split()): command for command in commands() for words in (command.words, *command.also)
    }


def find(words: Sequence[str]) -> tuple[Command | None, list[str]]:
    """The command that the words begin with, and the words behind it; None when its noun's help is wanted."""
    known = spellings()
    for count in (2, 1):
        command = known.get(tuple(words[:count]))
        if command is not None:
            return _elsewhere(known, command, list(words[count:]))
    nouns = {spelling[0] for spelling in known if len(spelling) == 2}
    if words[0] in nouns:
        verbs = [spelling[1] for spelling in known if len(spelling) == 2 and spelling[0] == words[0]]
        if len(words) > 1 and words[1] in HELP:
            return None, []
        if len(words) == 1:
            raise Usage(
                f"{words[0]}: what about it?", f"one of: {', '.join(verbs)}; see nmctl {words[0]} --help"
            )
        raise Usage(
            f"no command {words[0]} {wording.clipped(words[1])}",
            _nearest(words[1], verbs, f"nmctl {words[0]} --help"),
        )
    first = sorted({spelling[0] for spelling in known} | {"lab"})
    raise Usage(f"no command {wording.clipped(words[0])}", _nearest(words[0], first, "nmctl --help"))


def verb_first(words: Sequence[str], taking: Collection[str]) -> list[str]:
    """The words with the verb behind its noun: `geni -a URL status` is `geni status -a URL`, as with omni.

    `taking`: options of every command that are followed by a value.
    """
    if (words[0],) in spellings():  # a command of one word
        return list(words)
    options = [
        arg for command in commands() if command.words.startswith(f"{words[0]} ") for arg in command.args
    ]
    follow = {*taking, *(name for arg in options if not arg.flag for name in (arg.name, arg.short))}
    place = 1
    while place < len(words) and words[place].startswith("-") and words[place] not in HELP:
        place += 2 if words[place] in follow else 1
    return [words[0], *words[place : place + 1], *words[1:place], *words[place + 1 :]]


def _elsewhere(
    known: Mapping[tuple[str, ...], Command], command: Command, rest: list[str]
) -> tuple[Command, list[str]]:
    """The command and the words behind it, of which one may be an option that makes another command of it."""
    others = ELSEWHERE.get(command.words, {})
    for place, word in enumerate(rest):
        option, _, value = word.partition("=")
        if option in others:
            return known[others[option]], [*rest[:place], *([value] if value else []), *rest[place + 1 :]]
    return command, rest


def commands_asked(words: Sequence[str]) -> Sequence[str] | None:
    """The words of `nmctl help WORDS` when they speak of commands; None when of methods of the API."""
    known = not words or words[0] == "lab" or any(words[0] == spelling[0] for spelling in spellings())
    return words if known else None


def _nearest(word: str, known: Sequence[str], otherwise: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, known, 1)
    return f"did you mean {near[0]}? {otherwise} lists all" if near else f"{otherwise} lists all"


def noun(word: str) -> str:
    """The commands of one noun."""
    chosen = [(words, c) for words, c in spellings().items() if len(words) == 2 and words[0] == word]
    rows = [(" ".join(words), command.help) for words, command in chosen]
    return "\n".join(
        [f"usage: nmctl {word} VERB ...", "", *_aligned(rows), "", f"nmctl {word} VERB --help tells more"]
    )


def overview() -> str:
    """All commands on one page."""
    lines = [f"usage: {USAGE}", "", SUMMARY, ""]
    for title, section in SECTIONS.items():
        rows = [(command.words, command.help) for command in section]
        if title == "Without a daemon":
            rows.append(LAB)
        lines += [f"{title}:", *_aligned(rows), ""]
    lines += REMARKS
    return "\n".join(lines)


def _aligned(rows: Sequence[tuple[str, str]]) -> list[str]:
    return [f"  {words:24} {about}" for words, about in rows]
