"""What processors reached by HTTP may not do: fill nmd's memory. Nor may its environment lead nm astray."""

import contextlib
import gzip
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from nm.errors import DeviceFailed
from nm.power import act
from tests.power.processors import SECRETS, Processor

MEBIBYTES = 40
KINDS = ("redfish", "amt")
_DIGEST = 'WWW-Authenticate: Digest realm="x", nonce="y", qop="auth"\r\n'


@contextmanager
def server(head: str, pieces: list[bytes]) -> Iterator[int]:
    """One that answers everything with that, and closes; its port."""

    def answer(caller: socket.socket) -> None:
        with contextlib.suppress(OSError), closing(caller):
            caller.recv(1 << 16)
            caller.sendall(f"HTTP/1.1 {head}Connection: close\r\n\r\n".encode())
            for piece in pieces:
                caller.sendall(piece)

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def place(driver: str, port: int) -> dict[str, Any]:
    told = {"driver": driver, "address": "127.0.0.1", "port": port, "user": "u", "tls": False}
    return {**told, "secrets": {"password": "x"}}


def _answers() -> dict[str, tuple[str, list[bytes]]]:
    plain = [b" " * (1 << 20)] * MEBIBYTES
    packed = gzip.compress(b"".join(plain))
    return {
        "plain": ("200 OK\r\n", plain),
        "packed": ("200 OK\r\nContent-Encoding: gzip\r\n", [packed]),
        "before the password": (f"401 No\r\n{_DIGEST}", plain),
    }


@pytest.mark.parametrize("driver", KINDS)
@pytest.mark.parametrize("answer", ["plain", "packed", "before the password"])
def test_no_more_of_an_answer_is_taken_than_there_may_be(driver: str, answer: str) -> None:
    with server(*_answers()[answer]) as port:
        tracemalloc.start()
        try:
            with pytest.raises(DeviceFailed, match="answered with more than 8 MiB") as failure:
                act(place(driver, port), "status", secrets=SECRETS)
            assert tracemalloc.get_traced_memory()[1] < 30 << 20
        finally:
            tracemalloc.stop()
    assert not failure.value.passing


@pytest.mark.parametrize("processor", KINDS, indirect=True)
def test_no_proxy_of_nmds_environment_is_heeded(
    processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert act(processor.management, "status", secrets=SECRETS) in ("on", "off")
