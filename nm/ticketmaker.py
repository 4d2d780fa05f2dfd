"""The tool that signs tickets, for whoever has the key: `nm-ticket --help`.

It reads a sliver's record as JSON, as GetSlivers has it, and writes a ticket. The key's file is read by nm's
rules for secrets (mode 0600, no link), and so is the file of its passphrase: neither is ever an argument.
"""

import argparse
import json
import re
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nm
from nm import tickets
from nm.errors import Invalid, NMError
from nm.records import Record
from nm.secrets import Secrets
from nm.signatures import openpgp, xmldsig

DESCRIPTION = (
    "Sign a ticket: a sliver's record for a node, good once and until a time. It goes to standard output."
)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": tickets.DAY}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a ticket; answers the exit status."""
    options = parser().parse_args(arguments)
    try:
        print(_made(options, time.time()).rstrip())
    except NMError as error:
        print(f"nm-ticket: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The parser of its command line."""
    found = argparse.ArgumentParser("nm-ticket", description=DESCRIPTION)
    add = found.add_argument
    add("sliver", help="JSON file: a sliver as GetSlivers has it, or an answer with one; - for stdin")
    add("--node", required=True, help="the node that it is for, by its name or id")
    add("--life", type=_life, default=3600, metavar="TIME", help="how long it is good: 30m, 1h, 2d (1h)")
    add("--key", required=True, type=Path, metavar="FILE", help="secret key: OpenPGP in armour, or PEM")
    add("--certificate", type=Path, metavar="FILE", help="certificate of a PEM key, to sign as XML")
    add("--passphrase", type=Path, metavar="FILE", help="file with the passphrase of an OpenPGP key")
    add("--version", action="version", version=f"nm-ticket {nm.__version__}")
    return found


def _life(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write 30m, 1h or 2d")
    life = int(found[1]) * _UNITS[found[2]]
    if life > tickets.LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is too long; no site takes more than 30d")
    return life


def _made(options: argparse.Namespace, now: float) -> str:
    reply = _reply(options.sliver)
    expires = int(now) + options.life
    text = tickets.payload(reply, options.node, secrets.token_hex(16), now, expires)
    key = _secret(options.key)
    if options.certificate is not None:
        return xmldsig.sign(text, key, _read(options.certificate))
    if "-----BEGIN PGP" not in key and "PRIVATE KEY-----" in key:
        raise Invalid(f"{options.key} is a PEM key", "name its certificate with --certificate")
    return openpgp.sign(text, key, _secret(options.passphrase) if options.passphrase else None)


def _reply(file: str) -> Record:
    """What the file holds, as an answer of GetSlivers."""
    text = sys.stdin.read() if file == "-" else _read(Path(file))
    try:
        found: Any = json.loads(text)
    except ValueError as error:
        raise Invalid(f"{file} is not JSON: {error}", "give a sliver as GetSlivers has it") from None
    if not isinstance(found, dict):
        raise Invalid(f"{file} holds no object", "give a sliver as GetSlivers has it")
    return found if "slivers" in found else {"slivers": [found]}


def _secret(path: Path) -> str:
    return Secrets(path.absolute().parent, {}).lookup(path.name)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} cannot be read: {error}", "give the path of a text file") from None


if __name__ == "__main__":
    sys.exit(main())
