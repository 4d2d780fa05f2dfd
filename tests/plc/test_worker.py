"""A whole nm and a PLC over HTTPS: what is right counts, whatever is wrong loses nothing and is told."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nm.calls import Caller
from nm.database_tools import restore
from nm.errors import Conflict, Denied, Invalid
from nm.plcwork import KEPT, pause
from tests.plc.authority import Authority
from tests.plc.conftest import Serve, Told
from tests.plc.fake_plc import MANNERS, FakePlc
from tests.plc.node import node

NAMES = {"demo_web", "demo_deleg", "demo_ctl"}


def later(plc: FakePlc, **changes: Any) -> None:
    """The PLC says the same with these changes, and as of a second later."""
    plc.reply = {**plc.reply, "timestamp": plc.reply["timestamp"] + 1, **changes}


def test_what_the_plc_lists_is_known_and_its_standing_told(
    plc: FakePlc, authority: Authority, tmp_path: Path
) -> None:
    with node(tmp_path, plc, authority) as here:
        assert set(here.slivers()) == NAMES
        source = here.source()
        assert source["address"] == here.config.plc.address
        assert source["online"] and source["error"] is None and source["offline_since"] is None
        assert source["timestamp"] == plc.reply["timestamp"] and source["node_id"] == 1
        assert source["received"] == source["tried"] and 0 <= source["age"] < 60
        assert source["held"] == []
        assert "conf_files" in source["sections"] and "xmpp" not in source["sections"]
        here.ask()
        assert here.whats() == ["online"]


@pytest.mark.parametrize("manner", [manner for manner in MANNERS if manner != "well"])
def test_a_plc_that_behaves_badly_changes_nothing(
    plc: FakePlc, authority: Authority, tmp_path: Path, manner: str
) -> None:
    with node(tmp_path, plc, authority) as here:
        before, records = here.source(), here.slivers()
        later(plc, slivers=plc.reply["slivers"][:1])
        plc.manner = manner
        for _ in range(2):
            job = here.ask()
            assert job["state"] == "failed" and job["error"]["code"] == 107
        source = here.source()
        assert not source["online"] and source["error"] and source["error"] in job["error"]["text"]
        assert (source["received"], source["timestamp"]) == (before["received"], before["timestamp"])
        assert source["offline_since"] is not None
        assert here.slivers() == records
        plc.manner = "well"
        assert here.ask()["state"] == "done" and here.source()["online"]
        assert here.whats() == ["online", "offline", "online"]


def test_a_certificate_of_another_authority_is_not_trusted(
    serve: Serve, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    with node(tmp_path, serve(other.certificate()), authority) as here:
        assert "certificate that cannot be verified" in here.source()["error"]
        assert here.slivers() == {} and not here.source()["online"]


@pytest.mark.parametrize(("key", "session"), [("wrong", ""), ("", "plc-session")])
def test_a_wrong_key_or_session_is_told(
    plc: FakePlc, authority: Authority, tmp_path: Path, key: str, session: str
) -> None:
    with node(tmp_path, plc, authority, key=key or "wrong", session=session) as here:
        if session:
            (tmp_path / "secrets" / session).write_text("wrong-session")
            (tmp_path / "secrets" / session).chmod(0o600)
            here.ask()
        source = here.source()
        assert "fault 103" in source["error"] and "wrong" not in source["error"]
        assert here.slivers() == {}


def test_an_empty_list_removes_nobody(plc: FakePlc, authority: Authority, tmp_path: Path) -> None:
    with node(tmp_path, plc, authority) as here:
        later(plc, slivers=[])
        job = here.ask()
        assert job["result"] == {"changed": 0, "removed": 0, "held": 3, "stale": False}
        assert set(here.source()["held"]) == NAMES
        assert all(record["_gone"] is None for record in here.slivers().values())


def test_a_reply_for_another_node_changes_nothing(plc: FakePlc, authority: Authority, tmp_path: Path) -> None:
    with node(tmp_path, plc, authority) as here:
        records = here.slivers()
        later(plc, node_id=2, slivers=[])
        assert "is for node 2, this is node 1" in here.ask()["error"]["text"]
        assert here.slivers() == records and not here.source()["online"]


def test_the_oldest_shape_is_understood(plc: FakePlc, authority: Authority, tmp_path: Path) -> None:
    """A list of one struct, attributes by `name`, the node's addresses as `networks`."""
    told = dict(plc.reply)
    told["networks"] = told.pop("interfaces")
    for sliver in told["slivers"]:
        sliver["attributes"] = [
            {"name": tag["tagname"], "value": tag["value"]} for tag in sliver["attributes"]
        ]
    plc.reply = [told]
    with node(tmp_path, plc, authority) as here:
        assert here.slivers()["demo_web"]["rspec"]["cpu_share"] == 30
        assert "interfaces" in here.source()["sections"]


def test_the_same_reply_again_writes_nothing_but_the_standing(
    plc: FakePlc, authority: Authority, tmp_path: Path
) -> None:
    with node(tmp_path, plc, authority) as here:
        before = here.revision()
        assert here.ask()["result"]["stale"]
        assert here.changed(before) == {"meta_standing"}
        later(plc)
        before = here.revision()
        here.ask()
        assert here.changed(before) == {"meta_standing", "meta_source"}


def test_one_changed_tag_changes_one_sliver(plc: FakePlc, authority: Authority, tmp_path: Path) -> None:
    with node(tmp_path, plc, authority) as here:
        plc.reply["slivers"][0]["attributes"][0]["value"] = "40"
        later(plc)
        before = here.revision()
        assert here.ask()["result"]["changed"] == 1
        assert here.changed(before) == {"meta_standing", "meta_source", "sliver_demo_web"}


def test_slivers_stay_while_the_plc_is_away_at_the_start(
    plc: FakePlc, authority: Authority, tmp_path: Path
) -> None:
    with node(tmp_path, plc, authority) as here:
        records = here.slivers()
        here.stop()
        plc.manner = "hangs up"
        here.start()
        here.until(lambda: not here.source()["online"])
        assert here.slivers() == records
        here.stop()
        here.start()
        here.ask()
        assert here.whats() == ["online", "offline"], "told once, also over restarts"


def test_without_database_and_plc_the_last_good_reply_is_taken(
    plc: FakePlc, authority: Authority, tmp_path: Path
) -> None:
    with node(tmp_path, plc, authority) as here:
        here.stop()
        kept = (tmp_path / "db" / KEPT).read_bytes()
        shutil.rmtree(tmp_path / "db")
        (tmp_path / "db").mkdir(mode=0o700)
        (tmp_path / "db" / KEPT).write_bytes(kept)
        plc.manner = "hangs up"
        here.start()
        source = here.told()
        assert set(here.slivers()) == NAMES
        assert not source["online"] and source["timestamp"] == plc.reply["timestamp"]
        plc.manner = "well"
        later(plc, slivers=plc.reply["slivers"][1:])
        assert here.ask()["result"]["removed"] == 1


def test_what_is_remembered_removes_nobody(plc: FakePlc, authority: Authority, tmp_path: Path) -> None:
    """An older copy of the database knows a sliver that the reply no longer listed."""
    with node(tmp_path, plc, authority) as here:
        here.call("Backup", str(tmp_path / "copy"))
        later(plc, slivers=plc.reply["slivers"][1:])
        here.ask()
        here.stop()
        kept = (tmp_path / "db" / KEPT).read_bytes()
        restore(tmp_path / "db", tmp_path / "copy")
        (tmp_path / "db" / KEPT).write_bytes(kept)
        plc.manner = "hangs up"
        here.start()
        here.until(lambda: not here.source()["online"])
        assert here.slivers()["demo_web"]["_gone"] is None


def test_a_clock_that_went_back_counts_only_when_told(
    plc: FakePlc, authority: Authority, tmp_path: Path
) -> None:
    with node(tmp_path, plc, authority) as here:
        plc.reply["slivers"][0]["attributes"][0]["value"] = "40"
        plc.reply = {**plc.reply, "timestamp": plc.reply["timestamp"] - 1000}
        job = here.ask()
        assert job["state"] == "failed" and job["error"]["code"] == 105
        assert here.source()["online"] and "older" in here.source()["error"]
        assert here.slivers()["demo_web"]["rspec"]["cpu_share"] == 30
        assert here.ask(older=True)["state"] == "done"
        assert here.slivers()["demo_web"]["rspec"]["cpu_share"] == 40
        assert here.source()["error"] is None


def test_another_reply_of_the_same_time_is_told_and_counts_only_when_told(
    plc: FakePlc, authority: Authority, tmp_path: Path
) -> None:
    """As of a file whose timestamp somebody forgot."""
    with node(tmp_path, plc, authority) as here:
        plc.reply["slivers"][0]["attributes"][0]["value"] = "40"
        assert here.ask()["error"]["code"] == 105
        assert "is not the same" in here.source()["error"]
        assert here.slivers()["demo_web"]["rspec"]["cpu_share"] == 30
        assert here.ask(older=True)["result"]["changed"] == 1
        assert here.slivers()["demo_web"]["rspec"]["cpu_share"] == 40
        assert here.ask()["state"] == "done" and here.source()["error"] is None


def test_long_names_and_unknown_keys_are_kept(plc: FakePlc, authority: Authority, tmp_path: Path) -> None:
    long = "princeton_" + "x" * 54
    plc.reply["slivers"][0].update(name=long, strange={"a": [1, None]})
    plc.reply["future"] = {"deep": ["er"]}
    with node(tmp_path, plc, authority) as here:
        record = here.slivers()[long]
        assert len(record["account"]) <= 32 and record["strange"] == {"a": [1, None]}
        assert "future" in here.source()["sections"]


def test_tags_of_the_plcs_own_default_slice_count_for_all(
    plc: FakePlc, authority: Authority, tmp_path: Path
) -> None:
    tags = [{"tagname": "cpu_share", "value": "64"}, {"tagname": "net_max_rate", "value": "-1"}]
    default: Told = {"name": "pl_default", "instantiation": "not-instantiated", "expires": None, "keys": []}
    rogue = {**default, "name": "evil_default", "attributes": [{"tagname": "memory", "value": "99"}]}
    plc.reply["slivers"] += [{**default, "attributes": tags}, rogue]
    with node(tmp_path, plc, authority) as here:
        found = {name: record["rspec"] for name, record in here.slivers().items()}
        assert (found["demo_ctl"]["cpu_share"], found["demo_web"]["cpu_share"]) == (64, 30)
        assert (found["demo_ctl"]["net_max"], found["demo_web"]["net_max"]) == (1_000_000_000, 2_000_000)
        assert found["demo_ctl"]["memory"] == 0


def test_a_missing_node_id_is_told_and_may_come_later(
    plc: FakePlc, authority: Authority, tmp_path: Path
) -> None:
    with node(tmp_path, plc, authority) as here:
        (tmp_path / "node_id").unlink()
        assert here.ask()["state"] == "failed"
        assert "write the node's id" in here.source()["error"] and here.source()["node_id"] is None
        (tmp_path / "node_id").write_text("one")
        assert "is no number" in here.ask()["error"]["text"]
        (tmp_path / "node_id").write_text("1")
        assert here.ask()["state"] == "done" and here.source()["node_id"] == 1


def test_a_plc_that_hangs_holds_up_nobody(plc: FakePlc, authority: Authority, tmp_path: Path) -> None:
    with node(tmp_path, plc, authority, timeout_seconds=20.0) as here:
        plc.manner = "silent"
        job = here.call("AskSource")
        here.until(lambda: here.call("GetJob", job)["state"] == "running")
        here.call("RegisterVlan", 200)
        assert here.source()["online"], "as it was, until it is known better"
        assert here.call("GetJob", job)["state"] == "running"
        plc.stop.set()
        here.wait(job)


def test_a_daemon_that_ends_does_not_wait_for_its_plc(
    plc: FakePlc, authority: Authority, tmp_path: Path
) -> None:
    with node(tmp_path, plc, authority, timeout_seconds=300.0) as here:
        plc.manner = "silent"
        job = here.call("AskSource")
        here.until(lambda: plc.calls[-1] == "GetSlivers by session" and len(plc.calls) > 2)
        assert here.service is not None
        began = time.monotonic()
        assert here.service.stop(25) and time.monotonic() - began < 20
        plc.manner = "well"
        here.start()
        assert here.wait(job)["state"] == "done", "the next one goes on with it"
        assert here.whats() == ["online"], "it is not said to be away"


def test_live_keys_are_heeded(plc: FakePlc, authority: Authority, tmp_path: Path) -> None:
    with node(tmp_path, plc, authority) as here:
        asked = len(plc.calls)
        quick = replace(here.config.plc, period_seconds=1.0, jitter_seconds=0.0)
        assert here.service is not None
        here.service.reload(replace(here.config, plc=quick))
        here.until(lambda: len(plc.calls) >= asked + 2)


def test_a_source_that_is_configured_no_more_is_told_no_more(
    plc: FakePlc, authority: Authority, tmp_path: Path
) -> None:
    with node(tmp_path, plc, authority) as here:
        here.stop()
        here.config = replace(here.config, plc=replace(here.config.plc, address=""))
        here.start()
        source = here.source()
        assert source["address"] == "" and not source["online"] and source["tried"] is None
        assert set(here.slivers()) == NAMES
        with pytest.raises(Conflict, match="no source"):
            here.call("AskSource")


def test_who_may_look_and_who_may_ask(plc: FakePlc, authority: Authority, tmp_path: Path) -> None:
    with node(tmp_path, plc, authority) as here:
        for method in ("GetSource", "AskSource"):
            with pytest.raises(Denied):
                here.call(method, caller=Caller(uid=1234, name="somebody"))
        with pytest.raises(Invalid, match="no option"):
            here.call("AskSource", {"odler": True})


def test_a_file_in_the_plcs_place(told: Told, plc: FakePlc, authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "slivers.json"
    file.write_text(json.dumps(told))
    with node(tmp_path, plc, authority) as here:
        here.stop()
        here.config = replace(here.config, plc=replace(here.config.plc, address=str(file)))
        here.start()
        here.until(lambda: here.source()["online"])
        assert here.source()["address"] == str(file)


def test_not_all_nodes_ask_at_once() -> None:
    assert [pause(600, 300, chance) for chance in (0, 0.5, 1)] == [600, 750, 900]


def test_many_who_ask_at_once_are_all_answered(plc: FakePlc, authority: Authority, tmp_path: Path) -> None:
    with node(tmp_path, plc, authority) as here:
        jobs = [here.call("AskSource") for _ in range(10)]
        assert {here.wait(job)["state"] for job in jobs} == {"done"}
