"""The commands for groups: make, edit, plan, deploy, watch, audit, end."""

import sys
from typing import Any

from nm.shell import columns, times, values
from nm.shell.failures import CONFIG, PARTIAL, Failure, Usage
from nm.shell.plan import plan
from nm.shell.pool import first, some
from nm.shell.run import show_answer, show_job, wait_for
from nm.shell.session import Session
from nm.shell.table import FILTER, MANY, WAIT, Arg, Command, Options, names, option, word

GROUP = word("group", "the group's name or alias")
NODES = names("nodes", "the nodes' names, with spaces or commas")
STAGED = "staged: `nmctl deploy` makes it real"


def end_of_lease(text: str, now: float) -> int:
    """A time in which a lease can end."""
    moment = times.when(text, now)
    if moment is None:
        raise Usage("a lease cannot be moved to never", "name a time, as +30d")
    return moment


def end_of_loan(text: str, now: float) -> int:
    """A time in which a loan can end; 0 for now."""
    moment = 0 if text == "now" else times.when(text, now)
    if moment is None:
        raise Usage("nothing is lent for ever", "name a time, as +2h, or now")
    return moment


def name_or_none(text: str) -> str | None:
    """A name; the word none is none."""
    return None if text == "none" else text


def read_keys(path: str) -> list[str]:
    """The SSH keys of a file in the form of authorized_keys; - is stdin."""
    try:
        if path == "-":
            return values.keys(sys.stdin)
        with open(path, encoding="utf-8") as file:
            return values.keys(file)
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"cannot read {path}: {error}", "name a file of public SSH keys", CONFIG) from None


NETWORK = Arg("networks", "NAME=VLAN[:NIC,NIC][:tagged]; VLAN may be `any`; main must be one of them",
              values.network, MANY, "+", metavar="NETWORK")  # fmt: skip
KEY_FILE = option("key-file", "public SSH keys, as in authorized_keys; - is stdin", parse=read_keys,
                  key="keys", repeat=True, flat=True, metavar="FILE")  # fmt: skip
EXPIRES = option(
    "expires", "when it ends: +2h, +3d, a date, or never", parse=times.when, timed=True, metavar="TIME"
)
DELEGATE = option("delegate", "ACCOUNT or ACCOUNT:METHOD that may act for it; may be given again",
                  parse=values.delegation, key="delegations", repeat=True, metavar="ACCOUNT")  # fmt: skip


def some_or_none(what: str) -> Any:
    """Refuses a command that names none without saying --none."""

    def check(options: Options) -> None:
        if bool(getattr(options, what)) == options.none:
            raise Usage(f"name {what}, or say --none", "what is named replaces all that was set before")

    return check


def one_of_all(options: Options) -> None:
    """Refuses to let ends happen that were not named."""
    if bool(options.groups) == options.all:
        raise Usage("name groups, or say --all", "`nmctl expiry holds` lists them")


def audit(session: Session, command: Command, options: Options) -> int:
    """Audit: start one, and when it is waited for show what it found; or show the last."""
    if not options.last:
        number = session.call(command.method, options.group)
        if not options.wait:
            return show_job(session, number)
        wait_for(session, command, options, number)
    found = session.call("GetAudit", options.group)
    status = show_answer(session, found, columns.audit, options)
    return PARTIAL if found["differences"] and options.wait and not options.last else status


def audit_all(session: Session, command: Command, options: Options) -> int:
    """Audit everything, and when it is waited for show all that is known to differ."""
    number = session.call(command.method)
    if not options.wait:
        return show_job(session, number)
    wait_for(session, command, options, number)
    found = session.call("GetDrift")
    status = show_answer(session, found, columns.drift, options)
    return PARTIAL if found["groups"] or found["pool"] else status


MAKING = (
    Command("group list", "GetGroups", "list the groups that you may see", (FILTER,), struct=True,
            take=some("group"), show=columns.listed("groups")),
    Command("group show", "GetGroups", "show one group",
            (word("group", "the group's name", key="name"),), struct=True,
            take=first("group"), show=columns.group),
    Command("group status", "GetStatus", "show a group, its nodes, and what was last read of its ports",
            (GROUP,), show=columns.status),
    Command("group create", "CreateGroup", "make a group; " + STAGED,
            (word("group", "its name"),
             option("vlan", "the VLAN of its main network; chosen when left out", parse=int, metavar="ID"),
             option("headnode", "its head node"),
             option("nodes", "its nodes, with commas", parse=values.names, metavar="N1,N2"),
             option("image", "what its nodes boot"),
             option("owner", "the account that owns it; else you"), EXPIRES,
             option("alias", "another name for it, such as a URN"), DELEGATE, KEY_FILE,
             option("network", "NAME=VLAN[:NIC,NIC][:tagged]; may be given again", parse=values.network,
                    key="networks." + MANY, repeat=True, metavar="NETWORK")),
            struct=True, say="group {group} created; " + STAGED,
            epilog="nmctl group create alpha --vlan 101 --headnode h1 --nodes n1,n2 --expires +2d"),
    Command("group add", "AddNodes", "add nodes, all or none; " + STAGED,
            (GROUP, NODES, option("image", "what just these boot", key="", spare=True)),
            say="added to {group}: {nodes}; " + STAGED),
    Command("group remove", "RemoveNodes", "remove nodes, all or none; " + STAGED, (GROUP, NODES),
            say="removed from {group}: {nodes}; " + STAGED),
    Command("lend", "LendNodes", "lend nodes to another group, at once; they come back by themselves",
            (GROUP, word("to", "the group that gets them"), NODES,
             option("until", "when they come back: +2h, +3d, a date, or now", parse=end_of_loan, timed=True,
                    key="", needed=True, metavar="TIME"), WAIT),
            job=True, say="lend {nodes} of {group} to {to}", also=("group lend",),
            epilog="nmctl lend alpha beta n1,n2 --until +2h"),
    Command("group set-vlan", "SetVlan", "choose the VLAN of its main network; " + STAGED,
            (GROUP, Arg("vlan", "the VLAN's id", int)), say="VLAN of {group} is {vlan}; " + STAGED),
    Command("group set-networks", "SetNetworks", "choose its networks; " + STAGED,
            (GROUP, NETWORK), struct=True, say="networks of {group} set; " + STAGED,
            epilog="nmctl group set-networks alpha main=101 storage=102:eth1,eth2:tagged"),
    Command("group set-headnode", "SetHeadNode", "choose its head node, or `none`; " + STAGED,
            (GROUP, Arg("headnode", "the head node's name, or none", name_or_none)),
            say="head node of {group} is {headnode}; " + STAGED),
    Command("group set-image", "SetImage",
            "choose what its nodes, or some of them, boot; " + STAGED,
            (GROUP, Arg("image", "the image's name, or none", name_or_none),
             option("nodes", "just these, with commas", parse=values.names, metavar="N1,N2", key="",
                    spare=True)),
            say="image of {group} is {image}; " + STAGED,
            epilog="nmctl group set-image alpha debian --nodes n1,n2"),
    Command("group renew", "RenewGroup", "move the end of its lease; at once",
            (GROUP, Arg("expires", "when it ends: +2h, +3d, a date", end_of_lease, timed=True,
                        metavar="TIME")), say="group {group} renewed"),
    Command("group keys", "SetKeys", "set the SSH keys of its people; at once",
            (GROUP, Arg("keys", "files of public SSH keys, as authorized_keys; - is stdin", read_keys,
                        count="*", flat=True, metavar="FILE"),
             Arg("--none", "no keys at all", flag=True, local=True)),
            say="keys of {group} set", check=some_or_none("keys")),
    Command("group delegations", "SetDelegations", "say who else may act for it; at once",
            (GROUP, Arg("delegations", "ACCOUNT, or ACCOUNT:METHOD for that one method", values.delegation,
                        count="*", metavar="ACCOUNT"),
             Arg("--none", "nobody else", flag=True, local=True)),
            say="delegations of {group} set", check=some_or_none("delegations")),
)  # fmt: skip

ACTING = (
    Command("plan", "PlanDeploy", "show what deploy would do; exit status 2 when there is something to do",
            (names("group", "groups; without any all that have something staged", count="*"),),
            run=plan, uses=("GetGroups", "DryRun"), also=("group plan",)),
    Command("deploy", "Deploy", "make real what is staged",
            (GROUP, option("if-plan", "only when the plan still has this hash", metavar="HASH"), WAIT),
            struct=True, job=True, say="deploy {group}", also=("group deploy",)),
    Command("group destroy", "DestroyGroup", "end groups at once; gone when all nodes are isolated again",
            (names("group", "the groups' names", each=True),
             Arg("--force", "also components of descriptions, which end with them", flag=True, spare=True),
             WAIT), job=True, say="destroy {group}"),
    Command("audit", "StartAudit",
            "compare what is deployed with what is there; --wait ends with 9 when they differ",
            (GROUP, Arg("--last", "show the last audit, start none", flag=True, local=True),
             Arg("--all", "instead: everything, as `pool audit`", flag=True, local=True), WAIT),
            job=True, say="audit {group}", run=audit, uses=("GetAudit",), also=("group audit",)),
    Command("pool audit", "AuditAll", "audit everything, each device read once; ends as audit does", (WAIT,),
            job=True, say="audit everything", run=audit_all, uses=("GetDrift",)),
    Command("drift", "GetDrift", "show all that is known to differ", show=columns.drift),
    Command("repair", "Repair", "make the world what the group's target says",
            (GROUP, Arg("--switch", "instead: a switch, as `switch repair`", local=True, metavar="SWITCH"),
             Arg("--port", "instead: one port, as `port repair`", local=True, metavar="SWITCH PORT"),
             Arg("--all", "instead: everything, as `pool repair`", flag=True, local=True), WAIT),
            job=True, say="repair {group}", also=("group repair",)),
    Command("pool repair", "RepairAll", "make everything what the database says", (WAIT,), job=True,
            say="repair everything"),
    Command("expiry holds", "GetHolds", "list groups and slivers whose end is held back",
            show=columns.listed("holds")),
    Command("expiry confirm", "ConfirmExpiry", "let groups end whose end was held back",
            (Arg("groups", "the groups' names", count="*"),
             Arg("--all", "all that are held back", flag=True, local=True)),
            say="ends confirmed", check=one_of_all),
)  # fmt: skip

COMMANDS = (*MAKING, *ACTING)
