"""GENI facts 1.1, how calls travel: a test for each sentence."""

import http.client
import re
import ssl
import xmlrpc.client
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from nm.geni import certificates
from nm.geni.making import pem
from tests.amapi import house
from tests.amapi.client import PATIENCE, VERSION, Client, code, good
from tests.amapi.conftest import Aggregate
from tests.geni.lab import asked, rspec

ONE = rspec(asked("a"))


def test_xml_rpc_over_https(shared: Aggregate, alice: Client) -> None:
    assert good(alice.version())
    plain = http.client.HTTPConnection("127.0.0.1", shared.port, timeout=PATIENCE)
    with closing(plain), pytest.raises((OSError, http.client.HTTPException)):
        ask_plainly(plain)


def ask_plainly(plain: http.client.HTTPConnection) -> None:
    plain.request("POST", "/RPC2", xmlrpc.client.dumps(({},), "GetVersion"), {"Content-Type": "text/xml"})
    plain.getresponse()


def test_a_client_certificate_is_demanded(shared: Aggregate) -> None:
    nobody = Client(shared.port, None)
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        nobody.version()
    nobody.close()


def test_one_that_no_root_vouches_for_is_no_certificate(shared: Aggregate) -> None:
    stranger = house.holder("example.org+user+alice", "person", house.root("far.example"))
    client = shared.client(who=stranger)
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        client.version()


def test_one_url_for_the_version_of_the_api(alice: Client) -> None:
    urls = good(alice.version())["geni_api_versions"]
    assert urls == {"3": "https://am.example.org:8001"}


@pytest.mark.parametrize("path", ["/", "/RPC2"])
def test_its_paths_are_those_that_clients_make_of_such_a_url(alice: Client, path: str) -> None:
    alice.connection.request("POST", path, xmlrpc.client.dumps(({},), "GetVersion"))
    assert alice.connection.getresponse().read().startswith(b"<?xml")


def test_the_server_s_certificate_has_a_urn_too(alice: Client) -> None:
    alice.version()
    found = alice.connection.sock.getpeercert(binary_form=True)
    assert found
    urn = certificates.urn_of(x509.load_der_x509_certificate(found))
    assert str(urn) == "urn:publicid:IDN+example.org:lab+authority+am"


def test_who_verifies_the_server_can(shared: Aggregate, alice: Client) -> None:
    assert alice.tls.verify_mode == ssl.CERT_NONE and good(alice.version())  # as omni and geni-lib
    careful = shared.client(address="localhost")
    careful.tls.load_verify_locations(shared.folder / "roots" / "root.pem")
    careful.tls.verify_mode, careful.tls.check_hostname = ssl.CERT_REQUIRED, True
    assert good(careful.version())


@pytest.fixture
def said(alice: Client) -> dict[str, str]:
    """The text of an answer to each of the ten methods, in the order of a slice's life."""
    urns, shown, until = [alice.urn], alice.credentials, house.later(3600)
    calls: dict[str, tuple[Any, ...]] = {
        "GetVersion": ({},),
        "ListResources": (shown, VERSION),
        "Allocate": (alice.urn, shown, ONE, {}),
        "Provision": (urns, shown, VERSION),
        "Describe": (urns, shown, VERSION),
        "Status": (urns, shown, {}),
        "Renew": (urns, shown, until, {}),
        "PerformOperationalAction": (urns, shown, "geni_start", {"geni_best_effort": True}),
        "Delete": (urns, shown, {}),
        "Shutdown": (house.slice_urn("nothing"), shown, {}),
    }
    return {name: alice.raw(name, *arguments) for name, arguments in calls.items()}


def test_only_string_boolean_int_double_array_and_struct_are_used(said: dict[str, str]) -> None:
    structure = {"methodResponse", "params", "param", "value", "member", "name", "data"}
    for name, text in said.items():
        used = set(re.findall(r"<([A-Za-z0-9.]+)[ />]", text)) - structure
        assert used <= {"string", "boolean", "int", "double", "array", "struct"}, name
        assert "<nil/>" not in text and "<base64>" not in text


def test_dates_are_strings(said: dict[str, str]) -> None:
    found = re.findall(r"<name>geni_expires</name><value><string>([^<]+)</string>", said["Describe"])
    assert len(found) == 1 and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", found[0])
    assert "dateTime" not in "".join(said.values())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"<methodCall/>",
        b"<methodCall><methodName>GetVersion</methodName><params>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><methodCall><methodName>GetVersion</methodName></methodCall>",
        b"<methodCall><methodName>a</methodName><params><param><int>x</int></param></params></methodCall>",
        b"<methodCall><methodName>GetVersion</methodName><params><param><value><struct>"
        + 2 * b"<member><name>a</name><value>b</value></member>"
        + b"</struct></value></param></params></methodCall>",
    ],
)
def test_malformed_xml_rpc_is_a_fault(alice: Client, body: bytes) -> None:
    status, answer = alice.post(body)
    assert status == 200
    with pytest.raises(xmlrpc.client.Fault):
        xmlrpc.client.loads(answer)


@pytest.mark.parametrize("name", ["getversion", "Nothing", "CreateSliver", "SliverStatus", "WhoAmI"])
def test_an_unknown_method_is_a_fault(alice: Client, name: str) -> None:
    with pytest.raises(xmlrpc.client.Fault) as fault:
        alice.call(name, {})
    assert fault.value.faultCode == 100


@pytest.mark.parametrize(
    ("name", "fewest", "most"),
    [
        ("GetVersion", 0, 1),
        ("ListResources", 2, 2),
        ("Describe", 3, 3),
        ("Allocate", 4, 4),
        ("Renew", 4, 4),
        ("Provision", 3, 3),
        ("Status", 3, 3),
        ("PerformOperationalAction", 4, 4),
        ("Delete", 3, 3),
        ("Shutdown", 3, 3),
    ],
)
def test_a_wrong_number_of_arguments_is_a_fault(alice: Client, name: str, fewest: int, most: int) -> None:
    for number in range(6):
        if fewest <= number <= most:
            assert alice.call(name, *[{}] * number)["output"] or name == "GetVersion"
            continue
        with pytest.raises(xmlrpc.client.Fault) as fault:
            alice.call(name, *[{}] * number)
        assert fault.value.faultCode == 101


def test_every_error_of_an_application_is_the_return_struct(alice: Client) -> None:
    """Also those for which the sample aggregate has faults: actions, and bad times."""
    good(alice.allocate(ONE))
    for answer in (
        alice.perform("geni_dance"),
        alice.renew("tomorrow"),
        alice.renew("2001-01-01T00:00:00Z"),
        alice.allocate(ONE, geni_end_time="soon"),
        alice.allocate("<rspec/>"),
        alice.call("Status", [alice.urn], [], {}),
        alice.call("Status", "no list", {}, "no struct"),
    ):
        assert code(answer) != 0
        assert isinstance(answer["output"], str) and answer["output"]


def test_too_many_calls_are_told_to_come_again(shared: Aggregate, alice: Client) -> None:
    """As geni_code 14."""
    door = shared.door
    with door._places.one(1):
        shared.config(calls_at_once=1)
        busy = alice.version()
    shared.config(calls_at_once=16)
    assert code(busy) == 14 and "again" in busy["output"]
    assert good(alice.version())


def test_a_connection_serves_many_calls(alice: Client) -> None:
    alice.version()
    first = alice.connection.sock
    for _ in range(5):
        alice.version()
    assert alice.connection.sock is first


def test_the_schemas_of_nm_s_own_words_are_served(alice: Client) -> None:
    for kind, spaces in good(alice.version())["nm_schemas"].items():
        url = spaces["urn:x-nm:rspec:1"]
        status, text = alice.get(url.removeprefix("https://am.example.org:8001"))
        assert status == 200 and b"urn:x-nm:rspec:1" in text, kind
    assert alice.get("/rspec/nm/1/other.xsd")[0] == 404


def test_roots_are_files(shared: Aggregate, tmp_path: Path) -> None:
    """Who is trusted from now on gets in, without a restart; and who is no more does not."""
    far = house.root("far.example")
    client = shared.client(who=house.holder("far.example+user+bob", "person", far))
    place = shared.folder / "roots" / "far.pem"
    place.write_text(pem(far.chain))
    assert good(client.version())
    place.unlink()
    assert code(client.resources()) == 3  # on a connection that is there
    client.close()
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
        client.version()
