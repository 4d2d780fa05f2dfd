"""Completion for bash, made from the tables of commands: `python -m nm.shell.completion`.

For the build; nmctl itself does not load it. Pure, but for what it prints when run. What is printed asks no
daemon: it knows commands, options and fixed choices, and completes names of files where files are wanted.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from nm.shell import guide, main, offline

FILES = ("FILE", "FOLDER")

FRAME = """\
# bash completion for nmctl, made from its tables of commands

_nmctl()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local options="%(options)s" takes=" %(takes)s " offers="" files="" first="" second="" place
    COMPREPLY=()

    # The first two words that are neither an option nor the value of one.
    for ((place = 1; place < COMP_CWORD && ! ${#second}; place++)); do
        case ${COMP_WORDS[place]} in
            -*) [[ $takes != *" ${COMP_WORDS[place]} "* ]] || ((++place)) ;;
            *) if [[ $first ]]; then second=${COMP_WORDS[place]}; else first=${COMP_WORDS[place]}; fi ;;
        esac
    done

    case "$first $second" in
        " ") offers="%(nouns)s" ;;
%(commands)s
    esac

    case "$first $second:$previous" in
%(values)s
        *) [[ $takes != *" $previous "* ]] || { options="" offers="" files=""; } ;;
    esac

    mapfile -t COMPREPLY < <(compgen -W "$options $offers" -- "$current")
    [[ ! $files ]] || mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$current")
}

complete -o filenames -F _nmctl nmctl
"""


@dataclass
class Choice:
    """What may follow some words: options, of which some take a value; other words; files."""

    options: list[str] = field(default_factory=list)
    takes: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    files: bool = False
    values: dict[str, list[str] | None] = field(default_factory=dict)  # an option's; None: files


def of_parser(parser: argparse.ArgumentParser) -> Choice:
    """What that parser takes."""
    choice = Choice()
    for action in parser._actions:
        words = list(action.choices) if action.choices else []
        is_file = action.metavar in FILES
        if not action.option_strings:
            choice.words += words
            choice.files |= is_file
            continue
        choice.options += action.option_strings
        if action.nargs != 0:
            choice.takes += action.option_strings
            for option in action.option_strings:
                if words or is_file:
                    choice.values[option] = words or None
    return choice


def choices() -> dict[str, Choice]:
    """What may follow each command, noun and verb of the lab; the key is as the script's `case` sees it."""
    found: dict[str, Choice] = {}
    now = time.time()
    for words, command in guide.spellings().items():
        single = len(words) == 1
        if not single:
            found.setdefault(f"{words[0]} ", Choice()).words.append(words[1])
        found[f"{words[0]} *" if single else " ".join(words)] = of_parser(main.parser_of(command, now))
    lab = offline.lab_parser()
    found["lab "] = of_parser(lab)
    (verbs,) = (action for action in lab._actions if isinstance(action, argparse._SubParsersAction))
    return found | {f"lab {verb}": of_parser(single) for verb, single in verbs.choices.items()}


def script() -> str:
    """The script that bash reads."""
    common = of_parser(main.common())
    found = choices()
    nouns = sorted({*(words[0] for words in guide.spellings()), "lab"})
    return FRAME % {
        "options": " ".join(("--help", "--version", *common.options)),
        "takes": " ".join(common.takes),
        "nouns": " ".join(nouns),
        "commands": "\n".join(_commands(found, common)),
        "values": "\n".join(_values(found)),
    }


def _commands(found: dict[str, Choice], common: Choice) -> Iterator[str]:
    for words, choice in found.items():
        sets = []
        own = [option for option in choice.options if option not in (*common.options, "-h", "--help")]
        takes = [option for option in choice.takes if option not in common.takes]
        if own:
            sets.append(f'options+=" {" ".join(own)}"')
        if takes:
            sets.append(f'takes+="{" ".join(takes)} "')
        if choice.words:
            sets.append(f'offers="{" ".join(choice.words)}"')
        if choice.files:
            sets.append("files=yes")
        yield f"        {_pattern(words)}) {' '.join(sets) or ':'} ;;"


def _values(found: dict[str, Choice]) -> Iterator[str]:
    for words, choice in found.items():
        for option, values in choice.values.items():
            offers = f'offers="{" ".join(values)}" files=""' if values else 'offers="" files=yes'
            yield f'        {_pattern(words, f":{option}")}) options="" {offers} ;;'


def _pattern(words: str, end: str = "") -> str:
    """A pattern of bash's `case`; a star at the end of the words means anything."""
    if not words.endswith("*"):
        return f'"{words}{end}"'
    return f'"{words[:-1]}"*' + (f'"{end}"' if end else "")


if __name__ == "__main__":
    sys.stdout.write(script())
