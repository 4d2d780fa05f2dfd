"""What PlanetLab's forwarder got wrong, row by row, and what else may happen to one that is left to itself.

Each row has a test that fails on a program which does as that one did.
"""

import array
import fcntl
import os
import resource
import select
import signal
import socket
import stat
import termios
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

import pytest

from tests.api.test_identity import STRANGER, in_a_child, root_only
from tests.forward.conftest import KINDS, LATE, Forwarder, Result, finish
from tests.forward.servers import (
    GOOD,
    Behaviour,
    Received,
    answer,
    hangs,
    listening,
    read_request,
    says,
    server,
)

LARGEST = 1 << 20
BAD_REQUEST, NO_DAEMON, NO_ANSWER, REFUSED, NO_READER = 1, 2, 3, 4, 5


def is_fault(result: Result, status: int, code: int, *words: str) -> bool:
    """Whether it ended so, with a fault of that code and these words in its text."""
    assert result.status == status, result
    assert result.fault.faultCode == code
    assert [word for word in words if word not in result.fault.faultString] == [], result.fault
    return True


# ---- large requests


@pytest.mark.parametrize("size", [LARGEST + 1, 1_263_020, 3 * LARGEST])
def test_a_request_that_is_too_large_is_refused_and_never_cut(forwarder: Forwarder, size: int) -> None:
    with server(forwarder.path, says(answer())) as received:
        result = forwarder.run(b"x" * size)
    assert is_fault(result, BAD_REQUEST, 102, "too long", "at most 1048576 bytes")
    assert received.connections == 0


@pytest.mark.parametrize("size", [1, 9, 10, 4095, 4096, 4097, 99_999, 100_000, LARGEST - 1, LARGEST])
def test_a_request_up_to_the_limit_arrives_whole_with_its_true_length(
    forwarder: Forwarder, size: int
) -> None:
    request = os.urandom(size)
    with server(forwarder.path, says(answer())) as received:
        result = forwarder.run(request)
    assert result == Result(0, GOOD)
    assert received.body == request


# ---- waiting


def test_a_server_that_hangs_ends_in_a_fault(hasty: Forwarder) -> None:
    with server(hasty.path, hangs):
        begun = time.monotonic()
        result = hasty.run()
        assert LATE <= time.monotonic() - begun < LATE + 10
    assert is_fault(result, NO_ANSWER, 104, "timed out", "look what it did before you repeat")


def test_a_server_that_dribbles_ends_in_a_fault_by_the_same_deadline(hasty: Forwarder) -> None:
    def behave(client: socket.socket, received: Received) -> None:
        read_request(client, received)
        while True:  # until the caller has gone
            client.sendall(b"H")
            time.sleep(LATE / 8)

    with server(hasty.path, behave):
        assert is_fault(hasty.run(), NO_ANSWER, 104, "timed out")


def test_a_server_that_never_reads_ends_in_a_fault(hasty: Forwarder) -> None:
    def behave(client: socket.socket, received: Received) -> None:
        poll_until_gone(client)

    with server(hasty.path, behave):
        assert is_fault(hasty.run(b"x" * LARGEST), NO_ANSWER, 104, "timed out")


def poll_until_gone(client: socket.socket) -> None:
    """Wait for the other side's end without taking anything of what it sent."""
    poll = select.poll()
    poll.register(client, select.POLLRDHUP)
    assert poll.poll(20_000)


@pytest.mark.parametrize("sent", [b"", b"<methodCall>"], ids=["nothing", "a part"])
def test_a_standard_input_left_open_ends_in_a_fault(hasty_reader: Forwarder, sent: bytes) -> None:
    with server(hasty_reader.path, says(answer())) as received, hasty_reader.start() as process:
        assert process.stdin
        process.stdin.write(sent)
        process.stdin.flush()
        begun = time.monotonic()
        assert process.wait(30) == BAD_REQUEST
        assert time.monotonic() - begun < LATE + 10  # and all in all it may take 20
        assert is_fault(finish(process), BAD_REQUEST, 102, "timed out", "close standard input")
    assert received.connections == 0


def test_a_slow_but_living_server_is_waited_for(forwarder: Forwarder) -> None:
    def behave(client: socket.socket, received: Received) -> None:
        read_request(client, received)
        for byte in answer(b"slow"):
            client.sendall(bytes([byte]))
            time.sleep(0.002)

    with server(forwarder.path, behave):
        assert forwarder.run() == Result(0, b"slow")


# ---- answers that are none


def resets(client: socket.socket, received: Received) -> None:
    """Ends the connection while there is something to read, which the caller sees as a reset."""
    client.sendall(answer(b"a part", length=100))


def closes_amid_the_request(client: socket.socket, received: Received) -> None:
    client.recv(1)


@pytest.mark.parametrize(
    "behave",
    [
        says(),
        says(b"HTTP/1.0 200 OK\r\nContent-Le"),
        says(answer(b"")[:-1]),
        says(answer(b"<methodResponse>cut sho", length=4000)),
        says(answer(b"x" * 99_999, length=100_000)),
        says(answer(length=len(GOOD) + 1)),
        resets,
    ],
    ids=[
        "nothing",
        "cut head",
        "head without its end",
        "cut body",
        "cut large body",
        "one byte short",
        "reset",
    ],
)
def test_an_answer_that_is_not_whole_is_a_fault(forwarder: Forwarder, behave: Behaviour) -> None:
    with server(forwarder.path, behave):
        assert is_fault(forwarder.run(), NO_ANSWER, 104, "no whole answer", "look what it did")


@pytest.mark.parametrize("size", [1, LARGEST])
def test_a_server_that_closes_while_it_is_written_to_is_a_fault(forwarder: Forwarder, size: int) -> None:
    with server(forwarder.path, closes_amid_the_request):
        assert is_fault(forwarder.run(b"x" * size), NO_ANSWER, 104, "no whole answer")


@pytest.mark.parametrize("size", [1, LARGEST])
def test_a_refusal_before_all_was_sent_is_read(forwarder: Forwarder, size: int) -> None:
    def behave(client: socket.socket, received: Received) -> None:
        client.sendall(answer(b"no", "503 Service Unavailable"))

    with server(forwarder.path, behave):
        assert is_fault(forwarder.run(b"x" * size), REFUSED, 109, "try again later")


def test_a_refusal_ends_the_sending(forwarder: Forwarder) -> None:
    """Also when the server keeps the connection, and reads no more."""

    def behave(client: socket.socket, received: Received) -> None:
        client.sendall(answer(b"no", "503 Service Unavailable"))
        poll_until_gone(client)

    with server(forwarder.path, behave):
        begun = time.monotonic()
        assert is_fault(forwarder.run(b"x" * LARGEST), REFUSED, 109, "try again later")
        assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "status", ["400 Bad Request", "403 Forbidden", "413 Content Too Large", "500 Oh", "204 No", "301 On"]
)
def test_another_status_is_a_fault(forwarder: Forwarder, status: str) -> None:
    with server(forwarder.path, says(answer(b"<p>&</p>", status))):
        assert is_fault(forwarder.run(), REFUSED, 102, f"HTTP status {status[:3]};", "send one XML-RPC")


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        answer(b"3\r\nabc\r\n0\r\n\r\n", "200 OK", "transfer-ENCODING: chunked"),
        b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
        answer(b"abc", "200 OK", "Content-Length: 3"),
        answer(b"abc", "200 OK", "content-length: 4"),
        b"HTTP/1.0 200 OK\r\nContent-Length: -1\r\n\r\nabc",
        b"HTTP/1.0 200 OK\r\nContent-Length: 3 4\r\n\r\nabc",
        b"HTTP/1.0 200 OK\r\nContent-Length:\r\n\r\nabc",
        answer(b""),
        answer(length=100_000_000),
        answer(length=1 << 64),
        b"HTTP/1.0 200 OK\r\nX: " + b"x" * (1 << 14) + b"\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nX: \0\r\nTransfer-Encoding: chunked\r\n\r\nabc",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.0 2000 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"\0" * 20_000,
    ],
    ids=[
        "chunked", "chunked with length", "no length", "length twice", "two lengths", "negative",
        "two numbers", "empty length", "no body", "too large", "very large", "large head", "zero byte", "ssh",
        "HTTP 2", "long status", "zeros",
    ],
)  # fmt: skip
def test_an_answer_that_cannot_be_checked_is_a_fault(forwarder: Forwarder, said: bytes) -> None:
    with server(forwarder.path, says(said)):
        assert is_fault(forwarder.run(), NO_ANSWER, 104, "cannot be trusted", "look what it did")


@pytest.mark.parametrize(
    "said",
    [
        answer(b"abc"),
        answer(b"abc").replace(b"Content-Length: ", b"content-length:"),
        answer(b"abc").replace(b"1.0", b"1.1"),
        answer(b"abc").replace(b" OK", b""),
        answer(b"abc") + b"what nobody asked for",
    ],
)
def test_a_good_answer_is_taken_in_any_of_its_forms(forwarder: Forwarder, said: bytes) -> None:
    with server(forwarder.path, says(said)):
        assert forwarder.run() == Result(0, b"abc")


def test_the_answer_is_taken_without_waiting_for_the_end_of_the_connection(forwarder: Forwarder) -> None:
    def behave(client: socket.socket, received: Received) -> None:
        read_request(client, received)
        client.sendall(answer(b"abc"))
        assert client.recv(1) == b""  # the caller ends it

    with server(forwarder.path, behave):
        assert forwarder.run() == Result(0, b"abc")


# ---- little room, slow pipes, odd bytes


def test_a_small_stack_is_enough(forwarder: Forwarder) -> None:
    small = partial(resource.setrlimit, resource.RLIMIT_STACK, (256 << 10, 256 << 10))
    with server(forwarder.path, says(answer(b"x" * LARGEST))):
        assert forwarder.run(b"x" * LARGEST, preexec_fn=small) == Result(0, b"x" * LARGEST)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "sanitized"])  # which takes terabytes
def test_no_memory_is_a_fault(forwarder: Forwarder) -> None:
    little = partial(resource.setrlimit, resource.RLIMIT_AS, (32 << 20, 32 << 20))
    with server(forwarder.path, says(answer(length=90_000_000))):
        assert is_fault(
            forwarder.run(preexec_fn=little), NO_ANSWER, 109, "no memory for 90000", "ask for less"
        )


def test_an_interrupted_write_is_continued(forwarder: Forwarder) -> None:
    """Stopping a program ends a write that waits for room, after a part of it."""
    request = os.urandom(LARGEST)

    def behave(client: socket.socket, received: Received) -> None:
        while queued(client) < 20_000:  # it writes faster than this one reads
            time.sleep(0.001)
        process.send_signal(signal.SIGSTOP)
        while stat_of(process.pid) != "T":
            time.sleep(0.001)
        process.send_signal(signal.SIGCONT)
        read_request(client, received)
        client.sendall(answer())

    with server(forwarder.path, behave) as received, forwarder.start() as process:
        assert finish(process, request) == Result(0, GOOD)
    assert received.body == request


def stat_of(pid: int) -> str:
    """The state of a process; T is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def queued(file: socket.socket | IO[bytes]) -> int:
    """How many bytes wait to be read."""
    return int(array.array("i", fcntl.ioctl(file, termios.FIONREAD, bytes(4)))[0])


def test_a_slow_reader_of_answers_gets_all(forwarder: Forwarder) -> None:
    body = os.urandom(5_000_001)
    with server(forwarder.path, says(answer(body))), forwarder.start() as process:
        assert process.stdin and process.stdout
        process.stdin.write(b"<methodCall/>")
        process.stdin.close()
        taken = b""
        while piece := os.read(process.stdout.fileno(), 70_001):
            taken += piece
        assert process.wait(10) == 0
    assert taken == body


def test_bytes_pass_unchanged(forwarder: Forwarder) -> None:
    odd = b"\n\n\r\n\r\n \t" + bytes(range(256)) + "Grüße, 世界\n\n".encode()
    with server(forwarder.path, says(answer(odd))) as received:
        assert forwarder.run(odd) == Result(0, odd)
    assert received.body == odd


def test_the_connection_is_not_half_closed(forwarder: Forwarder) -> None:
    def behave(client: socket.socket, received: Received) -> None:
        read_request(client, received)
        client.settimeout(0.1)
        try:
            assert client.recv(1) != b""
        except TimeoutError:  # the client is still there, and silent
            client.sendall(answer())

    with server(forwarder.path, behave):
        assert forwarder.run() == Result(0, GOOD)


# ---- who is there


def test_nothing_is_sent_to_the_listener_of_somebody_else(strange: Forwarder) -> None:
    with server(strange.path, hears) as received:
        assert is_fault(
            strange.run(), NO_DAEMON, 104, "is not nm's; nothing was sent", "tell its administrator"
        )
    assert received.requests == [b""]


def hears(client: socket.socket, received: Received) -> None:
    """Keeps whatever is sent, up to the end."""
    received.requests.append(client.recv(1000))
    client.sendall(answer())


@root_only
def test_nothing_is_sent_to_who_took_the_place_of_the_daemon(forwarder: Forwarder) -> None:
    """The file is root's, but who listens is not."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(forwarder.path))
    assert os.waitpid(in_a_child(listener.listen, STRANGER), 0)[1] == 0
    received = Received()
    with listening(listener, hears, received):
        assert is_fault(forwarder.run(), NO_DAEMON, 104, "is not nm's")
    assert received.requests == [b""]


def give_away(path: Path) -> None:
    os.chown(path, STRANGER, -1)


def put_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


@pytest.mark.parametrize("change", [pytest.param(give_away, marks=root_only), put_link])
def test_nothing_is_sent_by_a_file_of_somebody_else_or_a_link(
    forwarder: Forwarder, change: Callable[[Path], None]
) -> None:
    with server(forwarder.path, hears) as received:
        change(forwarder.path)
        assert is_fault(forwarder.run(), NO_DAEMON, 104, "is not nm's")
    assert received.requests == [b""]


def test_no_socket_is_a_fault(forwarder: Forwarder) -> None:
    assert is_fault(forwarder.run(), NO_DAEMON, 104, "No such file", "ask its administrator")


def test_a_file_instead_of_a_socket_is_a_fault(forwarder: Forwarder) -> None:
    forwarder.path.touch()
    assert is_fault(forwarder.run(), NO_DAEMON, 104, "refused")


def test_a_socket_without_a_listener_is_a_fault(forwarder: Forwarder) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(forwarder.path))
    assert stat.S_ISSOCK(forwarder.path.stat().st_mode)
    assert is_fault(forwarder.run(), NO_DAEMON, 104, "refused")


def test_a_full_queue_of_callers_is_a_fault_at_once(forwarder: Forwarder) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(str(forwarder.path))
        listener.listen(0)
        first.connect(str(forwarder.path))
        assert is_fault(forwarder.run(), NO_DAEMON, 109, "temporarily unavailable", "try again later")


# ---- how it is called


def test_arguments_and_environment_are_not_looked_at(forwarder: Forwarder) -> None:
    environment = {"SSH_ORIGINAL_COMMAND": "cat /etc/shadow", "LANG": "C.UTF-8", "TMPDIR": "/nowhere"}
    with server(forwarder.path, says(answer())) as received:
        result = forwarder.run(b"<methodCall/>", "-c", "cat /etc/shadow; %n%s", "--help", env=environment)
    assert result == Result(0, GOOD)
    assert received.body == b"<methodCall/>"


def test_an_empty_request_is_a_fault(forwarder: Forwarder) -> None:
    with server(forwarder.path, says(answer())) as received:
        assert is_fault(forwarder.run(b""), BAD_REQUEST, 102, "empty", "send one XML-RPC")
    assert received.connections == 0


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_closed_standard_descriptor_is_not_mistaken(forwarder: Forwarder, closed: int) -> None:
    """The connection must not take its number, and pass for it."""
    with server(forwarder.path, says(answer())) as received:
        result = forwarder.run(preexec_fn=partial(os.close, closed))
    if closed == 0:
        assert is_fault(result, BAD_REQUEST, 102, "Bad file descriptor")
    elif closed == 1:
        assert (result, received.connections) == (Result(NO_READER, b""), 0)
    else:
        assert result == Result(0, GOOD)


def test_a_reader_that_is_gone_shows_in_the_status(forwarder: Forwarder) -> None:
    with server(forwarder.path, says(answer(b"x" * LARGEST))), forwarder.start() as process:
        assert process.stdin and process.stdout
        process.stdout.close()
        process.stdin.close()  # an empty request: even its fault has no reader
        assert process.wait(10) == BAD_REQUEST
    with server(forwarder.path, says(answer(b"x" * LARGEST))), forwarder.start() as process:
        assert process.stdin and process.stdout
        process.stdout.close()
        process.stdin.write(b"<methodCall/>")
        process.stdin.close()
        assert process.wait(10) == NO_READER


def test_a_reader_that_stops_does_not_hold_it_for_ever(hasty: Forwarder) -> None:
    with server(hasty.path, says(answer(b"x" * LARGEST))), hasty.start() as process:
        assert process.stdin and process.stdout
        process.stdin.write(b"<methodCall/>")
        process.stdin.close()
        while queued(process.stdout) < 65536 and process.poll() is None:  # until the pipe is full
            time.sleep(0.001)
        os.read(process.stdout.fileno(), 8192)  # room for a piece, and not for a large one
        assert process.wait(20) == NO_READER


def test_a_full_disk_shows_in_the_status(forwarder: Forwarder) -> None:
    with server(forwarder.path, says(answer())), open("/dev/full", "wb") as full:
        assert forwarder.run(stdout=full).status == NO_READER


def test_an_answer_that_does_not_fit_shows_in_the_status(forwarder: Forwarder, folder: Path) -> None:
    def leave_little_room() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))

    with server(forwarder.path, says(answer(b"x" * (LARGEST + 1)))), (folder / "answer").open("wb") as output:
        assert forwarder.run(stdout=output, preexec_fn=leave_little_room).status == NO_READER
    assert (folder / "answer").stat().st_size == LARGEST


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "covered"])  # which writes a file
def test_no_descriptor_left_is_a_fault(forwarder: Forwarder) -> None:
    no_leak_check = {"ASAN_OPTIONS": "detect_leaks=0"}  # for which descriptors are needed
    with forwarder.start(env=no_leak_check) as process:
        assert process.stdin
        process.stdin.write(b"<methodCall>")
        process.stdin.flush()
        while queued(process.stdin):  # until it runs
            time.sleep(0.001)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (3, 3))
        assert is_fault(finish(process), NO_DAEMON, 104, "Too many open files")


def test_files_serve_as_well_as_pipes(forwarder: Forwarder, folder: Path) -> None:
    (folder / "request").write_bytes(b"<methodCall/>")
    with (
        server(forwarder.path, says(answer())) as received,
        (folder / "request").open("rb") as request,
        (folder / "answer").open("wb") as output,
        forwarder.start(stdin=request, stdout=output) as process,
    ):
        assert process.wait(20) == 0
    assert (folder / "answer").read_bytes() == GOOD
    assert received.body == b"<methodCall/>"


def test_one_socket_serves_for_input_and_output(forwarder: Forwarder) -> None:
    """As sshd may have it."""
    ours, theirs = socket.socketpair()
    with (
        ours,
        server(forwarder.path, says(answer(b"x" * LARGEST))),
        forwarder.start(stdin=theirs, stdout=theirs) as process,
    ):
        theirs.close()
        ours.sendall(b"<methodCall/>")
        ours.shutdown(socket.SHUT_WR)
        with ours.makefile("rb") as output:
            assert output.read() == b"x" * LARGEST
        assert process.wait(10) == 0


def test_a_stop_and_a_continuation_do_no_harm(forwarder: Forwarder) -> None:
    def behave(client: socket.socket, received: Received) -> None:
        read_request(client, received)
        for number in (signal.SIGSTOP, signal.SIGCONT, signal.SIGWINCH):
            process.send_signal(number)
        client.sendall(answer())

    with server(forwarder.path, behave), forwarder.start() as process:
        assert finish(process, b"<methodCall/>") == Result(0, GOOD)
