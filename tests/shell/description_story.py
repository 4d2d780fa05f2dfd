"""The story of `nmctl sf`, told by test_commands.py."""

from pathlib import Path

import pytest

from tests.shell.conftest import Nmctl


def descriptions(nmctl: Nmctl, folder: Path) -> None:
    """They need no daemon; what is included is looked for where one is, and in the library."""
    nmctl.rack.stop()
    pool = folder / "pool.sf"
    common = folder / "common.sf"
    common.write_text(
        '#include "ch/cern/openlab/smartdomains/components.sf"\nGuest extends Domain { memory 512; }'
    )
    guest = 'a extends Guest { hostname "a"; mnemory 5; up LAZY b; }'
    pool.write_text(f'#include "{common}"\nsfConfig extends Compound {{ {guest} }}')
    checked = nmctl("sf", "check", str(pool)).out
    assert checked.splitlines()[0] == "the description is good: 2 components"
    assert "up -> nowhere" in checked
    assert nmctl("sf", "check", str(pool), "--json").json["result"][1]["kind"] == "Domain"
    assert 'hostname "a";' in nmctl("sf", "resolve", str(pool)).out
    assert "a extends Guest {" in nmctl("sf", "resolve", str(pool), "--phase", "raw").out
    plain = nmctl("sf", "resolve", str(pool), "--json").json["result"]["attributes"]["a"]["attributes"]
    assert (plain["memory"], plain["up"]) == (512, {"reference": "LAZY b"})
    raw = nmctl("sf", "resolve", str(pool), "--phase", "raw", "--json").json["result"]
    assert raw["attributes"]["sfConfig"]["prototypes"] == [{"reference": "Compound"}]
    warned = nmctl("sf", "check", str(pool))
    assert warned.err.splitlines()[0].endswith("Domain knows no mnemory (in sfConfig:a)")
    assert nmctl("sf", "check", str(pool), "--json").json["warnings"][0]["hint"] == "did you mean memory?"
    _knows_components(nmctl, folder / "disks.sf")
    _is_told_of_the_world(nmctl, folder / "told.sf")
    tidy = common.read_text().replace("{ memory 512; }", "{\n  memory 512;\n}\n")
    assert nmctl("sf", "fmt", str(common)).out == tidy
    assert nmctl("sf", "fmt", "--check", str(common), str(pool), status=1).out.splitlines() == [
        f"{common}: not in canonical layout",
        f"{pool}: not in canonical layout",
    ]
    common.chmod(0o640)
    nmctl("sf", "fmt", "--write", str(common), str(pool))
    assert common.read_text() == tidy
    assert common.stat().st_mode & 0o777 == 0o640
    assert nmctl("sf", "fmt", "--write", "--check", str(common), str(pool)).out == ""
    laid_out = nmctl("sf", "fmt", str(common), "--json").json["result"]
    assert laid_out == [{"file": str(common), "changed": False, "text": tidy}]
    shell = '#include "org/smartfrog/services/shellscript/components.sf"\n'
    pool.write_text(f"{shell}sfConfig extends BashShell {{ exec:cmd 5; }}")
    told = nmctl("sf", "check", str(pool), status=2).err
    assert told.startswith(f"{pool}:2:10: error: sfConfig: exec:cmd is no command; ")
    wrong = nmctl("sf", "check", str(pool), "--json", status=2).json["problems"]
    assert [(one["line"], one["where"], one["message"]) for one in wrong] == [
        (2, "sfConfig", "exec:cmd is no command")
    ]
    pool.write_text(f'#include "{common}"\nsfConfig extends Compound {{ {guest} }}')
    common.write_text("Guest extends Domian { }\n")
    said = nmctl("sf", "check", str(pool), status=2)
    assert said.err.splitlines()[:2] == [
        f"{common}:1:15: no Domian here, nor in any component around (in Guest)",
        "    Guest extends Domian { }",
    ]
    first = nmctl("sf", "check", str(pool), "--json", status=2).json["problems"][0]
    assert (first["file"], first["line"], first["column"]) == (str(common), 1, 15)
    common.unlink()
    assert f"no file {common} came with the description" in nmctl("sf", "check", str(pool), status=2).err
    nmctl("sf", "check", str(folder / "none.sf"), status=5)
    pool.write_bytes(b"\xff")
    assert "not a text in UTF-8" in nmctl("sf", "check", str(pool), status=2).err


def _is_told_of_the_world(nmctl: Nmctl, pool: Path) -> None:
    _tells_time_and_chance(nmctl, pool)
    _is_told_what_a_site_tells(nmctl, pool)


def _is_told_what_a_site_tells(nmctl: Nmctl, pool: Path) -> None:
    asks = "a PROPERTY site.a; b IPROPERTY b; c ENVPROPERTY c;"
    pool.write_text(f'#include "org/smartfrog/components.sf"\nsfConfig extends Prim {{ {asks} }}')
    assert "PROPERTY site.a: there is no such property" in nmctl("sf", "check", str(pool), status=2).err
    told = ("--property", "site.a=x=1", "--property", "b=5", "--environment", "c=")
    assert nmctl("sf", "check", str(pool), *told).err == ""
    assert nmctl("sf", "graph", str(pool), "--dot", *told).out
    attributes = nmctl("sf", "resolve", str(pool), "--json", *told).json["result"]["attributes"]
    assert [attributes[name] for name in "abc"] == ["x=1", 5, ""]
    assert "is not NAME=TEXT" in nmctl("sf", "check", str(pool), "--property", "b", status=2).err


def _tells_time_and_chance(nmctl: Nmctl, pool: Path) -> None:
    """They are those of the moment, and a site's words are not known here."""
    pool.write_text(
        '#include "org/smartfrog/functions.sf"\nsfConfig extends {'
        ' a extends date; b extends random; c OPTIONAL ("none") ENVPROPERTY HOME; d 1.25; }'
    )
    asked = ("sf", "resolve", str(pool), "--json")
    found = [nmctl(*asked).json["result"]["attributes"] for _ in range(2)]
    assert found[0]["b"] != found[1]["b"]
    assert {int(one["a"].rpartition(" ")[2]) > 1970 for one in found} == {True}
    assert {(one["c"], one["d"]) for one in found} == {("none", 1.25)}
    assert nmctl(*asked, "--decimals", "reference").json["result"]["attributes"]["d"] == pytest.approx(1.2)


def _knows_components(nmctl: Nmctl, pool: Path) -> None:
    """What could not be deployed is refused, with all that is wrong; what is oddly placed is warned of."""
    disk = 'd extends LoopbackStorageBackend { baseImage "base"; }'
    start = '#include "ch/cern/openlab/smartdomains/components.sf"\nsfConfig extends Compound {'
    pool.write_text(
        f'{start} a extends Domain {{ hostname "a"; storageBackend LAZY ATTRIB e; onCrash "x"; }} {disk} }}'
    )
    assert nmctl("sf", "check", str(pool), status=2).err.splitlines() == [
        f"{pool}:2:31: error: a: storageBackend leads nowhere; name a component of this description",
        f"{pool}:2:31: error: a: onCrash is 'x'; it is one of destroy, restart",
    ]
    told = nmctl("sf", "check", str(pool), "--json", status=2).json["problems"]
    assert [problem["message"] for problem in told] == ["storageBackend leads nowhere", "onCrash is 'x'"]
    assert {(problem["line"], problem["column"]) for problem in told} == {(2, 31)}
    pool.write_text(f'{start} a extends Prim {{ v "{"x" * 300_000}"; w "\\u0000"; }} }}')
    told = nmctl("sf", "check", str(pool), "--json", status=2).json["problems"]
    assert [problem["message"].partition(",")[0] for problem in told] == [
        "'w' has the character U+0000", "its attributes have 300"
    ]  # fmt: skip
    pool.write_text(f'{start} a extends Domain {{ hostname "a"; storageBackend LAZY ATTRIB d; }} {disk} }}')
    warned = nmctl("sf", "check", str(pool)).err
    assert warned.startswith(f"warning: {pool}:2:31: a: ")
    assert "a: it needs d, which stands behind it and is made first; describe d before it" in warned
    assert nmctl("sf", "check", str(pool), "--json").json["warnings"][0]["where"] == "a"
