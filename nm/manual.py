"""The manual pages: `python -m nm.manual nmd.8`, nmctl.1 or nm.toml.5.

Made of what --help is made of (the parsers, the tables of commands) and of the configuration's own words, so
that no page is out of date. For the build only: no other room imports it. A library that turns parsers into
pages knows neither nmctl's tables nor the configuration, so the few requests of man(7) are written here.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import nm
from nm import config, daemon, ticketmaker
from nm.shell import guide, main, offline

Lines = Iterator[str]
FORWARDER = Path(__file__).parents[1] / "forward_api_calls/forward_api_calls.c"
FILES = {
    str(config.DEFAULT_PATH): "the configuration",
    config.Secrets().folder: "passwords and keys of devices, one file each, mode 0600",
    config.Daemon().database: "the database",
    config.Api().socket: "the API's socket",
}
SIGNS = {"\\": r"\e", "-": r"\-", "^": r"\(ha", "~": r"\(ti", "`": r"\(ga", "'": r"\(aq"}


# ---- the language of manual pages


def plain(text: str) -> str:
    """Text that means itself."""
    line = "".join(SIGNS.get(sign, sign) for sign in " ".join(text.split()))
    return rf"\&{line}" if line.startswith(".") else line


def bold(text: str) -> str:
    """Text that is typed as it is."""
    return rf"\fB{plain(text)}\fR"


def head(name: str, number: int, about: str) -> Lines:
    """The page's title and its first section, from which apropos learns."""
    yield f'.TH {name.upper()} {number} "" "nm {nm.__version__}" "nm"'
    yield ".SH NAME"
    yield rf"{name} \- {plain(about)}"


def item(tag: str, text: str) -> Lines:
    """A word, and what it means."""
    yield from (".TP", tag, plain(text))


def synopsis(parser: argparse.ArgumentParser) -> str:
    """How the program is called, without line breaks."""
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    return f"{bold(parser.prog)} {plain(usage.removeprefix(parser.prog))}"


def options(parser: argparse.ArgumentParser, leave: Collection[str] = ()) -> Lines:
    """The parser's arguments, but those whose names are to be left out."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) or action.dest in leave:
            continue
        formatter = argparse.HelpFormatter(parser.prog)
        name = formatter._format_action_invocation(action)
        yield from item(bold(name), formatter._expand_help(action) if action.help else "")


def also(*pages: str) -> Lines:
    """Where to read on."""
    yield ".SH SEE ALSO"
    yield ", ".join(rf"\fB{plain(page[:-3])}\fR{page[-3:]}" for page in pages)


# ---- the pages


def nmd() -> Lines:
    """The page of the daemon."""
    parser = daemon.parser()
    yield from head("nmd", 8, "the daemon of nm, a node manager")
    yield from (".SH SYNOPSIS", synopsis(parser))
    yield from (".SH DESCRIPTION", plain(daemon.DESCRIPTION))
    yield ".SH OPTIONS"
    yield from options(parser)
    yield from (".SH SIGNALS", plain(daemon.SIGNALS.partition(": ")[2]))
    yield from (".SH EXIT STATUS", plain(daemon.STATUSES.partition(": ")[2]))
    yield ".SH FILES"
    for path, about in FILES.items():
        yield from item(bold(path), about)
    yield from also("nmctl(1)", "nm-ticket(1)", "nm.toml(5)", "forward_api_calls(8)")


def forward_api_calls() -> Lines:
    """The page of the login shell, from its source's first comment and its enum of exit statuses."""
    source = FORWARDER.read_text(encoding="utf-8")
    words = source[2 : source.index("*/")].replace("\n *", "\n").strip()
    title, description, statuses = words.split("\n\n")
    yield from head("forward_api_calls", 8, title.partition(": ")[2].rstrip("."))
    yield from (".SH SYNOPSIS", bold("forward_api_calls"))
    yield from (".SH DESCRIPTION", plain(description))
    yield from (".SH EXIT STATUS", plain(statuses.partition(": ")[2].partition(";")[0] + "."))
    for name, number in re.findall(
        r"([A-Z_]+) = (\d+)", source[source.index("enum exit_status {") :].split("}")[0]
    ):
        yield from item(bold(number), name.lower().replace("_", " ") + ".")
    yield from also("nmd(8)")


def nmctl() -> Lines:
    """The page of the client."""
    yield from head("nmctl", 1, "tells nm what you want")
    yield from (".SH SYNOPSIS", f"{bold('nmctl')} {plain(guide.USAGE.removeprefix('nmctl'))}")
    yield from (".SH DESCRIPTION", plain(guide.SUMMARY))
    for remark in guide.REMARKS:
        yield from (".PP", plain(remark))
    common = main.common()
    yield ".SH OPTIONS"
    yield from options(common)
    shared = {"help", *(action.dest for action in common._actions)}
    for title, section in guide.SECTIONS.items():
        yield f'.SH "{title.upper()}"'
        for command in section:
            yield from _command(main.parser_of(command, time.time()), shared, command.also)
    yield ".SH THE LAB"
    yield from _lab(offline.lab_parser())
    yield from also("nmd(8)", "nm.toml(5)")


def _command(parser: argparse.ArgumentParser, leave: Collection[str], others: Sequence[str] = ()) -> Lines:
    yield f'.SS "{plain(parser.prog.removeprefix("nmctl "))}"'
    yield plain(f"{parser.description}.")
    for other in others:
        yield plain(f"Also: nmctl {other}.")
    yield from options(parser, leave)
    if parser.epilog:
        yield from (".PP", plain(parser.epilog))


def _lab(parser: argparse.ArgumentParser) -> Lines:
    yield plain(f"{parser.description}.")
    (verbs,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    abouts = {choice.dest: choice.help or "" for choice in verbs._choices_actions}
    for verb, single in verbs.choices.items():
        single.description = abouts.get(verb, "")
        yield from _command(single, ["help"])


def nm_ticket() -> Lines:
    """The page of the tool that signs tickets."""
    parser = ticketmaker.parser()
    yield from head("nm-ticket", 1, "signs tickets for nodes of nm's")
    yield from (".SH SYNOPSIS", synopsis(parser))
    yield from (".SH DESCRIPTION", plain(ticketmaker.DESCRIPTION))
    yield ".SH OPTIONS"
    yield from options(parser)
    yield from also("nmd(8)")


def nm_toml() -> Lines:
    """The page of the configuration."""
    yield from head("nm.toml", 5, "the configuration of nm")
    yield from (".SH DESCRIPTION", plain(f"{config.DEFAULT_PATH}, read by nmd(8) at its start and on HUP."))
    yield plain("TOML; every section and key may be left out; a key that is not known is an error.")
    yield plain("nmd --check-config tells what is wrong with a file.")
    section = ""
    for name, key in config.all_keys():
        if name != section:
            section = name
            yield from (f".SH [{name}]", plain(config.SECTIONS[name].__doc__ or ""))
        default = list(key.default) if isinstance(key.default, tuple) else key.default
        when = "" if key.metadata["live"] else " A change needs a restart."
        yield from item(f"{bold(key.name)} = {plain(json.dumps(default))}", f"{key.metadata['doc']}{when}")
    yield from also("nmd(8)", "nmctl(1)")


PAGES: dict[str, Callable[[], Lines]] = {
    "nmd.8": nmd,
    "nmctl.1": nmctl,
    "nm-ticket.1": nm_ticket,
    "nm.toml.5": nm_toml,
    "forward_api_calls.8": forward_api_calls,
}


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in PAGES[sys.argv[1]]())
