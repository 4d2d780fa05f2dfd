"""The commands of the clearing house: who is who, which slices there are, who may use them, whom to trust."""

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nm.shell import times
from nm.shell.failures import OK, Usage
from nm.shell.offline import explained
from nm.shell.output import Block, Line, Table
from nm.shell.run import show_answer
from nm.shell.session import Session
from nm.shell.table import Arg, Command, Options, Scene, word

if TYPE_CHECKING:
    from nm.clearing.house import House
    from nm.clearing.identity import Chain

FOLDER = "/etc/nm/geni"
_LOCAL = ("localhost", "127.0.0.1", "::1")


def lasting(text: str) -> int:
    """A span of time, in seconds."""
    found = times.span(text)
    if not found:
        raise Usage(f"{text!r} is no span of time", "write for example 12h or 30d")
    return found


def _house(options: Options) -> "House":
    from nm.clearing.house import House

    return House(Path(options.folder or os.environ.get("NM_GENI_FOLDER") or FOLDER).absolute())


def _tell(session: Session, answer: Any, lines: Sequence[str]) -> int:
    """Show what was made, as JSON when that is asked for."""
    if session.output.json:
        session.output.result(answer)
    elif not session.output.quiet:
        session.output.show([Line(line) for line in lines])
    return OK


# ---- the house and whom it trusts


def init(session: Session, _command: Command, options: Options) -> int:
    """Make the authority and the server's key, as far as they are not there."""
    house = _house(options)
    hosts = options.server_name or [*_LOCAL, *filter(_is_host, (socket.gethostname(), socket.getfqdn()))]
    with explained():
        made = house.found(options.authority, list(dict.fromkeys(hosts)), renew=options.renew)
        urn = house.holder().urn
    lines = [f"made {path}" for path in made] or ["all is there already"]
    status = _tell(session, {"urn": str(urn), "made": [str(path) for path in made]}, lines)
    session.output.note(
        f'for nm.toml: authority = "{options.authority}" in [federation], '
        'addresses = ["0.0.0.0", "::"] in [geni]'
    )
    if str(house.folder) != FOLDER:
        session.output.note(f"and in [geni] certificate, server_key, roots and revoked, in {house.folder}")
    return status


def _is_host(name: str) -> bool:
    from nm.configkeys import host

    return host(name) is None


def trust(session: Session, _command: Command, options: Options) -> int:
    """Trust the roots in a file."""
    from nm.clearing import trust as trusted

    with explained():
        found = trusted.trust(_house(options).folder, Path(options.file))
        answer = [_root(root) for root in found]
    lines = [f"trusted: {root['urn']} ({root['fingerprint']})" for root in answer]
    return _tell(session, answer, lines or ["trusted already"])


def untrust(session: Session, _command: Command, options: Options) -> int:
    """Trust an authority no more."""
    from nm.clearing import trust as trusted

    with explained():
        found = trusted.untrust(_house(options).folder, options.authority)
        answer = [_root(root) for root in found]
    return _tell(session, answer, [f"trusted no more: {root['urn']}" for root in answer])


def _root(root: Any) -> dict[str, Any]:
    from nm.clearing import trust as trusted

    return {
        "urn": str(root.urn),
        "file": str(root.path),
        "ends": root.certificate.not_valid_after_utc.timestamp(),
        "fingerprint": trusted.fingerprint(root.certificate),
    }


def listing(session: Session, _command: Command, options: Options) -> int:
    """Show whom the aggregate trusts, and the users and slices of the house."""
    from nm.clearing import house
    from nm.clearing import trust as trusted

    here = _house(options)
    with explained():
        answer = {"roots": [_root(root) for root in trusted.roots(here.folder)], "members": []}
        if (here.folder / house.AUTHORITY_FILE).exists():
            answer["members"] = list(here.members())
    return show_answer(session, answer, _listed, options)


def _listed(answer: dict[str, Any], scene: Scene) -> Sequence[Block]:
    def ends(one: dict[str, Any]) -> str:
        return "revoked" if one.get("revoked") else times.human(one["ends"], scene.now)

    roots = [[one["urn"], ends(one), one["fingerprint"][:16]] for one in answer["roots"]]
    members = [[one["kind"], one["name"], ends(one), one["urn"]] for one in answer["members"]]
    return [
        Table(["TRUSTED ROOT", "ENDS", "SHA-256"], roots, empty="nobody is trusted"),
        Table(["KIND", "NAME", "ENDS", "URN"], members, empty="no users, no slices"),
    ]


# ---- users, slices, credentials


def user(session: Session, _command: Command, options: Options) -> int:
    """Make a user, or renew one."""
    from nm.clearing.identity import Life

    house = _house(options)
    with explained():
        life = Life.of(options.lasts)
        made = house.user(options.name, life, options.email or "", renew=options.renew)
    answer = {"wallet": str(made.folder), "ends": life.ends}
    status = _tell(session, answer, [f"user {options.name}: {made.folder}"])
    session.output.note("the folder is the user's: hand it over whole, it holds a key")
    return status


def slice_(session: Session, _command: Command, options: Options) -> int:
    """Make a slice, or renew one; and credentials for users."""
    from nm.clearing.identity import Life

    house = _house(options)
    with explained():
        owners = [_owner(house, name) for name in options.user or []]
        urn, ends = house.slice(options.name, Life.of(options.lasts), renew=options.renew)
        written = [_credential(house, owner, options, options.name, None) for owner in owners]
    answer = {"urn": str(urn), "ends": ends, "credentials": [one["file"] for one in written]}
    return _tell(session, answer, [f"slice {urn}", *(f"credential {one['file']}" for one in written)])


def credential(session: Session, _command: Command, options: Options) -> int:
    """Give a user the use of a slice."""
    house = _house(options)
    with explained():
        answer = _credential(house, _owner(house, options.user), options, options.slice, options.until)
    return _tell(session, answer, [f"credential {answer['file']}"])


def _owner(house: "House", name: str) -> tuple[str, "Chain", Path]:
    """A user of the house, or of a certificate's file: name, certificates, folder for credentials."""
    from nm.clearing import identity
    from nm.geni import certificates

    if _is_file(name):
        chain = identity.chain_of(Path(name))
        return certificates.urn_of(chain[0]).name, chain, Path.cwd()
    wallet = house.wallet(name)
    return name, identity.chain_of(wallet.identity), wallet.folder


def _is_file(name: str) -> bool:
    return os.sep in name or name.endswith(".pem")


def _credential(
    house: "House", owner: tuple[str, Any, Path], options: Options, slice_name: str, until: float | None
) -> dict[str, Any]:
    from nm.clearing import files, wallet

    _, chain, folder = owner
    rights = dict.fromkeys(getattr(options, "privilege", None) or [], True)
    text, ends = house.credential(chain, slice_name, until, rights)
    path = wallet.Wallet(folder).slice_credential(slice_name)
    if (named := getattr(options, "file", None)) is not None:
        path = Path(named)
    files.replace(path.absolute(), text.encode())
    return {"file": str(path), "ends": ends}


def revoke(session: Session, _command: Command, options: Options) -> int:
    """Let a certificate of the house's count no more."""
    from nm.clearing import identity
    from nm.geni import certificates

    house = _house(options)
    with explained():
        if options.slice:
            path = house.slice_file(options.name)
        else:
            path = Path(options.name) if _is_file(options.name) else house.wallet(options.name).identity
        chain = identity.chain_of(path)
        new = house.revoke(chain)
        urn = str(certificates.urn_of(chain[0]))
    lines = [f"revoked: {urn}" if new else f"revoked already: {urn}"]
    return _tell(session, {"urn": urn, "new": new}, lines)


PLACE = Arg("--folder", f"the clearing house's folder (else NM_GENI_FOLDER, or {FOLDER})", metavar="FOLDER")
RENEW = Arg("--renew", "one that is there lasts anew", flag=True, local=True)
OWNER = "a user of the house, or the file of somebody's certificate"


def _life(default: str) -> Arg:
    return Arg("--lasts", f"how long ({default})", lasting, default=lasting(default), metavar="SPAN")


COMMANDS = (
    Command("geni init", "", "make the keys of an aggregate and of a clearing house for one's own lab",
            (word("authority", "the authority's name, as lab.example.org"),
             Arg("--server-name", "a name or address under which the aggregate is called", repeat=True,
                 metavar="HOST"),
             Arg("--renew", "a new certificate for the server", flag=True), PLACE), run=init),
    Command("geni trust", "", "let users and slices of another authority in",
            (Arg("file", "its root certificate, as PEM"), PLACE), run=trust),
    Command("geni untrust", "", "let those of an authority in no more",
            (word("authority", "its name, its URN, or the file in roots/"), PLACE), run=untrust),
    Command("geni list", "", "show whom the aggregate trusts, and the clearing house's users and slices",
            (PLACE,), run=listing),
    Command("geni user", "", "make a user of the clearing house: a key, a certificate, a credential",
            (word("name", "the user's name"), Arg("--email", "an address, for the certificate"),
             _life("365d"), RENEW, PLACE), run=user),
    Command("geni slice", "", "make a slice of the clearing house",
            (word("name", "the slice's name, 19 characters at most"),
             Arg("--user", f"whose it is: {OWNER}", repeat=True, metavar="USER"), _life("30d"), RENEW,
             PLACE), run=slice_),
    Command("geni credential", "", "give somebody the use of a slice",
            (word("user", OWNER), word("slice", "the slice's name"),
             Arg("--until", "until when; else as long as can be", times.when, timed=True, metavar="TIME"),
             Arg("--privilege", "only this one, as info or control", repeat=True, metavar="NAME"),
             Arg("--file", "the file to write; else the user's own", metavar="FILE"), PLACE),
            run=credential),
    Command("geni revoke", "", "let a user's or a slice's certificate count no more",
            (word("name", "its name, or the certificate's file"),
             Arg("--slice", "it is a slice", flag=True), PLACE), run=revoke),
)  # fmt: skip
