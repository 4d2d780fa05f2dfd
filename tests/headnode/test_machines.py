"""The list as a head node reads it: what is good, and that whatever is wrong is refused as a whole."""

import hashlib
import ipaddress
from pathlib import Path
from typing import Any

import pytest
from nm_head.dnsmasq import configuration, hosts
from nm_head.errors import HeadError
from nm_head.machines import Image, Machine, mac_of, read
from nm_head.network import Network
from nm_head.settings import Settings

from tests.headnode.conftest import CENTOS, DEBIAN, mac, machine, write_list


def test_a_whole_list(tmp_path: Path) -> None:
    write_list(
        tmp_path, [machine(1, DEBIAN, since="17.1"), machine(2, CENTOS, ip=None, hostname=""), machine(3)]
    )
    kernel = Image("debian", kernel="boot/debian/kernel", initrd="boot/debian/initrd", cmdline="quiet")
    assert read(tmp_path) == [
        Machine(mac(1), "n1", "192.168.10.11", "node1", kernel, "17.1"),
        Machine(mac(2), "n2", "", "", Image("centos", profile="centos"), ""),
        Machine(mac(3), "n3", "192.168.10.13", "node3", None, ""),
    ]


def test_machines_txt_will_do(tmp_path: Path) -> None:
    (tmp_path / "machines.txt").write_text("52:54:00:00:00:01 10.0.0.1\n52:54:00:00:00:02\n")
    assert read(tmp_path) == [Machine(mac(1)), Machine(mac(2))]
    (tmp_path / "machines.txt").write_text("")
    assert read(tmp_path) == []


@pytest.mark.parametrize("text", ["52:54:00:00:00:01 10.0.0", "52:54:00:00:00\n", "hello\n", "\xff\n"])
def test_a_torn_machines_txt(tmp_path: Path, text: str) -> None:
    (tmp_path / "machines.txt").write_bytes(text.encode("latin-1"))
    with pytest.raises(HeadError, match=r"machines\.txt: .*nothing was changed"):
        read(tmp_path)


def test_no_list_at_all(tmp_path: Path) -> None:
    with pytest.raises(HeadError, match="no list of machines"):
        read(tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"mac": "52:54:00:00:00"}, {"mac": "../../etc/passwd"}, {"mac": None}, {"mac": 7}, {"name": "../n"},
        {"name": ""}, {"name": "a b"}, {"ip": "192.168.10"}, {"hostname": "a,b"}, {"hostname": "a\nb"},
        {"image": "debian"}, {"image": {}}, {"image": {"name": "x"}},
        {"image": {"name": "x", "profile": ".."}},
        {"image": {"name": "x", "profile": "a/b"}}, {"image": {"name": "x", "profile": "/etc"}},
        {"image": {"name": "../x", "profile": "x"}}, {"image": {**DEBIAN, "kernel": "/etc/shadow"}},
        {"image": {**DEBIAN, "kernel": "boot/../../x"}}, {"image": {**DEBIAN, "initrd": "boot//x"}},
        {"image": {**DEBIAN, "cmdline": "quiet\nboot"}}, {"image": {**DEBIAN, "cmdline": 7}},
    ],
)  # fmt: skip
def test_one_wrong_word_spoils_all(tmp_path: Path, wrong: dict[str, Any]) -> None:
    write_list(tmp_path, [machine(1), machine(2, **wrong)])
    with pytest.raises(HeadError, match=r"machines\.json: .*nothing was changed"):
        read(tmp_path)


LONG = "node-with-a-long-name.rack-with-a-long-name.site-with-a-long-name.example.org"


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ({"hostname": LONG}, LONG), ({"hostname": "node.example.org."}, "node.example.org"),
        ({"hostname": "", "name": "n..1"}, None), ({"hostname": "", "name": "n_1"}, "n_1"),
        ({"hostname": "", "name": "n-"}, None), ({"hostname": "", "name": "n" * 64}, None),
    ],
)  # fmt: skip
def test_whatever_nm_lets_a_node_be_called_is_good(
    tmp_path: Path, told: dict[str, Any], name: str | None
) -> None:
    """And dnsmasq is told of no name that it would refuse, with the whole line."""
    write_list(tmp_path, [machine(1, **told)])
    network = Network("eth1", ipaddress.IPv4Interface("192.168.10.1/24"))
    words = [mac(1), "192.168.10.11", *([name] if name else [])]
    assert hosts(network, read(tmp_path)) == ",".join(words) + "\n"


def test_a_network_with_no_room_for_machines_is_told(settings: Settings) -> None:
    with pytest.raises(HeadError, match="no address for machines"):
        configuration(settings, Network("eth1", ipaddress.IPv4Interface("10.0.0.1/32")))
    assert "10.0.0.1,10.0.0.2," in configuration(
        settings, Network("e", ipaddress.IPv4Interface("10.0.0.1/30"))
    )


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '{"version": 2, "machines": []}', "[" * 100_000])
def test_what_is_no_list(tmp_path: Path, text: str) -> None:
    (tmp_path / "machines.json").write_text(text)
    (tmp_path / "machines.txt").write_text("52:54:00:00:00:01 \n")
    with pytest.raises(HeadError, match=r"machines\.json"):
        read(tmp_path)


def test_twice_the_same_mac(tmp_path: Path) -> None:
    write_list(tmp_path, [machine(1), machine(2, mac=mac(1).upper())])
    with pytest.raises(HeadError, match="twice"):
        read(tmp_path)


def test_half_of_a_new_list_is_noticed(tmp_path: Path) -> None:
    text = b"52:54:00:00:00:01 \n"
    (tmp_path / "machines.txt").write_bytes(text)
    files = {"machines.txt": {"size": len(text), "sha256": hashlib.sha256(text).hexdigest()}}
    write_list(tmp_path, [machine(1)], files=files)
    assert len(read(tmp_path)) == 1
    (tmp_path / "machines.txt").write_bytes(text * 2)
    with pytest.raises(HeadError, match="another one"):
        read(tmp_path)


def test_macs_as_people_write_them() -> None:
    assert mac_of("52-54-00-AB-00-01") == mac_of("52:54:00:ab:00:01") == "52:54:00:ab:00:01"
