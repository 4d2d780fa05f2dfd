"""Stories of `nmctl geni`: the clearing house; an experimenter's life with an aggregate; an operator's."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from nm.clearing import wallet
from nm.geni.rspec.vocabulary import RSPEC
from tests.shell.conftest import Nmctl, Ran

Geni = Callable[..., Ran]
REQUEST = f"""<rspec type="request" xmlns="{RSPEC}"><node client_id="a"/><node client_id="b"/></rspec>"""


def clearing_house(nmctl: Nmctl, folder: Path) -> None:
    """An authority, a user, a slice; another authority that is trusted for a while; a user who is revoked."""
    here, there = ("--folder", str(folder / "geni")), ("--folder", str(folder / "other"))
    made = nmctl("geni", "init", "lab.example", *here, "--json").json["result"]
    assert made["urn"] == "urn:publicid:IDN+lab.example+authority+ca"
    assert [Path(path).name for path in made["made"]] == [
        "authority.pem",
        "server.key",
        "server.pem",
        "lab.example+ca.pem",
    ]
    assert "all is there already" in nmctl("geni", "init", "lab.example", *here).out

    alice = folder / "geni" / "users" / "alice"
    assert nmctl("geni", "user", "alice", "--email", "a@lab.example", *here).out == f"user alice: {alice}\n"
    nmctl("geni", "slice", "demo", "--user", "alice", "--lasts", "2d", *here)
    first = wallet.credential(alice / "demo-cred.xml")
    assert str(first.target) == "urn:publicid:IDN+lab.example+slice+demo"
    nmctl("geni", "slice", "demo", "--renew", "--lasts", "9d", *here)
    nmctl("geni", "credential", "alice", "demo", *here)
    assert wallet.credential(alice / "demo-cred.xml").expires > first.expires + 6 * 86400
    nmctl("geni", "credential", "alice", "demo", "--until", "+1h", "--privilege", "info", *here,
          "--file", str(folder / "info.xml"))  # fmt: skip
    assert wallet.credential(folder / "info.xml").expires < first.expires

    nmctl("geni", "init", "other.example", *there)
    bob = Path(nmctl("geni", "user", "bob", *there, "--json").json["result"]["wallet"])
    assert (
        "trusted: urn:publicid:IDN+other.example+authority+ca"
        in nmctl("geni", "trust", str(bob / "roots.pem"), *here).out
    )
    nmctl(
        "geni", "credential", str(bob / "identity.pem"), "demo", *here, "--file", str(bob / "demo-cred.xml")
    )
    assert str(wallet.for_slice(wallet.Wallet(bob), "demo", None).target) == str(first.target)
    listed = nmctl("geni", "list", *here, "--json").json["result"]
    assert [root["urn"].split("+")[1] for root in listed["roots"]] == ["lab.example", "other.example"]
    nmctl("geni", "untrust", "other.example", *here)
    assert "other.example" not in nmctl("geni", "list", *here).out
    assert "no root other.example" in nmctl("geni", "untrust", "other.example", *here, status=5).err

    mine = ("--wallet", str(alice), "--file", str(folder / "hers.xml"))
    nmctl("geni", "delegate", "demo", str(bob / "identity.pem"), "--privilege", "info", *mine)
    text = wallet.credential(folder / "hers.xml").text
    assert "<owner_urn>urn:publicid:IDN+other.example+user+bob</owner_urn>" in text and "<parent>" in text
    assert (
        "may not be passed on"
        in nmctl(
            "geni", "delegate", "demo", str(bob / "identity.pem"), "--privilege", "sa", *mine, status=2
        ).err
    )

    nmctl("geni", "revoke", "alice", *here)
    nmctl("geni", "revoke", "demo", "--slice", *here)
    assert nmctl("geni", "list", *here).out.count("revoked") == 2
    assert "is not by" in nmctl("geni", "revoke", str(bob / "identity.pem"), *here, status=2).err


def opened(nmctl: Nmctl, folder: Path, **rules: Any) -> Geni:
    """An aggregate, and alice as its client, who has the slice demo."""
    house = folder / "geni"
    nmctl("geni", "init", "lab.example", "--folder", str(house))
    nmctl("geni", "user", "alice", "--folder", str(house))
    nmctl("geni", "slice", "demo", "--user", "alice", "--folder", str(house))
    port = nmctl.rack.open_geni(house, authority="lab.example", **rules)
    (folder / "request.xml").write_text(REQUEST)

    def geni(*words: str, status: int = 0) -> Ran:
        with patch.dict(os.environ, NM_GENI_WALLET=str(house / "users" / "alice")):
            return nmctl("geni", "-a", f"https://localhost:{port}", *words, status=status)

    return geni


def slivers(ran: Ran) -> list[Any]:
    """The slivers that were answered: their names, and how they are."""
    found = ran.json["result"]
    found = found["geni_slivers"] if isinstance(found, dict) else found
    keys = ("geni_allocation_status", "geni_operational_status")
    names = [one["geni_sliver_urn"].split(".")[-2] for one in found]
    return [(name, *(one[key] for key in keys)) for name, one in zip(names, found, strict=True)]


def all_are(allocation: str, operational: str) -> list[Any]:
    """Those states, of both."""
    return [(name, f"geni_{allocation}", f"geni_{operational}") for name in ("n0", "n1")]


def an_aggregate(nmctl: Nmctl, folder: Path) -> None:
    """All of a slice's life, and what it means for nodes, ports and power."""
    geni = opened(nmctl, folder)
    assert geni("getversion", "--json").json["result"]["geni_api"] == 3
    assert "n3    yes" in geni("listresources").out
    assert "n0" in geni("listresources", "--available").out

    made = geni("allocate", "demo", str(folder / "request.xml"), "--json")
    assert slivers(made) == all_are("allocated", "notready")
    group = nmctl.one("GetGroups", alias="urn:publicid:IDN+lab.example+slice+demo")
    assert group["nodes"] == ["n0", "n1"] and vlan(nmctl, "n0") is None
    assert "n0" not in geni("listresources", "--available").out

    geni("provision", "demo")
    assert slivers(geni("status", "demo", "--wait", "--json")) == all_are("provisioned", "ready")
    for node in ("n0", "n1"):
        assert vlan(nmctl, node) == group["vlan"] and power(nmctl, node) == "on"
    described = geni("describe", "demo", "--json").json["result"]
    assert 'client_id="a"' in described["geni_rspec"] and 'sliver_id="urn:' in described["geni_rspec"]

    geni("renew", "demo", "+9d")
    geni("poa", "demo", "geni_stop")
    assert slivers(geni("status", "demo", "--wait", "--json")) == all_are("provisioned", "notready")
    assert power(nmctl, "n0") == "off"

    first = described["geni_slivers"][0]["geni_sliver_urn"]
    assert slivers(geni("delete", "demo", "-u", first, "--json"))[0][1] == "geni_unallocated"
    assert "12 SEARCHFAILED" in geni("status", "demo", "-u", first, status=5).err
    assert "no action" in geni("poa", "demo", "geni_dance", status=1).err
    geni("delete", "demo")
    nmctl.rack.until(lambda: all(node["free"] for node in nmctl.rack.call("GetNodes", {})))


def vlan(nmctl: Nmctl, node: str) -> Any:
    """The node's, as the switch has it."""
    switch, name = nmctl.rack.home(node)
    return nmctl.rack.ports(switch)[name]["untagged"]


def power(nmctl: Nmctl, node: str) -> Any:
    """What the node's own management says."""
    return json.loads((nmctl.rack.folder / f"{node}.power").read_text())["power"]


def set_up_by_hand(nmctl: Nmctl, folder: Path) -> None:
    """An operator is asked for every node; and ends an emergency."""
    geni = opened(nmctl, folder, provision="manual")
    geni("allocate", "demo", str(folder / "request.xml"))
    assert slivers(geni("provision", "demo", "--json")) == all_are("provisioned", "pending_allocation")
    listed = nmctl("geni", "reservations", "--json").json["result"]
    assert [one["operational"] for one in listed] == ["geni_pending_allocation"] * 2
    for one in listed:
        nmctl("geni", "ready", one["sliver"], "--wait")
    assert slivers(geni("status", "demo", "--wait", "--json")) == all_are("provisioned", "ready")

    geni("shutdown", "demo")
    assert "was shut down" in geni("status", "demo", status=4).err
    nmctl.rack.until(lambda: power(nmctl, "n0") == "off")
    nmctl("geni", "reopen", "urn:publicid:IDN+lab.example+slice+demo")
    assert slivers(geni("status", "demo", "--wait", "--json")) == all_are("provisioned", "ready")
