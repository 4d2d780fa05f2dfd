"""Lists, and what can be said of them: names, filters, or both."""

from typing import Any

from tests.shell.conftest import Nmctl


def test_every_list_takes_names(nmctl: Nmctl) -> None:
    def shown(key: str, *words: str) -> list[Any]:
        return [one[key] for one in nmctl(*words, "--json").json["result"]]

    nmctl("group", "create", "alpha", "--nodes", "n0,n1")
    nmctl("deploy", "alpha", "--wait")
    nmctl("group", "create", "beta")
    job = nmctl("deploy", "beta", "--json").json["result"]
    assert shown("name", "node", "list", "n1", "n0", "state=joined") == ["n0", "n1"]
    assert shown("name", "node", "list", "n1,n3", "--free") == ["n3"]
    assert shown("name", "group", "list", "beta") == ["beta"]
    assert shown("name", "switch", "list", "sw1", "sw7") == ["sw1"]
    assert shown("id", "vlan", "list", "101-102") == [101, 102]
    assert shown("id", "job", "list", str(job)) == [job]
    assert shown("switch", "port", "list", "p0", "switch=sw0") == ["sw0"]


def test_names_of_which_there_is_none_are_told(nmctl: Nmctl) -> None:
    for words, said in (
        (("trunk", "list", "t7", "t8"), "no trunk t7, t8"),
        (("host", "list", "h7"), "no host h7"),
        (("headnode", "list", "h7"), "no head node h7"),
        (("delegate", "list", "snoop"), "no delegate snoop"),
        (("vlan", "list", "4000"), "no VLAN 4000"),
        (("node", "list", "n1", "state=dirty"), "no node n1"),
    ):
        assert f"nmctl: {said} to list\n" in nmctl(*words, status=5).err
