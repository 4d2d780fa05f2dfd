"""Replies of GetSlivers, in all their shapes, become the same records."""

import base64
import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nm import conffiles, nodekeys, reservations
from nm.errors import Invalid
from nm.slices import Reading, Reply, read_reply
from nm.slicesxml import read_slices_xml
from tests.plc.conftest import READING, SAMPLE, Told

WEB, DELEGATED, CONTROLLER = "sliver_demo_web", "sliver_demo_deleg", "sliver_demo_ctl"


def read(told: object) -> Reply:
    return read_reply(told, READING)


def with_tags(told: Told, **tags: Any) -> dict[str, Any]:
    """The record of demo_web when it has these tags instead."""
    sliver = {**told["slivers"][0], "attributes": [{"tagname": k, "value": v} for k, v in tags.items()]}
    return dict(read({**told, "slivers": [sliver]}).records[WEB])


def test_the_real_reply_is_understood(told: Told) -> None:
    reply = read(told)
    assert set(reply.records) == {WEB, DELEGATED, CONTROLLER} == set(reply.mentioned)
    assert reply.problems == () and (reply.timestamp, reply.node_id, reply.cap) == (
        1795219240,
        1,
        100_000_000,
    )
    record = reply.records[WEB]
    assert record["expiry"] == 1796428839 and record["timestamp"] == 1795219240
    assert (record["type"], record["instantiation"]) == ("sliver.QEMU", "plc-instantiated")
    assert record["reference"] == "lxc-f29-x86_64"
    assert [key.split()[2] for key in record["keys"]] == ["alice@demo", "bob@demo"]
    assert record["initscript"] == "#!/bin/sh\necho hello > /tmp/hello\n"
    assert record["delegations"] == ["demo_ctl"]
    assert (record["rspec"]["cpu_share"], record["rspec"]["net_max"]) == (30, 2_000_000)
    assert record["tags"]["vsys"] == "fd_tuntap" and record["tags"]["hrn"] == "scratch.demo.web"
    assert record["enabled"] is True and record["problems"] == []
    assert reply.records[CONTROLLER]["type"] == "controller"


def test_what_else_the_node_is_told_is_kept_but_no_password(told: Told) -> None:
    sections = read(told).sections
    assert sections["conf_files"] == told["conf_files"] and sections["accounts"] == told["accounts"]
    assert sections["interfaces"] == told["interfaces"] and sections["lease_granularity"] == 1800
    assert "xmpp" not in sections


def test_what_nobody_knows_is_kept_as_it_came(told: Told) -> None:
    told["something_new"] = {"a": [1, None]}
    told["slivers"][0]["also_new"] = "x"
    reply = read(told)
    assert reply.sections["something_new"] == {"a": [1, None]} and reply.records[WEB]["also_new"] == "x"


def test_nms_own_keys_are_not_a_sources_to_say(told: Told) -> None:
    told["slivers"][0].update({"_loans": [["x", "cpu_min", 9]], "record_key": "group_a", "account": "root"})
    record = read(told).records[WEB]
    assert "_loans" not in record and record["record_key"] == WEB and record["account"] == "demo_web"


def test_the_oldest_shape_says_the_same(told: Told) -> None:
    old = copy.deepcopy(told)
    old["networks"] = old.pop("interfaces")
    for sliver in old["slivers"]:
        for tag in sliver["attributes"]:
            tag["name"] = tag.pop("tagname")
    del old["node_id"]
    reply = read([old])
    assert reply.records == read(told).records and reply.sections == read(told).sections
    assert reply.cap == 100_000_000 and reply.node_id is None


def test_of_several_nodes_this_ones_is_taken() -> None:
    assert read_reply(SAMPLE, Reading(node_id=2)).records[WEB]["rspec"]["cpu_share"] == 20
    assert read(SAMPLE).records[WEB]["rspec"]["cpu_share"] == 30
    assert read(list(SAMPLE.values())).node_id == 1
    with pytest.raises(Invalid, match="several nodes"):
        read_reply(SAMPLE, Reading())


@pytest.mark.parametrize(
    "broken",
    [
        None, "text", [], [5], {}, {"slivers": []}, {"timestamp": 5}, {"timestamp": True, "slivers": []},
        {"timestamp": 5, "slivers": {}}, {"timestamp": 5, "slivers": [{"slice_id": 1}]},
        {"timestamp": 5, "slivers": ["demo_web"]}, {"timestamp": -1, "slivers": []},
        {"timestamp": 5, "slivers": [], "node_id": 2}, {"timestamp": 5, "slivers": [], "node_id": "1"},
        {"timestamp": 5, "slivers": [], **{f"k{n}": n for n in range(100)}},
    ],
)  # fmt: skip
def test_what_is_no_reply_counts_for_nothing(broken: object) -> None:
    with pytest.raises(Invalid):
        read(broken)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just("9" * 5000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all that is within."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(found for key, one in inner for found in places(one, (*way, key)))]


PLACES = [way for way in places(SAMPLE["node1.demo.org"]) if way]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), ANYTHING)
def test_whatever_stands_there_is_understood_or_refused(way: tuple[Any, ...], value: object) -> None:
    reply = copy.deepcopy(SAMPLE["node1.demo.org"])
    inner = reply
    for step in way[:-1]:
        inner = inner[step]
    inner[way[-1]] = value
    with suppress(Invalid):
        found = read(reply)
        assert set(found.records) <= found.mentioned
        assert all(record["timestamp"] <= found.timestamp for record in found.records.values())
        nodekeys.wanted(found.sections.get("accounts"), ["site_admin"])
        conffiles.wanted(found.sections.get("conf_files"), ["/etc"])
        reservations.read_leases(found.sections.get("leases"))


@pytest.mark.parametrize(
    "change", [{"instantiation": "often"}, {"instantiation": None}, {"expires": "soon"}, {"expires": True}]
)
def test_a_sliver_that_cannot_be_understood_is_mentioned(told: Told, change: dict[str, Any]) -> None:
    told["slivers"][0].update(change)
    reply = read(told)
    assert WEB in reply.mentioned and WEB not in reply.records and DELEGATED in reply.records
    assert "demo_web" in reply.problems[0]


def test_a_name_that_is_none_is_left_out(told: Told) -> None:
    told["slivers"][0]["name"] = "../etc"
    told["slivers"][1]["name"] = "demo_ctl"
    reply = read(told)
    assert set(reply.records) == {CONTROLLER}
    assert reply.records[CONTROLLER]["instantiation"] == "delegated"
    assert "no legal name" in reply.problems[0] and "twice" in reply.problems[1]


def test_a_long_name_has_an_account_that_unix_allows(told: Told) -> None:
    told["slivers"][0]["name"] = name = "princeton_" + "x" * 54
    record = read(told).records[f"sliver_{name}"]
    assert len(record["account"]) <= 32 and record["account"].startswith("princeton_x")


def test_keys_of_every_form(told: Told) -> None:
    first, second = (entry["key"] for entry in told["slivers"][0]["keys"])
    sliver = told["slivers"][0]
    for keys in ([first, second], f"{first}\n{second}\n", [{"key": first}, {"key": second}, {"key": first}]):
        sliver["keys"] = keys
        assert read(told).records[WEB]["keys"] == [first, second]
    options = {"key": f'command="sh" {first}'}
    sliver["keys"] = [
        {"key_type": "gpg", "key": "x"},
        options,
        {"key": f"{first}\n{second}"},
        7,
        {"key": second},
    ]
    record = read(told).records[WEB]
    assert record["keys"] == [second] and len(record["problems"]) == 4


def test_delegations_are_a_list_and_by_method(told: Told) -> None:
    record = with_tags(told, delegations="demo_ctl, alice:GetRSpec bob:SetLoans, demo_ctl")
    assert record["delegations"] == ["demo_ctl", ["alice", "GetRSpec"], ["bob", "SetLoans"]]
    record = with_tags(told, delegations="ok, :Start, a:b:c, ../x")
    assert record["delegations"] == ["ok"] and len(record["problems"]) == 3
    told["slivers"][0].update(attributes=[], delegations=[("del_snoop", "GetRSpec"), "alice"])
    assert read(told).records[WEB]["delegations"] == [["del_snoop", "GetRSpec"], "alice"]


def test_tags_that_come_several_times_are_lists(told: Told) -> None:
    tags = [("vsys", "a"), ("vsys", "b"), ("delegations", "x"), ("delegations", "y"), ("cpu_share", "17")]
    told["slivers"][0]["attributes"] = [{"tagname": name, "value": value} for name, value in tags]
    record = read(told).records[WEB]
    assert record["tags"] == {"vsys": ["a", "b"], "delegations": ["x", "y"], "cpu_share": "17"}
    assert record["delegations"] == ["x", "y"] and record["rspec"]["cpu_share"] == 17


def test_initscripts(told: Told) -> None:
    code = "#!/bin/sh\nown\n"
    assert with_tags(told, initscript="hello", initscript_code=code)["initscript"] == code
    record = with_tags(told, initscript="bye")
    assert record["initscript"] is None and "none that the source knows" in record["problems"][0]
    told["initscripts"][0]["enabled"] = False
    record = with_tags(told, initscript="hello")
    assert record["initscript"] is None and "switched off" in record["problems"][0]
    del told["initscripts"]
    assert with_tags(told, initscript=base64.b64encode(code.encode()).decode())["initscript"] == code
    record = with_tags(told, initscript="42")
    assert record["initscript"] is None and "no script" in record["problems"][0]


def test_a_slice_has_a_vlan_and_nodes_by_tags(told: Told) -> None:
    record = with_tags(told, vlan="101", nodes="n1, n2 n1")
    assert (record["vlan"], record["nodes"], record["problems"]) == (101, ["n1", "n2"], [])
    record = with_tags(told, vlan="1", nodes="n1 /n2")
    assert (record["vlan"], record["nodes"]) == (None, ["n1"]) and len(record["problems"]) == 2


def test_a_number_that_is_none_is_said(told: Told) -> None:
    """One slice's tag is no reason to lose the others."""
    record = with_tags(told, vlan="9" * 5000)
    assert record["vlan"] is None and "vlan" in record["problems"][0]


def test_a_sliver_is_not_of_a_later_time_than_its_reply(told: Told) -> None:
    """It would be newer than all that anybody says of it later."""
    told["slivers"][0]["timestamp"] = told["timestamp"] + 1
    record = read(told).records[WEB]
    assert record["timestamp"] == told["timestamp"] and "time" in record["problems"][0]


def test_a_bad_resource_is_said_and_one_switched_off_is_disabled(told: Told) -> None:
    record = with_tags(told, cpu_share="many", enabled="0")
    assert record["enabled"] is False and record["rspec"]["cpu_share"] == 32
    assert len(record["problems"]) == 1 and "cpu_share" in record["problems"][0]


def test_the_nodes_cap(told: Told) -> None:
    told["bwcap"] = {"cap": 5_000_000, "exempt_ips": ["127.0.0.1", "10.1.0.7/16", "x"]}
    reply = read(told)
    assert (reply.cap, reply.exempt) == (5_000_000, ("127.0.0.1/32", "10.1.0.0/16"))
    assert len(reply.problems) == 1
    told["bwcap"] = {"cap": "much"}
    assert read(told).cap is None and "cap" in read(told).problems[0]


# ---- slices.xml


XML = """<?xml version="1.0"?>
<slices>
 <slice id="7" name="princeton_sirius" expiry="1796428839">
  <timestamp value="1795000000"/>
  <nodes><node id="1" hostname="a"/><node id="2" hostname="b"/></nodes>
  <users><user person_id="3"><key type="ssh" value="KEY"/></user><user person_id="4"/></users>
  <rspec>
   <resource name="nm_cpu_guaranteed_share"><value name="share" type="integer">200</value></resource>
   <resource name="nm_net_max_rate"><value name="rate" type="integer">3000000</value></resource>
  </rspec>
 </slice>
 <slice id="8" name="elsewhere" expiry="1796428839"><nodes><node id="2"/></nodes></slice>
 <slice id="9" name="bad_expiry" expiry="never"><nodes><node id="1"/></nodes></slice>
</slices>"""


def test_slices_xml_says_it_too(told: Told) -> None:
    key = told["slivers"][0]["keys"][0]["key"]
    reply = read(read_slices_xml(XML.replace("KEY", key).encode(), 1, 1795219240))
    assert set(reply.records) == {"sliver_princeton_sirius"}
    record = reply.records["sliver_princeton_sirius"]
    assert (record["timestamp"], record["expiry"], record["slice_id"]) == (1795000000, 1796428839, 7)
    assert record["keys"] == [key] and record["instantiation"] == "plc-instantiated"
    assert (record["rspec"]["cpu_min"], record["rspec"]["net_max"]) == (200, 3_000_000)
    assert "sliver_bad_expiry" in reply.mentioned and record["problems"] == []


@pytest.mark.parametrize(
    "broken",
    [XML[:-20], "", "<html/>", '<!DOCTYPE a [<!ENTITY b "c">]>' + XML.partition("\n")[2], "\x00"],
)
def test_what_is_no_slices_xml_counts_for_nothing(broken: str) -> None:
    with pytest.raises(Invalid):
        read_slices_xml(broken.encode(), 1, 5)


def test_a_number_of_slices_xml_that_is_none_is_left_out(told: Told) -> None:
    key, long = told["slivers"][0]["keys"][0]["key"], "9" * 5000
    text = XML.replace("KEY", key).replace('slice id="7"', f'slice id="{long}"')
    text = text.replace("<slices>", f'<slices timestamp="{long}">')
    reply = read(read_slices_xml(text.encode(), 1, 1795219240))
    assert reply.timestamp == 1795219240
    assert reply.records["sliver_princeton_sirius"]["slice_id"] is None


def test_only_so_many_problems_are_told(told: Told) -> None:
    told["slivers"] = [{"name": f"no name {number}"} for number in range(1000)]
    problems = read_reply(told, READING).problems
    assert len(problems) == 101 and problems[-1] == "and 900 more"
