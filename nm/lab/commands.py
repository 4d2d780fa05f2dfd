"""`nmctl lab`: its arguments, and what is printed."""

import argparse
import os
import sys
import time
from collections.abc import Sequence

from nm.client import ClientError
from nm.counted import counted
from nm.lab.layout import BMCS, OTHER, Layout
from nm.lab.place import Lab, environment, labs

DEFAULT_NAME = "lab"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `nmctl lab`."""
    verbs = parser.add_subparsers(dest="lab_verb", required=True, metavar="VERB")
    up = verbs.add_parser("up", help="build a rack, start its daemon, register everything")
    up.add_argument("--name", default=DEFAULT_NAME, help="the lab's name (default: %(default)s)")
    sizes = Layout()
    for word in ("switches", "nodes", "headnodes"):
        size = getattr(sizes, word)
        up.add_argument(
            f"--{word}", type=int, default=size, metavar="N", help="how many (default: %(default)s)"
        )
    up.add_argument("--boot", action="store_true", help="nodes are machines that boot, with BMCs")
    up.add_argument("--bmc", choices=BMCS, default=sizes.bmc, help="what these are (default: %(default)s)")
    up.add_argument("--slivers", action="store_true", help="slices have slivers here, by a PLC of the lab's")
    up.add_argument(
        "--geni", action="store_true", help="it is an aggregate of GENI's, for two people of its world"
    )
    up.add_argument("--pools", action="store_true", help="described domains can be made, on two hosts")
    execute = verbs.add_parser("exec", help="run a command inside a lab")
    execute.add_argument("name")
    execute.add_argument("--node", help="inside this node's network, or the world's")
    execute.add_argument("command", nargs="+", metavar="-- COMMAND ...")
    for verb, text in (("status", "show labs, or one in full"), ("down", "end a lab and clean up")):
        verbs.add_parser(verb, help=text).add_argument(
            "name", nargs="?", default=None if verb == "status" else DEFAULT_NAME
        )
    for verb, text in (("daemon", "kill -9 a lab's daemon, or start it"), ("plc", "the same of its PLC")):
        restart = verbs.add_parser(verb, help=text)
        restart.add_argument("action", choices=("kill", "start"))
        restart.add_argument("name", nargs="?", default=DEFAULT_NAME)


def parse(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.Namespace:
    """The arguments. What stands behind the first -- is a command; argparse would drop a second --."""
    here = words.index("--") + 1 if "--" in words else len(words)
    behind = words[here:]
    args = parser.parse_args([*words[:here], *behind[:1]])
    if behind:
        args.command[-1:] = behind
    return args


def run(args: argparse.Namespace) -> int:
    """Carry it out; the exit status, 1 for what a message has told."""
    actions = {"up": _up, "exec": _exec, "status": _status, "down": _down, "daemon": _daemon, "plc": _plc}
    try:
        return actions[args.lab_verb](args)
    except ClientError as error:
        print(f"nmctl: {error}", file=sys.stderr)
        return 1


def _up(args: argparse.Namespace) -> int:
    from nm.lab import lifecycle, plc, slices, world
    from nm.lab.running import INSIDE

    began = time.monotonic()
    wants = {word: getattr(args, word) for word in ("boot", "bmc", "slivers", "geni", "pools")}
    layout = Layout(args.switches, args.nodes, args.headnodes, **wants)
    lab = lifecycle.up(args.name, layout)
    print(
        f"lab {lab.name} is up after {time.monotonic() - began:.1f} s: "
        f"{counted(layout.switches, 'switch', 'switches')}, {counted(layout.nodes, 'node')}, "
        f"{counted(layout.headnodes, 'head node')}"
    )
    print(f"its daemon: nmctl --lab {lab.name} ...")
    if layout.boot:
        print(
            f"what is done with it: nmctl --lab {lab.name} group create alpha --nodes n1 --headnode h1; "
            f"nmctl --lab {lab.name} deploy alpha --wait; nmctl --lab {lab.name} console h1"
        )
    if layout.geni:
        _tell_guests(lab.name)
    if layout.pools:
        print(f"a pool in it: nmctl --lab {lab.name} sf apply web docs/examples/localVirtualPool.sf --wait")
    if layout.slivers:
        key = f"{INSIDE}/{slices.KEYS}/{slices.PEOPLE[0]}"
        print(f"into a sliver: nmctl lab exec {lab.name} -- ssh -i {key} demo_web@{world.HOST}")
        print(
            f"what its PLC says: {lab.folder / slices.FOLDER / plc.REPLY}; nmctl --lab {lab.name} source ask"
        )
    elif layout.nodes and not layout.boot:
        print(f"a shell on a node: nmctl lab exec {lab.name} --node n1 -- sh")
    return 0


def _tell_guests(name: str) -> None:
    from nm.lab import federation
    from nm.lab.running import INSIDE

    person = next(iter(federation.PEOPLE))
    wallet = f"{INSIDE}/{federation.FOLDER}/users/{person}"
    calls = f"nmctl geni listresources -a {federation.URL} --wallet {wallet}"
    print(f"{person}, from elsewhere: nmctl lab exec {name} --node world -- {calls}")


def _exec(args: argparse.Namespace) -> int:
    entering = Lab(args.name).enter(args.command, args.node)
    os.execvpe(entering[0], entering, environment())


def _status(args: argparse.Namespace) -> int:
    if args.name is None and not (found := labs()):
        print("no lab is here; `nmctl lab up` builds one, `nmctl lab up --help` tells how large")
        return 0
    if args.name is None and len(found) != 1:
        for lab in found:
            print(f"{lab.name}\t{'up' if lab.holder else 'dead'}\t{lab.socket}")
        return 0
    from nm.lab import daemon, lifecycle

    lab = (Lab(args.name) if args.name else found[0]).need()
    running = lifecycle.running_domains(lab)
    print(f"lab        {lab.name}, holder {lab.holder}, logs in {lab.folder}/log")
    print(f"daemon     {'answers' if daemon.answers(lab) else 'does not answer'} at {lab.socket}")
    print(f"switches   {' '.join(lab.layout.switch_names)}")
    boot = lab.layout.boot
    for node in lab.layout.rack:
        power = f"\tBMC {node.bmc}\t{_power(node.name in running)}" if boot else ""
        print(f"node       {node.name}\t{node.address}\t{node.mac}\t{node.switch} {node.port}{power}")
    for head in lab.layout.heads:
        place = "made when it is deployed" if boot else f"{head.address}\t{head.mac}"
        power = _power(bool(running & {head.name, f"nm-{head.name}"}))
        print(f"head node  {head.name}\t{place}\t{power}")
    if lab.layout.pools:
        _status_of_pools(lab)
    if lab.layout.geni:
        _status_of_federation(lab)
    if lab.layout.slivers:
        _status_of_slivers(lab)
    return 0


def _status_of_pools(lab: Lab) -> None:
    from nm.lab import pools

    print(f"bridge     {pools.BRIDGE}\t{pools.GATEWAY}/{pools.NETWORK_BITS}, for domains")
    print(f"host       {OTHER}\t{pools.OTHER_ADDRESS}\tnmctl lab exec {lab.name} -- ssh {OTHER}")
    print(f"files      {pools.FILES}: {', '.join(pools.NAMES)}; {pools.DISKS} for disks")


def _status_of_federation(lab: Lab) -> None:
    from nm.lab import federation

    print(f"GENI       {federation.URL}, in the world")
    for person, name in federation.PEOPLE.items():
        print(f"person     {person}\tslice {name}\twallet {federation.wallet(lab, person)}")


def _status_of_slivers(lab: Lab) -> None:
    from nm.lab import daemon, plc, slices, source, world

    said = lab.folder / slices.FOLDER / plc.REPLY
    print(f"PLC        {slices.ADDRESS}\t{'on' if source.is_running(lab) else 'off'}\twhat it says: {said}")
    print(f"sshd       {world.HOST}, keys of {' and '.join(slices.PEOPLE)} in {lab.folder / slices.KEYS}")
    for name, state in daemon.slivers(lab).items():
        print(f"sliver     {name}\t{state}")


def _power(on: bool) -> str:
    return "on" if on else "off"


def _down(args: argparse.Namespace) -> int:
    from nm.lab import lifecycle

    print(f"lab {args.name} is gone" if lifecycle.down(args.name) else f"there was no lab {args.name}")
    return 0


def _daemon(args: argparse.Namespace) -> int:
    from nm.lab import daemon

    {"kill": daemon.kill, "start": daemon.start}[args.action](Lab(args.name).need())
    return 0


def _plc(args: argparse.Namespace) -> int:
    from nm.lab import source

    {"kill": source.kill, "start": source.start}[args.action](Lab(args.name).need())
    return 0
