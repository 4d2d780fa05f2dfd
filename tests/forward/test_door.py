"""Through the forwarder to a whole nm, and back."""

import os
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forward.conftest import KINDS, Forwarder
from tests.forward.many_calls import leaks
from tests.rack import Rack, rack

LIMIT = 1 << 20


@pytest.fixture
def nm(folder: Path) -> Iterator[Rack]:
    with rack(folder, switches=1, nodes=2) as made:
        yield made


def test_calls_are_answered(forwarder: Forwarder, nm: Rack) -> None:
    result = forwarder.call("GetNodes", {})
    assert result.status == 0
    assert [node["name"] for node in result.value] == nm.nodes
    assert forwarder.call("WhoAmI").value["uid"] == os.geteuid()


def test_faults_of_the_daemon_arrive_as_answers(forwarder: Forwarder, nm: Rack) -> None:
    result = forwarder.call("GetNothing")
    assert (result.status, result.fault.faultCode) == (0, 100)
    assert forwarder.call("DestroyGroup", "none").fault.faultCode == 106


def test_what_is_no_call_is_refused(forwarder: Forwarder, nm: Rack) -> None:
    for request in (b"hello", b"<methodCall>", b"x" * LIMIT):
        result = forwarder.run(request)
        assert (result.status, result.fault.faultCode) == (4, 102)


def test_the_largest_call_passes(forwarder: Forwarder, nm: Rack) -> None:
    bare = xmlrpc.client.dumps(("",), "system.methodHelp").encode()
    request = bare.replace(b"<string>", b"<string>" + b"x" * (LIMIT - len(bare)))
    assert len(request) == LIMIT
    assert forwarder.run(request).fault.faultCode in (100, 102)


def test_a_daemon_that_ended_is_a_fault(forwarder: Forwarder, nm: Rack) -> None:
    nm.stop()
    result = forwarder.call("GetVersion")
    assert (result.status, result.fault.faultCode) == (2, 104)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("kind", "count"), [(kind, 200 if kind == "sanitized" else 2000) for kind in KINDS])
def test_many_calls_leave_nothing_behind(forwarder: Forwarder, nm: Rack, count: int) -> None:
    """In the program nothing can: it ends. The sanitized build says what it had not let go of."""
    leaks(forwarder, count).check()
