"""Who gets the page, and who does not; what it may load; how much the daemon is asked for it."""

import http.client
import json
import re
import socket
from collections.abc import Generator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

import nm.shell.web.server
from nm.shell import lookout
from nm.shell.picture import COLOURS
from nm.shell.web.server import CROWDED, LARGEST, MOST, STREAMS
from nm.shell.web.server import FILES as SERVED
from tests.web.world import Laboratory, Page, Seat, served

FOLDER = Path(nm.shell.web.server.__file__).parent
FILES = ("/", *SERVED, "/picture.json", "/components.json", "/job.json")
PATHS = (*FILES, "/live", "/nothing")
CHANGE = '{"name": "web", "path": "a", "attribute": "memory", "type": "text", "text": "x"}'
Answer = tuple[int, http.client.HTTPMessage, bytes]


def ask(page: Page, path: str, method: str = "GET", **headers: str) -> Answer:
    """One request; `Host` and others may be given."""
    connection = http.client.HTTPConnection("127.0.0.1", page.server.server_address[1], timeout=20)
    with closing(connection):
        connection.request(
            method, path, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def token_path(page: Page) -> str:
    return page.url.removeprefix(page.base.removesuffix("/"))


@pytest.fixture
def page(still_page: Page) -> Page:
    return still_page


@pytest.fixture
def cookie(page: Page) -> str:
    """The cookie of the one who had the token."""
    status, headers, _ = ask(page, token_path(page))
    assert status == 200
    return headers["Set-Cookie"].partition(";")[0]


def test_the_token_is_good_once(page: Page) -> None:
    assert ask(page, "/?token=wrong")[0] == 403
    status, headers, body = ask(page, token_path(page))
    assert (status, b"<h1>The rack</h1>" in body) == (200, True)
    assert re.fullmatch(r"nm_\d+=[\w-]{43}; Path=/; HttpOnly; SameSite=Strict", headers["Set-Cookie"])
    status, headers, body = ask(page, token_path(page))
    assert (status, headers["Set-Cookie"], b"once" in body) == (403, None, True)
    mine = ask(page, token_path(page), Cookie=f"nm_{page.server.server_port}=guessed")
    assert mine[0] == 403


@pytest.mark.parametrize("path", PATHS)
def test_nothing_without_the_cookie(page: Page, cookie: str, path: str) -> None:
    name, _, value = cookie.partition("=")
    wrong = ("", f"{name}=", f"{name}={value[:-1]}", f"other={value}", f"{name}=é{value}")
    for brought in wrong:
        status, headers, body = ask(page, path, Cookie=brought.encode().decode("latin-1"))
        assert (status, b"leaf1" in body, headers["Set-Cookie"]) == (403, False, None), brought


def test_the_cookie_opens_everything_but_live_at_once(page: Page, cookie: str) -> None:
    for path in FILES:
        assert ask(page, path, Cookie=f"more=1; {cookie}")[0] == 200
    assert ask(page, "/nothing", Cookie=cookie)[0] == 404
    assert ask(page, "/../server.py", Cookie=cookie)[0] == 404


@pytest.mark.parametrize(
    "host", ["example.org", "127.0.0.1.example.org", "localhost.", "10.0.0.1", "", "[::2]"]
)
def test_another_name_for_this_machine_is_refused(page: Page, cookie: str, host: str) -> None:
    status, _, body = ask(page, "/picture.json", Cookie=cookie, Host=host)
    assert (status, b"leaf1" in body) == (403, False)
    assert ask(page, token_path(page), Host=host)[0] == 403


@pytest.mark.parametrize("host", ["localhost:8812", "127.0.0.1", "[::1]:9"])
def test_a_forwarded_port_is_this_machine(page: Page, cookie: str, host: str) -> None:
    assert ask(page, "/picture.json", Cookie=cookie, Host=host)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://example.org"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_another_page_may_not_ask(page: Page, cookie: str, headers: dict[str, str]) -> None:
    for path in ("/picture.json", "/live", "/page.js"):
        assert ask(page, path, Cookie=cookie, **headers)[0] == 403


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_only_get(page: Page, cookie: str, method: str) -> None:
    status, headers, _ = ask(page, "/picture.json", method, Cookie=cookie)
    assert (status, headers["Allow"]) == (405, "GET")


def change(page: Page, body: str = CHANGE, path: str = "/attribute", **headers: str) -> Answer:
    """What comes of a request that would change an attribute."""
    connection = http.client.HTTPConnection("127.0.0.1", page.server.server_port, timeout=20)
    with closing(connection):
        told = {name.replace("_", "-"): text for name, text in headers.items() if text}
        connection.request("POST", path, body, headers=told)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


@pytest.fixture
def own(page: Page, cookie: str) -> dict[str, str]:
    """The headers of a change by the page itself."""
    return {
        "Cookie": cookie,
        "Origin": page.base.removesuffix("/"),
        "Sec_Fetch_Site": "same-origin",
        "Content_Type": "application/json",
        "X_Nm_Write": page.server.gate.write_token,
    }


def test_a_change_by_the_page_itself_comes_to_the_daemon(page: Page, own: dict[str, str]) -> None:
    status, _, body = change(page, **own)
    assert (status, json.loads(body)["error"]["code"]) == (200, 106)  # there is no such description


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("Cookie", ""),
        ("Cookie", "nm_1=guessed"),
        ("Origin", ""),
        ("Origin", "null"),
        ("Origin", "http://127.0.0.1:1"),
        ("Origin", "http://example.org"),
        ("Sec_Fetch_Site", "same-site"),
        ("Sec_Fetch_Site", "cross-site"),
        ("X_Nm_Write", ""),
        ("X_Nm_Write", "guessed"),
        ("Host", "example.org"),
    ],
)
def test_a_change_that_is_not_by_the_page_is_refused(
    page: Page, own: dict[str, str], header: str, text: str
) -> None:
    status, _, body = change(page, **{**own, header: text})
    assert (status, b"error" in body) == (403, False)


def test_a_change_has_to_be_json_and_short(page: Page, own: dict[str, str]) -> None:
    assert change(page, **{**own, "Content_Type": "text/plain"})[0] == 400
    assert change(page, "x" * (LARGEST + 1), **own)[0] == 400
    for body in ("", "[]", "{", "[" * 50_000, '{"name": 5}', CHANGE.replace("text", "else")):
        status, _, told = change(page, body, **own)
        assert (status, json.loads(told)["error"]["code"]) == (200, 102), body


def test_the_write_token_is_told_once_and_to_who_had_the_link(page: Page) -> None:
    token = page.server.gate.write_token.encode()
    _, headers, body = ask(page, token_path(page))
    assert token in body
    cookie = headers["Set-Cookie"].partition(";")[0]
    for path in FILES:
        _, told, body = ask(page, path, Cookie=cookie)
        assert token not in body and token.decode() not in str(told)
    assert token.decode() not in page.url + cookie


def test_nothing_else_is_changed_by_anything(page: Page, own: dict[str, str]) -> None:
    for path in (*FILES, "/live"):
        assert change(page, path=path, **own)[0] == 405
    status, headers, _ = ask(page, "/attribute", "PUT", Cookie=own["Cookie"])
    assert (status, headers["Allow"]) == (405, "POST")


def test_what_the_browser_is_told(page: Page, cookie: str) -> None:
    for path in FILES:
        _, headers, _ = ask(page, path, Cookie=cookie)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert (headers["X-Content-Type-Options"], headers["Cache-Control"]) == ("nosniff", "no-store")
        assert headers["Access-Control-Allow-Origin"] is None


def test_the_page_needs_nobody_else() -> None:
    for name in ("page.html", *(name for name, _ in SERVED.values())):
        text = (FOLDER / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|//[a-z]+\.|@import|<script(?! src=\"/)| style=|innerHTML", text), name


def test_groups_have_one_colour_everywhere() -> None:
    styles = re.findall(r"\.c(\d) \{ --fill: (#\w+); --ink: (#\w+); \}", (FOLDER / "style.css").read_text())
    assert [(fill, ink) for _, fill, ink in styles] == list(COLOURS)


def test_only_this_machine_is_listened_to(page: Page) -> None:
    assert page.server.server_address[0] == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", page.server.server_port), timeout=5)


def test_a_picture_that_is_known_is_not_sent_again(page: Page, cookie: str) -> None:
    _, headers, body = ask(page, "/picture.json", Cookie=cookie)
    assert {group["name"] for group in json.loads(body)["picture"]["groups"]} >= {"physics", "thesis"}
    again = ask(page, "/picture.json", Cookie=cookie, If_None_Match=headers["ETag"])
    assert (again[0], again[2]) == (304, b"")


@pytest.mark.parametrize(
    ("line", "header", "status"),
    [
        ("GET http://[", "Host: 127.0.0.1", b" 400 "),
        ("POST /attribute", f"Host: 127.0.0.1\r\nContent-Length: {'9' * 5000}", b" 403 "),
    ],
)
def test_requests_that_make_no_sense_are_answered(page: Page, line: str, header: str, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", page.server.server_port), timeout=20) as connection:
        connection.sendall(f"{line} HTTP/1.0\r\n{header}\r\n\r\n".encode())
        assert status in connection.recv(100)


def test_connections_are_bounded(still: Laboratory, page: Page, cookie: str) -> None:
    address = ("127.0.0.1", page.server.server_port)
    idle = [socket.create_connection(address, timeout=20) for _ in range(MOST)]
    try:
        late = socket.create_connection(address, timeout=20)
        with closing(late):
            assert late.recv(1) == b""  # there is no room
    finally:
        for connection in idle:
            connection.close()
    still.until(lambda: answers(page, cookie))  # the threads of those that left may still be at it


def test_many_open_pages_leave_room_for_others(still: Laboratory, page: Page, cookie: str) -> None:
    with ExitStack() as stack:
        for _ in range(STREAMS):
            next(stack.enter_context(closing(messages(page, cookie))))
        for path in FILES:
            assert ask(page, path, Cookie=cookie)[0] == 200
        status, _, body = ask(page, "/live", Cookie=cookie)
        assert (status, body) == (503, CROWDED.encode())
    still.until(lambda: listens(page, cookie))


def listens(page: Page, cookie: str) -> bool:
    try:
        with closing(messages(page, cookie)) as stream:
            return bool(next(stream))
    except AssertionError:
        return False


def answers(page: Page, cookie: str) -> bool:
    try:
        return ask(page, "/icon.svg", Cookie=cookie)[0] == 200
    except (ConnectionError, http.client.HTTPException):
        return False


def messages(page: Page, cookie: str, after: str = "") -> Generator[dict[str, Any]]:
    """What /live says, without the words that nothing has changed."""
    connection = http.client.HTTPConnection("127.0.0.1", page.server.server_port, timeout=30)
    with closing(connection):
        connection.request("GET", f"/live?after={after}", headers={"Cookie": cookie})
        answer = connection.getresponse()
        assert answer.headers["Content-Type"] == "text/event-stream"
        while line := answer.readline():
            if line.startswith(b"data: {") and line.strip() != b"data: {}":
                yield json.loads(line.removeprefix(b"data: "))


def test_only_what_changes_is_told(lab: Laboratory) -> None:
    with served(Seat(lab)) as page:
        cookie = ask(page, token_path(page))[1]["Set-Cookie"].partition(";")[0]
        with closing(messages(page, cookie)) as stream:
            assert len(next(stream)["all"]["ports"]) == 48
            lab.retire("node18", "dusty")
            for message in stream:
                assert "ports" not in message["all"]
                if "ports" in message["set"]:
                    assert [port["id"] for port in message["set"]["ports"]] == ["leaf1:p18", "leaf2:p18"]
                    break
        revision = json.loads(ask(page, "/picture.json", Cookie=cookie)[2])["revision"]
        with closing(messages(page, cookie, str(revision))) as stream:
            assert next(stream)["all"] == {}


def test_the_daemon_is_asked_once_however_many_look(lab: Laboratory) -> None:
    seat = Seat(lab)
    with served(seat) as page, ExitStack() as stack:
        cookie = ask(page, token_path(page))[1]["Set-Cookie"].partition(";")[0]
        streams = [stack.enter_context(closing(messages(page, cookie))) for _ in range(5)]
        for stream in streams:
            next(stream)
        seat.asked.clear()
        lab.retire("node18", "dusty")
        for stream in streams:
            next(message for message in stream if "nodes" in message["set"])
        assert seat.asked.count("GetPorts") == 1


def test_nobody_looks_nobody_asks(still: Laboratory) -> None:
    seat = Seat(still)
    with served(seat) as page:
        seat.asked.clear()
        page.feed._thread.join(lookout.TICK * 3)
        assert seat.asked == []
