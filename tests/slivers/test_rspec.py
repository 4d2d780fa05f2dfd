"""The table of resources, and what tags say of them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nm import rspec
from nm.errors import Invalid

SEED_DEFAULTS = {
    "enabled": 1, "cpu_min": 0, "cpu_share": 32, "net_min": 8, "net_max": 1000000000,
    "net2_min": 8, "net2_max": 1000000000, "net_share": 1, "disk_max": 5000000,
}  # fmt: skip
SEED_MINIMUMS = {
    "cpu_min": 0, "cpu_share": 16, "net_min": 0, "net_max": 8, "net2_min": 0, "net2_max": 8, "net_share": 1,
}  # fmt: skip


def read(**tags: Any) -> dict[str, Any]:
    """What these tags say that nothing says otherwise; there must be nothing to complain of."""
    reading = rspec.from_tags(tags)
    assert not reading.faults
    return {name: value for name, value in reading.rspec.items() if value != rspec.DEFAULTS[name]}


def test_defaults_and_minimums_are_the_seeds() -> None:
    assert {name: rspec.DEFAULTS[name] for name in SEED_DEFAULTS} == SEED_DEFAULTS
    assert dict(rspec.MINIMUMS) == SEED_MINIMUMS


def test_each_name_is_there_once_and_each_enforcer_has_words() -> None:
    names = [name for resource in rspec.RESOURCES for name in (resource.name, *resource.aliases)]
    assert len(names) == len(set(names)) == len(rspec.NAMES)
    assert {resource.enforcer for resource in rspec.RESOURCES} == set(rspec.ENFORCERS)


@pytest.mark.parametrize(
    ("tag", "value", "resource", "amount"),
    [
        ("cpu_min", "200", "cpu_min", 200),
        ("nm_cpu_guaranteed_share", "200", "cpu_min", 200),
        ("cpu_pct", "20", "cpu_min", 200),
        ("cpu_pct", "12.5", "cpu_min", 125),
        ("net_max_rate", "2000", "net_max", 2_000_000),
        ("net_min_rate", "0.016", "net_min", 16),
        ("net_min_rate", 0.016, "net_min", 16),
        ("net_i2_min_rate", "1", "net2_min", 1000),
        ("net_i2_max_rate", "5000", "net2_max", 5_000_000),
        ("net_max", "20000000000", "net_max", 20_000_000_000),
        ("net_i2_max_kbyte", " 7 ", "net2_max_kbyte", 7),
        ("memory", 512, "memory", 512),
        ("disk_max", "100", "disk_max", 100),
        ("cpu_cores", "2", "cpu_cores", "2"),
        ("cpu_cores", "02b", "cpu_cores", "2b"),
        ("enabled", "0", "enabled", 0),
        ("enabled", False, "enabled", 0),
    ],
)
def test_every_name_in_its_own_unit(tag: str, value: object, resource: str, amount: object) -> None:
    assert read(**{tag: value}) == {resource: amount}


@pytest.mark.parametrize(
    ("tag", "value", "said"),
    [
        ("cpu_share", "many", "'many' is not a number"),
        ("cpu_share", "", "'' is not a number"),
        ("cpu_share", "-1", "not a number"),
        ("cpu_share", "1e3", "not a number"),
        ("cpu_share", "٣", "not a number"),
        ("cpu_share", "0.5", "not a whole number of shares"),
        ("cpu_share", True, "not a number"),
        ("cpu_share", None, "not a number"),
        ("cpu_share", float("nan"), "not a number"),
        ("cpu_share", "9" * 5000, "not a number"),
        ("net_max_rate", "-1", "not a number"),
        ("net_min_rate", "0.0085", "not a whole number of bit/s"),
        ("net_max", str(2**53 + 1), "too large"),
        ("enabled", "2", "too large"),
        ("cpu_cores", "b", "not a number of cores"),
        ("cpu_cores", "2c", "not a number of cores"),
    ],
)
def test_a_bad_value_is_kept_out_and_said(tag: str, value: object, said: str) -> None:
    reading = rspec.from_tags({tag: value, "net_share": "3"})
    assert reading.rspec == rspec.complete({"net_share": 3})
    assert list(reading.faults) == [tag]
    assert reading.faults[tag].startswith(f"{tag}: ")
    assert said in reading.faults[tag]
    assert len(reading.faults[tag]) < 200


def test_a_resources_own_name_goes_before_its_aliases() -> None:
    reading = rspec.from_tags({"cpu_pct": "30", "cpu_min": "200"})
    assert reading.rspec["cpu_min"] == 200
    assert reading.faults == {"cpu_pct": "cpu_pct: '30' is left out, for cpu_min says otherwise; keep one"}
    assert not rspec.from_tags({"cpu_pct": "20", "cpu_min": "200"}).faults
    unread = rspec.from_tags({"cpu_pct": "30", "cpu_min": "lots"})
    assert unread.rspec["cpu_min"] == 300
    assert list(unread.faults) == ["cpu_min"]


def test_what_tags_do_not_say_is_as_in_the_base() -> None:
    base = rspec.from_tags({"net_max_rate": "1000", "cpu_share": "5"}).rspec
    reading = rspec.from_tags({"cpu_share": "7", "hrn": "x", "vsys": "y"}, base)
    assert (reading.rspec["net_max"], reading.rspec["cpu_share"]) == (1_000_000, 7)
    assert not reading.faults
    assert base["cpu_share"] == 5


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from([*rspec.NAMES, "hrn"]), st.text() | st.integers() | st.floats()))
def test_whatever_tags_hold_an_rspec_is_whole(tags: dict[str, Any]) -> None:
    reading = rspec.from_tags(tags)
    assert reading.rspec.keys() == rspec.DEFAULTS.keys()
    for name, value in reading.rspec.items():
        assert type(value) is type(rspec.DEFAULTS[name])
        assert isinstance(value, str) or 0 <= value <= rspec.LARGEST
    assert reading.faults.keys() <= tags.keys() - {"hrn"}


def test_what_nothing_enforces_is_said() -> None:
    values = rspec.from_tags({"cpu_cores": "2", "net2_max": "5000", "cpu_share": "64", "disk_max": "9"}).rspec
    said = rspec.unenforced(values, {"shares", "disk"})
    assert said == {
        "cpu_cores": "cpu_cores 2 (cores) is not enforced: this node has nothing that reserves whole cores",
        "net2_max": "net2_max 5000 (bit/s) is not enforced: "
        "this node has nothing that tells exempt networks from others",
    }
    assert not rspec.unenforced(values, rspec.ENFORCERS)
    assert not rspec.unenforced(rspec.DEFAULTS, ())


def test_cores() -> None:
    assert rspec.cores("2b") == (2, True)
    assert rspec.cores("3") == (3, False)


def test_the_nodes_own_limits() -> None:
    caps = rspec.node_caps(100_000_000, ["10.1.0.0/16", "2001:db8::/32", "10.1.0.0/16"], 5.0)
    assert caps == {
        "record_key": "meta_bwcap", "timestamp": 5, "expiry": None,
        "cap": 100_000_000, "exempt": ["10.1.0.0/16", "2001:db8::/32"],
    }  # fmt: skip
    assert rspec.node_caps(None, [], 5.0)["cap"] is None
    with pytest.raises(Invalid, match=r"exempt networks: .*10\.1\.0\.1"):
        rspec.node_caps(None, ["10.1.0.1/16"], 5.0)
    with pytest.raises(Invalid, match="at least 8"):
        rspec.node_caps(7, [], 5.0)
