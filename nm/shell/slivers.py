"""The commands for slivers: list, create, start, stop, lend, and those that end."""

from typing import Any

from nm.shell import columns
from nm.shell.failures import OK, Usage
from nm.shell.groups import some_or_none
from nm.shell.output import Line
from nm.shell.pool import first, some
from nm.shell.run import show_answer, wait_for
from nm.shell.session import Session
from nm.shell.table import FILTER, WAIT, Arg, Command, Options, word

NAME = word("sliver", "the sliver's name")


def loan(text: str) -> list[Any]:
    """A loan, as RECIPIENT:RESOURCE=AMOUNT."""
    recipient, colon, rest = text.partition(":")
    resource, equals, amount = rest.partition("=")
    if not (recipient and colon and resource and equals and amount.isdecimal()):
        raise Usage(f"{text!r} is no loan", "write RECIPIENT:RESOURCE=AMOUNT, as demo_web:cpu_min=200")
    return [recipient, resource, int(amount)]


def ask(session: Session, command: Command, options: Options) -> int:
    """Call the method; and wait for the job that it made."""
    answer = session.call(command.method, options.sliver)
    if options.wait:
        jobs = session.call("GetJobs", {"subject": f"sliver:{options.sliver}"})  # also who may only do this
        job = jobs[-1]["id"]
        answer = wait_for(session, command, options, job)
    if session.output.json:
        session.output.result(answer)
    elif not session.output.quiet:
        session.output.show([Line(command.told(options)), *_outcome(session, answer)])
    return OK


def _outcome(session: Session, answer: Any) -> Any:
    return columns.outcome(answer, session.clock()) if isinstance(answer, dict) else []


def rspec(session: Session, _command: Command, options: Options) -> int:
    """What the sliver has, or was given."""
    method = "GetRSpec" if options.given else "GetEffectiveRSpec"
    return show_answer(session, session.call(method, options.sliver), columns.detailed, options)


def one_of_all(options: Options) -> None:
    """Refuses to let ends happen that were not named."""
    if bool(options.slivers) == options.all:
        raise Usage("name slivers, or say --all", "`nmctl expiry holds` lists them")


def _wish(verb: str, method: str, about: str, *uses: str) -> Command:
    return Command(f"sliver {verb}", method, about, (NAME, WAIT), say=f"{verb} sliver {{sliver}}", run=ask,
                   uses=("GetJobs", *uses))  # fmt: skip


COMMANDS = (
    Command("sliver list", "GetSlivers", "list the slivers that you may see", (FILTER,), True,
            take=some("sliver"), show=columns.listed("slivers"), also=("slivers",)),
    Command("sliver show", "GetSlivers", "show one sliver: its state, and why it does not run",
            (word("sliver", "its name", key="name"),), True, take=first("sliver"), show=columns.detailed),
    Command("sliver record", "GetRecord", "show all that is known of your own sliver",
            show=columns.detailed),
    _wish("create", "Create", "have a delegated sliver made", "CreateSliver"),
    _wish("destroy", "Destroy", "have a delegated sliver unmade, with its disk", "DestroySliver",
          "DeleteSliver"),
    _wish("start", "Start", "have a sliver run"),
    _wish("stop", "Stop", "have a sliver stopped, until somebody starts it"),
    _wish("recreate", "ReCreate", "have a sliver's disk made anew, and start it"),
    Command("sliver rspec", "GetEffectiveRSpec", "show what a sliver has, with its loans",
            (NAME, Arg("--given", "what it was given instead", flag=True, local=True)), run=rspec,
            uses=("GetRSpec",)),
    Command("sliver loans", "GetLoanStates", "show what a sliver lends, and what of that is in force",
            (NAME,), show=columns.listed("loans"), uses=("GetLoans",)),
    Command("sliver lend", "SetLoans", "say all that a sliver lends",
            (NAME, Arg("loans", "RECIPIENT:RESOURCE=AMOUNT", loan, count="*", metavar="LOAN"),
             Arg("--none", "nothing at all", flag=True, local=True)), say="loans of {sliver} set",
            check=some_or_none("loans"), epilog="nmctl sliver lend demo_web demo_db:cpu_min=200"),
    Command("sliver keys", "GetSSHKeys", "show the SSH keys of all slivers' people", show=columns.detailed),
    Command("sliver uids", "GetXIDs", "show the uids of slivers' accounts", show=columns.detailed),
    Command("sliver confirm", "ConfirmSlivers", "let slivers go whose removal or expiry was held back",
            (Arg("slivers", "the slivers' names", count="*"),
             Arg("--all", "all that are held back", flag=True, local=True)), say="ends of slivers confirmed",
            check=one_of_all),
)  # fmt: skip
