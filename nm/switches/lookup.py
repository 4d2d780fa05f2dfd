"""The addresses of hosts that are known by name, with a bound: a name server may hang, and libc waits for it.

A lookup that takes longer is let go of; its thread ends when libc gives up. Whoever asks for the same name
meanwhile waits for that one, so a name never has more than one thread. Called by log-ins, in any thread.
"""

import socket
import threading
from concurrent.futures import Future

_lock = threading.Lock()  # of the next; never held while somebody waits
_pending: dict[str, Future[str]] = {}


def address_of(host: str, seconds: float) -> str:
    """The address that libc puts first for the name. OSError, or TimeoutError after that many seconds."""
    with _lock:
        found = _pending.get(host)
        if found is None:
            thread = threading.Thread(target=_look_up, args=(host,), name=f"lookup of {host}", daemon=True)
            found = _pending[host] = Future()
            thread.start()
    try:
        return found.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"no name server told its address within {seconds:g} s") from None


def _look_up(host: str) -> None:
    try:
        first = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:  # the latter of a name that no name server can be asked for
        words = getattr(error, "strerror", None) or "it is no host's name"
        _forget(host).set_exception(OSError(f"its address is not known: {words}"))
    else:
        _forget(host).set_result(str(first[4][0]))


def _forget(host: str) -> Future[str]:
    with _lock:
        return _pending.pop(host)
