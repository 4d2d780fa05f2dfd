"""The programs' command lines: one program, known by several names.

A program's rooms are imported when it is known which: on a slow head node each of them takes its time.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Callable

from nm_head import settings
from nm_head.errors import HeadError, say
from nm_head.settings import Settings

Command = Callable[[Settings, Sequence[str]], int]
RUN = str(Path(__file__).resolve().parents[1] / "run")


def _linky(found: Settings, arguments: Sequence[str]) -> int:
    parser = _parser(
        "linky", "Make the group's machines boot what they should; power-cycle those that joined."
    )
    parser.add_argument("--all", action="store_true", help="all machines are cycled and installed anew")
    parser.add_argument("--links", action="store_true", help="links and dnsmasq only, no power")
    given = parser.parse_args(arguments)
    from nm_head import linky

    return min(linky.run(found, everything=given.all, power=not given.links), 1)


def _moc_list(found: Settings, arguments: Sequence[str]) -> int:
    _parser("moc-list", "Follow the list of machines: linky at each change, dnsmasq and HTTP.").parse_args(
        arguments
    )
    from nm_head import follow

    follow.follow(found, [sys.executable, "-I", RUN])
    return 0


def _http(found: Settings, arguments: Sequence[str]) -> int:
    _parser("http", "Serve the TFTP root by HTTP on the group's network.").parse_args(arguments)
    from nm_head import http

    http.serve(found)
    return 0


def _boot_disk(found: Settings, arguments: Sequence[str]) -> int:
    from nm_head import bootdisk

    if "GATEWAY_INTERFACE" in os.environ:
        return bootdisk.cgi(found)
    parser = _parser("boot-disk", "Let machines boot from their disks from now on.")
    parser.add_argument("machine", nargs="+", help="its name in the list, or its MAC")
    bootdisk.boot_disk(found, parser.parse_args(arguments).machine)
    return 0


def _seed(found: Settings, arguments: Sequence[str]) -> int:
    _parser("nm-head-seed", "Take the door to nm from the disk that nm gives.").parse_args(arguments)
    from nm_head import seed

    if not seed.take(found):
        say("nm-head-seed: no disk has a door to nm")
    return 0


def _mount(found: Settings, arguments: Sequence[str]) -> int:
    """As mount(8) calls it: WHAT WHERE and options, of which none matters here."""
    from nm_head import moc

    moc.mount(Path(arguments[1]) if len(arguments) > 1 else found.moc)
    return 0


COMMANDS: dict[str, Command] = {
    "linky": _linky,
    "moc-list": _moc_list,
    "http": _http,
    "boot-disk": _boot_disk,
    "nm-head-seed": _seed,
    "mount.moc": _mount,
}


def _parser(name: str, about: str) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(prog=name, description=about)


def main(argv: Sequence[str]) -> int:
    """Run the command that the program's name is, or the first word. HEAD_CONF: other settings."""
    name, arguments = Path(argv[0]).name, list(argv[1:])
    if name not in COMMANDS and arguments:
        name, arguments = arguments[0], arguments[1:]
    if name not in COMMANDS:
        say(f"commands: {', '.join(COMMANDS)}")
        return 2
    try:
        return COMMANDS[name](settings.load(Path(os.environ.get("HEAD_CONF", str(settings.FILE)))), arguments)
    except HeadError as error:
        say(f"{name}: {error}")
    except OSError as error:
        say(f"{name}: {error}")
    return 1
