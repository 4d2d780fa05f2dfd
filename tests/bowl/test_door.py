"""BOWL's door, each row of its table of methods, called by jsonrpclib on a whole nm that sends real mails."""

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from jsonrpclib import MultiCall, ProtocolError, ServerProxy

from nm import bowl
from nm.errors import Invalid
from nm.shell.main import main
from tests.bowl.conftest import NODES, Portal, as_nobody, later
from tests.mail.server import Scripted
from tests.plc.authority import Authority

ANN = ("Ann", "ann@example.org", "ann")  # client_name, client_email, client_uuid
DONE, FAILURE, UNMAILED = 0, -1, -2


@pytest.fixture
def slice(shared: Portal, request: pytest.FixtureRequest) -> Iterator[str]:  # noqa: A001
    """A slice of the test's own, which is given back after it."""
    name = f"{abs(hash(request.node.name)) % 100000}"
    yield name
    mine = [node["id"] for node in shared.client().ListResources(False, name)]
    if mine:
        assert shared.client().Delete([name], *ANN) == DONE
        shared.free(*mine)


def ends_of(portal: Portal, slice: str) -> list[float]:
    return [one["expires"] for one in portal.rack.call("GetReservations", {"slice": slice})]


def states(portal: Portal, slice: str) -> set[str]:
    return {one["allocation"] for one in portal.rack.call("GetReservations", {"slice": slice})}


def operational(portal: Portal, slice: str) -> str:
    [found] = portal.rack.call("GetReservations", {"slice": slice})
    return str(found["operational"])


def stamp(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


# ---- the rows


def test_list_resources_lists_hosts_as_the_table_of_them_had_them(shared: Portal) -> None:
    everything = shared.client().ListResources(available=False)
    assert min(everything, key=lambda node: node["id"]) == {
        "id": 1,
        "hostname": "n0.example.org",
        "default_mac": "52:54:00:00:00:00",
        "default_ip": "10.0.1.1",
    }
    assert {node["id"] for node in everything} == {*range(1, NODES + 1)}


def test_without_arguments_what_is_free_is_listed(shared: Portal, slice: str) -> None:
    portal = shared.client()
    assert portal.Allocate(slice, [1, 2], later(), "ann", "ann@example.org") == DONE
    free = {*range(3, NODES + 1)}
    assert {node["id"] for node in portal.ListResources()} == free
    assert {node["id"] for node in portal.ListResources(True)} == free
    assert {node["id"] for node in portal.ListResources(False)} == free | {1, 2}
    mine = portal.ListResources(available=False, slice_urn=slice)
    assert {node["id"] for node in mine} == {1, 2}


def test_a_slice_that_nobody_knows_has_nothing(shared: Portal) -> None:
    assert shared.client().ListResources(available=False, slice_urn="nobody's") == []


def test_allocate_reserves_until_a_naive_time_and_mails(shared: Portal, slice: str) -> None:
    end = later()
    assert shared.client().Allocate(slice, [3, 4], end, "ann", "ann@example.org") == DONE
    assert ends_of(shared, slice) == [stamp(end)] * 2
    assert states(shared, slice) == {"geni_allocated"}
    to, message = shared.mail.taken[-1]
    assert to == ["admin@example.org"]
    assert slice in message["Subject"]
    assert "ann@example.org" in message.get_content()


def test_provision_of_a_bare_slice_sets_up_and_later_extends(shared: Portal, slice: str) -> None:
    portal = shared.client()
    assert portal.Allocate(slice, [1], later(), "ann", "ann@example.org") == DONE
    week, month = later(weeks=1), later(weeks=4)
    assert portal.Provision(slice, week, "ann", "ann", "ann@example.org") == DONE  # in the portal's order
    assert states(shared, slice) == {"geni_provisioned"}
    assert ends_of(shared, slice) == [stamp(week)]
    shared.rack.until(lambda: operational(shared, slice) == "geni_ready")
    assert shared.rack.ports("sw0")["p0"]["untagged"] is not None  # it is wired, and its power on
    assert json.loads((shared.rack.folder / "n0.power").read_text())["power"] == "on"
    assert portal.Provision([slice], month, *ANN) == DONE
    assert ends_of(shared, slice) == [stamp(month)]


def test_provision_of_more_nodes_extends_the_others_with_them(shared: Portal, slice: str) -> None:
    portal = shared.client()
    assert portal.Allocate(slice, [1], later(), "ann", "ann@example.org") == DONE
    assert portal.Provision(slice, later(days=1), *ANN) == DONE
    assert portal.Allocate(slice, [2], later(), "ann", "ann@example.org") == DONE
    week = later(weeks=1)
    assert portal.Provision(slice, week, *ANN) == DONE
    assert states(shared, slice) == {"geni_provisioned"}
    assert ends_of(shared, slice) == [stamp(week)] * 2


def test_perform_operational_action_switches_power(shared: Portal, slice: str) -> None:
    portal = shared.client()
    assert portal.Allocate(slice, [5], later(), "ann", "ann@example.org") == DONE
    assert portal.Provision(slice, later(), *ANN) == DONE

    shared.rack.until(lambda: operational(shared, slice) == "geni_ready")
    assert portal.PerformOperationalAction([slice], "stop", *ANN) == DONE
    shared.rack.until(lambda: operational(shared, slice) == "geni_notready")
    assert portal.PerformOperationalAction(slice, "geni_start", *ANN) == DONE
    shared.rack.until(lambda: operational(shared, slice) == "geni_ready")
    assert portal.PerformOperationalAction(slice, "dance", *ANN) == FAILURE


def test_delete_ends_the_reservation(shared: Portal) -> None:
    portal = shared.client()
    assert portal.Allocate("going", [6], later(), "ann", "ann@example.org") == DONE
    assert portal.Delete(["going"], "Ann", "ann@example.org", "ann") == DONE
    shared.free(6)
    assert portal.ListResources(available=False, slice_urn="going") == []
    assert portal.Delete(["going"], *ANN) == FAILURE


def test_a_reservation_ends_by_itself(shared: Portal) -> None:
    portal = shared.client()
    assert portal.Allocate("short", [6], later(seconds=2), "ann", "ann@example.org") == DONE
    assert {node["id"] for node in portal.ListResources(False, "short")} == {6}
    shared.free(6)
    assert portal.ListResources(False, "short") == []


def test_nobody_of_a_portals_passes_for_somebody_of_this_machine(shared: Portal, slice: str) -> None:
    assert shared.client().Allocate(slice, [1], later(), "root", "root@example.org") == DONE
    [group] = shared.rack.call("GetReservations", {"slice": slice})
    told = shared.rack.call("GetEvents", 0, 1000)
    assert {one["who"] for one in told if group["group"] in one["subject"]} == {"bowl:root"}


# ---- what cannot be done


@pytest.mark.parametrize(
    ("ids", "end"),
    [
        ([99], 13),
        ([], 13),
        (["1"], 13),
        ([True], 13),
        ([1, 1], 13),
        ([1], -1),
        ([1], "soon"),
        ([1], ""),
    ],
)
def test_allocate_answers_minus_one_and_takes_nothing(shared: Portal, ids: Any, end: int | str) -> None:
    portal = shared.client()
    time = later(hours=end) if isinstance(end, int) else end
    assert portal.Allocate("refused", ids, time, "ann", "ann@example.org") == FAILURE
    assert portal.ListResources(False, "refused") == []
    assert len(portal.ListResources()) == NODES


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "ä" * 101, "urn:publicid:IDN+lab+user+ann"])
def test_a_slice_is_called_something(shared: Portal, name: str) -> None:
    assert shared.client().Allocate(name, [1], later(), "ann", "ann@example.org") == FAILURE
    assert len(shared.client().ListResources()) == NODES


def test_allocate_takes_all_or_nothing(shared: Portal, slice: str) -> None:
    portal = shared.client()
    assert portal.Allocate(slice, [1], later(), "ann", "ann@example.org") == DONE
    assert portal.Allocate("other", [2, 1], later(), "bob", "bob@example.org") == FAILURE
    assert {node["id"] for node in portal.ListResources()} == {*range(2, NODES + 1)}


def test_ten_at_once_for_the_last_nodes_and_no_node_twice(shared: Portal) -> None:
    names = [f"rush-{number}" for number in range(10)]
    gate = threading.Barrier(len(names))

    def rush(name: str) -> int:
        portal = ServerProxy(f"http://127.0.0.1:{shared.port}")
        gate.wait(30)
        try:
            return int(portal.Allocate(name, [1, 2], later(), name, f"{name}@example.org"))
        finally:
            portal("close")()

    with ThreadPoolExecutor(len(names)) as pool:
        told = dict(zip(names, pool.map(rush, names), strict=True))
    assert sorted(told.values()) == [FAILURE] * 9 + [DONE]
    [winner] = [name for name, result in told.items() if result == DONE]
    assert {node["id"] for node in shared.client().ListResources(False, winner)} == {1, 2}
    assert shared.client().Delete([winner], *ANN) == DONE
    shared.free(1, 2)


def test_several_slices_are_provisioned_or_none(shared: Portal, slice: str) -> None:
    portal = shared.client()
    assert portal.Allocate(slice, [1], later(), "ann", "ann@example.org") == DONE
    assert portal.Provision([slice, "nobody's"], later(), *ANN) == FAILURE
    assert states(shared, slice) == {"geni_allocated"}


def test_what_does_not_fit_is_an_error_of_json_rpc(shared: Portal) -> None:
    portal = shared.client()
    with pytest.raises(ProtocolError) as caught:
        portal.Allocate("7", [1])
    assert caught.value.args[0][0] == -32602
    with pytest.raises(ProtocolError) as caught:
        portal.ListResources("yes")
    assert "available is true or false" in str(caught.value)
    with pytest.raises(ProtocolError) as caught:
        portal.Shutdown("7")
    assert caught.value.args[0][0] == -32601


def test_no_object_is_made_of_what_a_client_sends(shared: Portal) -> None:
    with pytest.raises(ProtocolError) as caught:
        shared.client().ListResources({"__jsonclass__": ["subprocess.Popen", [["true"]]]})
    assert "__jsonclass__ is refused" in str(caught.value)


# ---- mail


def test_minus_two_when_the_first_hand_over_fails_and_the_mail_comes_later(
    shared: Portal, slice: str
) -> None:
    portal, before = shared.client(), len(shared.mail.taken)
    shared.mail.stop()
    assert portal.Allocate(slice, [1], later(), "ann", "ann@example.org") == UNMAILED
    assert {node["id"] for node in portal.ListResources(False, slice)} == {1}  # the reservation stands
    [job] = shared.rack.call("GetJobs", {"kind": "mail", "state": "running"})
    assert "cannot be reached" in job["error"]["text"]
    assert slice in job["step"]  # what it is about
    shared.mail.start()
    assert shared.rack.wait(job["id"])["state"] == "done"
    assert len(shared.mail.taken) == before + 1


def test_a_batch_waits_for_its_mails_together_and_not_one_after_the_other(
    opened: Callable[..., Portal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bowl, "PATIENCE", 0.5)
    made = opened()
    made.client().Allocate("7", [1], later(), "ann", "ann@example.org")
    with Scripted(lambda connection: connection.recv(1000)) as silent:  # for as long as it is asked
        made.configure(mail={"port": silent.port, "timeout_seconds": 600})
        calls = [
            {"jsonrpc": "2.0", "method": "Provision", "params": ["7", later(), *ANN], "id": number}
            for number in range(40)
        ]
        connection = http.client.HTTPConnection("127.0.0.1", made.port, timeout=20)
        connection.request("POST", "/", json.dumps(calls))
        answers = json.loads(connection.getresponse().read())
        connection.close()
        made.rack.stop()
    assert [one["result"] for one in answers] == [UNMAILED] * len(calls)


def test_a_mail_outlives_a_restart(opened: Callable[..., Portal]) -> None:
    made = opened()
    made.mail.stop()
    assert made.client().Allocate("7", [1], later(), "ann", "ann@example.org") == UNMAILED
    made.close()
    made.rack.stop()
    made.mail.start()
    made.rack.start()
    [job] = made.rack.call("GetJobs", {"kind": "mail"})
    assert made.rack.wait(job["id"])["state"] == "done"
    assert len(made.mail.taken) == 1


def test_people_see_why_a_mail_waits(
    opened: Callable[..., Portal], capsys: pytest.CaptureFixture[str]
) -> None:
    made = opened()
    made.mail.stop()
    assert made.client().Allocate("7", [1], later(), "ann", "ann@example.org") == UNMAILED
    [job] = made.rack.call("GetJobs", {"kind": "mail"})
    address = made.rack.config.api.socket
    assert main(["job", "show", str(job["id"]), "--address", address]) == 0
    assert "nm: nodes allocated for 7" in capsys.readouterr().out
    assert main(["job", "list", "kind=mail", "--address", address]) == 0
    assert "mail" in capsys.readouterr().out


def test_what_nobody_is_told_of_needs_no_mail_server(shared: Portal, slice: str) -> None:
    shared.configure(federation={"notify": ()})
    shared.mail.stop()
    try:
        assert shared.client().Allocate(slice, [1], later(), "ann", "ann@example.org") == DONE
    finally:
        shared.mail.start()
        shared.configure(
            federation={"notify": ("Allocate", "Provision", "PerformOperationalAction", "Delete")}
        )


def test_who_is_to_be_told_at_a_site_without_mail_is_not_told(shared: Portal, slice: str) -> None:
    shared.configure(mail={"admins": ()})
    try:
        assert shared.client().Allocate(slice, [1], later(), "ann", "ann@example.org") == UNMAILED
    finally:
        shared.configure(mail={"admins": ("admin@example.org",)})


def test_by_hand_administrators_are_told_and_the_slice_waits_for_them(shared: Portal, slice: str) -> None:
    portal = shared.client()
    shared.configure(federation={"provision": "manual", "notify": ()})
    try:
        assert portal.Allocate(slice, [2], later(), "ann", "ann@example.org") == DONE
        assert portal.Provision(slice, later(weeks=1), *ANN) == DONE
        assert operational(shared, slice) == "geni_pending_allocation"
        assert "nmctl geni ready" in shared.mail.taken[-1][1].get_content()
    finally:
        shared.configure(
            federation={
                "provision": "auto",
                "notify": ("Allocate", "Provision", "PerformOperationalAction", "Delete"),
            }
        )


# ---- versions and forms


@pytest.mark.parametrize("version", [1.0, 2.0])
def test_both_versions_of_json_rpc(shared: Portal, version: float) -> None:
    assert len(shared.client(version=version).ListResources(False)) == NODES


def test_a_batch(shared: Portal) -> None:
    calls = MultiCall(shared.client())
    calls.ListResources(False)
    calls.Delete(["nobody's"], *ANN)
    everything, failed = calls()
    assert (len(everything), failed) == (NODES, FAILURE)


def test_whatever_path_and_content_type(shared: Portal) -> None:
    """As clients of all times send it."""
    body = json.dumps({"jsonrpc": "2.0", "method": "ListResources", "id": "x"})
    for path, content in [
        ("/", "text/xml"),
        ("/RPC2", "application/json-rpc"),
        ("/bowl", "application/json"),
    ]:
        connection = http.client.HTTPConnection("127.0.0.1", shared.port)
        connection.request("POST", path, body, {"Content-Type": content})
        answer = connection.getresponse()
        assert (answer.status, len(json.loads(answer.read())["result"])) == (200, NODES)
        connection.close()


def test_two_content_types_as_the_first_client_library_sends_them(shared: Portal) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shared.port)
    connection.putrequest("POST", "/")
    body = json.dumps({"jsonrpc": "2.0", "method": "ListResources", "params": [False], "id": "x"}).encode()
    for name, value in [
        ("Content-Type", "text/xml"),
        ("User-Agent", "jsonrpclib/0.1 (Python 3.11.2)"),
        ("Content-Type", "application/json-rpc"),
        ("Content-Length", str(len(body))),
    ]:
        connection.putheader(name, value)
    connection.endheaders(body)
    answer = connection.getresponse()
    assert (answer.status, len(json.loads(answer.read())["result"])) == (200, NODES)
    connection.close()


def test_a_web_page_cannot_call(shared: Portal) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shared.port)
    connection.request("POST", "/", b"{}", {"Origin": "http://evil.example"})
    assert connection.getresponse().status == 403
    connection.close()


# ---- who may call


def test_others_than_administrators_need_to_be_named_or_a_token(
    opened: Callable[..., Portal],
) -> None:
    made = opened(token="bowl")
    made.secret("bowl", "s3cret-t0ken")
    where = f"http://127.0.0.1:{made.port}"
    with_it = f"http://portal:s3cret-t0ken@127.0.0.1:{made.port}"
    told = as_nobody((where, ""), (where, "Bearer gu3ssed"), (where, "Bearer s3cret-t0ken"), (with_it, ""))
    assert told == ["403", "403", str(NODES), str(NODES)]
    made.configure(bowl={"callers": ("nobody",)})
    assert as_nobody((where, "")) == [str(NODES)]


def test_over_tls_by_a_token(opened: Callable[..., Portal], tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    file = str(authority.certificate())
    made = opened(certificate=file, server_key=file, token="bowl")
    made.secret("bowl", "s3cret-t0ken")
    trusting = ssl.create_default_context(cafile=str(authority.ca))
    where = "https://portal:s3cret-t0ken@127.0.0.1:{port}"
    assert len(made.client(where, context=trusting).ListResources(False)) == NODES
    with pytest.raises(ProtocolError, match="403"):
        made.client("https://127.0.0.1:{port}", context=trusting).ListResources(False)


def test_over_tls_by_a_certificate(opened: Callable[..., Portal], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    authority, other = Authority(tmp_path), Authority(tmp_path / "other")
    file = str(authority.certificate())
    made = opened(certificate=file, server_key=file, clients=str(authority.ca))

    def trusting(certificate: Path | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(authority.ca))
        if certificate is not None:
            context.load_cert_chain(certificate)
        return context

    def count(certificate: Path | None) -> int:
        client = made.client("https://127.0.0.1:{port}/" + str(certificate), context=trusting(certificate))
        return len(client.ListResources(False))

    assert count(authority.certificate("127.0.0.2")) == NODES
    for stranger in (None, other.certificate(), authority.certificate(expired=True)):
        with pytest.raises(OSError):  # noqa: PT011  the library's way to say that the handshake failed
            count(stranger)


def test_a_stranger_who_holds_connections_leaves_room_for_the_portal(
    opened: Callable[..., Portal], tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    file = str(authority.certificate())
    made = opened(certificate=file, server_key=file, token="bowl", max_connections=4)
    made.secret("bowl", "s3cret-t0ken")
    with contextlib.ExitStack() as held:
        for _ in range(4):  # which are told nothing, and say nothing
            there = ("127.0.0.1", made.port)
            held.enter_context(socket.create_connection(there, source_address=("127.0.0.2", 0)))
        trusting = ssl.create_default_context(cafile=str(authority.ca))
        where = "https://portal:s3cret-t0ken@127.0.0.1:{port}"
        assert len(made.client(where, context=trusting).ListResources(False)) == NODES


def test_a_door_whose_files_are_no_good_does_not_open(opened: Callable[..., Portal], tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="there is no file"):
        opened(certificate=str(tmp_path / "none.pem"), server_key=str(tmp_path / "none.pem"), token="bowl")
