"""What people type, as values of the API: right forms, and wrong ones refused with a hint."""

from collections.abc import Callable
from typing import Any

import pytest

from nm.shell import values
from nm.shell.failures import Usage


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("false", False),
        ("nil", None),
        ("12", 12),
        ("-3", -3),
        ("-", "-"),
        ("1.5", "1.5"),
        ("", ""),
        ("rack4", "rack4"),
        ("10.0.0.1", "10.0.0.1"),
        ("²", "²"),
        ('"12"', "12"),
        ("[1, 2]", [1, 2]),
        ('{"a": true}', {"a": True}),
    ],
)
def test_typed(text: str, value: object) -> None:
    found = values.typed(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("available=false", ("available", False)),
        ("native=1", ("native", 1)),
        ("location=12", ("location", "12")),
        ("address=unix:/run/db.sock", ("address", "unix:/run/db.sock")),
        ("reason=true", ("reason", "true")),
        ("reason=", ("reason", "")),
        ("image=nil", ("image", None)),
        ('ip="1"', ("ip", "1")),
        ("secrets.password=42", ("secrets.password", "42")),
        ("location=[attic]", ("location", "[attic]")),
        ('secrets={"password": "x"}', ("secrets", {"password": "x"})),
        ("management.address=1", ("management.address", "1")),
        ("a=b=c", ("a", "b=c")),
    ],
)
def test_pair(text: str, pair: tuple[str, object]) -> None:
    assert values.pair(text) == pair


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("free=true", ("free", True)),
        ("id=1,2", ("id", [1, 2])),
        ("name=n1,n2", ("name", ["n1", "n2"])),
        ("name=1,2", ("name", ["1", "2"])),
        ("state=free", ("state", "free")),
        ("id=[1]", ("id", [1])),
        ("1", ("", ["1"])),
        ("n1,n2", ("", ["n1", "n2"])),
    ],
)
def test_wanted(text: str, pair: tuple[str, object]) -> None:
    assert values.wanted(text, values.names) == pair


def test_struct_nests_by_dots() -> None:
    pairs = [("driver", "ipmi"), ("secrets.password", "bmc"), ("secrets.user", "u"), ("n", 1)]
    assert values.struct(pairs) == {"driver": "ipmi", "secrets": {"password": "bmc", "user": "u"}, "n": 1}


@pytest.mark.parametrize(
    "pairs", [[("a", 1), ("a", 2)], [("a", 1), ("a.b", 2)], [("a.b", 1), ("a", 2)], [("a.", 1)]]
)
def test_struct_refuses_what_contradicts_itself(pairs: list[tuple[str, Any]]) -> None:
    with pytest.raises(Usage):
        values.struct(pairs)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("7", [7]),
        ("100,105-110", [100, 105, 106, 107, 108, 109, 110]),
        ("3-3", [3]),
        ("5,4-6", [5, 4, 6]),
    ],
)
def test_numbers(text: str, numbers: list[int]) -> None:
    assert values.numbers(text) == numbers


BOOT = {"name": "boot", "mac": "52:54:00:00:00:01", "switch": "sw0", "port": "p1", "role": "boot"}


@pytest.mark.parametrize(
    ("text", "nic"),
    [
        ("boot,52:54:00:00:00:01,sw0,p1,boot", BOOT),
        ("boot,52:54:00:00:00:01,sw0,p1", {k: v for k, v in BOOT.items() if k != "role"}),
        ("boot,52:54:00:00:00:01", {"name": "boot", "mac": "52:54:00:00:00:01"}),
        ("name=boot,mac=52:54:00:00:00:01,switch=sw0,port=p1,role=boot", BOOT),
        ('{"name": "e", "mac": "52:54:00:00:00:01", "switch": "s", "port": "a,b"}',
         {"name": "e", "mac": "52:54:00:00:00:01", "switch": "s", "port": "a,b"}),
    ],
)  # fmt: skip
def test_nic(text: str, nic: dict[str, str]) -> None:
    assert values.nic(text) == nic


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("main=101", ("main", {"vlan": 101})),
        ("main=any", ("main", {})),
        ("storage=102:eth1,eth2", ("storage", {"vlan": 102, "nics": ["eth1", "eth2"]})),
        ("storage=102:tagged", ("storage", {"vlan": 102, "tagged": True})),
        ("s=102:eth1:tagged", ("s", {"vlan": 102, "nics": ["eth1"], "tagged": True})),
    ],
)
def test_network(text: str, network: tuple[str, dict[str, Any]]) -> None:
    assert values.network(text) == network


def test_other_forms() -> None:
    assert values.end("switch=sw0,port=7") == {"switch": "sw0", "port": "7"}
    assert values.end("host=h0,device=eth5") == {"host": "h0", "device": "eth5"}
    assert values.delegation("bob") == {"name": "bob"}
    assert values.delegation("bob:PowerNode") == {"name": "bob", "method": "PowerNode"}
    assert values.names("a,b") == ["a", "b"]
    assert values.settings('{"driver": "x"}') == values.settings("driver=x") == {"driver": "x"}
    assert values.keys(["# mine\n", "\n", "ssh-ed25519 AAAA me\n"]) == ["ssh-ed25519 AAAA me"]
    assert values.argument("12") == 12
    assert values.argument("sw0") == "sw0"
    assert values.argument("null") is None


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (values.pair, "novalue"),
        (values.pair, "=x"),
        (values.typed, "[1"),
        (values.typed, "-" + "9" * 5000),
        (values.argument, '{"a"'),
        (values.numbers, "a"),
        (values.numbers, "5-3"),
        (values.numbers, "1-"),
        (values.numbers, "1,,2"),
        (values.numbers, "1-99999999"),
        (values.numbers, "١"),
        (values.names, "a,,b"),
        (values.nic, "boot"),
        (values.nic, "boot,52:54:00:00:00:01,sw0"),
        (values.nic, "boot,,sw0,p1"),
        (values.nic, "boot,52:54:00:00:00:01,sw0,p1,spare"),
        (values.nic, "name=boot"),
        (values.nic, "name=boot,mac=1,vlan=3"),
        (values.end, "switch=sw0"),
        (values.end, "switch=sw0,device=eth0"),
        (values.network, "main"),
        (values.network, "=101"),
        (values.network, "main=x"),
        (values.network, "main=101:a:b:tagged"),
        (values.delegation, ""),
        (values.delegation, "bob:"),
    ],
)
def test_wrong_forms_say_the_right_one(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(Usage) as refused:
        read(text)
    assert refused.value.hint
    assert refused.value.status == 2


def test_a_number_that_no_double_holds_is_refused() -> None:
    with pytest.raises(Usage, match="too large"):
        values.wire([10**400])


def test_wire() -> None:
    assert values.wire({"a": [1, "x", True, None, 2.5]}) == {"a": [1, "x", True, None, 2.5]}
    late = values.wire(2**31)
    assert late == 2.0**31
    assert isinstance(late, float)
    assert isinstance(values.wire(2**31 - 1), int)
    for text in ("a\x01", "\udcff"):
        with pytest.raises(Usage):
            values.wire([text])


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("p1", ["p1"]),
        ("Gi1/0/9-11", ["Gi1/0/9", "Gi1/0/10", "Gi1/0/11"]),
        ("ge-0/0/0-1", ["ge-0/0/0", "ge-0/0/1"]),
        ("ge-0/0/0", ["ge-0/0/0"]),
        ("to-sw2", ["to-sw2"]),
        ("b1-3", ["b1-3"]),  # may be a name
        ("Eth1/1,2", ["Eth1/1,2"]),
    ],
)
def test_ports(text: str, ports: list[str]) -> None:
    assert values.ports(text) == ports


@pytest.mark.parametrize("text", ["Gi1/0/3-1", "Gi1/0/1-99999"])
def test_ports_refused(text: str) -> None:
    with pytest.raises(Usage, match="backwards or is too wide"):
        values.ports(text)


def test_a_port_is_a_number_among_settings_and_a_name_elsewhere() -> None:
    assert values.pair("port=830") == ("port", 830)
    assert values.settings("driver=ipmi,port=623") == {"driver": "ipmi", "port": 623}
    assert values.wanted("port=5,6", values.names) == ("port", ["5", "6"])
    assert values.end("switch=sw0,port=5") == {"switch": "sw0", "port": "5"}
    assert values.nic("name=boot,mac=52:54:00:00:00:01,switch=sw0,port=5")["port"] == "5"
