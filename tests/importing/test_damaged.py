"""Damaged files: each refused whole, with file, line and reason, and nothing is changed."""

import re
from pathlib import Path

import pytest

from nm import site
from nm.site.document import parse_json, parse_toml
from tests.importing.conftest import Office
from tests.importing.samples import SPL, WHOLE, damaged, write

# The file, the line, what stands there now, what is said of it.
LINES = [
    ("node.txt", 2, "4 00:23:ae:92:9f:48", "2 fields where `id mac ip` is expected"),
    ("node.txt", 2, "4 00:23:ae:92:9f:48 10.0.0.4 rack7", "4 fields where `id mac ip` is expected"),
    ("node.txt", 2, "4 00:23:ae:92:9f 10.0.0.4", "MAC '00:23:ae:92:9f' is no MAC|'00:23:ae:92:9f' is no MAC"),
    ("node.txt", 2, "4 01:23:ae:92:9f:48 10.0.0.4", "no NIC's address"),
    ("node.txt", 2, "4 00:23:ae:92:9f:48 10.0.0.444", "'10.0.0.444' is no IP address"),
    ("node.txt", 4, "4 00:23:ae:92:9f:49 10.0.0.5", r"nodes 4 is there twice, first in .*node.txt:2"),
    ("node.txt", 4, "7 00:23:ae:92:9f:48 10.0.0.7", "mac 00:23:ae:92:9f:48 belongs to node 4"),
    ("node.txt", 2, "4/ 00:23:ae:92:9f:48 10.0.0.4", "node '4/' is not a legal name"),
    ("node.txt", 2, "4\x07 00:23:ae:92:9f:48 10.0.0.4", "cannot be printed"),
    ("node.txt", 2, "x" * 65 + " 00:23:ae:92:9f:48 10.0.0.4", "is not a legal name"),
    ("vm.txt", 3, "vm 3", "2 fields where `name` is expected"),
    ("vm.txt", 5, "vm1", r"headnodes vm1 is there twice, first in .*vm.txt:4"),
    ("vm.txt", 3, "-vm", "'-vm' is not a legal name"),
    ("network.txt", 2, "102 vxlan", "of the technology 'vxlan'"),
    ("network.txt", 2, "vlan 102", "of the technology '102'"),
    ("network.txt", 2, "1 vlan", "is 1; use an int from 2 to 4094"),
    ("network.txt", 2, "4095 vlan", "is 4095; use an int from 2 to 4094"),
    ("network.txt", 2, "110-105 vlan", "the range 110-105 runs backwards"),
    ("network.txt", 6, "99-101 vlan", "VLAN 101 is there twice"),
    ("network.txt", 2, "102,, vlan", "'102,,' is no VLAN id"),
    ("network.txt", 3, "101 vlan", "vlans 101 is there twice, first in"),
    ("switch.txt", 1, "1", "1 fields where `id script` is expected"),
    ("switch.txt", 3, "1 dell_snmp.py", "switches 1 is there twice"),
    ("switch.txt", 2, "tp link.py extra", "3 fields"),
    ("switch.txt", 2, "tp:1 tp_link.py", "'tp:1' is not a legal name"),
    ("port.txt", 4, "204 3 1", "no switch 3"),
    ("port.txt", 4, "203 2 1", "port 203 is there twice"),
    ("port.txt", 4, "204 1 11", "port 11 of switch 1 is .* port.txt:3|port 11 of switch 1 is .*port.txt:3"),
    ("port.txt", 4, "204 2", "2 fields where `id switch number` is expected"),
    ("connect.txt", 2, "5 202", "no node '5' in node.txt"),
    ("connect.txt", 2, "4 207", "no port '207' in port.txt"),
    ("connect.txt", 2, "4 201", "port 201 is connected in .*connect.txt:1 already"),
    ("connect.txt", 4, "4 204", "node 4 is connected in .*connect.txt:2 already"),
    ("connect.txt", 1, "1", "1 fields where `node port` is expected"),
    ("user.txt", 2, "alice plain", "2 fields where `name password type` is expected"),
    ("user.txt", 2, "alice sesame root", "neither admin nor plain"),
    ("user.txt", 2, "al$ce sesame plain", "the name of the user is not a legal name"),
    ("user.txt", 4, "bob sesame plain", "users bob is there twice"),
]


@pytest.mark.parametrize(
    ("name", "line", "text", "reason"), LINES, ids=[f"{n}-{t[:20]}" for n, _, t, _ in LINES]
)
def test_a_damaged_line(
    untouched: Office, tmp_path: Path, name: str, line: int, text: str, reason: str
) -> None:
    data = write(tmp_path / "data", damaged(name, line, text))
    before, revision = untouched.records(), untouched.revision
    ran = untouched.nmctl("import", str(data), "--yes", status=2 if "belongs to" not in reason else 6)
    problems = [told for told in ran.err.splitlines() if told.startswith("/")]
    assert re.search(reason, problems[0]), problems
    assert problems[0].startswith(f"{data}/{name}:{line}: ")
    assert len(problems) == 1 or name in ("node.txt", "switch.txt"), problems
    assert "sesame" not in ran.out + ran.err
    assert (untouched.records(), untouched.revision) == (before, revision)


def test_all_bad_lines_are_told_at_once(untouched: Office, tmp_path: Path) -> None:
    files = {**SPL, "vm.txt": "vm1\nvm 2\n-vm\n", "network.txt": "1 vlan\n"}
    ran = untouched.nmctl("import", str(write(tmp_path / "data", files)), "--yes", status=2)
    assert [said.split(": ")[0].rpartition("/")[2] for said in ran.err.splitlines() if ".txt" in said] == [
        "vm.txt:2", "vm.txt:3",
    ]  # fmt: skip
    told = untouched.nmctl("import", str(tmp_path / "data"), "--yes", "--json", status=2).json
    assert [(one["line"], one["file"].rpartition("/")[2]) for one in told["problems"]] == [
        (2, "vm.txt"), (3, "vm.txt"),
    ]  # fmt: skip


def test_what_depends_on_a_bad_thing_is_not_told_again(untouched: Office, tmp_path: Path) -> None:
    site_file = tmp_path / "site.toml"
    site_file.write_text('[switches.sw0]\ndriver = "nope"\n[ports]\nsw0 = ["p1", "p2"]\n')
    ran = untouched.nmctl("import", str(site_file), "--yes", status=2)
    (told,) = [line for line in ran.err.splitlines() if line.startswith("/")]
    assert told.startswith(f"{site_file}:1: no switch driver 'nope'; use one of: ")


BINARY = [("node.txt", b"1 00:23:ae:92:9a:35 10.0.0.1\n\xff\xfe\n", 2), ("site.toml", b"\n\n# \xe9\n", 3)]


@pytest.mark.parametrize(("name", "data", "line"), BINARY)
def test_what_is_no_text(untouched: Office, tmp_path: Path, name: str, data: bytes, line: int) -> None:
    (tmp_path / name).write_bytes(data)
    ran = untouched.nmctl("import", str(tmp_path / name), "--yes", status=2)
    assert ran.err.startswith(f"{tmp_path / name}:{line}: not text in UTF-8")


def test_nothing_to_read(untouched: Office, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("")
    for name, said in (
        ("", "the folder has no file"),
        ("notes.md", "no kind of file"),
        ("a.toml", "no such file"),
    ):
        assert said in untouched.nmctl("import", str(tmp_path / name), "--yes", status=2).err


# A line of the whole site, what stands there instead, the line that is told, what is said.
TOML = [
    ('driver = "simulated"\nfile', 'driver = "nope"\nfile', "[switches.sw0]", "no switch driver 'nope'"),
    ('ports = ["p1", "p2", "up", "t"]', 'prots = ["p1"]', "[switches.sw0]", "switch sw0 has no key 'prots'"),
    ('reason = "not here yet"', "reason = not here yet", "reason = not here yet", "not TOML"),
    ('sw0 = ["p1", "p2", "up", "t"]', 'sw0 = ["p1", "p2", "p2"]', 'sw0 = ["p1"', "named twice"),
    ('sw0 = ["p1", "p2", "up", "t"]', 'sw0 = "p1"', 'sw0 = "p1"', "not a list of names"),
    ('description = "by the window"', "description = 7", '"1/1" = ', "must be a string"),
    ("[hosts.h0]", "[hots.h0]", "[hots.h0]", "no section 'hots'"),
    ("qemu+ssh://root@h0.example/system", "qemu+ssh://h0/system?command=x", "[hosts.h0]", "is not allowed"),
    ('"101-103,110" = {}', '"101-103,1x" = {}', '"101-103,1x"', "is no VLAN id"),
    ("120 = { shared = true }", "120 = true", "120 = true", "not a struct of settings"),
    ("120 = { shared = true }", "102 = { shared = true }", "102 = {", "VLAN 102 is there twice"),
    ('{ host = "h0", device = "eth5" }', '{ host = "h9", device = "eth5" }', "[trunks.up]", "no host h9"),
    ("native = 999", "native = 101", "[trunks.t]", "the native VLAN 101"),
    ("id = 1\n", "id = 1.5\n", "[nodes.n1]", "must be an int"),
    ('ip = "10.0.0.1"', "ip = 2026-01-01", "[nodes.n1]", "holds a date"),
    ('mac = "52-54-00-00-00-01"', 'mac = "52:54:00:00:00:04"', '[nodes."n.2"]', "belongs to node n1"),
    ('role = "data" }', 'role = "date" }', "[nodes.n1]", "none of the known ones"),
    ('port = "p2"\n', 'port = "p9"\n', '[nodes."n.2"]', "switch sw0 has no port p9"),
    ('file = "/nowhere/n1"', 'password = "sesame"', "[nodes.n1]", "holds a secret"),
    ('domain = "vm-1"', 'domian = "vm-1"', "h1 = {", "no key 'domian'"),
    ("spy = true", "admin = true", "[rights.alice]", "no right 'admin'"),
    ("[rights.alice]", "[rights.nobodyhere]", "[rights.nobodyhere]", "no account of that name"),
    ('owner = "alice"', 'owner = "zoe"', "[groups.alpha]", "no account zoe"),
    ("expires = 4102444800", "expires = -1", "[groups.alpha]", "in the past"),
    ('nodes = ["n1", "n.2"]', 'nodes = ["n1", "n1"]', "[groups.alpha]", "named twice"),
    ('nodes = ["n1", "n.2"]', 'nodes = ["n7"]', "[groups.alpha]", "no node n7"),
    ("main = { vlan = 101 }", "main = { vlan = 104 }", "[groups.alpha]", "no VLAN 104"),
    ("[groups.alpha.networks]", "[groups.alpha]", "[groups.alpha]", "not TOML"),
    ("format = 1", "format = 2", "format = 2", "format 2 is not known"),
    ("cores = 64", "cores = 4294967296", "[nodes.n1]", "beyond 32 bits"),
]  # fmt: skip


def line_of(text: str, beginning: str, last: bool = False) -> int:
    found = [number for number, line in enumerate(text.splitlines(), 1) if line.startswith(beginning)]
    return found[-1] if last else found[0]


@pytest.mark.parametrize(("old", "new", "beginning", "reason"), TOML, ids=[new[:30] for _, new, _, _ in TOML])
def test_a_damaged_document(
    untouched: Office, tmp_path: Path, old: str, new: str, beginning: str, reason: str
) -> None:
    text = WHOLE.replace(old, new, 1)
    assert text != WHOLE
    (tmp_path / "site.toml").write_text(text)
    before, revision = untouched.records(), untouched.revision
    ran = untouched.nmctl(
        "import", str(tmp_path), "--yes", status=6 if "belongs" in reason or "native" in new else 2
    )
    line = line_of(text, beginning, last=reason == "not TOML")
    first = next(said for said in ran.err.splitlines() if said.startswith("/"))
    assert re.search(reason, first), ran.err
    assert first.startswith(f"{tmp_path}/site.toml:{line}: "), (first, line)
    assert "sesame" not in ran.out + ran.err
    assert (untouched.records(), untouched.revision) == (before, revision)


JSON = [
    ('{"vlans": {"101": {}},\n "vlans": {}}', 2, "vlans is there twice"),
    ('{"vlans": {"101": {},\n\n"101": {}}}', 3, "vlans.101 is there twice"),
    ('{"vlans":\n {"101": {}', 2, "not JSON"),
    ("[]", 1, "no table of sections"),
    ('{\n"nodes": []}', 2, "nodes is no table"),
    ('{"nodes": {\n\n "n1": {"nics": [{"name": "a", "mac": "x"}]}}}', 3, "is no MAC"),
    ('{"ok": true, "result": {"vlans":\n {"1": {}}}}', 2, "use an int from 2 to 4094"),
    ("[" * 100_000, 1, "nested too deeply"),
    ('{"nodes": {"n1": {"metadata": {"x": NaN},\n "nics": []}}}', 1, "a number that is none"),
    ('{"nodes": {"n1": {"location": "a\\u0001", "nics": []}}}', 1, "XML cannot carry"),
]


@pytest.mark.parametrize(("text", "line", "reason"), JSON)
def test_damaged_json(untouched: Office, tmp_path: Path, text: str, line: int, reason: str) -> None:
    path = tmp_path / "rack.json"
    path.write_text(text)
    ran = untouched.nmctl("import", str(path), "--yes", status=2)
    assert ran.err.startswith(f"{path}:{line}: ") and re.search(reason, ran.err), ran.err


def test_two_files_with_one_thing(untouched: Office, tmp_path: Path) -> None:
    write(tmp_path, {"a.toml": "[vlans]\n101 = {}\n", "b.json": '{\n"vlans": {"101": {}}}'})
    ran = untouched.nmctl("import", f"{tmp_path}/a.toml", f"{tmp_path}/b.json", "--yes", status=2)
    assert ran.err.startswith(f"{tmp_path}/b.json:2: vlans 101 is there twice, first in {tmp_path}/a.toml:2")


SPELLED = [
    ("[nodes]\n[nodes.n1]\nx = 1\n", 2),
    ("[nodes]\n\nn1 = { x = 1 }\n", 3),
    ('[ nodes . "n1" ]\nx = 1\n', 1),
    ("nodes.n1.x = 1\n", 1),
    ("\n'nodes'.'n1'.x = 1\n", 2),
    ('# [nodes.n1]\n[[nodes.n1.nics]]\nname = "a"\n', 2),
]


@pytest.mark.parametrize(("text", "line"), SPELLED)
def test_all_ways_to_write_a_table_are_found(text: str, line: int) -> None:
    assert parse_toml(text, "f").where(["nodes", "n1"]) == site.Origin("f", line)


def test_places_in_json_are_exact() -> None:
    ports = '{"sw0":\n {"p1": {},\n "\\u0070" : {"a": [{"p1":\n 1}]}}}'
    loaded = parse_json(f'{{"ports": {ports},\n "vlans": {{"5": {{}}}}}}', "f")
    places = (["ports", "sw0", "p1"], ["ports", "sw0", "p"], ["vlans", "5"])
    assert [loaded.where(place).line for place in places] == [2, 3, 5]
