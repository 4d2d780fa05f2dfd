"""Tickets handed in by the API of a whole nm: good ones count once, others are refused and say why."""

import os
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pysequoia
import pytest
from pysequoia import Tsk

from nm import config, marshal, tickets
from nm.calls import Call, Caller
from nm.errors import NMError
from nm.plc import reading_of
from nm.records import Record, record_key
from nm.ticketdesk import AT_ONCE, TicketDesk
from tests.memory_store import MemoryStore
from tests.rack import ROOT, Rack
from tests.tickets.signers import NODE, NOW, SLIVER, fresh, payload, signer, ticket
from tests.tickets.test_openpgp import armoured

ANYBODY = Caller(uid=4321, name="anybody")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Rack]:
    keys = tmp_path / "ticket-keys"
    keys.mkdir(mode=0o755)
    (keys / "central.asc").write_bytes(signer("openpgp").public)
    (keys / "central.pem").write_bytes(signer("xml").public)
    (keys / "README").write_text("not a key")
    for file in keys.iterdir():
        file.chmod(0o644)
    rack = Rack(tmp_path, 0, 0, tickets=config.Tickets(keys=str(keys), nodes=(NODE,)))
    yield rack
    rack.stop()


def hand_in(here: Rack, text: str) -> Any:
    return here.call("Ticket", text, caller=ANYBODY)


def refused(here: Rack, text: str) -> int:
    """The code of the fault; nothing has changed."""
    before = known(here)
    with pytest.raises(NMError) as caught:
        hand_in(here, text)
    assert known(here) == before
    return caught.value.code


def known(here: Rack) -> dict[str, Record]:
    """All slivers and used tickets, but for what the slivers' worker notes of them."""
    assert here.service is not None
    found = [record for kind in ("sliver", "ticket") for record in here.service.database.range(kind)]
    noted = {"_why", "_note", "_unenforced", "_error"}
    return {one["record_key"]: {key: one[key] for key in one if key not in noted} for one in found}


@pytest.mark.parametrize("way", ["openpgp", "xml"])
class TestTicket:
    def test_a_good_one_delivers_and_creates(self, here: Rack, way: str) -> None:
        assert hand_in(here, ticket(way)) == 1
        record = known(here)["sliver_demo_web"]
        assert record["_created"] is True and record["_stopped"] is False
        assert record["timestamp"] == NOW
        events = [event["what"] for event in here.call("GetEvents", 0, 100)]
        assert "told of" in events and "ticket used" in events

    def test_it_counts_once(self, here: Rack, way: str) -> None:
        hand_in(here, ticket(way))
        assert refused(here, ticket(way)) == 105
        here.stop()
        here.start()
        assert refused(here, ticket(way)) == 105

    def test_of_ten_at_once_one_wins(self, here: Rack, way: str) -> None:
        text = ticket(way)

        def one(_: int) -> int:
            try:
                return int(hand_in(here, text))
            except NMError as error:
                return error.code

        with ThreadPoolExecutor(10) as pool:
            assert sorted(pool.map(one, range(10))) == [1] + [105] * 9

    def test_what_is_not_good_is_refused(self, here: Rack, way: str) -> None:
        good = ticket(way)
        middle = len(good) // 2
        altered = good[:middle] + ("A" if good[middle] != "A" else "B") + good[middle + 1 :]
        assert refused(here, altered) in (102, 108)
        assert refused(here, good[:middle]) == 102
        assert refused(here, ticket(way, timestamp=NOW - 100, expires=NOW - 10)) == 108
        assert refused(here, ticket(way, node="node2.example.org")) == 108
        assert refused(here, fresh(way).sign(payload())) == 108
        assert refused(here, ticket(way, node=None, nonce=None, expires=None)) == 108, "an old one"
        assert refused(here, ticket(way, slivers=[SLIVER, SLIVER])) == 102
        assert refused(here, ticket(way, slivers=[{**SLIVER, "name": "../../etc"}])) == 102
        assert refused(here, ticket(way, slivers=[{**SLIVER, "instantiation": "by magic"}])) == 102
        assert hand_in(here, good) == 1, "whatever came before it"

    def test_this_machine_is_meant_by_its_name_too(self, here: Rack, way: str) -> None:
        assert hand_in(here, ticket(way, node=socket.gethostname())) == 1

    def test_and_by_its_number(self, here: Rack, way: str) -> None:
        assert refused(here, ticket(way, node="77")) == 108
        (here.folder / "node_id").write_text("77")
        assert hand_in(here, ticket(way, node="77")) == 1

    def test_one_that_is_older_than_what_is_known(self, here: Rack, way: str) -> None:
        here.call("AdminTicket", unsigned(NOW + 60, {**SLIVER, "name": "other"}))
        here.call("AdminTicket", unsigned(NOW + 60, {**SLIVER, "keys": []}))
        forget_creation(here)
        assert hand_in(here, ticket(way)) == 1
        record = known(here)["sliver_demo_web"]
        assert record["_created"] and record["timestamp"] == NOW + 60, "as it is known"
        plain = {**SLIVER, "name": "plain", "instantiation": "plc-instantiated"}
        here.call("AdminTicket", unsigned(NOW + 60, plain))
        assert refused(here, ticket(way, slivers=[plain], nonce="another-nonce-123")) == 105

    def test_its_sliver_is_no_newer_than_itself(self, here: Rack, way: str) -> None:
        hand_in(here, ticket(way, slivers=[{**SLIVER, "timestamp": NOW + 10**9}]))
        assert known(here)["sliver_demo_web"]["timestamp"] == NOW


def forget_creation(here: Rack) -> None:
    assert here.service is not None
    record = known(here)["sliver_demo_web"]
    here.service.database.transact(lambda tx: tx.put({**record, "_created": False}))


# ---- what it costs


def test_bombs_are_refused_quickly(here: Rack) -> None:
    big = pysequoia.sign(Tsk.generate("Central").signer(), bytes(1 << 24), armor=False)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = b"\xa3\x01" + deflate.compress(big) + deflate.flush()
    entities = "<!DOCTYPE t [" + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9)) + "]>"
    nested = "<ticket>" + "<methodResponse>" * 50_000
    began = time.process_time()
    for bomb in (armoured(packed), f"{entities}<ticket>&a8;</ticket>", nested, "<" * (1 << 20), "x"):
        assert refused(here, bomb) == 102
    assert refused(here, "x" * ((1 << 20) + 1)) == 102
    assert time.process_time() - began < 20


def test_few_are_looked_at_at_a_time(tmp_path: Path) -> None:
    lock, gone = threading.Lock(), threading.Event()
    now, most = 0, 0

    def rules() -> tickets.Rules:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        gone.wait(0.05)
        with lock:
            now -= 1
        return tickets.Rules(frozenset())

    desk = TicketDesk(MemoryStore(), rules, lambda: reading_of(config.Config(), None))

    def one(_: int) -> str:
        with pytest.raises(NMError) as caught:
            desk.take(Call(ANYBODY, "Ticket", NOW), "no ticket")
        return type(caught.value).__name__

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(one, range(16))) == {"Invalid"}
    assert most == AT_ONCE


# ---- whose signatures count


def test_keys_are_read_anew_when_they_change(here: Rack) -> None:
    other = fresh("openpgp")
    text = other.sign(payload(nonce="another-nonce-123"))
    assert refused(here, text) == 108
    file = here.folder / "ticket-keys" / "other.gpg"
    file.write_bytes(other.public)
    file.chmod(0o644)
    assert hand_in(here, text) == 1
    file.unlink()
    assert refused(here, other.sign(payload(nonce="yet-another-nonce"))) == 108
    assert hand_in(here, ticket("xml")) == 1


def test_a_key_that_others_could_have_put_there_does_not_count(here: Rack) -> None:
    keys = here.folder / "ticket-keys"
    (keys / "broken.asc").write_text("no key at all")
    (keys / "central.pem").chmod(0o666)
    os.rename(keys / "central.asc", keys / "central.key")
    os.symlink(keys / "central.key", keys / "link.asc")
    assert refused(here, ticket("xml")) == 108
    assert refused(here, ticket("openpgp")) == 108
    (keys / "link.asc").unlink()
    os.rename(keys / "central.key", keys / "central.asc")
    assert hand_in(here, ticket("openpgp")) == 1
    keys.chmod(0o777)
    assert refused(here, ticket("openpgp", nonce="another-nonce-123")) == 107
    keys.chmod(0o755)


def test_without_the_folder_none_counts(here: Rack) -> None:
    (here.folder / "ticket-keys").rename(here.folder / "elsewhere")
    assert refused(here, ticket("openpgp")) == 108


# ---- an administrator's


def unsigned(timestamp: int, *slivers: dict[str, Any]) -> str:
    return marshal.answer({"timestamp": timestamp, "slivers": list(slivers)}).decode()


def test_an_administrators_needs_no_signature_and_takes_any_number(here: Rack) -> None:
    many = [{**SLIVER, "name": f"demo_{number}"} for number in range(150)]
    assert here.call("AdminTicket", unsigned(NOW, *many)) == 1
    assert len(known(here)) == 150 and known(here)["sliver_demo_0"]["_created"]
    assert here.call("AdminTicket", unsigned(NOW + 1, {**SLIVER, "name": "demo_one_more"})) == 1
    assert len(known(here)) == 151, "it is no whole reply"
    assert here.call("GetSource")["held"] == []


def test_nobody_else_hands_in_unsigned_ones(here: Rack) -> None:
    with pytest.raises(NMError) as caught:
        here.call("AdminTicket", unsigned(NOW, SLIVER), caller=ANYBODY)
    assert caught.value.code == 108


def test_an_administrators_counts_whole_or_not_at_all(here: Rack) -> None:
    here.call("AdminTicket", unsigned(NOW, SLIVER))
    before = known(here)
    wrong = {**SLIVER, "name": "wrong", "instantiation": "by magic"}
    for text, code in (
        (unsigned(NOW + 1, {**SLIVER, "name": "right"}, wrong), 102),
        (unsigned(NOW - 1, {**SLIVER, "name": "right"}, SLIVER), 105),
        (unsigned(NOW, {**SLIVER, "keys": []}), 105),
        (unsigned(NOW + 9999, SLIVER), 102),
        ("<methodResponse>", 102),
    ):
        with pytest.raises(NMError) as caught:
            here.call("AdminTicket", text, caller=ROOT)
        assert caught.value.code == code and known(here) == before


def test_a_used_ticket_is_watched_until_it_need_not_be_remembered(here: Rack) -> None:
    hand_in(here, ticket("xml"))
    record = known(here)[record_key("ticket", "0123456789abcdef")]
    assert record["expiry"] == NOW + 3600 + tickets.REMEMBERED
