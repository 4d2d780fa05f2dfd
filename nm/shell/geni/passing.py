"""The command by which the owner of a credential passes it on to somebody else."""

from pathlib import Path

from nm.shell import times
from nm.shell.failures import OK
from nm.shell.geni.caller import WALLET, Caller
from nm.shell.offline import explained
from nm.shell.output import Line
from nm.shell.session import Session
from nm.shell.table import Arg, Command, Options, word


def delegate(session: Session, _command: Command, options: Options) -> int:
    """Write a credential for somebody else, made of one's own."""
    from nm.clearing import files, identity, wallet
    from nm.geni import certificates

    caller = Caller(session, options)
    given = caller.for_slice()
    with explained():
        to = identity.chain_of(Path(options.certificate))
        owner = identity.load(caller.certificate, Path(options.key) if options.key else None)
        text, ends = wallet.passed_on(given, owner, to, options.privilege or (), options.until)
        name = f"{given.target.name.lower()}-cred-{certificates.urn_of(to[0]).name}.xml"
        path = Path(options.file or name)
        files.replace(path.absolute(), text.encode())
    if session.output.json:
        session.output.result({"file": str(path), "ends": ends})
    elif not session.output.quiet:
        session.output.show([Line(f"credential {path}")])
    return OK


COMMANDS = (
    Command("geni delegate", "", "pass the use of a slice on to somebody else",
            (word("slice", "the slice, by name or URN"),
             Arg("certificate", "the file of that person's certificate", metavar="CERTIFICATE"),
             Arg("--until", "until when; else as long as can be", times.when, timed=True, metavar="TIME"),
             Arg("--privilege", "only this one, as info or control", repeat=True, metavar="NAME"),
             Arg("--file", "the file to write; else in this folder", metavar="FILE"),
             Arg("--wallet", f"your folder (else NM_GENI_WALLET, or {WALLET})", metavar="FOLDER"),
             Arg("--cert", "your certificate, where it is not in the wallet", metavar="FILE"),
             Arg("--key", "its key, where it is not in the same file", metavar="FILE"),
             Arg("--slicecredfile", "the slice's credential, where it is not in the wallet", short="-r",
                 metavar="FILE")), run=delegate),
)  # fmt: skip
