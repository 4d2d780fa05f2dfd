"""A PLC over HTTPS, well and ill-mannered: what is right counts, what is not changes nothing and is told."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from nm.disk import Disk
from nm.errors import DeviceFailed, Invalid, NMError
from nm.exchange import Cut, Limits, exchange, parse_place
from nm.lastgood import LastGood
from nm.plc import File, Login, Plc, SlicesXml, Watch, open_source, read_node_id
from tests.plc.authority import Authority
from tests.plc.conftest import READING, Serve, Told
from tests.plc.fake_plc import KEY, MANNERS, NODE, SHORT, FakePlc

NOW = 1_795_219_300.0


def login(session: str = "", key: str = KEY, node_id: int = NODE) -> Login:
    return Login(node_id, (lambda: key) if key else None, (lambda: session) if session else None)


def client(plc: FakePlc, authority: Authority, who: Login | None = None) -> Plc:
    return Plc(plc.place(authority.ca), who or login(), SHORT)


def watch(plc: FakePlc, authority: Authority, folder: Path) -> Watch:
    source = client(plc, authority)
    return Watch(lambda: (source, READING), LastGood(folder / "nm" / "last.json", Disk()))


# ---- who calls


def test_a_session_is_got_by_the_key_and_kept(plc: FakePlc, authority: Authority) -> None:
    source = client(plc, authority)
    assert source.fetch() == plc.reply
    assert source.fetch() == plc.reply
    assert plc.calls == ["GetSession by hmac", "GetSlivers by session", "GetSlivers by session"]


def test_a_session_that_is_forgotten_there_is_renewed(plc: FakePlc, authority: Authority) -> None:
    source = client(plc, authority)
    source.fetch()
    plc.sessions.clear()
    assert source.fetch() == plc.reply
    assert plc.calls[2:] == ["GetSlivers by session", "GetSession by hmac", "GetSlivers by session"]


def test_a_session_that_was_given_is_used_first(plc: FakePlc, authority: Authority) -> None:
    plc.sessions["given"] = NODE
    assert client(plc, authority, login("given", key="")).fetch() == plc.reply
    assert plc.calls == ["GetSlivers by session"]


@pytest.mark.parametrize(
    ("who", "words"),
    [
        (login(key="wrong-key"), "refuses GetSession with fault 103"),
        (login(node_id=7), "refuses GetSession with fault 103"),
        (login("wrong-session", key=""), "refuses GetSlivers with fault 103"),
        (login(key=""), "neither a session nor the node's key"),
    ],
)
def test_who_is_not_known_is_told_so(plc: FakePlc, authority: Authority, who: Login, words: str) -> None:
    with pytest.raises(DeviceFailed, match=words) as refused:
        client(plc, authority, who).fetch()
    assert not refused.value.passing


def test_no_secret_is_told_although_the_plc_says_it_again(plc: FakePlc, authority: Authority) -> None:
    plc.echo = True
    with pytest.raises(DeviceFailed) as refused:
        client(plc, authority, login("a-secret-session", key="")).fetch()
    assert "a-secret-session" not in str(refused.value)


def test_the_key_vouches_for_all_arguments(plc: FakePlc, authority: Authority) -> None:
    from nm.plc import by_key

    arguments = ({"b": [1, "x"], "a": {"c": True}}, ["z", 5])
    assert plc.answer("GetSession", by_key(NODE, KEY, *arguments), *arguments)


# ---- certificates


def test_a_certificate_of_another_authority_is_refused(
    serve: Serve, authority: Authority, tmp_path: Path
) -> None:
    plc = serve(Authority(tmp_path).certificate())
    with pytest.raises(DeviceFailed, match="certificate that cannot be verified"):
        client(plc, authority).fetch()
    assert plc.calls == []


@pytest.mark.parametrize(("address", "expired"), [("127.0.0.1", True), ("127.0.0.2", False)])
def test_a_certificate_that_is_over_or_of_another_is_refused(
    serve: Serve, authority: Authority, address: str, expired: bool
) -> None:
    plc = serve(authority.certificate(address, expired))
    with pytest.raises(DeviceFailed, match="certificate that cannot be verified"):
        client(plc, authority).fetch()
    assert plc.calls == []


def test_the_system_does_not_know_the_authority(plc: FakePlc) -> None:
    with pytest.raises(DeviceFailed, match="certificate that cannot be verified"):
        Plc(plc.place(None), login(), SHORT).fetch()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_no_authority_is_told(plc: FakePlc, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(DeviceFailed, match=r"ca\.pem cannot be used"):
        Plc(plc.place(file), login(), SHORT).fetch()


@pytest.mark.parametrize(
    "address",
    [
        "http://plc/",
        "https://u:p@plc/",
        "plc",
        "https://",
        "https://plc:x/",
        "https://plc/a b",
        "https://plc/\u00e4",
    ],
)
def test_an_address_without_tls_is_none(address: str) -> None:
    with pytest.raises(Invalid, match="no address of a source"):
        parse_place(address)


# ---- bad manners


WORDS = {
    "silent": "was silent",
    "drips": "took more than",
    "drips without length": "took more than",
    "half": "before it was whole",
    "half without length": "before it was whole",
    "status": "status 500",
    "moved": "status 301",
    "no xml": "as XML-RPC has it",
    "bomb": "document types and entities are refused",
    "long": "more than 1048576 bytes",
    "hangs up": "before it was whole|no TLS",
}


@pytest.mark.parametrize("manner", [manner for manner in MANNERS if manner != "well"])
def test_what_answers_badly_changes_nothing(
    plc: FakePlc, authority: Authority, tmp_path: Path, manner: str
) -> None:
    source = watch(plc, authority, tmp_path)
    assert source.ask(NOW) is not None
    kept = (tmp_path / "nm" / "last.json").read_bytes()
    plc.manner = manner
    plc.sessions.clear()
    fresh = watch(plc, authority, tmp_path)
    assert fresh.remembered() is not None
    assert fresh.ask(NOW + 700) is None
    assert fresh.ask(NOW + 1400) is None
    standing = fresh.standing
    assert not standing.online and standing.offline_since == NOW + 700 and standing.tried == NOW + 1400
    assert standing.age(NOW + 1400) == 1400
    with pytest.raises(DeviceFailed, match=WORDS[manner]):
        client(plc, authority).fetch()
    assert (tmp_path / "nm" / "last.json").read_bytes() == kept
    plc.manner = "well"
    assert fresh.ask(NOW + 2100) is not None
    assert fresh.standing.online and fresh.standing.offline_since is None and fresh.standing.error is None


def test_a_page_without_length_is_whole_when_tls_says_so(plc: FakePlc, authority: Authority) -> None:
    """Who cuts the connection, on whichever machine between, cannot make a shorter page of it."""
    plc.pages["/page"] = b"line 1\nline 2\n"
    place = plc.place(authority.ca, "/page")
    plc.manner = "whole without length"
    assert exchange(place, SHORT).body == b"line 1\nline 2\n"
    plc.manner = "half without length"
    with pytest.raises(DeviceFailed, match="before it was whole"):
        exchange(place, SHORT)


def test_a_greeting_that_drips_is_cut(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        greeting = pool.submit(_drip_greeting, server)
        with pytest.raises(DeviceFailed, match=r"was silent|took more than"):
            Plc(parse_place(f"https://127.0.0.1:{server.getsockname()[1]}/"), login(), SHORT).fetch()
        greeting.result()


def _drip_greeting(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection, suppress(OSError):
        connection.sendall(b"\x16\x03\x03\x3f\x00")  # a record of 16128 bytes begins
        for _ in range(500):
            time.sleep(0.02)
            connection.sendall(b"\x02")


def test_where_nobody_listens_that_is_told(authority: Authority) -> None:
    with pytest.raises(DeviceFailed, match="cannot be reached: Connection refused"):
        Plc(parse_place("https://127.0.0.1:1/", str(authority.ca)), login(), SHORT).fetch()


def test_one_that_cannot_be_reached_is_not_waited_for_when_the_daemon_ends(authority: Authority) -> None:
    """Its queue is full, so the kernel answers nobody."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as waiting:
        for _ in range(4):
            other = waiting.enter_context(socket.socket())
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        cut = Cut()
        place = parse_place(f"https://127.0.0.1:{full.getsockname()[1]}/", str(authority.ca))
        source = Plc(place, login(), Limits(50, 50, cut=cut))
        timer = threading.Timer(0.3, cut.make)
        timer.start()
        began = time.monotonic()
        with pytest.raises(DeviceFailed, match="nmd ends"):
            source.fetch()
        assert time.monotonic() - began < 40
        timer.join()
        with pytest.raises(DeviceFailed, match="nmd ends"):
            source.fetch()


def test_another_nodes_reply_does_not_count(
    plc: FakePlc, authority: Authority, told: Told, tmp_path: Path
) -> None:
    plc.reply = {**told, "node_id": 2}
    source = watch(plc, authority, tmp_path)
    assert source.ask(NOW) is None
    assert source.standing.error is not None and "for node 2, this is node 1" in source.standing.error
    assert not (tmp_path / "nm" / "last.json").exists()


# ---- the last good reply


def test_the_last_good_reply_outlives_the_daemon(plc: FakePlc, authority: Authority, tmp_path: Path) -> None:
    assert (reply := watch(plc, authority, tmp_path).ask(NOW)) is not None
    later = watch(plc, authority, tmp_path)
    assert later.remembered() == reply
    assert later.standing.age(NOW + 60) == 60 and not later.standing.online


def test_the_last_good_reply_holds_no_password_and_is_its_owners(
    plc: FakePlc, authority: Authority, tmp_path: Path
) -> None:
    watch(plc, authority, tmp_path).ask(NOW)
    file = tmp_path / "nm" / "last.json"
    assert b"not-for-anyone" not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0 and file.parent.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied", "no head"])
def test_a_damaged_last_reply_is_not_believed(
    plc: FakePlc, authority: Authority, tmp_path: Path, damage: str
) -> None:
    watch(plc, authority, tmp_path).ask(NOW)
    file = tmp_path / "nm" / "last.json"
    content = file.read_bytes()
    changed = {
        "flipped": content.replace(b"demo_web", b"demo_wax"),
        "cut": content[: len(content) // 2],
        "emptied": b"",
        "no head": content.partition(b"\n")[2],
    }
    file.write_bytes(changed[damage])
    source = watch(plc, authority, tmp_path)
    assert source.remembered() is None
    assert source.standing.error is not None and "does not hold what was written" in source.standing.error
    assert source.ask(NOW) is not None
    assert watch(plc, authority, tmp_path).remembered() is not None


def test_a_reply_counts_although_it_cannot_be_kept(
    plc: FakePlc, authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "nm").write_text("a file where the folder should be")
    source = watch(plc, authority, tmp_path)
    assert source.ask(NOW) is not None
    assert source.standing.online and "cannot be written" in str(source.standing.error)


# ---- files


XML = b"""<slices timestamp="1000"><slice id="5" name="demo_web" expiry="2000000000">
<nodes><node id="1"/></nodes></slice></slices>"""


def test_the_kind_of_source_follows_from_its_address(authority: Authority, tmp_path: Path) -> None:
    def opened(address: str) -> object:
        return open_source(address, None, login(), lambda: NOW)

    assert isinstance(opened("https://plc/PLCAPI/"), Plc)
    assert isinstance(opened("https://plc/xml/slices-0.5.xml"), SlicesXml)
    assert isinstance(opened(str(tmp_path / "x.json")), File)


def test_slices_xml_comes_from_a_web_server(plc: FakePlc, authority: Authority) -> None:
    plc.pages["/xml/slices-0.5.xml"] = XML.replace(b' timestamp="1000"', b"")
    told = SlicesXml(plc.place(authority.ca, "/xml/slices-0.5.xml"), NODE, lambda: NOW, SHORT).fetch()
    assert isinstance(told, dict)
    assert told["timestamp"] == int(NOW) and [one["name"] for one in told["slivers"]] == ["demo_web"]


def test_a_file_is_a_source(tmp_path: Path) -> None:
    xml, plain = tmp_path / "slices.xml", tmp_path / "slices.json"
    xml.write_bytes(XML)
    plain.write_text('{"slivers": []}')
    told = File(xml, NODE).fetch()
    assert isinstance(told, dict) and told["timestamp"] == 1000
    assert File(plain, NODE).fetch() == {"slivers": [], "timestamp": int(plain.stat().st_mtime)}


@pytest.mark.parametrize("content", [None, b"{", b"[" * 100_000, b"\xff", b" " * 2000])
def test_a_file_that_is_none_is_told(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "slices.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(NMError, match=r"slices\.json (cannot be read|is no JSON|has more than 1000)"):
        File(file, NODE, largest=1000 if content == b" " * 2000 else 1 << 20).fetch()


def test_the_nodes_id_is_read(tmp_path: Path) -> None:
    file = tmp_path / "node_id"
    with pytest.raises(DeviceFailed, match="cannot be read"):
        read_node_id(file)
    file.write_text("twelve\n")
    with pytest.raises(Invalid, match="no number"):
        read_node_id(file)
    file.write_text("12\n")
    assert read_node_id(file) == 12
