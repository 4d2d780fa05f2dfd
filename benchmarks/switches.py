"""A switch with a command line: a VLAN, many ports, saved. nm, the floor, netmiko, networking-generic-switch.

The switch is a fake one in a process of its own (20 ms a command, 300 ms a log-in, 1 s to save), over SSH.
The floor is one paramiko shell that awaits each prompt and does not use the switch's ranges: three lines a
port. nm's session has the log-in in it, reading before and after, and each line's prompt. networking-
generic-switch logs in and saves for each port, so a few ports are measured and the rest is reckoned.
"""

import contextlib
import io
import logging
import re
import statistics
import time
import uuid
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import paramiko
from netmiko import ConnectHandler
from rich.console import Console
from rich.table import Table

from benchmarks.fake_switches import PASSWORD, Fake, fake
from nm.facts import Order
from nm.switches import builtin
from nm.switches.executor import Executor, make_executor

DIALECT, SWITCH = "cisco_ios", "sw0"
SLOWNESS = {"latency": 0.02, "login": 0.3, "save": 1.0}  # seconds
PORTS, MORE, GROUPS, SWITCHES = 48, 100, 16, 4
ROUNDS, PAIRS = 3, 5
NGS_PORTS = 3
GOAL, GOAL_MORE, GOAL_SWITCHES = 1.3, 2.2, 1.15  # times


def record(switch: Fake) -> dict[str, Any]:
    """The record of that switch; the name of its secret is the secret itself here."""
    return {"record_key": f"switch_{SWITCH}", **switch.settings, "secrets": {"password": PASSWORD}}


def executor(switch: Fake) -> Executor:
    return make_executor(record(switch), builtin(), lambda name: name)


def port(number: int) -> str:
    """The name of the number-th port of a switch, from 1."""
    return f"GigabitEthernet1/0/{number}"


def timed(act: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


# ---- nm


def joins(ports: int, groups: int = 1, vlan: int = 101) -> list[Order]:
    """The orders of so many groups, each with a VLAN of its own and as many of the ports."""
    vlans = [Order(f"vlan/{SWITCH}/{vlan + number}", {}) for number in range(groups)]
    return vlans + [
        Order(f"port/{SWITCH}/{port(number)}", {"untagged": vlan + number % groups, "tagged": []})
        for number in range(1, ports + 1)
    ]


def by_nm(switch: Fake, orders: Sequence[Order]) -> float:
    """A session of its own, from the log-in to what was read back and saved."""
    hand = executor(switch)
    hand.isolate([port(int(order.fact.rpartition("/")[2])) for order in orders if "port/" in order.fact], 1)
    gone = [Order(order.fact, None, {}) for order in orders if order.fact.startswith("vlan/")]
    hand.run(gone, 1)
    hand.close()

    def session() -> None:
        outcomes = hand.run(orders, 1)
        failed = [str(outcome.error) for outcome in outcomes if outcome.error]
        assert not failed, failed
        hand.close()

    return timed(session)


def by_nm_on_all(switches: Sequence[Fake], orders: Sequence[Order]) -> tuple[float, float]:
    """The slowest of the switches alone, and all at once until the last is done."""
    alone = max(by_nm(switch, orders) for switch in switches)
    hands = [executor(switch) for switch in switches]
    for hand in hands:
        hand.isolate([port(number) for number in range(1, PORTS + 1)], 1)
        hand.run([Order(order.fact, None, {}) for order in orders if order.fact.startswith("vlan/")], 1)
        hand.close()

    def session(hand: Executor) -> None:
        assert not any(outcome.error for outcome in hand.run(orders, 1))
        hand.close()

    def together() -> None:
        with ThreadPoolExecutor(len(hands)) as pool:
            list(pool.map(session, hands))

    return alone, timed(together)


# ---- the others


def by_the_floor(switch: Fake, ports: int) -> float:
    """One shell, each prompt awaited, nothing else."""
    return timed(lambda: _floor(switch, ports))


def _floor(switch: Fake, ports: int) -> None:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect(
        "127.0.0.1", switch.port, "admin", "letmein", look_for_keys=False, allow_agent=False, timeout=10
    )
    shell = client.invoke_shell(width=511)
    prompt = re.compile(rb"sw1[^\r\n]*#\s?$")

    def wait() -> None:
        heard = b""
        while not prompt.search(heard):
            heard += shell.recv(65536)

    wait()
    lines = ["terminal length 0", "configure terminal", "vlan 101", "exit"]
    for number in range(1, ports + 1):
        lines += [f"interface {port(number)}", "switchport mode access", "switchport access vlan 101"]
    for line in [*lines, "end", "write memory"]:
        shell.sendall((line + "\n").encode())
        wait()
    client.close()


def by_netmiko(switch: Fake, ports: int) -> float:
    """As its documentation shows it: one send_config_set, and save_config."""
    lines = ["vlan 101", "exit"]
    for number in range(1, ports + 1):
        lines += [f"interface {port(number)}", "switchport mode access", "switchport access vlan 101"]

    def session() -> None:
        with ConnectHandler(
            device_type=DIALECT, host="127.0.0.1", port=switch.port, username="admin", password="letmein"
        ) as connection:
            connection.send_config_set(lines)
            connection.save_config()

    return timed(session)


def by_ngs(switch: Fake, ports: int) -> float | None:
    """Port by port, as it does; reckoned from a few. None when it is not installed."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            from networking_generic_switch import devices
        except ImportError:
            return None
        settings = {"ip": "127.0.0.1", "port": str(switch.port), "username": "admin", "password": "letmein"}
        device = devices.device_manager({"device_type": f"netmiko_{DIALECT}", **settings}, SWITCH)
        logging.disable()
        network = timed(lambda: device.add_network(101, str(uuid.UUID(int=101))))
        each = [
            timed(lambda number=number: device.plug_port_to_network(port(number), 101))  # type: ignore[misc]
            for number in range(1, NGS_PORTS + 1)
        ]
        logging.disable(logging.NOTSET)
    return network + statistics.median(each) * ports


def main() -> bool:
    """Print the table; true when it fell short."""
    with contextlib.ExitStack() as stack:
        switches = [stack.enter_context(fake(DIALECT, ports=MORE, **SLOWNESS)) for _ in range(SWITCHES)]
        one = switches[0]
        rows: dict[str, list[float]] = {name: [] for name in ("floor", "nm", "nm16", "nm100", "netmiko")}
        for _ in range(ROUNDS):
            rows["floor"].append(by_the_floor(one, PORTS))
            rows["nm"].append(by_nm(one, joins(PORTS)))
            rows["nm16"].append(by_nm(one, joins(PORTS, GROUPS)))
            rows["nm100"].append(by_nm(one, joins(MORE)))
            rows["netmiko"].append(by_netmiko(one, PORTS))
        pairs = [by_nm_on_all(switches, joins(PORTS)) for _ in range(PAIRS)]
        ngs = by_ngs(one, PORTS)
    median = {name: statistics.median(times) for name, times in rows.items()}
    return _report(median, pairs, ngs)


def _report(median: dict[str, float], pairs: Sequence[tuple[float, float]], ngs: float | None) -> bool:
    floor, nm = median["floor"], median["nm"]
    together = statistics.median(all_of_them for _, all_of_them in pairs)
    at_once = statistics.median(all_of_them / alone for alone, all_of_them in pairs)
    table = Table("", "seconds", "times", "goal")
    table.add_row(f"floor: {PORTS} ports, VLAN, save", f"{floor:.2f}", "1.00", "")
    table.add_row("nm", f"{nm:.2f}", f"{nm / floor:.2f}", f"<= {GOAL} of the floor")
    table.add_row(
        f"nm, {GROUPS} groups at once", f"{median['nm16']:.2f}", f"{median['nm16'] / floor:.2f}", f"<= {GOAL}"
    )
    more = median["nm100"] / nm
    table.add_row(f"nm, {MORE} ports", f"{median['nm100']:.2f}", f"{more:.2f}", f"<= {GOAL_MORE} of {PORTS}")
    table.add_row(
        f"nm, {SWITCHES} switches at once",
        f"{together:.2f}",
        f"{at_once:.2f}",
        f"<= {GOAL_SWITCHES} of the slowest alone",
    )
    table.add_row(
        "netmiko, send_config_set", f"{median['netmiko']:.2f}", f"{median['netmiko'] / floor:.2f}", ""
    )
    told = "not installed" if ngs is None else f"{ngs:.1f} (from {NGS_PORTS} ports)"
    table.add_row("networking-generic-switch", told, "" if ngs is None else f"{ngs / floor:.2f}", "")
    Console(width=100).print(table)
    return nm > GOAL * floor or median["nm16"] > GOAL * floor or more > GOAL_MORE or at_once > GOAL_SWITCHES
