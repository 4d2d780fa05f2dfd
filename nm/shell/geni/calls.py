"""The commands that call an aggregate of GENI's, with the options that omni has for them."""

import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nm.shell.failures import DEVICE, OK, PARTIAL, Usage
from nm.shell.geni import show
from nm.shell.geni.caller import WALLET, Caller, text_of
from nm.shell.offline import explained
from nm.shell.output import Line
from nm.shell.run import show_answer
from nm.shell.session import Session
from nm.shell.table import Arg, Command, Options, Show, word

URL = "https://localhost:8001"
RSPEC = {"geni_rspec_version": {"type": "GENI", "version": "3"}}

FAILED = "geni_failed"
WAITED = (
    *("geni_pending_allocation", "geni_configuring", "geni_stopping", "geni_ready_busy"),
    "geni_updating_users",
)
BETWEEN = 1.0  # seconds between two looks

Ask = Callable[[Caller], Any]


# ---- the calls


def getversion(caller: Caller) -> Any:
    """What the aggregate is, and which versions it speaks."""
    return caller.call("GetVersion", {})


def listresources(caller: Caller) -> Any:
    """Its advertisement."""
    options = {**RSPEC, "geni_available": caller.options.available, **_compressed(caller)}
    return _expanded(caller.call("ListResources", _credentials(caller.own()), options))


def describe(caller: Caller) -> Any:
    """The manifest of what the slice has."""
    answer = _of_slice(caller, "Describe", {**RSPEC, **_compressed(caller)})
    if isinstance(answer, dict) and "geni_rspec" in answer:
        return {**answer, "geni_rspec": _expanded(answer["geni_rspec"])}
    return answer


def allocate(caller: Caller) -> Any:
    """Reserve what a request names."""
    credential = caller.for_slice()
    request = text_of(caller.options.rspec)
    options = _until(caller, credential)
    return caller.call("Allocate", str(credential.target), _credentials(credential), request, options)


def provision(caller: Caller) -> Any:
    """Have what is reserved wired and booted."""
    credential = caller.for_slice()
    options = {**RSPEC, **_until(caller, credential), **_best_effort(caller), **_keys(caller)}
    return caller.call("Provision", _urns(caller, credential), _credentials(credential), options)


def status(caller: Caller) -> Any:
    """How the slivers are; with --wait as soon as nothing is under way."""
    while True:
        answer = _of_slice(caller, "Status", {})
        if not caller.options.wait or not _waits(answer):
            return answer
        time.sleep(BETWEEN)


def renew(caller: Caller) -> Any:
    """Give the slivers another end."""
    credential, alap = caller.for_slice(), caller.options.alap
    until = caller.moment(caller.options.time, credential, cut=alap)
    options = {**_best_effort(caller), **({"geni_extend_alap": True} if alap else {})}
    return caller.call("Renew", _urns(caller, credential), _credentials(credential), until, options)


def poa(caller: Caller) -> Any:
    """Do something with the slivers: geni_start, geni_restart, geni_stop, geni_update_users."""
    credential = caller.for_slice()
    options = {**_best_effort(caller), **_keys(caller)}
    urns = _urns(caller, credential)
    action = caller.options.action
    return caller.call("PerformOperationalAction", urns, _credentials(credential), action, options)


def delete(caller: Caller) -> Any:
    """Give the slivers back."""
    return _of_slice(caller, "Delete", _best_effort(caller))


def shutdown(caller: Caller) -> Any:
    """Stop all of the slice, and keep it for those who look into what happened."""
    credential = caller.for_slice()
    return caller.call("Shutdown", str(credential.target), _credentials(credential), {})


def _of_slice(caller: Caller, method: str, options: Mapping[str, Any]) -> Any:
    credential = caller.for_slice()
    return caller.call(method, _urns(caller, credential), _credentials(credential), dict(options))


def _urns(caller: Caller, credential: Any) -> list[str]:
    return list(caller.options.sliver_urn or [str(credential.target)])


def _credentials(credential: Any) -> list[dict[str, str]]:
    return [{"geni_type": "geni_sfa", "geni_version": "3", "geni_value": credential.text}]


def _compressed(caller: Caller) -> dict[str, Any]:
    return {"geni_compressed": not caller.options.no_compress}


def _best_effort(caller: Caller) -> dict[str, Any]:
    return {"geni_best_effort": True} if caller.options.best_effort else {}


def _until(caller: Caller, credential: Any) -> dict[str, Any]:
    wish = caller.options.end_time
    return {"geni_end_time": caller.moment(wish, credential)} if wish else {}


def _keys(caller: Caller) -> dict[str, Any]:
    users = caller.users()
    return {"geni_users": users} if users else {}


def _expanded(text: Any) -> Any:
    """The RSpec, which may be compressed also where nobody asked for it."""
    from nm.geni.rspec import texts

    if not isinstance(text, str) or text.lstrip().startswith("<"):
        return text
    with explained():
        return texts.decompress(text)


def _waits(answer: Any) -> bool:
    """Whether something is under way with a sliver, of which GENI says that one waits for it."""
    return any(state in WAITED for state in _states(answer))


def _states(answer: Any) -> list[Any]:
    return [one.get("geni_operational_status") for one in _slivers(answer)]


def _slivers(answer: Any) -> list[dict[str, Any]]:
    """The slivers of an answer, as far as they are such."""
    found = answer.get("geni_slivers") if isinstance(answer, dict) else answer
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


# ---- what is done with an answer


def _calling(name: str, ask: Ask, shown: Show) -> Callable[[Session, Command, Options], int]:
    """What a command does: ask, and show the answer or write it to a file."""

    def run(session: Session, _command: Command, options: Options) -> int:
        if options.api_version != "3":
            raise Usage("only version 3 of GENI's API is spoken here", "-V 3")
        answer = ask(Caller(session, options))
        if options.output or options.outputfile:
            _written(session, options, name, answer)
        elif options.tostdout:
            session.output.say(_text(answer).rstrip("\n"))
        else:
            show_answer(session, answer, shown, options)
        return _judged(options, answer)

    return run


def _judged(options: Options, answer: Any) -> int:
    """The exit status: not everything that was to be done, or waited for, may be so."""
    if getattr(options, "best_effort", False) and any(one.get("geni_error") for one in _slivers(answer)):
        return PARTIAL
    return DEVICE if getattr(options, "wait", False) and FAILED in _states(answer) else OK


def _text(answer: Any) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer, indent=2, ensure_ascii=False)


def _written(session: Session, options: Options, name: str, answer: Any) -> None:
    from nm.clearing import files

    path = file_name(options, name, ".xml" if isinstance(answer, str) else ".json")
    with explained():
        files.replace(Path(path).absolute(), f"{_text(answer).rstrip()}\n".encode(), files.PUBLIC)
    if session.output.json:
        session.output.result({"file": path})
    elif not session.output.quiet:
        session.output.show([Line(f"written to {path}")])


def file_name(options: Options, name: str, ends: str) -> str:
    """What omni calls the file: [PREFIX-][SLICE-]NAME-SERVER.xml or .json, unless it is told another name."""
    address = options.aggregate.rpartition("://")[2]
    server = re.sub("-+", "-", re.sub(r"[^\w-]", "-", address)).strip("-")
    of_slice = getattr(options, "slice", "").rpartition("+")[2]
    if options.outputfile:
        return str(options.outputfile).replace("%a", server).replace("%s", of_slice or "noslice")
    if name == "poa":
        name = f"poa-{options.action}"
    whole = "-".join(filter(None, (of_slice, name, server))) + ends
    prefix = options.prefix or ""
    return f"{prefix}{'-' if prefix and not prefix.endswith(os.sep) else ''}{whole}"


# ---- the table


_COMMON = (
    Arg("--aggregate", f"its URL ({URL})", default=URL, metavar="URL", short="-a"),
    Arg("--api-version", "the API's version: 3", default="3", metavar="N", short="-V"),
    Arg("--wallet", f"the folder of your certificate, key and credentials (else NM_GENI_WALLET, or {WALLET})",
        metavar="FOLDER"),
    Arg("--cert", "your certificate, where it is not in the wallet", metavar="FILE"),
    Arg("--key", "its key, where it is not in the same file", metavar="FILE"),
    Arg("--roots", "certificates of authorities that vouch for the aggregate; else the wallet's", repeat=True,
        metavar="FILE"),
    Arg("--no-verify", "do not verify the aggregate", flag=True),
    Arg("--usercredfile", "your credential, where it is not in the wallet", metavar="FILE"),
    Arg("--slicecredfile", "the slice's credential, where it is not in the wallet", short="-r",
        metavar="FILE"),
    Arg("--output", "write the answer to a file, named by slice, call and aggregate", flag=True, short="-o"),
    Arg("--prefix", "what the file's name begins with", metavar="TEXT", short="-p"),
    Arg("--outputfile", "the file's name; %a is the aggregate, %s the slice", metavar="FILE"),
    Arg("--tostdout", "print the answer as it came", flag=True),
    Arg("--devmode", "ask also for what the slice's credential does not reach", flag=True),
)  # fmt: skip
_SLICE = word("slice", "the slice, by name or URN")
_SLIVERS = Arg("--sliver-urn", "just this sliver of it", repeat=True, metavar="URN", short="-u")
_PLAIN = Arg("--no-compress", "do not ask for a compressed answer", flag=True)
_EFFORT = Arg("--best-effort", "do what can be done, of each sliver by itself", flag=True)
_END = Arg("--end-time", "until when; in UTC unless it names a zone, or as +2h", metavar="TIME")
_KEYS = Arg("--ssh-key", "a file of public keys that let you, or the user URN, in", repeat=True,
            metavar="[URN=]FILE")  # fmt: skip


def _command(
    name: str, ask: Ask, shown: Show, about: str, args: Sequence[Arg] = (), also: Sequence[str] = ()
) -> Command:
    file = "rspec" if name == "listresources" else name
    others = tuple(f"geni {words}" for words in also)
    return Command(f"geni {name}", "", about, (*args, *_COMMON), run=_calling(file, ask, shown), also=others)


COMMANDS = (
    _command("getversion", getversion, show.version, "ask an aggregate what it speaks"),
    _command("listresources", listresources, show.advertisement, "show what an aggregate has",
             (Arg("--available", "just what is free", flag=True), _PLAIN)),
    _command("describe", describe, show.manifest, "show what a slice has, and the ways in",
             (_SLICE, _SLIVERS, _PLAIN)),
    _command("allocate", allocate, show.manifest, "reserve what a request names",
             (_SLICE, Arg("rspec", "the request, as RSpec 3; - is stdin"), _END)),
    _command("provision", provision, show.manifest, "have reserved nodes wired and booted",
             (_SLICE, _SLIVERS, _END, _KEYS, _EFFORT)),
    _command("status", status, show.slivers, "show how a slice's slivers are",
             (_SLICE, _SLIVERS, Arg("--wait", "until nothing is under way", flag=True))),
    _command("renew", renew, show.slivers, "give a slice's slivers another end",
             (_SLICE, word("time", "until when; in UTC unless it names a zone, or as +2h"), _SLIVERS,
              Arg("--alap", "as long as possible, when it cannot be so long", flag=True), _EFFORT)),
    _command("poa", poa, show.slivers, "start, stop or restart a slice's nodes, or set who may log in",
             (_SLICE, word("action", "geni_start, geni_restart, geni_stop, geni_update_users ..."), _SLIVERS,
              _KEYS, _EFFORT), also=("performoperationalaction",)),
    _command("delete", delete, show.slivers, "give a slice's slivers back", (_SLICE, _SLIVERS, _EFFORT)),
    _command("shutdown", shutdown, show.stopped, "stop a slice in an emergency; only an operator lifts it",
             (_SLICE,)),
)  # fmt: skip
