"""The commands for accounts: delegates, and what accounts may do."""

from typing import Any

from nm.shell import columns, values
from nm.shell.groups import read_keys, some_or_none
from nm.shell.pool import first, some
from nm.shell.table import FILTER, MANY, WAIT, Arg, Command, names, option, word

NAME = word("name", "the delegate's name")


def right(text: str) -> tuple[str, Any]:
    """A right by its word, or a limit that comes with one, as reserve.nodes=8."""
    return values.pair(text) if "=" in text else (text, True)


def _rights(count: str) -> Arg:
    about = "spy, describe, reserve, or limits: reserve.groups=N reserve.nodes=N reserve.lease=SECONDS"
    return Arg("rights", about, right, MANY, count, metavar="RIGHT")


COMMANDS = (
    Command("delegate list", "GetDelegates", "list delegates, and other accounts that have rights", (FILTER,),
            struct=True, take=some("delegate"), show=columns.listed("delegates")),
    Command("delegate show", "GetDelegates", "show one delegate whole",
            (word("delegate", "its name", key="name"),), struct=True, take=first("delegate"),
            show=columns.detailed),
    Command("delegate create", "CreateDelegate", "make an account that can do nothing but call nm, by SSH",
            (NAME, option("key-file", "public SSH keys, as in authorized_keys; - is stdin", parse=read_keys,
                          key="", repeat=True, flat=True, default=[], metavar="FILE"), _rights("*"), WAIT),
            struct=True, job=True, say="create delegate {name}",
            epilog="nmctl delegate create snoop spy --wait"),
    Command("delegate destroy", "DestroyDelegate", "remove delegates' accounts and end their connections",
            (names("name", "the delegates' names", each=True), WAIT), job=True,
            say="destroy delegate {name}"),
    Command("delegate keys", "SetDelegateKeys", "let a delegate in by these keys only; at once",
            (NAME, Arg("keys", "files of public SSH keys, as authorized_keys; - is stdin", read_keys,
                       count="*", flat=True, metavar="FILE"),
             Arg("--none", "no keys at all", flag=True, local=True), WAIT),
            job=True, say="set keys of delegate {name}", check=some_or_none("keys")),
    Command("rights set", "SetRights", "set all rights of a delegate or an account of the machine; at once",
            (word("name", "the account's name"), _rights("*"),
             Arg("--none", "no rights at all", flag=True, local=True)), struct=True,
            say="rights of {name} set", check=some_or_none("rights"),
            epilog="nmctl rights set alice reserve.groups=2 reserve.nodes=8 reserve.lease=604800"),
)  # fmt: skip
