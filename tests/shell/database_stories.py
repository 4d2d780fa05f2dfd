"""The story of a database without its daemon; test_commands.py tells it."""

from pathlib import Path

from tests.shell.conftest import Nmctl


def databases(nmctl: Nmctl, folder: Path) -> None:
    nmctl.rack.call("UpdateSwitch", "sw0", {"secrets": {"password": "the-name-of-it"}})
    nmctl("backup", str(folder / "copy"))
    nmctl.rack.call("CreateGroup", "alpha", {})
    database = str(folder / "db")
    nmctl("database", "restore", database, str(folder / "copy"), status=6)
    nmctl.rack.stop()
    assert "the database is good" in nmctl("database", "check", str(folder / "copy")).out
    checked = nmctl("database", "check", database)
    assert "the database is good" in checked.out
    counts = nmctl("database", "check", database, "--json").json["result"]["counts"]
    assert (counts["group"], counts["node"], counts["switch"]) == (1, 4, 2)
    shown = nmctl("database", "show", "switch", database)
    assert "switch_sw0" in shown.out
    assert "node_n0" not in shown.out
    everything = nmctl("database", "show", database, "--json")
    assert {"group_alpha", "node_n0"} <= {record["record_key"] for record in everything.json["result"]}
    assert "the-name-of-it" not in shown.out + everything.out
    restored = nmctl("database", "restore", database, str(folder / "copy"))
    assert restored.err == "start nmd; ports of no group are unverified until reset or adopted\n"
    assert "no records" in nmctl("database", "show", "group", database).out
    (folder / "db" / "database.pickle").write_bytes(b"nothing of nm's")
    assert "damaged" in nmctl("database", "check", database, status=7).err
    nmctl("database", "check", str(folder / "none"), status=5)
