"""Commands that the grammar of spl has and nmctl has not. They are rows like nmctl's, for this shell only."""

from dataclasses import replace
from typing import Any

from nm.shell import accounts, columns, groups, guide, jobs
from nm.shell.failures import DENIED, OK, PARTIAL, Failure, Usage
from nm.shell.output import Block, Line
from nm.shell.pool import first
from nm.shell.run import show_answer
from nm.shell.session import Session
from nm.shell.table import MANY, Arg, Command, Options, word

ALL = {
    "groups": ("GetGroups", "Groups"),
    "headnodes": ("GetHeadNodes", "Head nodes"),
    "vlans": ("GetVlans", "VLANs"),
    "nodes": ("GetNodes", "Nodes"),
    "switches": ("GetSwitches", "Switches"),
    "ports": ("GetPorts", "Ports"),
    "trunks": ("GetTrunks", "Trunks"),
    "hosts": ("GetHosts", "Hosts"),
    "delegates": ("GetDelegates", "Users"),
}
FREE = ("nodes", "headnodes", "vlans", "ports")


class Leave(Exception):
    """Somebody wants to leave the shell."""


def say(session: Session, text: str) -> int:
    """Tell what was done."""
    if session.output.json:
        session.output.result(1)
    elif not session.output.quiet:
        session.output.show([Line(text)])
    return OK


def _tables(session: Session, kinds: tuple[str, ...], wanted: dict[str, Any], options: Options) -> int:
    """Several tables, each under its title; those that the caller may not see are left out."""
    found: dict[str, Any] = {}
    for kind in kinds:
        try:
            found[kind] = session.call(ALL[kind][0], wanted)
        except Failure as failure:
            if failure.status != DENIED:
                raise

    def show(answer: dict[str, Any], scene: Any) -> list[Block]:
        return [columns.table(kind, rows, scene.now, ALL[kind][1]) for kind, rows in answer.items()]

    return show_answer(session, found, show, options)


def show_all(session: Session, _command: Command, options: Options) -> int:
    """Everything."""
    return _tables(session, tuple(ALL), {}, options)


def show_free(session: Session, _command: Command, options: Options) -> int:
    """What can be given out now."""
    return _tables(session, FREE, {"free": True}, options)


def pending(session: Session) -> list[str]:
    """The groups that Deploy would change something for."""
    found = session.call("GetGroups", {"pending": True})
    return [group["name"] for group in found if group["state"] != "destroying"]


def deploy_pending(session: Session, command: Command, _options: Options) -> int:
    """Deploy all that is pending: start all, then wait for each."""
    done, failures = [], []
    started = {}
    for name in pending(session):
        try:
            started[name] = session.call(command.method, name)
        except Failure as failure:
            failures.append(_told(session, name, failure))
    for name, number in started.items():
        job = jobs.wait(session, number, f"deploy {name}")
        if (trouble := jobs.trouble(job, f"deploy {name}")) is not None:
            failures.append(_told(session, name, trouble))
        else:
            done.append(job)
            if not session.output.json:
                session.output.show([Line(jobs.ended(job, f"deploy {name}"))])
    if session.output.json:
        session.output.document({"ok": not failures, "result": done})
    elif not done and not failures:
        say(session, "nothing is pending")
    return OK if not failures else PARTIAL if done else failures[0].status


def _told(session: Session, name: str, failure: Failure) -> Failure:
    if not session.output.json:
        session.output.failure(f"{name}: {failure.message}", failure.hint)
    return failure


def connect_vlan(session: Session, command: Command, options: Options) -> int:
    """Put NICs of a group's nodes on a VLAN; pxe and boot are the network main."""
    group = groups_one(session, options.group)
    role = {"pxe": "boot", "ipmi": "none"}.get(options.nic, options.nic)
    network = "main" if role == "boot" else role
    networks = {**group["networks"], network: {"vlan": options.vlan, "nics": [role]}}
    session.call(command.method, options.group, networks)
    return say(session, f"NICs {role} of {options.group} are on VLAN {options.vlan}; {groups.STAGED}")


def groups_one(session: Session, name: str) -> dict[str, Any]:
    """The group of that name, or alias."""
    answer: dict[str, Any] = session.call("GetStatus", name)
    return answer


def name_domain(options: Options) -> None:
    """SPL's names of head nodes are those of libvirt's domains."""
    if not options.domain and not options.image:
        options.domain = options.headnode


def none_alone(options: Options) -> None:
    """The word none is no right, but says that there are none."""
    if len(options.rights) > 1 and ("none", True) in options.rights:
        raise Usage("none stands alone", "name rights, or say none")
    options.rights = [right for right in options.rights if right != ("none", True)]


def explain(session: Session, _command: Command, options: Options) -> int:
    """The grammar, or a part of it."""
    from nm.shell.spl import reference

    session.output.say("\n".join(reference.help_on(options.words)))
    return OK


def leave(_session: Session, _command: Command, _options: Options) -> int:
    """End the shell."""
    raise Leave


def _found(words: str) -> Command:
    return guide.spellings()[tuple(words.split())]


COMMANDS = (
    Command("show all", "GetGroups", "show everything", run=show_all),
    Command("show free", "GetNodes", "show what can be given out now", run=show_free),
    Command("user show", "GetDelegates", "show one user whole", (word("user", "its name", key="name"),),
            struct=True, take=first("user"), show=columns.detailed),
    Command("deploy pending", "Deploy", "make real all that is pending", run=deploy_pending),
    Command("vlan connect", "SetNetworks", "put NICs of a group on a VLAN",
            (Arg("vlan", "the VLAN's id", int), groups.GROUP, word("nic", "name or role of NICs")),
            run=connect_vlan),
    replace(_found("headnode register"), words="headnode create", check=name_domain),
    Command("user change", "SetRights", "set all rights of an account",
            (accounts.NAME, Arg("rights", "rights", accounts.right, MANY, "+")), struct=True,
            say="rights of {name} set", check=none_alone),
    Command("help", "Help", "explain the commands", (word("words", "of a command", count="*"),), run=explain),
    Command("exit", "", "leave", run=leave),
)  # fmt: skip
