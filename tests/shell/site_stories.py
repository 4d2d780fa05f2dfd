"""The story of the commands for whole sites, told by test_commands.py; tests/importing has the details."""

from pathlib import Path

from tests.shell.conftest import Nmctl


def whole_sites(nmctl: Nmctl, folder: Path) -> None:
    site = folder / "site.toml"
    nmctl("export", str(site))
    text = site.read_text()
    site.write_text(
        f'{text}\n[hosts.h9]\nuri = "qemu:///system"\nnetwork = {{ kind = "ovs", device = "br9" }}\n'
    )
    assert "+ 1 host: h9" in nmctl("import", str(site), "--dry-run").out
    assert nmctl.rack.call("GetHosts", {"name": "h9"}) == []
    nmctl("import", str(site), "--yes")
    assert nmctl.one("GetHosts", name="h9")["uri"] == "qemu:///system"
    assert len(nmctl("export").out) > len(text)
