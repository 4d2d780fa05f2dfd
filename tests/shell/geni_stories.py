"""Stories of `nmctl geni`: the clearing house."""

from pathlib import Path

from nm.clearing import wallet
from tests.shell.conftest import Nmctl


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

    nmctl("geni", "revoke", "alice", *here)
    nmctl("geni", "revoke", "demo", "--slice", *here)
    assert nmctl("geni", "list", *here).out.count("revoked") == 2
    assert "is not by" in nmctl("geni", "revoke", str(bob / "identity.pem"), *here, status=2).err
