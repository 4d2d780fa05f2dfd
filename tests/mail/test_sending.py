"""Mails reach a real SMTP server, once, whatever it was like meanwhile."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nm import mails, smtp
from nm.calls import NM, Call, Site
from nm.configkeys import is_mailbox
from nm.configoutside import Mail
from nm.errors import DeviceFailed
from nm.exchange import Cut, Limits, Place
from nm.mailwork import MailWorker, letter
from nm.records import Record, record_key
from nm.store import Published
from nm.workers import Crew, Job
from tests.mail.server import MailServer, Scripted, only, say, tls
from tests.memory_store import MemoryStore
from tests.plc.authority import Authority

ADMIN = "admin@example.org"
BOB = "bob@example.org"
CONFIG = Mail(
    host="127.0.0.1",
    sender="nm@example.org",
    admins=(ADMIN,),
    timeout_seconds=20,
    retry_first_seconds=0.02,
    retry_longest_seconds=0.1,
)


class Post:
    """Records, and the worker that sends them; its thread is a real one."""

    def __init__(self, config: Mail, secrets: dict[str, str]) -> None:
        self.store = MemoryStore()
        self._changed = threading.Condition()
        self.store.subscribe(self._note)
        self.worker = MailWorker(self.store, config, lambda name: secrets[name])
        self.crew = Crew(lambda _: self.worker)

    def post(self, *to: str, subject: str = "Nodes were asked for", text: str = "Two.") -> int:
        call = Call(NM, "Provision", time.time(), Site(mail=True))
        number = self.store.transact(lambda tx: mails.post(tx, call, to, subject, text))
        self.crew.send(mails.SUBJECT, Job(number))
        return number

    def job(self, number: int) -> Record:
        found = self.store.get(record_key("job", number))
        assert found is not None
        return found

    def settled(self, number: int) -> Record:
        """The mail's job, when it is over."""
        self.until(number, lambda job: job["state"] in ("done", "failed"))
        return self.job(number)

    def until(self, number: int, true: Callable[[Record], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: true(self.job(number)), 50), self.job(number)

    def _note(self, _: Published) -> None:
        with self._changed:
            self._changed.notify_all()


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as made:
        yield made


@pytest.fixture
def posts() -> Iterator[Any]:
    made: list[Post] = []

    def make(port: int, secrets: dict[str, str] | None = None, **settings: Any) -> Post:
        made.append(Post(replace(CONFIG, port=port, **settings), secrets or {}))
        return made[-1]

    yield make
    for post in made:
        post.worker.end()
        assert post.crew.stop(30)


def test_a_mail_is_taken_as_it_was_meant(server: MailServer, posts: Any) -> None:
    post = posts(server.port)
    job = post.settled(post.post(ADMIN, BOB, subject="Räume für 2 Knoten", text="n0: größer\n" + "x" * 2000))
    assert job["state"] == "done"
    [(to, message)] = server.taken
    assert to == [ADMIN, BOB]
    assert message["From"] == "nm@example.org"
    assert message["To"] == f"{ADMIN}, {BOB}"
    assert message["Subject"] == "Räume für 2 Knoten"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().splitlines() == ["n0: größer", "x" * 2000]


def test_administrators_are_those_of_the_configuration_when_it_is_sent(posts: Any) -> None:
    server = MailServer()
    post = posts(server.port)
    number = post.post()
    post.until(number, lambda job: job.get("tries", 0) > 0)
    post.worker.config = replace(post.worker.config, admins=(BOB,))
    with server:
        post.settled(number)
    assert [to for to, _ in server.taken] == [[BOB]]


def test_a_server_that_is_down_and_comes_up_gets_everything_once(posts: Any) -> None:
    server = MailServer()
    post = posts(server.port)
    numbers = [post.post(ADMIN, subject=f"mail {number}") for number in range(30)]
    post.until(numbers[0], lambda job: job.get("tries", 0) > 1)
    waiting = post.job(numbers[0])
    assert waiting["state"] == "running"
    assert "cannot be reached: Connection refused" in waiting["error"]["text"]
    with server:
        for number in numbers:
            post.settled(number)
    assert sorted(message["Subject"] for _, message in server.taken) == sorted(
        f"mail {number}" for number in range(30)
    )


def test_a_busy_mailbox_is_tried_again_and_others_are_not(server: MailServer, posts: Any) -> None:
    server.refusals[BOB] = "450 busy"
    post = posts(server.port)
    number = post.post(ADMIN, BOB)
    post.until(number, lambda job: job.get("tries", 0) > 1)
    assert post.job(number)["error"]["text"] == f"{BOB}: 450 busy"
    server.refusals.clear()
    assert post.settled(number)["state"] == "done"
    assert [to for to, _ in server.taken] == [[ADMIN], [BOB]]


def test_a_mailbox_that_does_not_exist_is_told_of_and_not_tried_again(server: MailServer, posts: Any) -> None:
    server.refusals[BOB] = "550 no such user"
    post = posts(server.port)
    job = post.settled(post.post(ADMIN, BOB))
    assert (job["state"], job["error"]["text"]) == ("failed", f"{BOB}: 550 no such user")
    assert [to for to, _ in server.taken] == [[ADMIN]]


@pytest.mark.parametrize(("answer", "state"), [("554 spam", "failed"), ("451 later", "running")])
def test_a_letter_is_refused_for_good_or_for_now(
    server: MailServer, posts: Any, answer: str, state: str
) -> None:
    server.answer = answer
    post = posts(server.port)
    number = post.post(ADMIN)
    post.until(number, lambda job: job["error"] is not None)
    assert (post.job(number)["state"], post.job(number)["error"]["text"]) == (state, answer)


def test_by_a_password_and_only_in_tls(tmp_path: Path, posts: Any) -> None:
    authority = Authority(tmp_path)
    file = str(authority.certificate())
    with MailServer(
        tls_context=tls(file), require_starttls=True, auth_required=True, authenticator=only("nm", "s3cret")
    ) as server:
        safe = {"tls": "starttls", "ca": str(authority.ca), "user": "nm", "password": "mail"}
        right = posts(server.port, {"mail": "s3cret"}, **safe)
        assert right.settled(right.post(ADMIN))["state"] == "done"
        wrong = posts(server.port, {"mail": "gu3ssed"}, **safe)
        number = wrong.post(ADMIN)
        wrong.until(number, lambda job: job["error"] is not None)
        assert "does not let 'nm' in by its password" in wrong.job(number)["error"]["text"]
        assert "gu3ssed" not in str(wrong.job(number))
    assert len(server.taken) == 1


def test_a_server_that_cannot_be_verified_is_told_nothing(tmp_path: Path, posts: Any) -> None:
    (tmp_path / "other").mkdir()
    stranger, trusted = Authority(tmp_path), Authority(tmp_path / "other")
    with MailServer(tls_context=tls(str(stranger.certificate())), require_starttls=True) as server:
        post = posts(server.port, tls="starttls", ca=str(trusted.ca))
        number = post.post(ADMIN)
        post.until(number, lambda job: job["error"] is not None)
        assert "certificate that cannot be verified" in post.job(number)["error"]["text"]
    assert server.taken == []


def test_a_server_that_says_nothing_holds_the_end_up_for_nothing(posts: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        post = posts(silent.getsockname()[1])
        number = post.post(ADMIN)
        with silent.accept()[0]:  # the greeting is waited for
            post.worker.end()
            assert post.crew.stop(15)
    assert post.job(number).get("tries", 0) == 0  # that it ended says nothing of the server


def test_a_server_that_falls_silent_in_starttls_is_cut_as_well(tmp_path: Path, posts: Any) -> None:
    authority, silent = Authority(tmp_path), threading.Event()

    def play(plain: socket.socket) -> None:
        say(plain, "220 ready")
        say(plain, "250-here", "250 STARTTLS")
        plain.sendall(b"220 go ahead\r\n")
        with tls(str(authority.certificate())).wrap_socket(plain, server_side=True) as safe:
            while safe.recv(1000):
                silent.set()

    with Scripted(play) as server:
        post = posts(server.port, tls="starttls", ca=str(authority.ca), timeout_seconds=600)
        post.post(ADMIN)
        assert silent.wait(50)
        post.worker.end()
        assert post.crew.stop(30)


def test_a_letter_is_done_when_it_was_taken_whatever_comes_of_the_farewell(posts: Any) -> None:
    def play(connection: socket.socket) -> None:
        say(connection, "220 ready")  # EHLO
        say(connection, "250 here")  # MAIL
        say(connection, "250 fine")  # RCPT
        say(connection, "250 fine")  # DATA
        said = say(connection, "354 go on")
        while not said.endswith(b"\r\n.\r\n"):
            said += connection.recv(65536)
        say(connection, "250 taken")  # QUIT
        connection.recv(1000)  # and no answer

    with Scripted(play) as server:
        post = posts(server.port, timeout_seconds=600)
        assert post.settled(post.post(ADMIN))["state"] == "done"
        post.worker.end()


def test_a_silent_server_is_given_up_in_its_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = Place("127.0.0.1", silent.getsockname()[1], "")
        server = smtp.Server(place, limits=Limits(0.1, 5, cut=Cut()))
        job = {"id": 1, "created": 0, "arguments": {"to": [ADMIN], "headline": "x", "text": "x"}}
        [outcome] = list(smtp.hand_over(server, [letter(CONFIG, job)]))
    assert outcome.error is not None
    assert "was silent for 0.1 s" in outcome.error


def test_what_was_taken_is_not_sent_twice_when_the_database_took_no_writes(server: MailServer) -> None:
    class Full(MemoryStore):
        """Takes no writes while `full`."""

        full = False

        def transact(self, operation: Any) -> Any:
            if self.full:
                raise DeviceFailed("the disk is full")
            return super().transact(operation)

    store = Full()
    worker = MailWorker(store, replace(CONFIG, port=server.port), str)
    call = Call(NM, "Provision", time.time(), Site(mail=True))
    number = store.transact(lambda tx: mails.post(tx, call, (ADMIN,), "x", "x"))
    store.full = True
    assert worker.handle([Job(number)]) is not None
    store.full = False
    assert worker.handle([]) is None
    assert mails.standing(store, number).over
    assert len(server.taken) == 1


# ---- many letters, one session or several


class Owed:
    """Letters that are due, and the worker, which is called once."""

    def __init__(self, port: int, *to: str) -> None:
        self.store = MemoryStore()
        self.worker = MailWorker(self.store, replace(CONFIG, port=port, retry_first_seconds=600), str)
        call = Call(NM, "Provision", time.time(), Site(mail=True))
        letters = (partial(mails.post, call=call, to=(one,), subject="x", text="x") for one in to)
        self._numbers = [self.store.transact(post) for post in letters]
        self.worker.handle([Job(number) for number in self._numbers])

    def standings(self) -> list[tuple[bool, str | None]]:
        found = [mails.standing(self.store, number) for number in self._numbers]
        return [(one.over, one.error) for one in found]


def test_a_letter_at_which_the_server_ends_the_session_holds_up_no_other(server: MailServer) -> None:
    server.refusals[BOB] = "421 go away"
    owed = Owed(server.port, BOB, ADMIN, BOB, ADMIN)
    busy, taken = (False, f"{BOB}: 421 go away"), (True, None)
    assert owed.standings() == [busy, taken, busy, taken]


def test_a_server_that_takes_few_letters_in_a_session_gets_them_in_several(server: MailServer) -> None:
    server.most = 2
    owed = Owed(server.port, *[ADMIN] * 5)
    assert owed.standings() == [(True, None)] * 5
    assert len(server.taken) == 5


def test_a_server_that_cannot_be_spoken_to_is_asked_once_for_all_letters() -> None:
    with Scripted(lambda connection: say(connection, "554 not for you")) as server:
        owed = Owed(server.port, *[ADMIN] * 50)
    assert server.connections == 1
    assert owed.standings() == [(False, f"127.0.0.1:{server.port} says 554 not for you")] * 50


def test_a_password_that_cannot_be_sent_is_told_so(tmp_path: Path, posts: Any) -> None:
    authority = Authority(tmp_path)
    file = str(authority.certificate())
    with MailServer(tls_context=tls(file), require_starttls=True, auth_required=True) as server:
        safe = {"tls": "starttls", "ca": str(authority.ca), "user": "nm", "password": "mail"}
        post = posts(server.port, {"mail": "gr\u00fcn"}, **safe)
        number = post.post(ADMIN)
        post.until(number, lambda job: job["error"] is not None)
    assert "password of 'nm' has letters beyond ASCII" in post.job(number)["error"]["text"]
    assert "gr\u00fcn" not in str(post.job(number))


def test_a_server_that_wants_a_password_first_takes_the_letter_when_it_has_one(server: MailServer) -> None:
    server.refusals[ADMIN] = "530 log in first"
    assert Owed(server.port, ADMIN).standings() == [(False, f"{ADMIN}: 530 log in first")]


def test_a_clock_that_was_in_the_future_holds_no_mail_there(server: MailServer) -> None:
    store, later = MemoryStore(), time.time() + 10 * 365 * 86400
    call = Call(NM, "Provision", time.time(), Site(mail=True))
    number = store.transact(lambda tx: mails.post(tx, call, (ADMIN,), "x", "x"))
    worker = MailWorker(store, replace(CONFIG, port=server.port), str)
    down, patient = mails.Outcome("down"), mails.Rules(give_up=1e12)
    store.transact(lambda tx: mails.settle(tx, number, later, down, patient))
    worker.handle([Job(number)])
    assert len(server.taken) == 1


# ---- letters


def _dotted(signs: str) -> st.SearchStrategy[str]:
    return st.lists(st.text(signs, min_size=1, max_size=4), min_size=1, max_size=3).map(".".join)


ADDRESSES = st.tuples(_dotted("aZ09!#$%&'*+/=?^_`{|}~-"), _dotted("aZ09")).map("@".join)


@given(ADDRESSES, ADDRESSES, st.text(max_size=60))
@settings(max_examples=30)
def test_a_letter_is_plain_ascii_from_and_to_whom_it_should_be(sender: str, admin: str, text: str) -> None:
    """So it can be sent by any server, and nothing in it becomes a header."""
    assert is_mailbox(sender) and is_mailbox(admin)
    store = MemoryStore()
    call = Call(NM, "Provision", 1000.0, Site(mail=True))
    number = store.transact(lambda tx: mails.post(tx, call, mails.ADMINS, text, text))
    job = store.get(record_key("job", number))
    assert job is not None
    written = letter(replace(CONFIG, sender=sender, admins=(admin,)), job).message.as_bytes()
    assert written.isascii()
    read = message_from_bytes(written, policy=default)
    assert [one.addr_spec for name in ("From", "To") for one in read[name].addresses] == [sender, admin]
    ours = ["Auto-Submitted", "Date", "From", "Message-ID", "Subject", "To"]
    assert sorted(key for key in read if not key.startswith(("Content-", "MIME-"))) == ours
    assert len(read.keys()) == len(ours) + 3


def test_the_same_letter_has_the_same_id() -> None:
    job = {"id": 7, "created": 1000.5, "arguments": {"to": [ADMIN], "headline": "x", "text": "x"}}
    assert letter(CONFIG, job).message["Message-ID"] == "<nm.7.1000@example.org>"
