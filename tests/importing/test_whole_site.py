"""A document with everything in it: imported, exported, the same again; and a property of all sites."""

import json
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from nm import groups, imports, settings, site
from nm.calls import Call, Caller, Site
from nm.errors import Conflict
from nm.importwork import carry_out
from nm.management.simulated import SimulatedPower
from nm.records import Record
from nm.site import places
from nm.site.document import parse_json, parse_toml
from nm.switches import builtin
from tests.importing.conftest import Office
from tests.importing.samples import KEY, WHOLE
from tests.memory_store import MemoryStore

ROOT = Caller(0, "root", admin=True)
UIDS = {"root": 0, "alice": 1001, "bob": 1002}
ADMIN = Call(ROOT, "Test", 1_800_000_000.0)
SITE = Site(
    drivers=builtin(),
    power={"simulated": SimulatedPower.settings},
    uid_of=UIDS.get,
    uids=(70_000, 79_999),
    image_folders=("/var/lib/nm-images",),
)


def imported(text: str) -> MemoryStore:
    """A store into which that was imported."""
    store = MemoryStore()
    call = Call(ROOT, "Import", 1_800_000_000.0, SITE)
    number = imports.import_site(store, call, text)
    carry_out(store, lambda: SITE)
    job = store.get(f"job_{number}")
    assert job is not None and job["state"] == "done", job
    return store


def exported(store: MemoryStore) -> str:
    return settings.export(store, Call(ROOT, "Export", 0.0, SITE))


def test_both_rooms_know_the_same_sections() -> None:
    assert places.SECTIONS == imports.SECTIONS


def test_everything_a_document_can_say_arrives(office: Office, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(WHOLE)
    office.nmctl("import", str(tmp_path), "--yes")
    records = office.records()
    assert records["switch_sw0"]["secrets"] == {"password": "sw0-password"}
    assert records["switch_sw1"]["reason"] == "not here yet"
    assert records["port_sw1:1/1"]["description"] == "by the window"
    assert {key for key in records if key.startswith("vlan")} == {
        f"vlan_{vlan}" for vlan in (101, 102, 103, 110, 120, 130)
    }
    assert records["vlan_120"]["shared"] and records["vlan_130"]["reason"] == "the storage's"
    assert records["trunk_t"]["native"] == 999 and records["port_sw1:t"]["trunk"] == "t"
    node = records["node_n1"]
    assert node["metadata"] == {"cores": 64, "tags": ["gpu", "big"], "a.b": {"deep": 1.5, "yes": True}}
    assert node["management"]["secrets"] == {"password": "bmc"}
    assert [(nic["role"], nic["mac"][-2:]) for nic in node["nics"]] == [
        ("boot", "01"),
        ("data", "02"),
        ("none", "03"),
    ]
    assert records["headnode_h2"]["image"] == "debian" and records["image_debian"]["memory"] == 2048
    assert records["account_alice"]["rights"] == {"spy": {}, "reserve": {"nodes": 4, "lease": 86400}}
    group = office.call("GetStatus", "alpha")
    assert (group["state"], group["owner"]["name"], group["expires"]) == ("staged", "alice", 4102444800)
    assert group["nodes"] == ["n1", "n.2"] and group["headnode"] == "h1"
    assert group["networks"]["storage"] == {"vlan": 120, "nics": ["eth1"], "tagged": True}
    assert [(one["name"], one["method"]) for one in group["delegations"]] == [
        ("bob", None),
        ("bob", "PowerNode"),
    ]
    assert records["group_alpha"]["keys"] == [KEY] and records["node_n1"]["group"] == "alpha"


def test_the_same_bytes_come_back(tmp_path: Path) -> None:
    """Export, import into an empty database, export: TOML, JSON and stdout; and the records are the same."""
    records: list[dict[str, Any]] = []
    for number in (1, 2):
        office = Office(tmp_path / f"nm{number}")
        try:
            source = tmp_path / f"{number}.toml"
            source.write_text(WHOLE if number == 1 else (tmp_path / "out1.toml").read_text())
            office.nmctl("import", str(source), "--yes")
            records.append(without_times(office.records()))
            office.nmctl("export", str(tmp_path / f"out{number}.toml"))
            office.nmctl("export", str(tmp_path / f"out{number}.json"))
            shown = office.nmctl("export").out
            assert shown == (tmp_path / f"out{number}.toml").read_text()
            (tmp_path / "answer.json").write_text(office.nmctl("export", "--json").out)
            for again in (f"out{number}.toml", f"out{number}.json", "answer.json"):
                assert "\n0 to add" in "\n" + office.nmctl("import", str(tmp_path / again)).out
        finally:
            office.rack.stop()
    assert records[0] == records[1]
    for kind in ("toml", "json"):
        assert (tmp_path / f"out1.{kind}").read_bytes() == (tmp_path / f"out2.{kind}").read_bytes()


def test_a_delegate_owns_a_group_and_the_machine_has_no_account_yet() -> None:
    site_text = json.dumps(
        {
            "vlans": {"101": {}},
            "delegates": {"web": {"keys": [KEY], "rights": {"spy": True}}},
            "groups": {"alpha": {"owner": "web", "delegations": ["web"]}},
        }
    )
    store = imported(site_text)
    group, account = store.get("group_alpha"), store.get("account_web")
    assert group is not None and account is not None
    assert group["owner"] == {"name": "web", "uid": account["uid"]} and account["keys"] == [KEY]
    assert exported(imported(exported(store))) == exported(store)


def test_what_was_left_to_the_daemon_is_the_same_again() -> None:
    text = json.dumps({"vlans": {"101-110": {}}, "groups": {"alpha": {}, "beta": {"networks": {"main": {}}}}})
    store = imported(text)
    group, vlan = store.get("group_alpha"), store.get("vlan_101")
    assert group is not None and vlan is not None and group["wanted"]["networks"]["main"]["vlan"] == 101
    networks = {"main": {**group["wanted"]["networks"]["main"], "vlan": 109}}
    store.transact(lambda tx: groups.set_networks(tx, ADMIN, "alpha", networks))
    for caller in (ROOT, Caller(1001, "alice", admin=True)):
        call = Call(caller, "CheckImport", 1_800_000_000.0, SITE)
        told = imports.check_import(store, call, text)
        assert (told["add"], told["problems"], told["same"]) == ([], [], 12)


def test_a_lease_that_was_over_when_it_was_exported() -> None:
    """Its end was held back. There, nothing is to be done; in another place it begins without an end."""
    end, late = 1_800_000_100, replace(ADMIN, now=1_800_000_200.0, site=SITE)
    text = json.dumps({"vlans": {"101": {}}, "groups": {"alpha": {"expires": end}}})
    store = imported(text)
    told = imports.check_import(store, late, exported(store))
    assert (told["add"], told["problems"], told["same"]) == ([], [], 2)
    other = MemoryStore()
    told = imports.check_import(other, late, exported(store))
    assert told["problems"] == [] and "group alpha: its lease was over" in told["notices"][0]
    imports.import_site(other, late, exported(store))
    carry_out(other, lambda: SITE)
    group = other.get("group_alpha")
    assert group is not None and group["expiry"] is None
    told = imports.check_import(store, late, text.replace(str(end), str(end + 1)))
    assert told["problems"][0]["message"] == "group alpha is there already, with other expires"


def test_what_differs_is_told_and_stays(office: Office, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(WHOLE)
    office.nmctl("import", str(tmp_path), "--yes")
    for old, new, said in (
        (
            'location = "rack 1, unit 2"',
            'location = "rack 9"',
            "node n1 is there already, with other location",
        ),
        ("native = 999", "native = 998", "trunk t is there already, with other native"),
        ("120 = { shared = true }", "120 = {}", "VLAN 120 is there already, with other shared"),
        ('"sw0-password"', '"another"', "switch sw0 is there already, with other secrets"),
        ("spy = true", "spy = false", "is there already, with other spy"),
        ("vlan = 101", "vlan = 102", "group alpha is there already, with other networks"),
        (
            '"by the window"',
            '"by the door"',
            "port 1/1 of switch sw1 is there already, with other description",
        ),
        ('domain = "vm-1"', 'domain = "vm-7"', "head node h1 is there already, with other domain"),
        ('device = "br0"', 'device = "br1"', "host h0 is there already, with other network"),
    ):
        (tmp_path / "site.toml").write_text(WHOLE.replace(old, new, 1))
        before = office.records()
        assert said in office.nmctl("import", str(tmp_path), "--yes", status=6).err
        assert office.records() == before


def test_an_imported_group_is_deployed_without_a_reset_before(office: Office, tmp_path: Path) -> None:
    """Its nodes' ports carry who knows what: they are isolated and read back before they join."""
    table, ports = tmp_path / "sw0.json", ["p1", "p2", "p3"]
    free = [("sw0", port) for port in ports]
    nodes = {f"n{number + 1}": node_settings(number, free) for number in range(3)}
    whole = {
        "switches": {"sw0": {"driver": "simulated", "file": str(table), "ports": ports}},
        "ports": {"sw0": ports}, "vlans": {"101-102": {}}, "nodes": nodes,
        "groups": {
            "alpha": {
                "nodes": ["n1", "n2"], "networks": {"main": {"vlan": 102}}, "delegations": ["bob"]
            }
        },
    }  # fmt: skip
    assert office.rack.wait(office.call("Import", json.dumps(whole)))["state"] == "done"
    states = {node["name"]: node["state"] for node in office.call("GetNodes", {})}
    assert states == {"n1": "joining", "n2": "joining", "n3": "unverified"}
    steps = [step["text"] for step in office.call("PlanDeploy", "alpha")["steps"]]
    assert "switch sw0 port p1: leave whatever it carries, isolate" in steps
    with pytest.raises(Conflict, match="p1 is unverified"):  # that word is an administrator's
        office.rack.call("Deploy", "alpha", caller=Caller(UIDS["bob"], "bob"))
    office.rack.deploy("alpha")
    told = json.loads(table.read_text())["ports"]
    assert [told[port]["untagged"] for port in ports] == [102, 102, 1]
    assert office.rack.wait(office.call("DestroyGroup", "alpha"))["state"] == "done"
    assert [node["state"] for node in office.call("GetNodes", {})] == ["free", "free", "unverified"]


# ---- any site

NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,9}", fullmatch=True)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=12)
PLAIN = st.one_of(
    st.booleans(), st.integers(-(2**31), 2**31 - 1), st.floats(allow_nan=False, allow_infinity=False), WORDS
)
NESTED = st.recursive(
    PLAIN,
    lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(NAME, part, max_size=3)),
    max_leaves=5,
)
SERVICE: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.just({}), WORDS.map(lambda reason: {"available": False, "reason": reason})
)


@st.composite
def sites(draw: st.DrawFn) -> dict[str, Any]:
    """A site in which everything fits together."""
    switches = draw(st.lists(NAME, min_size=1, max_size=3, unique=True))
    ports = {switch: draw(st.lists(NAME, max_size=4, unique=True)) for switch in switches}
    free = [(switch, port) for switch in switches for port in ports[switch]]
    names = draw(st.lists(NAME, max_size=4, unique=True))
    nodes = {name: draw(node(number, free)) for number, name in enumerate(names)}
    vlans = draw(st.lists(st.integers(2, 4094), min_size=2, max_size=6, unique=True))
    heads = {
        name: {"host": "h0", "domain": f"vm-{name}", **draw(SERVICE)}
        for name in draw(st.lists(NAME, max_size=2, unique=True))
    }
    group: dict[str, Any] = {
        "networks": {"main": {"vlan": vlans[0]}},
        "owner": draw(st.sampled_from(["alice", "root"])),
    }
    group["nodes"] = draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    group |= draw(st.fixed_dictionaries({}, optional={
        "headnode": st.sampled_from(sorted(heads)) if heads else st.none(), "keys": st.just([KEY]),
        "expires": st.integers(1_800_000_001, 2**33), "alias": NAME.map(lambda text: f"urn:{text}"),
        "delegations": st.just(["bob", {"name": "alice", "method": "Deploy"}]),
    }))  # fmt: skip
    return {
        "switches": {name: {**simulated(name), **draw(SERVICE)} for name in switches},
        "ports": {name: {port: {"description": draw(WORDS)} for port in ports[name]} for name in switches},
        "hosts": {"h0": {"uri": "test:///default", "network": {"kind": "ovs", "device": "br0"}}},
        "vlans": {str(vlan): draw(SERVICE) for vlan in vlans},
        "nodes": nodes, "headnodes": heads,
        "rights": {"bob": {"reserve": {"nodes": draw(st.integers(0, 9))}}},
        "delegates": {"web.Site": {"keys": [KEY]}}, "groups": {"g": group},
    }  # fmt: skip


def simulated(name: str) -> dict[str, Any]:
    return {"driver": "simulated", "file": f"/nowhere/{name}"}


def node_settings(number: int, free: list[tuple[str, str]]) -> dict[str, Any]:
    wired = dict(zip(("switch", "port"), free[number], strict=True)) if number < len(free) else {}
    return {"nics": [{"name": "eth0", "mac": f"52:54:00:00:00:{number:02x}", **wired}]}


def node(number: int, free: list[tuple[str, str]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"nics": st.just(node_settings(number, free)["nics"])},
        optional={
            "id": st.just(number),
            "location": WORDS,
            "metadata": st.dictionaries(NAME, NESTED, max_size=3),
        },
    ).flatmap(lambda told: SERVICE.map(lambda service: {**told, **service}))


@limits(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sites())
def test_any_site_survives_the_way_through_documents(whole: dict[str, Any]) -> None:
    store = imported(json.dumps(whole))
    text = exported(store)
    for document in (
        parse_toml(site.to_toml(json.loads(text)), "t"),
        parse_json(site.to_json(json.loads(text)), "j"),
    ):
        again = imported(document.text())
        assert exported(again) == text
        assert without_times(again._records) == without_times(store._records)
    call = Call(ROOT, "CheckImport", 1_800_000_000.0, SITE)
    told = imports.check_import(store, call, text)
    assert (told["add"], told["problems"]) == ([], []) and told["same"] > 5


def without_times(records: dict[str, Record]) -> dict[str, Any]:
    return {
        key: {
            name: _without_since(part)
            for name, part in record.items()
            if name not in ("timestamp", "created")
        }
        for key, record in records.items()
        if not key.startswith(("job", "meta"))
    }


def _without_since(part: Any) -> Any:
    """A spec without the words of when its nodes came, which are made of the group's birth."""
    is_spec = isinstance(part, dict) and "networks" in part
    return {key: value for key, value in part.items() if key != "since"} if is_spec else part


@pytest.mark.parametrize(
    "text", ["", "x", "[]", '{"vlans": []}', '{"moons": {}}', '{"format": 2}', '{"a": 1, "a": 2}']
)
def test_what_is_no_site_at_all(office: Office, text: str) -> None:
    from nm.errors import Invalid

    for method in ("CheckImport", "Import"):
        with pytest.raises(Invalid):
            office.call(method, text)


def test_the_document_of_the_manual_is_a_good_one(office: Office, tmp_path: Path) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "import.md").read_text()
    example = manual[manual.index("    format = 1") : manual.index("`available = false`")]
    (tmp_path / "site.toml").write_text(textwrap.dedent(example))
    told = office.nmctl("import", str(tmp_path / "site.toml"), "--dry-run", "--json", status=6).json
    assert [problem["message"] for problem in told["problems"]] == ["this daemon makes no accounts"]
